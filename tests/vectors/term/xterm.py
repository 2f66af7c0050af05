"""xterm under Xvfb, asked what it shows: it prints its screen (Media Copy) into a file, and tells its cursor (DECXCPR)."""

import os, re, socket, subprocess, sys, tempfile, time

# Runs inside the terminal: passes on what it is given, then asks, and hands back what was answered.
AGENT = r'''
import os, re, select, socket, sys, time, tty
peer = socket.socket(socket.AF_UNIX)
peer.connect(sys.argv[1])
peer = peer.makefile("rwb")
tty.setraw(0)

def write(data):
    while data:
        data = data[os.write(1, data[:4096]):]

def answers(pattern):
    got, end = b"", time.monotonic() + 5
    while not re.search(pattern, got) and time.monotonic() < end:
        if select.select([0], [], [], 0.2)[0]:
            got += os.read(0, 65536)
    return got

while line := peer.readline():
    # CAN ends whatever is open.
    write(peer.read(int(line)) + b"\x18\x1b[?6n")
    got = answers(rb"\x1b\[\?\d+;\d+(;\d+)?R")
    # DECPEX: all of the screen, not the scrolling region alone.
    write(b"\x1b[?19h\x1b[0i\x1b[5n")
    answers(rb"\x1b\[0n")
    peer.write(b"%d\n" % len(got) + got)
    peer.flush()
'''
RESOURCES = {"printAttributes": "2", "printerAutoClose": "true", "allowWindowOps": "true", "allowTitleOps": "true",
             "allowColorOps": "true", "decTerminalID": "vt420"}


class XTerm:
    def __init__(self, columns, rows, display=":97"):
        self.directory = tempfile.mkdtemp(prefix="xterm")
        self.printed = f"{self.directory}/printed"
        with open(f"{self.directory}/agent.py", "w") as f:
            f.write(AGENT)
        with open(f"{self.directory}/print", "w") as f:
            f.write(f"#!/bin/sh\ncat > {self.printed}.part && mv {self.printed}.part {self.printed}\n")
        os.chmod(f"{self.directory}/print", 0o755)
        self.server = subprocess.Popen(["Xvfb", display, "-screen", "0", "4000x3000x24", "-nolisten", "tcp"], stderr=subprocess.DEVNULL)
        while not os.path.exists(f"/tmp/.X11-unix/X{display[1:]}"):
            time.sleep(0.05)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(f"{self.directory}/socket")
        listener.listen(1)
        resources = dict(RESOURCES, printerCommand=f"{self.directory}/print")
        self.terminal = subprocess.Popen(
            ["xterm", "-geometry", f"{columns}x{rows}", "-u8", "-fn", "6x13",
             *(word for name, value in resources.items() for word in ("-xrm", f"XTerm*{name}: {value}")),
             "-e", sys.executable, f"{self.directory}/agent.py", f"{self.directory}/socket"],
            env=dict(os.environ, DISPLAY=display, LANG="C.UTF-8", LC_ALL="C.UTF-8"), stderr=subprocess.DEVNULL)
        self.peer = listener.accept()[0].makefile("rwb")

    @property
    def version(self):
        told = subprocess.run(["xterm", "-version"], capture_output=True, check=True).stdout.decode()
        return re.sub(r"\W+", " ", told).strip().replace("XTerm", "xterm").lower()

    def show(self, stream, reset=b"\x1bc\x1b[?1049l\x1b[r\x1b[!p\x1b[H\x1b[2J"):
        """What it prints of its screen after `stream`, its cursor, and what it answered."""
        if os.path.exists(self.printed):
            os.remove(self.printed)
        data = reset + stream
        self.peer.write(b"%d\n" % len(data) + data)
        self.peer.flush()
        replies = self.peer.read(int(self.peer.readline()))
        while not os.path.exists(self.printed):
            time.sleep(0.01)
        with open(self.printed, "rb") as f:
            grid = f.read()
        place = re.search(rb"\x1b\[\?(\d+);(\d+)(;\d+)?R$", replies)
        return grid, (int(place[1]) - 1, int(place[2]) - 1), replies[:place.start()]

    def close(self):
        self.peer.close()
        self.terminal.terminate()
        self.server.terminate()
