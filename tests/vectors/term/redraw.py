#!/usr/bin/env python3
"""Draws the recorded screens on tmux with our diffs, in several vocabularies, and compares with what tmux shows for
the recordings themselves. Rows listed in a case's `differences` are left out: there the two emulators disagree.

    ./redraw.py [NAME…]          (builds the example `redraw` first)
"""

import glob, os, subprocess, sys

import record

# Rows that the program printed in colour to their end and that we erase in that colour: what is only erased,
# capture-pane leaves out.
ONLY_ERASED = {("tmux-200x60", 12194, 31), ("tmux-80x24", 5747, 13)}
ROOT = os.path.join(record.HERE, "../../..")


def listed(path, cut):
    skipped = set()
    if os.path.exists(f"{path}/differences"):
        for line in open(f"{path}/differences"):
            offset, rest = line.split(" ", 1)
            what = rest.split(":")[0].split(" ")
            first, last = (what[-1].split("-") * 2)[:2] if what[0] in ("row", "looks") else (-1, -1)
            if int(offset) == cut:
                skipped |= {what[0]} if first == -1 else set(range(int(first), int(last) + 1))
    return skipped


def rows_of(expected):
    lines, rows = expected.split("\n"), []
    head = [line for line in lines if line.split(" ")[0] in ("cursor", "title")]
    for line in lines:
        if line.startswith("T"):
            rows.append(line)
        elif line.startswith("A "):
            rows[-1] += "\n" + line
    return head, rows


def main():
    subprocess.run(["cargo", "build", "-q", "--release", "-p", "mpmosh-terminal", "--example", "redraw"], cwd=ROOT, check=True)
    target = os.environ.get("CARGO_TARGET_DIR", f"{ROOT}/target")
    failures = 0
    for path in sorted(glob.glob(f"{record.HERE}/*-*x*")):
        name = os.path.basename(path)
        if sys.argv[1:] and name.split("-")[0] not in sys.argv[1:]:
            continue
        columns, rows = map(int, name.rsplit("-", 1)[1].split("x"))
        stream = open(f"{path}/stream", "rb").read()
        for file in sorted(glob.glob(f"{path}/expected.*")):
            cut = int(file.rsplit(".", 1)[1])
            if name.startswith("emoji"):
                # Where widths differ the cursor is set anew after each cluster, which keeps the columns but not the
                # cluster whole.
                continue
            for vocabulary, steps in (("xterm", 1), ("xterm", 40), ("stock", 40), ("basic", 40)):
                drawn = subprocess.run([f"{target}/release/examples/redraw", str(columns), str(rows), vocabulary, str(steps)],
                                       input=stream[:cut], check=True, capture_output=True).stdout
                got, want = record.expected(columns, rows, drawn), open(file).read()
                if vocabulary in ("stock", "basic") or want.startswith("emulator xterm"):
                    # They cannot say every look, or xterm did not: only the text is compared.
                    got, want = ("\n".join(l for l in x.split("\n") if not l.startswith("A ")) for x in (got, want))
                (head, shown), (wanted_head, wanted) = rows_of(got), rows_of(want)
                skipped = listed(path, cut)
                bad = [(n, a, b) for n, (a, b) in enumerate(zip(shown, wanted)) if a != b and n not in skipped
                       and (name, cut, n) not in ONLY_ERASED]
                bad += [(a, b) for a, b in zip(head, wanted_head) if a != b and a.split(" ")[0] not in skipped
                        and not (vocabulary == "basic" and a.startswith("title")) and not cursor_alike(a, b, columns)]
                for difference in bad:
                    failures += 1
                    print(name, cut, vocabulary, steps, *(repr(part)[:300] for part in difference), sep="\n  ")
    print(failures, "differences")
    sys.exit(failures > 0)


def cursor_alike(a, b, columns):
    """A wrap pending cannot be told."""
    return a.startswith("cursor") and a.replace(f" {columns}", f" {columns - 1}") == b.replace(f" {columns}", f" {columns - 1}")


if __name__ == "__main__":
    main()
