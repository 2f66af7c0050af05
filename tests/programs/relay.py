"""On a terminal: passes on what a program on a pty of its own writes and what the terminal answers, and types what it is told.

    relay.py SOCKET COMMAND...

Told by lines on the socket: `size 0`; `start 0`, which starts the command; `type N` and N octets. Each is answered by columns,
rows, and the same in pixels."""

import fcntl, os, pty, select, signal, socket, struct, sys, termios, tty

peer = socket.socket(socket.AF_UNIX)
peer.connect(sys.argv[1])


def size(terminal=0):
    return fcntl.ioctl(terminal, termios.TIOCGWINSZ, b"\0" * 8)


def write(to, data):
    while data:
        data = data[os.write(to, data):]


def start():
    child, program = pty.fork()
    if child == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, size(outer))
        os.execvp(sys.argv[2], sys.argv[2:])
    return program


tty.setraw(0)
outer, program = os.dup(0), None
wakes, wake = os.pipe()
signal.signal(signal.SIGWINCH, lambda *_: os.write(wake, b"x"))
told = b""
while True:
    ready = select.select([peer, wakes] + [0, program] * (program is not None), [], [])[0]
    if wakes in ready:
        os.read(wakes, 64)
    if wakes in ready and program is not None:
        fcntl.ioctl(program, termios.TIOCSWINSZ, size())
    if program in ready:
        try:
            write(1, os.read(program, 65536))
        except OSError:
            break
    if 0 in ready:
        write(program, os.read(0, 65536))
    if peer in ready:
        if not (data := peer.recv(65536)):
            break
        told += data
        while b"\n" in told:
            line, rest = told.split(b"\n", 1)
            verb, count = line.split()
            if len(rest) < int(count):
                break
            data, told = rest[:int(count)], rest[int(count):]
            if verb == b"start":
                program = start()
            elif data:
                write(program, data)
            rows, columns, width, height = struct.unpack("HHHH", size())
            peer.sendall(f"{columns} {rows} {width} {height}\n".encode())
