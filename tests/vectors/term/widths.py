#!/usr/bin/env python3
"""Writes the tables of widths, terminal/src/width/table.rs, from the wcwidth of the C library that this runs on.

    ./widths.py [GLIBC VERSION] > ../../../terminal/src/width/table.rs

With a version, a machine that has another C library is told so, with status 3, and nothing is written. The programs on a
server count by its wcwidth, so that is what a screen is counted by. What the library does not know yet, Unicode 17 does:
UnicodeData.txt, EastAsianWidth.txt (also for what is not assigned), emoji-variation-sequences.txt.
"""

import ctypes, locale, os, sys

# Assigned since, or set aside: combining, and wide.
LATER_ZERO = """5c8-5c9 897 b53-b54 ece 1acf-1af0 2065 fff0-fff8 10d69-10d6d 10ecb-10ecf 10ef0-10eff 11241 113b8 113bb-113c0
113c2 113c5 113c7-113c9 113ce-113d2 113e1-113e2 11b60 11b62-11b64 11b66 11df0 11f00-11f02 11f36-11f3a 11f40-11f42 11f5a 13440
13447-13455 1611e-16129 1612d-1612f 1d127-1d128 1d250-1d252 1d25b-1d25c 1d25f 1d280-1d281 1e08f 1e4ec-1e4ef 1e5ee-1e5ef 1e6e3
1e6e6 1e6ee-1e6ef 1e6f5 e0000 e0002-e001f e0080-e00ff e01f0-e0fff"""
LATER_WIDE = """2ffc-2fff 31e4-31e5 31ef fa6e-fa6f fada-faff 16ff2-16ff6 187f8-187ff 18cd6-18cda 18cff 18d09-18d20 18d80-18df2
18e00-19191 191a0-191d2 1b123-1b128 1b132 1b155 1b168 1f1ae 1f6d8-1f6d9 1f6dc 1f7da 1fa75-1fa77 1fa87-1fa8f 1faad-1faaf
1fabb-1fabf 1fac6 1fac8 1facc-1facf 1fada-1fadd 1fadf 1fae8-1faeb 1faef 1faf7-1fafa 2a6e0-2a6ff 2b739-2b73f 2b81e-2b81f
2cea2-2ceaf 2ebe1-2f7ff 2fa1e-2fffd 3134b-3fffd"""

# What is narrow, and has a form as an emoji, which is wide.
EMOJI = """23 2a 30-39 a9 ae 203c 2049 2122 2139 2194-2199 21a9-21aa 2328 23cf 23ed-23ef 23f1-23f2 23f8-23fa 24c2 25aa-25ab 25b6
25c0 25fb-25fc 2600-2604 260e 2611 2618 261d 2620 2622-2623 2626 262a 262e-262f 2638-263a 2640 2642 265f-2660 2663 2665-2666 2668
267b 267e 2692 2694-2697 2699 269b-269c 26a0 26a7 26b0-26b1 26c8 26cf 26d1 26d3 26e9 26f0-26f1 26f4 26f7-26f9 2702 2708-2709
270c-270d 270f 2712 2714 2716 271d 2721 2733-2734 2744 2747 2763-2764 27a1 2934-2935 2b05-2b07 1f170-1f171 1f17e-1f17f 1f321
1f324-1f32c 1f336 1f37d 1f396-1f397 1f399-1f39b 1f39e-1f39f 1f3cb-1f3ce 1f3d4-1f3df 1f3f3 1f3f5 1f3f7 1f43f 1f441 1f4fd
1f549-1f54a 1f56f-1f570 1f573-1f579 1f587 1f58a-1f58d 1f590 1f5a5 1f5a8 1f5b1-1f5b2 1f5bc 1f5c2-1f5c4 1f5d1-1f5d3 1f5dc-1f5de
1f5e1 1f5e3 1f5e8 1f5ef 1f5f3 1f5fa 1f6cb 1f6cd-1f6cf 1f6e0-1f6e5 1f6e9 1f6f0 1f6f3"""

def points(listed):
    for item in listed.split():
        first, _, last = item.partition("-")
        yield from range(int(first, 16), int(last or first, 16) + 1)


def ranges(members):
    found = []
    for point in sorted(members):
        if found and found[-1][1] == point - 1:
            found[-1][1] = point
        else:
            found.append([point, point])
    return found


def table(name, words, members):
    found = ranges(members)
    print(f"\n/// {words}\n#[rustfmt::skip]\npub(super) const {name}: [(u32, u32); {len(found)}] = [")
    line = "   "
    for first, last in found:
        item = f" (0x{first:x}, 0x{last:x}),"
        if len(line + item) > 120:
            print(line)
            line = "   "
        line += item
    print(line + "\n];")


def main():
    libc = ctypes.CDLL("libc.so.6")
    libc.gnu_get_libc_version.restype = ctypes.c_char_p
    version = libc.gnu_get_libc_version().decode()
    if len(sys.argv) > 1 and sys.argv[1] != version:
        print(f"This machine has glibc {version}, not {sys.argv[1]}.", file=sys.stderr)
        sys.exit(3)
    locale.setlocale(locale.LC_CTYPE, "C.UTF-8")
    width = {point: libc.wcwidth(point) for point in range(0xa0, 0x110000)}
    later = {0: set(points(LATER_ZERO)), 2: set(points(LATER_WIDE))}
    assert all(width[point] == -1 for members in later.values() for point in members), "assigned by now"
    with_width = lambda columns: {point for point in width if width[point] == columns} | later.get(columns, set())
    print("//! Widths as glibc", version, "has them, in C.UTF-8: made by `tests/vectors/term/widths.py`, not by hand.")
    table("ZERO", "What takes no column.", with_width(0))
    table("WIDE", "What takes two.", with_width(2))
    table("EMOJI", "What is narrow, and has a form as an emoji, which is wide.", set(points(EMOJI)))


if __name__ == "__main__":
    main()
