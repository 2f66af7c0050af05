#!/usr/bin/env python3
"""Has the cases in `conformance/` witnessed by xterm (under Xvfb) and by tmux: neither is ever taken from our own emulator.

    ./conform.py [GROUP…]    (Debian: xterm, xvfb, tmux)

A case is a sequence sent to a fresh terminal of 20 × 8 cells and what then is to be seen. Line by line:

    case WHAT IT HOLDS
    clause WHERE IT IS WRITTEN
    send BYTES                   \\e is ESC, \\a BEL, \\b BS, \\xNN any octet
    T TEXT                       a row, blanks at its end left out; rows at the end on which nothing is are left out
    A RUNS                       after a row that has looks (see record.py)
    cursor ROW COLUMN            from 0; the column may equal the width while a wrap is pending
    reply BYTES                  what the terminal answered
    witness NAME VERSION         who showed exactly this (xterm: the text alone); the first is where it was taken from
    other NAME VERSION: WHAT     who showed something else (screen, looks, cursor or reply)
    ours WHAT: REASON            what our emulator does otherwise on purpose; kept when this runs again

xterm is asked first. A case with a line `from tmux` is taken from tmux (what xterm cannot print or does not have).
"""

import os, re, subprocess, sys, unicodedata

import record
from xterm import XTerm

COLUMNS, ROWS = 20, 8
HERE = os.path.join(record.HERE, "conformance")


def unescape(text):
    return re.sub(rb"\\(e|a|b|r|n|t|v|f|x[0-9a-f]{2}|\\|u[0-9a-f]{4})",
                  lambda m: {b"e": b"\x1b", b"a": b"\a", b"b": b"\b", b"r": b"\r", b"n": b"\n", b"t": b"\t",
                             b"v": b"\v", b"f": b"\f", b"\\": b"\\"}.get(m[1]) or
                  (bytes([int(m[1][1:], 16)]) if m[1][:1] == b"x" else chr(int(m[1][1:], 16)).encode()), text.encode())


def escape(data):
    names = {0x1b: "\\e", 7: "\\a", 0x5c: "\\\\"}
    return "".join(names.get(b) or (chr(b) if 32 <= b < 127 else f"\\x{b:02x}") for b in data)


def rows_of(lines):
    out, look = [], {}
    for line in lines:
        cells, look = record.cells_of(line, look)
        out.append(("T " + "".join(t for t, _, _ in cells).rstrip(" ")).rstrip() or "T")
        runs, column = [], 0
        for text, width, own in cells:
            spelled = record.spell(own)
            if spelled and runs and runs[-1][2] == spelled and runs[-1][1] + 1 == column:
                runs[-1][1] = column + width - 1
            elif spelled:
                runs.append([column, column + width - 1, spelled])
            column += width
        if runs:
            out.append("A " + " ".join(f"{a}-{b}:{s}" for a, b, s in runs))
    while out and out[-1] == "T":
        out.pop()
    return out


def by_xterm(xterm, stream):
    grid, cursor, reply = xterm.show(stream)
    text = grid.decode(errors="replace").replace("\uffff", "").replace("\x1b#5", "")
    # Each row begins with its own look.
    lines = [line + "\x1b[0m" for line in text.split("\r\n")[:ROWS]]
    # What it prints of looks is not what it shows (an end of bold is left out): only the text counts.
    return [row for row in rows_of(lines) if row.startswith("T")], "%d %d" % cursor, escape(reply)


def by_tmux(stream):
    state, lines = record.look_up(COLUMNS, ROWS, stream)
    return rows_of(lines), f"{state['cursor_y']} {state['cursor_x']}", None


def differs(a, b):
    text = lambda rows: [unicodedata.normalize("NFC", row) for row in rows if row.startswith("T")]
    found = []
    if text(a[0]) != text(b[0]):
        found.append("screen")
    elif "A" in {row[0] for row in a[0]} & {row[0] for row in b[0]} and a[0] != b[0]:
        found.append("looks")
    column = lambda place: [min(int(n), COLUMNS - 1) for n in place.split()]
    if column(a[1]) != column(b[1]):
        found.append("cursor")
    if None not in (a[2], b[2]) and a[2] != b[2]:
        found.append("reply")
    return found


def main():
    first = lambda *command: subprocess.run(command, capture_output=True, check=True).stdout.decode().split("\n")[0].strip()
    xterm = XTerm(COLUMNS, ROWS)
    versions = {"tmux": first("tmux", "-V"), "xterm": xterm.version}
    try:
        for group in sorted(os.listdir(HERE)):
            if sys.argv[1:] and group not in sys.argv[1:]:
                continue
            out = []
            for block in open(f"{HERE}/{group}", newline="\n").read().strip("\n").split("\n\n"):
                lines = block.split("\n")
                fields = dict(line.split(" ", 1) for line in lines if line.split(" ")[0] in ("case", "clause", "send", "from"))
                kept = [line for line in lines if line.startswith("ours ")]
                stream = unescape(fields["send"])
                seen = {"xterm": by_xterm(xterm, stream), "tmux": by_tmux(stream)}
                source = fields.get("from", "xterm")
                rows, cursor, reply = seen[source]
                out += [f"case {fields['case']}", f"clause {fields['clause']}", f"send {fields['send']}"]
                out += [f"from {source}"] if "from" in fields else []
                out += rows + [f"cursor {cursor}"] + ([f"reply {reply}"] if reply else [])
                out.append(f"witness {versions[source]}")
                for name, version in versions.items():
                    if name == source:
                        continue
                    what = differs(seen[source], seen[name])
                    out.append(f"other {version}: {', '.join(what)}" if what else f"witness {version}")
                out += kept + [""]
            open(f"{HERE}/{group}", "w", newline="\n").write("\n".join(out).rstrip("\n") + "\n")
            print(group, flush=True)
    finally:
        xterm.close()


if __name__ == "__main__":
    main()
