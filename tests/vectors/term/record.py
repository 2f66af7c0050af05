#!/usr/bin/env python3
"""Makes the cases in this directory: streams that programs really wrote, and the grids an independent emulator
shows for them.

    ./record.py [NAME…]      all cases, or those named

A stream is recorded from a pty of the case's size while keys are typed into it (or written out here, for what no
program does reliably). At several offsets the bytes so far are given to tmux, in a window of the same size, and what
`capture-pane -e` says of every cell is stored as `expected.<offset>`. Nothing is ever taken from our own emulator.

An `expected` file, line by line:

    emulator tmux 3.3a
    cursor ROW COLUMN            from 0; the column may equal the width while a wrap is pending
    flags NAME…                  what tmux says is set, of: visible alternate appcursor keypad
    mouse NAME…                  of: standard button all sgr utf8
    title TEXT
    T TEXT                       one a row: its text, blanks at the end left out
    A RUNS                       after a row that has attributes: FIRST-LAST:LOOK, separated by blanks

What is looked up in xterm (BY_XTERM) has only its emulator, cursor and T lines.

What ours shows otherwise stands in the case's file `differences`, which this script keeps: lines `OFFSET WHAT: REASON`,
WHAT being `row 3`, `looks 0-23`, `cursor`, …

A look is letters (b bold, d faint, i italic, k blink, r inverse, h hidden, s strike, o overline, u1–u5 underline
styles), then f=, g= and c= (foreground, background, underline colour: a palette index or #rrggbb).
"""

import fcntl, os, pty, re, select, shutil, signal, struct, subprocess, sys, tempfile, termios, time, unicodedata

from xterm import XTerm

HERE = os.path.dirname(os.path.abspath(__file__))
SIZES = [(80, 24), (200, 60)]


# ---- programs --------------------------------------------------------------------------------------------------

class Recording:
    """A program in a pty."""

    def __init__(self, argv, columns, rows, home):
        self.out, self.cuts, self.answers = bytearray(), [], argv[0] == "vttest"
        environment = {
            "TERM": "xterm-256color", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "HOME": home,
            "PATH": "/usr/local/bin:/usr/bin:/bin", "LESS": "-R", "MANPAGER": "less", "COLUMNS": str(columns),
            "LINES": str(rows), "TMUX_TMPDIR": home, "HISTFILE": "",
        }
        for name in ("COLUMNS", "LINES"):
            del environment[name]
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(home)
            time.sleep(0.1)
            os.execvpe(argv[0], argv, environment)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def answer(self):
        for question, answer in self.ANSWERS:
            if re.search(question, bytes(self.out[-20:])):
                os.write(self.fd, answer)

    # What a program asks before it goes on, and what a VT220 says.
    ANSWERS = [(rb"\x1b\[0?c$", b"\x1b[?62;22c"), (rb"\x1b\[5n$", b"\x1b[0n"), (rb"\x1b\[>0?c$", b"\x1b[>1;277;0c")]

    def drain(self, quiet=0.4, most=6.0):
        end = time.monotonic() + most
        while time.monotonic() < end:
            ready, _, _ = select.select([self.fd], [], [], quiet)
            if not ready:
                return
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                return
            if not data:
                return
            self.out += data
            if self.answers:
                self.answer()

    def type(self, keys):
        os.write(self.fd, keys)
        self.drain()

    def cut(self):
        self.cuts.append(len(self.out))

    def close(self):
        try:
            os.kill(self.pid, signal.SIGHUP)
        except ProcessLookupError:
            pass
        os.close(self.fd)
        os.waitpid(self.pid, 0)


SOURCE = '''#include <stdio.h>
/* Greets the world, at length. */
#define GREETINGS 3
static const char *const names[] = {"world", "Welt", "\u4e16\u754c", "monde"};

int main(int argc, char **argv)
{
	for (int i = 0; i < GREETINGS; i++) { /* a loop */
		if (argc > 1 && argv[1][0] != '\\0')
			printf("hello, %s (%d)\\n", argv[1], i);
		else
			printf("hello, %s\\n", names[i % 4]);
	}
	return 0; // done
}
'''
BASHRC = r"PS1='\[\e[1;32m\]user@host\[\e[m\]:\[\e[34m\]\w\[\e[m\]\$ '; alias ls='ls --color=always'; unset PROMPT_COMMAND" + "\n"


def prepare(home):
    with open(f"{home}/hello.c", "w") as f:
        f.write(SOURCE + "".join(f"int filler_{n}(void) {{ return {n}; }}\n" for n in range(80)))
    with open(f"{home}/rc", "w") as f:
        f.write(BASHRC)
    with open(f"{home}/vimrc", "w") as f:
        f.write("syntax on\nset number ruler laststatus=2 hlsearch incsearch background=dark nocompatible\n"
                "set viminfo= noswapfile\nset statusline=%f\\ %l,%c\n")
    with open(f"{home}/tmux.conf", "w") as f:
        f.write("set -g status-right ''\nset -g default-command 'bash --noprofile --rcfile rc'\n"
                "set -g automatic-rename off\n")
    with open(f"{home}/log", "w") as f:
        for n in range(400):
            f.write(f"\x1b[{31 + n % 6}mline {n}\x1b[m of a \x1b[1mcoloured\x1b[m log, {'long ' * (n % 40)}end\n")
    for name in ("one", "two", "three"):
        os.mkdir(f"{home}/{name}.d")
        open(f"{home}/{name}.txt", "w").close()


def bash(r):
    r.drain()
    r.type(b"ls\r")
    r.type(b"echo one two three four\x1b[D\x1b[D\x1b[D\x1b[D\x1b[Dmore \x01\x1b[3~\x05 end\x17\x17")
    r.cut()
    r.type(b"\x15for i in $(seq 30); do printf '\\e[3%dm%s\\e[m ' $((i%8)) word$i; done\r")
    r.type(b"echo a line that is long enough to go over the right margin of the screen, " + b"x" * 150 + b"\x1b[D\x1b[D\x1b[DYYY")
    r.cut()
    r.type(b"\x03seq 70\r")
    r.type(b"tput smcup; tput cup 5 5; tput rev; echo -n ALT; tput sgr0\r")
    r.type(b"tput rmcup; tput sc; tput cup 2 10; tput el; echo -n here; tput rc\r")
    r.cut()


def vim(r):
    r.drain(1.0)
    r.cut()
    r.type(b":split\r\x04")
    r.type(b":vsplit\r5j3w")
    r.type(b"/int\rn")
    r.cut()
    r.type(b"oinserted line with text\x1b")
    r.type(b"dd\x05\x05\x05\x19")
    r.type(b":only\r\x06\x06\x02V5j")
    r.cut()


def less(r):
    r.drain(0.6)
    r.type(b"  ")
    r.type(b"jjjkk")
    r.cut()
    r.type(b"/line 12\r")
    r.type(b"nn")
    r.type(b"\x1b[B\x1b[Bu")
    r.cut()


def htop(r):
    r.drain(0.5, 1.5)
    r.cut()
    r.type(b"\x1b[B")
    os.write(r.fd, b"h")
    r.drain(0.3, 1.0)
    r.cut()


def tmux(r):
    r.drain(1.0, 3.0)
    r.type(b"ls\r")
    r.type(b"\x02%")
    r.type(b"seq 100\r")
    r.type(b"\x02\"")
    r.type(b"printf '\\e[44mblue\\e[K\\e[m\\n'\r")
    r.cut()
    r.type(b"\x02z")
    r.type(b"\x02z\x02o")
    r.type(b"\x02[\x1b[5~\x1b[5~")
    r.cut()


def tmux_columns(r):
    # As a terminal of ours answers to DA2, a VT420: then tmux uses DECSLRM to scroll one of two panes side by side.
    r.drain(0.1, 0.4)
    os.write(r.fd, b"\x1b[>41;277;0c")
    r.drain(1.0, 3.0)
    r.type(b"\x02%")
    r.type(b"seq 100\r")
    r.cut()
    r.type(b"\x02\x1b[D")
    r.type(b"for i in $(seq 40); do echo line $i $(seq $((i % 9))); done; clear; ls; seq 9\r")
    r.cut()


def man(r):
    r.drain(1.0)
    r.cut()
    r.type(b" ")
    r.type(b"/file\r")
    r.cut()


def mouse(r):
    r.drain(1.0)
    r.type(b":split\r")
    r.type(b"\x1b[<0;20;18M\x1b[<0;20;18m")
    r.cut()
    # Drags the status line up, marks by dragging, turns the wheel.
    r.type(b"\x1b[<0;40;12M\x1b[<32;40;9M\x1b[<0;40;7M\x1b[<0;40;7m")
    r.type(b"\x1b[<0;10;14M\x1b[<32;25;16M\x1b[<0;25;16m")
    r.cut()
    r.type(b"\x1b[<65;10;15M\x1b[<65;10;15M\x1b[<64;10;3M")
    r.cut()


def vttest(*choices):
    def script(r):
        r.drain(0.8)
        for choice in choices:
            # With a plus: one that stays in its menu.
            for key in choice.split(","):
                r.type(key.lstrip("+").encode() + b"\r")
                while b"<RETURN>" in r.out[-90:]:
                    r.cut()
                    r.type(b"\r")
            # Up to the first menu again.
            for key in choice.split(",")[1:]:
                if not key.startswith("+"):
                    r.type(b"0\r")
    return script


VTTEST = ["vttest", "24x80.80"]
PROGRAMS = {
    "bash": (["bash", "--noprofile", "--rcfile", "rc"], bash),
    "vim": (["vim", "-u", "vimrc", "-i", "NONE", "hello.c"], vim),
    "less": (["less", "log"], less),
    # Of its own process alone: the list of a machine's processes is nobody's business.
    "htop": (["sh", "-c", "exec htop -p $$"], htop),
    "tmux": (["tmux", "-f", "tmux.conf", "new-session"], tmux),
    "tmux-columns": (["tmux", "-f", "tmux.conf", "new-session"], tmux_columns),
    "man": (["man", "ls"], man),
    "mouse": (["vim", "-u", "vimrc", "-i", "NONE", "-c", "set mouse=a ttymouse=sgr", "hello.c"], mouse),
    "vttest-cursor": (VTTEST, vttest("1")),
    "vttest-screen": (VTTEST, vttest("2")),
    "vttest-vt102": (VTTEST, vttest("8")),
    "vttest-vt220": (VTTEST, vttest("11,1,2,2", "11,1,2,3", "11,1,6")),
    "vttest-motion": (VTTEST, vttest(*(f"11,5,{n}" for n in range(1, 10)))),
    "vttest-other": (VTTEST, vttest("11,7,2", "11,7,3", "11,7,6")),
    # Not in colours, which xterm does not tell; with margins on all four sides, then in origin mode as well.
    "vttest-region": (VTTEST, vttest("11,3,2,+6,+3,+4,+5,+7,+8,+9,+10,+2,+9,+10")),
    "vttest-columns": (VTTEST, vttest("11,3,3,+5,+2,+3,+4,+9,+10,+11,+12,+13")),
    "vttest-rectangle": (VTTEST, vttest("11,3,6,+5,+6,+8,+9,+10,+2,+3,+4,+8,+9,+10,+1,+8,+9,+10")),
    "vttest-charset": (VTTEST, vttest("3,8", "3,9")),
}
# What tmux does not have: looked up in xterm.
BY_XTERM = {"tmux-columns", "vttest-region", "vttest-columns", "vttest-rectangle", "vttest-charset"}
# Drawn for 24 lines of 80 columns.
ONE_SIZE = {"mouse", "tmux-columns", *(name for name in PROGRAMS if name.startswith("vttest"))}


# ---- streams written here --------------------------------------------------------------------------------------

def written(columns, rows):
    """Name → pieces; an expected grid is taken after each."""
    def e(text):
        return text.replace("~", "\x1b").encode()

    chart = "".join(f"~[48;5;{n}m{n:4}~[m" + ("\r\n" if n % 16 == 15 else "") for n in range(256))
    true = "".join("".join(f"~[38;2;{x * 3 % 256};{y * 10};128;48;2;{y * 10};0;{x * 3 % 256}m#" for x in range(70)) + "~[m\r\n" for y in range(20))
    colon = "~[38:2::255:100:0mcolon rgb~[m ~[38:2:1:2:3mno space id~[m ~[48:5:99mindexed~[m ~[4:3mcurly~[4:0m ~[4:3;58:2::255:0:0mred curly~[m ~[58:5:3;4mcolour 3~[59;24m plain"
    looks = "~[1mbold~[2mbold faint~[22m~[3mitalic~[23m~[4munder~[24m~[5mblink~[25m~[7minverse~[27m~[8mhidden~[28m~[9mstrike~[29m~[53mover~[55m~[21mdouble~[24m."
    width = "x" * columns
    ramp = "".join(f"~[{n};1Hrow {n}" for n in range(1, rows + 1))
    return {
        "looks": [e(looks + "\r\n" + colon + "\r\n~[31;1;44mreverse ~[7mvideo~[m\r\n~[90;103mbright~[39;49m~[m")],
        "colours256": [e(chart)],
        "truecolour": [e(true)],
        "margin": [e(width), e("\r\n" + width + "y\r\n" + width + "\rz"), e(f"\r\n~[?7l{width}abc~[?7h\r\n" + "w" * (columns - 1) + "漢字"),
                   e(f"~[5;{columns}HA~[5;{columns}HB~[6;{columns}HCD\b\bE~[10;{columns}HZ\tq")],
        "cjk": [e("日本語の端末。한국어 中文 ｶﾀｶﾅ\r\n" + "漢" * (columns // 2) + "字\r\n" + "a" + "漢" * (columns // 2) + "\r\n"),
                e("~[1;2Hx~[1;6H~[K~[2;3H~[1P~[2;8H~[2@~[3;5H~[3X")],
        "combining": [e("e\u0301a\u0308o\u0302 n\u0303 x\u0323\u0307 \u0e01\u0e34\u0e49\r\nplain")],
        # One cluster a piece: the cursor after it tells its width.
        "emoji": [e(text) for text in ("😀", "\r\n\u263a", "\r\n\u263a\ufe0f", "\r\n\U0001f44d\U0001f3fd", "\r\n\U0001f468\u200d\U0001f469\u200d\U0001f467",
                                       "\r\n\u2764\ufe0f\u200d\U0001f525", "\r\n\U0001f1e9\U0001f1ea", "\r\n\u1100\u1161", "\r\n\u00ad")],
        "progress": [e("".join(f"\r~[32m[{'=' * n}>{' ' * (30 - n)}]~[m {n * 3}%~[K" for n in range(31))), e("\r\n" + "".join(f"~[2K\r~[1A~[2K\rstep {n}\r\nof 9" for n in range(9)))],
        "linedraw": [e("~(0lqqqqwqqqk~(B\r\n~(0x~(Btext~(0x   x~(B\r\n~(0tqqqqnqqqu~(B\r\n~(0mqqqqvqqqj~(B ~)0\x0eabcxyz~\x0f abc ~(Apound #~(B").replace(b"\x1b\x0f", b"\x0f")],
        "editing": [e(ramp), e("~[3;10H~[2L~[8;1H~[M~[5;3H~[4@~[6;2H~[2P~[10;3H~[5X~[11;4H~[1K~[12;3H~[0K~[13;3H~[2K"),
                    e("~[41m~[15;3H~[K~[16;2H~[2L~[17;4H~[3P~[18;2H~[2@~[m~[20;5H~[1J"), e("~[4;10r~[4;1H~M~M~[10;1H\n\nbottom~[2S~[1T~[r~[5;5Hend")],
        "origin": [e(ramp), e("~[5;15r~[?6h~[1;1Htop~[99;1Hbottom~[3;3H\x1b[99Aup~[99Bdown~[?6l~[2;2Hout~[99Bx~[r~[1;1Hhome")],
        "tabs": [e("a\tb\tc~[3g~[1;5H~H~[1;20H~H\r\n\tx\ty\tz\r\n~[20Gq~[Zr~[2Zs~[1;1H~[2Iw")],
        "repeat": [e("ab~[5bc~[3;1H#~[10b~[4;1H~[31m-~[200b~[m")],
        "insert": [e("hello world~[1;6H~[4hINSERTED ~[4l!"), e("~[2;1H" + width + "~[2;3H~[4hxyz~[4l")],
        "savecursor": [e("~[5;5H~[31m~7~[m~[10;10Hx~8red~[s~[1;1Hy~[uafter"), e("~[?1049h~[2;2Halt~[?1049lback~[?47hold~[?47lmain~[?1047hz~[?1047l")],
        "reset": [e(ramp + "~[31;44m~[5;9r~[?6h~[4h~[!pafter soft reset"), e("~[2;2H~cclean"), e("~#8~[3;3Hx")],
        "unknown": [e("a~[?9999hb~[1;2;3zc~]999;x\x07d~]777;a;b~\\e~Pzzz~\\f~_apc~\\g~^pm~\\h~Xsos~\\i~[>5;6;7vj~[1;2\"qk~%Gl~ Fm")],
        "alternate": [e(ramp + "~[?1049h"), e("~[3;3Hin the alternate~[42m~[2J~[m"), e("~[?1049l")],
    }


# ---- the independent emulator ----------------------------------------------------------------------------------

def look_up(columns, rows, stream):
    """What tmux shows for `stream`: (cursor, flags, mouse, title, lines of capture-pane -e)."""
    with tempfile.TemporaryDirectory() as scratch:
        path, done, socket = f"{scratch}/stream", f"{scratch}/done", f"{scratch}/s"
        with open(path, "wb") as f:
            f.write(stream)
        with open(f"{scratch}/conf", "w") as f:
            f.write("set -g status off\nset -g default-shell /bin/sh\nset -g set-titles off\nset -g allow-rename on\n"
                    "set -s set-clipboard off\nset -g remain-on-exit on\nset -g escape-time 0\n"
                    "set -g pane-border-status off\nset -g default-terminal tmux-256color\n")
        environment = dict(os.environ, LANG="C.UTF-8", LC_ALL="C.UTF-8")
        environment.pop("TMUX", None)

        def run(*arguments):
            return subprocess.run(["tmux", "-u", "-S", socket, "-f", f"{scratch}/conf", *arguments], env=environment,
                                  check=True, capture_output=True).stdout
        run("new-session", "-d", "-x", str(columns), "-y", str(rows),
            f"stty raw -echo; cat {path}; touch {done}; sleep 1000")
        try:
            while not os.path.exists(done):
                time.sleep(0.02)
            before = None
            while True:
                time.sleep(0.08)
                capture = run("capture-pane", "-p", "-e", "-N")
                if capture == before:
                    break
                before = capture
            names = ["cursor_x", "cursor_y", "cursor_flag", "alternate_on", "keypad_cursor_flag", "keypad_flag",
                     "mouse_standard_flag", "mouse_button_flag", "mouse_all_flag", "mouse_sgr_flag",
                     "mouse_utf8_flag", "pane_width", "pane_height", "pane_title"]
            values = run("display-message", "-p", "\t".join("#{%s}" % n for n in names)).decode().rstrip("\n").split("\t")
            state = dict(zip(names, values))
            assert (state["pane_width"], state["pane_height"]) == (str(columns), str(rows)), state
            if state["pane_title"] == os.uname().nodename:
                state["pane_title"] = ""
            return state, capture.decode().split("\n")[:rows]
        finally:
            run("kill-server")


def cells_of(line, look):
    """The cells of one captured line: (text, width, look) each, and the look that goes on into the next line."""
    cells = []
    for part in re.findall(r"\x1b\[[0-9;:]*m|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x0e|\x0f|[^\x1b]", line):
        if part.startswith("\x1b["):
            look = select_look(look, part[2:-1])
        elif part.startswith("\x1b") or part in "\x0e\x0f":
            graphics = part == "\x0e"
            look = dict(look, graphics=graphics) if part in "\x0e\x0f" else look
        elif cells and (unicodedata.combining(part) or unicodedata.category(part) in ("Mn", "Me", "Cf") or part == "\ufe0f"
                        or cells[-1][0].endswith("\u200d") or part in "🏻🏼🏽🏾🏿" and cells[-1][1] == 2):
            text, width, own = cells[-1]
            cells[-1] = (text + part, 2 if part == "\ufe0f" else width, own)
        else:
            width = 2 if unicodedata.east_asian_width(part) in "WF" else 1
            if look.get("graphics"):
                part = LINES.get(part, part)
            cells.append((part, width, look))
    return cells, look


LINES = dict(zip("`afgjklmnopqrstuvwxyz{|}~", "◆▒°±┘┐┌└┼⎺⎻─⎼⎽├┤┴┬│≤≥π≠£·"))


def select_look(look, parameters):
    look = dict(look)
    values = (parameters or "0").split(";")
    letters = {1: "b", 2: "d", 3: "i", 5: "k", 7: "r", 8: "h", 9: "s", 53: "o"}
    ends = {22: "bd", 23: "i", 25: "k", 27: "r", 28: "h", 29: "s", 55: "o"}
    while values:
        value = values.pop(0)
        sub = value.split(":")
        n = int(sub[0] or 0)
        if n in (38, 48, 58):
            rest = [int(x or 0) for x in sub[1:]]
            if not rest:
                kind = int(values.pop(0))
                rest = [kind] + [int(values.pop(0)) for _ in range(1 if kind == 5 else 3)]
            elif rest[0] == 2 and len(rest) > 4:
                rest = [2] + rest[2:5]
            look[{38: "f", 48: "g", 58: "c"}[n]] = str(rest[1]) if rest[0] == 5 else "#%02x%02x%02x" % tuple(rest[1:4])
        elif sub == ["5", "3"]:
            # So capture-pane spells overline, which would be 53.
            look["o"] = True
        elif n == 0:
            look = {k: v for k, v in look.items() if k == "graphics"}
        elif n == 4:
            look["u"] = int(sub[1]) if len(sub) > 1 else 1
        elif n == 21:
            look["u"] = 2
        elif n == 24:
            look["u"] = 0
        elif n in letters:
            look[letters[n]] = True
        elif n in ends:
            for letter in ends[n]:
                look.pop(letter, None)
        elif n in (39, 49, 59):
            look.pop({39: "f", 49: "g", 59: "c"}[n], None)
        elif 30 <= n <= 37 or 40 <= n <= 47:
            look["f" if n < 40 else "g"] = str(n % 10)
        elif 90 <= n <= 97 or 100 <= n <= 107:
            look["f" if n < 100 else "g"] = str(n % 10 + 8)
    return look


def spell(look):
    text = "".join(letter for letter in "bdikrhso" if look.get(letter))
    text += f"u{look['u']}" if look.get("u") else ""
    return ",".join([text] * bool(text) + [f"{k}={look[k]}" for k in "fgc" if k in look])


def expected(columns, rows, stream):
    state, lines = look_up(columns, rows, stream)
    version = subprocess.run(["tmux", "-V"], check=True, capture_output=True).stdout.decode().strip()
    on = lambda names: " ".join(name for name, key in names.items() if state[key] == "1")
    out = [f"emulator {version}", f"cursor {state['cursor_y']} {state['cursor_x']}",
           "flags " + on({"visible": "cursor_flag", "alternate": "alternate_on", "appcursor": "keypad_cursor_flag", "keypad": "keypad_flag"}),
           "mouse " + on({"standard": "mouse_standard_flag", "button": "mouse_button_flag", "all": "mouse_all_flag",
                          "sgr": "mouse_sgr_flag", "utf8": "mouse_utf8_flag"}),
           f"title {state['pane_title']}"]
    look = {}
    for line in lines:
        cells, look = cells_of(line, look)
        out.append("T " + "".join(text for text, _, _ in cells).rstrip(" "))
        runs, column = [], 0
        for text, width, own in cells:
            spelled = spell(own)
            if spelled and runs and runs[-1][2] == spelled and runs[-1][1] + 1 == column:
                runs[-1][1] = column + width - 1
            elif spelled:
                runs.append([column, column + width - 1, spelled])
            column += width
        assert column <= columns, (column, line)
        if runs:
            out.append("A " + " ".join(f"{first}-{last}:{spelled}" for first, last, spelled in runs))
    return "\n".join(line.rstrip() if not line.startswith("T") else line for line in out) + "\n"


def expected_by_xterm(xterm, stream):
    """As `expected`, but only what can be had of xterm: its text and its cursor."""
    grid, (row, column), _ = xterm.show(stream)
    out = [f"emulator {xterm.version}", f"cursor {row} {column}"]
    text = grid.decode(errors="replace").replace("\uffff", "").replace("\x1b#5", "")
    for line in text.split("\r\n")[:24]:
        cells, _ = cells_of(line + "\x1b[0m", {})
        out.append("T " + "".join(text for text, _, _ in cells).rstrip(" "))
    return "\n".join(out) + "\n"


# ---- cases -----------------------------------------------------------------------------------------------------

def store(name, columns, rows, stream, cuts):
    path = f"{HERE}/{name}-{columns}x{rows}"
    differences = None
    if os.path.exists(f"{path}/differences"):
        with open(f"{path}/differences") as f:
            differences = f.read()
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    with open(f"{path}/stream", "wb") as f:
        f.write(stream)
    xterm = XTerm(columns, rows) if name in BY_XTERM else None
    for cut in cuts:
        with open(f"{path}/expected.{cut}", "w") as f:
            f.write(expected_by_xterm(xterm, stream[:cut]) if xterm else expected(columns, rows, stream[:cut]))
    if xterm:
        xterm.close()
    if differences:
        with open(f"{path}/differences", "w") as f:
            f.write(differences)
    print(path, len(stream), cuts, flush=True)


def main():
    wanted = set(sys.argv[1:])
    for columns, rows in SIZES:
        for name, (argv, script) in PROGRAMS.items():
            if wanted and name not in wanted or name in ONE_SIZE and columns != 80:
                continue
            home = "/tmp/mpmosh-term-home"
            shutil.rmtree(home, ignore_errors=True)
            os.makedirs(home)
            prepare(home)
            recording = Recording(argv, columns, rows, home)
            script(recording)
            stream, cuts = bytes(recording.out), list(recording.cuts)
            recording.close()
            if name.startswith("tmux"):
                subprocess.run(["tmux", "kill-server"], env=dict(os.environ, TMUX_TMPDIR=home), check=False)
            shutil.rmtree(home, ignore_errors=True)
            store(name, columns, rows, stream, cuts)
    for name, pieces in written(80, 24).items():
        if wanted and name not in wanted:
            continue
        stream, cuts = b"", []
        for piece in pieces:
            stream += piece
            cuts.append(len(stream))
        store(name, 80, 24, stream, cuts)


if __name__ == "__main__":
    main()
