"""Writes the next piece of a recorded stream at each key: play.py FILE, in which NUL ends a piece."""

import os, sys, tty

tty.setraw(0)
for piece in open(sys.argv[1], "rb").read().split(b"\0"):
    while piece:
        piece = piece[os.write(1, piece):]
    # Keys alone: what a terminal answers is in no recording.
    while len(os.read(0, 64)) != 1:
        pass
