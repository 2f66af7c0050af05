#!/usr/bin/env python3
"""What tmux writes to its own terminal (an xterm-256color) while a program in it writes the recorded streams, 2048 octets
a frame: the column `tmux` of `octets.txt`, which `terminal/tests/octets.rs` compares our diffs with.

    python3 octets.py    (Debian: tmux)
"""

import fcntl, glob, os, pty, select, struct, subprocess, tempfile, termios, time

import record

FRAME = 2048
AGENT = r"""
import os, sys, tty
tty.setraw(0)
data, go = open(sys.argv[1], "rb").read(), open(sys.argv[2], "rb", buffering=0)
for at in range(0, len(data), int(sys.argv[3])):
    go.read(1)
    frame = data[at:at + int(sys.argv[3])]
    while frame:
        frame = frame[os.write(1, frame):]
go.read(1)
"""


def drain(fd, quiet):
    count = 0
    while select.select([fd], [], [], quiet)[0]:
        try:
            count += len(os.read(fd, 65536))
        except OSError:
            return count
    return count


def by_tmux(path, columns, rows):
    with tempfile.TemporaryDirectory() as scratch:
        with open(f"{scratch}/conf", "w") as f:
            f.write("set -g status off\nset -g default-shell /bin/sh\nset -g set-titles on\nset -s escape-time 0\n")
        with open(f"{scratch}/agent.py", "w") as f:
            f.write(AGENT)
        os.mkfifo(f"{scratch}/go")
        pid, fd = pty.fork()
        if pid == 0:
            time.sleep(0.1)
            environment = dict(os.environ, TERM="xterm-256color", LANG="C.UTF-8", LC_ALL="C.UTF-8")
            environment.pop("TMUX", None)
            os.execvpe("tmux", ["tmux", "-u", "-S", f"{scratch}/s", "-f", f"{scratch}/conf", "new-session",
                                f"python3 {scratch}/agent.py {path}/stream {scratch}/go {FRAME}"], environment)
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        try:
            drain(fd, 1.0)
            with open(f"{scratch}/go", "wb", buffering=0) as go:
                count = 0
                for _ in range(0, os.path.getsize(f"{path}/stream"), FRAME):
                    go.write(b"x")
                    count += drain(fd, 0.15)
                return count
        finally:
            subprocess.run(["tmux", "-S", f"{scratch}/s", "kill-server"], check=False, capture_output=True)
            os.close(fd)
            os.waitpid(pid, 0)


def main():
    table = f"{record.HERE}/octets.txt"
    known = {}
    if os.path.exists(table):
        known = {line.split()[0]: line.split() for line in open(table) if not line.startswith("#")}
    lines = ["# case stream tmux xterm peer stock"]
    for path in sorted(glob.glob(f"{record.HERE}/*-*x*")):
        name = os.path.basename(path)
        columns, rows = map(int, name.rsplit("-", 1)[1].split("x"))
        _, _, _, *ours = known.get(name, ["", "", "", "0", "0", "0"])
        lines.append(" ".join([name, str(os.path.getsize(f"{path}/stream")), str(by_tmux(path, columns, rows)), *ours]))
        print(lines[-1], flush=True)
    with open(table, "w") as f:
        f.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
