#!/usr/bin/env python3
"""Programs x terminals: what a person sees of a program that runs on the terminal itself, and of one in a session.

    compare.py BINARIES [-t TERMINAL,...] [-p PROGRAM,...] [-q SECONDS] [--write] [--keep FOLDER]

BINARIES is the folder of mpmosh and mpmosh-server. Each program runs twice on each terminal, with the same keys, at three
sizes: by itself, and by `mpmosh --local`. After each step the two must show the same: in tmux cell by cell (text, look,
cursor), in the others pixel by pixel, with the fonts of this machine. What differs is named, unless `differences` has a
reason for it; a reason names a witness who agrees with us. `--write` writes the table of it all. Ends with 1 when anything
differs without a reason, with 2 when a program or a terminal is missing.
"""

import argparse, collections, os, pathlib, re, shutil, socket, subprocess, sys, tempfile, time

HERE = pathlib.Path(__file__).resolve().parent
FIRST = (80, 24)
PATIENCE = 8
SCREEN = (1400, 1000)


class Size(collections.namedtuple("Size", "columns rows")):
    def __str__(self):
        return f"{self.columns}x{self.rows}"


# Keys by name; everything else in a step is typed as it stands.
KEYS = {"Enter": "\r", "Esc": "\x1b", "Tab": "\t", "Down": "\x1bOB", "Up": "\x1bOA", "Right": "\x1bOC", "F2": "\x1bOQ",
        "F3": "\x1bOR", "F4": "\x1bOS", "F9": "\x1b[20~", "F10": "\x1b[21~", "PgDn": "\x1b[6~", "BS": "\x7f",
        **{f"C-{c}": chr(ord(c) & 31) for c in "abcdefghijklmnopqrstuvwxyz_"}}
WIDE, SMALL = Size(132, 43), Size(40, 12)

# The command, run by sh in the home that `home` makes; then steps: strings are typed, sizes are given to the terminal.
PROGRAMS = {
    "vim": ("vim -u $VIMRUNTIME_DEFAULTS -N -i NONE -n sample.c",
            ["G", "gg/main{Enter}", ":set number list{Enter}", ":vsplit text{Enter}", WIDE, "G", "C-v", ":set hlsearch{Enter}/a{Enter}",
             SMALL, "gg", "iübër 漢字 🇩🇪 आमार{Esc}", FIRST, "Rreplaced{Esc}", ":q!{Enter}", ":q!{Enter}"]),
    "neovim": ("nvim --clean -n sample.c", ["G", "gg/main{Enter}", ":set number list{Enter}", ":vsplit text{Enter}", WIDE, "G",
               SMALL, "gg", FIRST, ":q!{Enter}"]),
    "emacs": ("emacs -nw -Q sample.c", ["{C-v}", "{C-x}2", "{C-x}{C-f}text{Enter}", WIDE, "{C-s}a", "{C-g}", SMALL, "{C-x}1", FIRST,
              "{C-x}h"]),
    "nano": ("nano -I text", ["{C-v}", "{C-w}line{Enter}", WIDE, "typed ", SMALL, "{C-k}{C-k}", FIRST, "{C-x}"]),
    "less": ("less -R coloured", ["G", "g", "/line{Enter}", WIDE, " ", SMALL, "{C-l}", "/[0-9]{Enter}", FIRST, "-N{Enter}"]),
    "man": ("man -l page.1", [" ", WIDE, SMALL, FIRST, "G"]),
    "mc": ("mc -d --nosubshell . .", ["{Down}{Down}{Down}{Down}{Down}{Down}", "{F3}", "{F10}", "{F9}", WIDE, "{Right}{Down}", "{Esc}{Esc}", SMALL, FIRST, "{F2}"]),
    "htop": ("htop -u nobody", ["{F2}", "{Down}", WIDE, "{Right}{Down}", SMALL, FIRST, "{F10}"]),
    "tmux": ("tmux -L inner -f inner.conf new-session 'read go; cat coloured; cat'", ["{Enter}", "{C-b}%", "{C-b}\"", WIDE, "{C-b}[", "{C-b}{C-b}", "q", SMALL,
             "typed", FIRST, "{C-b}z"]),
    "fzf": ("fzf --no-sort --reverse < text", ["1", "{C-n}", "{C-n}", "{BS}", "漢", WIDE, SMALL, FIRST, "{C-p}"]),
    "w3m": ("w3m page.html", [" ", "{Tab}{Tab}", WIDE, SMALL, FIRST, "JJ", "{Tab}"]),
    "mutt": ("mutt -n -F muttrc -f mbox", ["{Down}", "{Enter}", WIDE, " ", SMALL, "q", FIRST, "?"]),
    "aptitude": ("aptitude -o Aptitude::UI::Prompt-On-Exit=false -o Debug::NoLocking=true 2>&1", ["{Down}{Enter}", WIDE, "{Down}{Down}", SMALL, FIRST, "{C-t}"]),
    "zsh": ("zsh -f", ["PS1='%F{{2}}zsh%f %# '{Enter}", "echo 漢字 é 👍🏽 {Enter}", "cat coloured{Enter}", WIDE, "ls{Enter}", "abc{C-a}x",
            SMALL, "{C-e}{C-u}", "cat text{Enter}", FIRST, "echo {Tab}{Tab}"]),
    "fish": ("fish --no-config", ["echo 漢字 é 👍🏽{Enter}", "cat coloured{Enter}", WIDE, "ls --col", "{Tab}", SMALL, "{C-c}", FIRST,
             "echo 'unfinished"]),
    # Clusters that terminals give other columns than the C library does, by which programs count.
    "clusters": ("cat clusters; stty -echo; cat", ["{Enter}", WIDE, SMALL, FIRST]),
    "agent": (f"{sys.executable} {HERE}/play.py {HERE}/agent.stream", ["1", "2", "3", WIDE, "4", "5", "6", SMALL, "7", "8", FIRST, "9", "0"]),
}

# Scripts of the world, borders, and what terminals disagree about.
TEXT = ["plain text, line {n}", "\ttab\tbed\t{n}", "漢字かな混じり文 {n} 한국어 中文", "combining: e\u0301 a\u0308\u0323 n\u0303 {n}",
        "Ελληνικά кириллица עברית العربية {n}", "│ आमार हिन्दी │ আমার │ நான் │ {n}", "emoji 👍🏽 🇩🇪🇫🇷 ⚠️ ✅ ☰ {n}",
        "long " + "words and more words " * 9 + "{n}", ""]

DISPUTED = re.compile("[\u0900-\u0dff\u2630\ufe0f\U0001f1e6-\U0001f1ff\U0001f3fb-\U0001f3ff]")


def home(folder, disputes):
    """All that the programs read: the same for each, but that a terminal that `disputes` what the C library says of widths, by
    which programs count, gets it wrong by itself, and is spared."""
    texts = [text for text in TEXT if not (disputes and DISPUTED.search(text))]
    lines = [texts[n % len(texts)].format(n=n) for n in range(120)]
    files = {
        "text": "\n".join(lines) + "\n",
        "clusters": "".join(f"{c} after\n│ {c} │ {c} │\n" for c in ("👨‍👩‍👧", "🏳️‍🌈", "1️⃣", "☝🏽", "❤️", "각", "கௌ", "က္က")),
        "coloured": "".join(f"\x1b[3{n % 8};4{(n + 3) % 8}mline {n}\x1b[m \x1b[38;5;{n * 2 % 256}mindexed\x1b[m "
                            f"\x1b[38;2;{n * 2 % 256};100;200mrgb\x1b[m \x1b[1;4;7mloud\x1b[m \x1b[2;3;9mquiet\x1b[m\n" for n in range(100)),
        "sample.c": "#include <stdio.h>\n\n/* A comment: 漢字. */\n" + "".join(
            f'static int f{n}(int a)\n{{\n\tif (a > {n})\n\t\treturn a * {n}; /* {texts[n % len(texts)][:30].format(n=n)} */\n'
            f'\treturn 0x{n:x} + \'c\';\n}}\n\n' for n in range(20)) + 'int main(void)\n{\n\tprintf("%d\\n", f1(2));\n}\n',
        "page.html": "<title>A page</title><h1>Heading</h1><table border=1>" + "".join(
            f"<tr><td>cell {n}<td>漢字 {n}<td><a href='#{n}'>link {n}</a></tr>" for n in range(40)) + "</table><input><select><option>one</select>",
        "page.1": ".TH PAGE 1\n.SH NAME\npage \\- is \\fBbold\\fR and \\fIslanted\\fR\n" + "".join(
            f".SH SECTION {n}\n.B word\n{'some words that fill the line ' * 6}\n.TP\n.I item\ntext \\[bu] 漢字\n" for n in range(12)),
        "mbox": "".join(f"From a@example Mon Jan  {n + 1} 00:00:00 2024\nFrom: Zoë <a@example>\nTo: me@example\nSubject: 漢字 {n} 👍\n"
                        f"Date: Mon, {n + 1:02} Jan 2024 00:00:00 +0000\nContent-Type: text/plain; charset=utf-8\nMessage-ID: <{n}@example>\n\n"
                        + "\n".join(lines[:50]) + "\n\n" for n in range(9)),
        "muttrc": "set folder=.\nset status_format='status %f'\nset sleep_time=0\ncolor index yellow default ~A\ncolor status white blue\n"
                  "color header green default .\nset pager_index_lines=4\nset header_cache=''\nset crypt_use_gpgme=no\n",
        "inner.conf": "set -g status-right ''\nset -g default-terminal tmux-256color\nset -g automatic-rename off\nset -g mouse on\n"
                      "set -g status-left '[inner] '\nset -g default-command cat\n",
        ".config/htop/htoprc": "fields=0 48 1\nheader_layout=two_50_50\ncolumn_meters_0=Hostname\ncolumn_meter_modes_0=2\n"
                                "column_meters_1=Hostname\ncolumn_meter_modes_1=2\nhtop_version=3.2.2\nconfig_reader_min_version=3\n",
        ".config/mc/ini": "[Midnight-Commander]\nuse_internal_view=true\nconfirm_exit=false\n[Layout]\nfree_space=false\nmessage_visible=false\nxterm_title=false\n",
        ".hushlogin": "",
    }
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    # What programs would make, at a time that shows.
    for name in (".local/share/mc", ".cache/mc"):
        (folder / name).mkdir(parents=True)
    for path in (folder.parent, *folder.rglob("*")):
        os.utime(path, (1700000000, 1700000000))
    for name in ("run", "tmp"):
        (folder.parent.parent / name).mkdir(mode=0o700)


def environment(folder, term, **more):
    return {"HOME": str(folder), "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "SHELL": "/bin/sh", "TERM": term,
            "XDG_RUNTIME_DIR": f"{folder.parent.parent}/run", "TMPDIR": f"{folder.parent.parent}/tmp",
            "MPMOSH_REGISTRY": f"{folder.parent.parent}/sessions",
            "PS1": "$ ", "TZ": "UTC", "TMUX_TMPDIR": f"{folder.parent.parent}/tmp", "VIMRUNTIME_DEFAULTS": "DEFAULTS", "USER": "me", "MANPAGER": "less -R", **more}


def command(program, folder, session):
    """As words of sh. What a program is told of its terminal is what it is told in a session."""
    inner = f"cd {folder}; TERM=xterm-256color; export TERM; unset COLORTERM TMUX TMUX_PANE; {PROGRAMS[program][0]}; exec sleep 1000"
    words = ["sh", "-c", inner]
    if session:
        words = [f"{BINARIES}/mpmosh", "--local", f"--server={BINARIES}/mpmosh-server", "--", *words]
    # alacritty gives its programs what the system knows of their user.
    return ["env", f"HOME={folder}", "SHELL=/bin/sh", "USER=me", *words]


class Folder:
    """A place of its own for one side: by the same path for each, since programs show it."""

    def __init__(self, disputes):
        self.outer = pathlib.Path(tempfile.gettempdir()) / f"programs-{os.getpid()}"
        self.outer.mkdir(mode=0o700)
        self.path = self.outer / "place" / "home"
        self.path.mkdir(parents=True)
        home(self.path, disputes)

    def close(self):
        subprocess.run(["tmux", "-L", "inner", "kill-server"], env={**os.environ, "TMUX_TMPDIR": f"{self.outer}/tmp"}, capture_output=True)
        shutil.rmtree(self.outer, ignore_errors=True)


# ---- tmux ---------------------------------------------------------------------------------------------------------------

def sgr(look, params):
    """The look after a rendition: a dictionary, in which equal looks are equal whatever words chose them."""
    numbers = [[int(n or 0) for n in group.split(":")] for group in params.split(";")]
    while numbers:
        first, *sub = numbers.pop(0)
        if first == 0:
            look = {}
        elif first in (38, 48, 58):
            kind = sub.pop(0) if sub else numbers.pop(0)[0]
            take = lambda: numbers.pop(0)[0]
            color = (sub[-1] if sub else take(),) if kind == 5 else tuple(sub[-3:]) if sub else (take(), take(), take())
            look = {**look, first: color}
        elif 30 <= first <= 37 or 40 <= first <= 47:
            look = {**look, first // 10 * 10 + 8: (first % 10,)}
        elif 90 <= first <= 97 or 100 <= first <= 107:
            look = {**look, 38 if first < 100 else 48: (first % 10 + 8,)}
        elif first in (39, 49, 59):
            look = {k: v for k, v in look.items() if k != first - 1}
        elif first in (22, 23, 24, 25, 27, 28, 29, 55):
            off = {22: (1, 2), 24: (4,), 55: (53,)}.get(first, (first - 20,))
            look = {k: v for k, v in look.items() if k not in off}
        else:
            look = {**look, first: tuple(sub)}
    return look


def cells(styled):
    """Rows of cells: text and look."""
    rows, look = [], {}
    for line in styled.split("\n"):
        row = []
        for escape, params, rest, char in re.findall(r"(\x1b)\[([0-9;:]*)m|(\x1b\]8;[^\x1b]*\x1b\\|\x1b[()].)|([^\x1b])", line):
            if escape:
                look = sgr(look, params)
            elif char:
                shows = look if char != " " or look.keys() & {4, 7, 9, 53} else {k: v for k, v in look.items() if k == 48}
                row.append((char, tuple(sorted(shows.items()))))
        # tmux does not tell what is only erased, with whatever background: the others show that.
        while row and row[-1][0] == " " and not dict(row[-1][1]).keys() - {48}:
            row.pop()
        rows.append(row)
    return rows


class Tmux:
    name, disputes = "tmux", False
    version_words = ["tmux", "-V"]

    def __init__(self, program, session):
        self.folder = Folder(self.disputes)
        self.socket = f"{self.folder.outer}/socket"
        self.env = environment(self.folder.path, "xterm-256color")
        self.tell("-f", "/dev/null", "new-session", "-d", "-x", str(FIRST[0]), "-y", str(FIRST[1]), "sleep 1000")
        self.tell("set", "-g", "status", "off", ";", "set", "-g", "default-terminal", "tmux-256color", ";", "set", "-s", "escape-time", "0")
        self.resize(Size(*FIRST))
        self.tell("respawn-pane", "-k", *command(program, self.folder.path, session))

    def tell(self, *words):
        told = subprocess.run(["tmux", "-u", "-S", self.socket, *words], env=self.env, capture_output=True, check=True)
        return told.stdout.decode()

    def type(self, text):
        self.tell("send-keys", "-l", "--", text)

    def resize(self, size):
        self.tell("resize-window", "-x", str(size.columns), "-y", str(size.rows))

    def look(self):
        told = self.tell("capture-pane", "-epN", ";", "display-message", "-p", "#{cursor_y},#{cursor_x} #{cursor_flag}")
        *rows, cursor = told.rstrip("\n").split("\n")
        return cells("\n".join(rows)), cursor

    def differences(self, one, other):
        """As words: where and what."""
        rows = [f"row {n}: {text(a)!r}, in the session {text(b)!r}" + ("" if text(a) != text(b) else f" by look from column "
                f"{next(c for c, (x, y) in enumerate(zip(a, b)) if x != y)}: {dict(next(x for x, y in zip(a, b) if x != y)[1])}, in the session "
                f"{dict(next(y for x, y in zip(a, b) if x != y)[1])}" if len(a) == len(b) else " by length")
                for n, (a, b) in enumerate(zip(one[0], other[0])) if a != b]
        if len(one[0]) != len(other[0]):
            rows.append(f"{len(one[0])} rows, in the session {len(other[0])}")
        if one[1] != other[1]:
            rows.append(f"cursor {one[1]}, in the session {other[1]}")
        return rows

    def close(self):
        subprocess.run(["tmux", "-S", self.socket, "kill-server"], env=self.env, capture_output=True)
        self.folder.close()


def text(row):
    return "".join(char for char, _ in row)


# ---- terminals of X -----------------------------------------------------------------------------------------------------

# Sits between the terminal and the program, so that keys can be given and output waited for.
RELAY = HERE / "relay.py"


class X:
    disputes = False

    def __init__(self, program, session):
        self.folder = Folder(self.disputes)
        number = next(n for n in range(90, 1000) if not os.path.exists(f"/tmp/.X11-unix/X{n}"))
        self.frame = self.folder.outer / "Xvfb_screen0"
        self.server = subprocess.Popen(["Xvfb", f":{number}", "-screen", "0", f"{SCREEN[0]}x{SCREEN[1]}x24", "-nolisten", "tcp", "-fbdir", str(self.folder.outer)],
                                       stderr=subprocess.DEVNULL)
        until(lambda: os.path.exists(f"/tmp/.X11-unix/X{number}") and self.frame.exists(), "an X server")
        self.env = environment(self.folder.path, "xterm-256color", DISPLAY=f":{number}", LIBGL_ALWAYS_SOFTWARE="1", **self.more)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(f"{self.folder.outer}/relay")
        listener.listen(1)
        listener.settimeout(30)
        self.terminal = subprocess.Popen(
            self.words([sys.executable, str(RELAY), f"{self.folder.outer}/relay", *command(program, self.folder.path, session)]),
            env=self.env, cwd=self.folder.path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        self.peer = listener.accept()[0].makefile("rwb", buffering=0)
        self.window = until(lambda: self.xdotool("search", "--onlyvisible", "--class", self.window_class).split(), "a window")[-1]
        self.xdotool("mousemove", str(SCREEN[0] - 1), str(SCREEN[1] - 1))
        self.resize(Size(*FIRST))
        self.ask(b"start")

    def xdotool(self, *words):
        return subprocess.run(["xdotool", *words], env=self.env, capture_output=True).stdout.decode()

    def ask(self, verb, data=b""):
        self.peer.write(verb + b" %d\n" % len(data) + data)
        return [int(n) for n in self.peer.readline().split()]

    def type(self, text):
        self.ask(b"type", text.encode())

    def resize(self, size):
        """Until the terminal has told its program that size."""
        def fits():
            columns, rows, width, height = self.ask(b"size")
            if (columns, rows) == size:
                return True
            shown = dict(line.split("=") for line in self.xdotool("getwindowgeometry", "--shell", self.window).split())
            wanted = [int(shown[side]) + (want - have) * (pixels // have) for side, want, have, pixels in
                      (("WIDTH", size.columns, columns, width), ("HEIGHT", size.rows, rows, height))]
            self.xdotool("windowsize", self.window, *map(str, wanted))
            time.sleep(0.3)
            return False
        until(fits, f"{self.name} at {size}")
        self.size = size

    def look(self):
        """The pixels: the file of the frame is in xwd's format, whose header names the server."""
        data = self.frame.read_bytes()
        header, colors = (int.from_bytes(data[at:at + 4], "big") for at in (0, 76))
        return data[header + 12 * colors:]

    def differences(self, one, other):
        """The cells, as rows with their first and last columns. What a glyph has outside its cell comes and goes with the order in
        which cells are drawn, so that the first and last pixels of each count for nothing."""
        stride, height = 4 * SCREEN[0], SCREEN[1]
        columns, rows, width, pixels = self.ask(b"size")
        cell_width, cell_height = width // columns, pixels // rows
        found = {}
        for y in range(height):
            a, b = (image[y * stride:(y + 1) * stride] for image in (one, other))
            if a == b:
                continue
            at = [x for x in range(len(a) // 4) if a[4 * x:4 * x + 4] != b[4 * x:4 * x + 4] and 0 < x % cell_width < cell_width - 1]
            if not at:
                continue
            first, last = found.get(y // cell_height, (9999, 0))
            found[y // cell_height] = (min(first, at[0] // cell_width), max(last, at[-1] // cell_width))
        return [f"row {row}: columns {first} to {last}" for row, (first, last) in found.items()]

    def close(self):
        for process in (self.terminal, self.server):
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.peer.close()
        self.folder.close()


class XTerm(X):
    name, window_class, more = "xterm", "XTerm", {}
    version_words = ["xterm", "-version"]

    def words(self, inner):
        resources = {"cursorBlink": "false", "allowColorOps": "true", "internalBorder": "0", "faceName": "DejaVu Sans Mono", "faceSize": "9",
                     "decTerminalID": "vt420", "scrollBar": "false", "toolBar": "false", "printerCommand": ""}
        return ["xterm", "-tn", "xterm-256color", "-u8", "-geometry", f"{FIRST[0]}x{FIRST[1]}+0+0",
                *(word for name, value in resources.items() for word in ("-xrm", f"XTerm*{name}: {value}")), "-e", *inner]


class Kitty(X):
    name, window_class, disputes = "kitty", "kitty", True
    more = {"KITTY_CONFIG_DIRECTORY": "/nowhere", "KITTY_DISABLE_WAYLAND": "1"}
    version_words = ["kitty", "--version"]

    def words(self, inner):
        options = {"cursor_blink_interval": "0", "font_family": "DejaVu Sans Mono", "font_size": "10", "window_padding_width": "0",
                   "enable_audio_bell": "no", "visual_bell_duration": "0", "remember_window_size": "no", "initial_window_width": "80c",
                   "initial_window_height": "24c", "term": "xterm-256color", "update_check_interval": "0", "shell_integration": "disabled",
                   "placement_strategy": "top-left", "resize_debounce_time": "0", "sync_to_monitor": "no"}
        return ["kitty", "--config", "NONE", *(word for name, value in options.items() for word in ("-o", f"{name}={value}")), *inner]


class Alacritty(X):
    name, window_class, more = "alacritty", "Alacritty", {"WINIT_X11_SCALE_FACTOR": "1"}
    version_words = ["alacritty", "--version"]

    def words(self, inner):
        options = ["cursor.style.blinking=Never", "font.normal.family=DejaVu Sans Mono", "font.size=10", "window.padding.x=0",
                   "window.padding.y=0", "window.decorations=none", "env.TERM=xterm-256color", "bell.duration=0",
                   "window.position={x: 0, y: 0}"]
        return ["alacritty", "--config-file", "/dev/null", *(word for option in options for word in ("-o", option)), "-e", *inner]


TERMINALS = {"tmux": Tmux, "xterm": XTerm, "kitty": Kitty, "alacritty": Alacritty}


# ---- comparing ----------------------------------------------------------------------------------------------------------

def until(wanted, what, patience=30):
    end = time.monotonic() + patience
    while not (got := wanted()):
        if time.monotonic() > end:
            raise RuntimeError(f"not there: {what}")
        time.sleep(0.02)
    return got


def settled(side, quiet):
    """What is shown once it has been the same for so long."""
    last, since, end = side.look(), time.monotonic(), time.monotonic() + PATIENCE
    while time.monotonic() - since < quiet and time.monotonic() < end:
        time.sleep(0.05)
        if (now := side.look()) != last:
            last, since = now, time.monotonic()
    return last


def keys(step):
    return re.sub(r"\{([^{}]+)\}", lambda key: KEYS[key[1]], step.replace("{{", "\0").replace("}}", "\1")).replace("\0", "{").replace("\1", "}")


def compare(terminal, program, excused, keep=None):
    """Each step with what differs after it, as far as the first for which there is no reason, and how many steps there are."""
    steps = ["", *PROGRAMS[program][1]]
    size, found, looks = Size(*FIRST), [], []
    side = terminal(program, False)
    try:
        for number, step in enumerate(steps):
            take(side, step)
            looks.append(settled(side, QUIET if number else max(1, 5 * QUIET)))
    finally:
        side.close()
    side = terminal(program, True)
    try:
        for number, (step, direct) in enumerate(zip(steps, looks)):
            take(side, step)
            size = Size(*step) if isinstance(step, tuple) else size
            # As long as without a session, since programs that are busy drop keys.
            settled(side, QUIET)
            end, pause = time.monotonic() + PATIENCE, 0.05
            while differences := (session := side.look()) != direct and side.differences(direct, session):
                if time.monotonic() > end:
                    break
                time.sleep(pause)
                pause = min(2 * pause, 1)
            if differences:
                found.append((f"{size} {number}", step if isinstance(step, str) else "resized", differences))
                if not reason(excused, terminal.name, program, number):
                    if keep:
                        keep(f"{terminal.name}-{program}-{number}", direct, session)
                    break
    finally:
        side.close()
    return found, len(steps)


def take(side, step):
    if isinstance(step, tuple):
        side.resize(Size(*step))
    elif step:
        side.type(DISPUTED.sub("", keys(step)) if side.disputes else keys(step))


def reasons():
    """By terminal, program and number of the step: lines of `TERMINAL PROGRAM STEP: REASON`."""
    lines = [line for line in (HERE / "differences").read_text().splitlines() if line and not line.startswith("#")]
    return {tuple(line.split(": ", 1)[0].split()): line.split(": ", 1)[1] for line in lines}


def reason(excused, terminal, program, number):
    """Which line has a reason for a difference there: that of the step, or of one from which on all differ (`7+`)."""
    lines = [(terminal, program, str(number)), *((terminal, program, f"{n}+") for n in range(number, -1, -1))]
    return next((line for line in lines if line in excused), None)


def main():
    global BINARIES, QUIET
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binaries")
    parser.add_argument("-t", default=",".join(TERMINALS))
    parser.add_argument("-p", default=",".join(PROGRAMS))
    parser.add_argument("-q", type=float, default=0.5, help="seconds for which a screen that is finished stays the same")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--keep", help="a folder for what was seen where something differs")
    arguments = parser.parse_args()
    BINARIES = pathlib.Path(arguments.binaries).resolve()
    QUIET = arguments.q
    terminals, programs = arguments.t.split(","), arguments.p.split(",")
    needed = {word.split()[0] for word in (PROGRAMS[program][0] for program in programs)} | {*terminals}
    if terminals != ["tmux"]:
        needed |= {"Xvfb", "xdotool"}
    if missing := sorted(name for name in needed if not shutil.which(name)):
        print("not installed:", *missing, "(.ci/setup programs)", file=sys.stderr)
        sys.exit(2)

    def keep(name, direct, session):
        folder = pathlib.Path(arguments.keep)
        folder.mkdir(exist_ok=True)
        for side, seen in (("direct", direct), ("session", session)):
            data = seen if isinstance(seen, bytes) else "\n".join(map(text, seen[0])).encode()
            (folder / f"{name}-{side}").write_bytes(data)

    failed, table, excused, used = False, {}, reasons(), set()
    for terminal in terminals:
        for program in programs:
            started = time.monotonic()
            found, count = compare(TERMINALS[terminal], program, excused, keep if arguments.keep else None)
            marks = []
            for place, step, differences in found:
                if at := reason(excused, terminal, program, int(place.split()[1])):
                    if at not in used:
                        marks.append(list(excused).index(at) + 1)
                    used.add(at)
                else:
                    failed = True
                    marks.append(f"**{place}**")
                    print(f"{terminal} {program} {place}: {step}", *(f"    {line}" for line in differences[:8]), sep="\n", flush=True)
            table[terminal, program] = f"{count}" + "".join(f" [{mark}]" for mark in marks)
            print(f"{terminal:10} {program:10} {table[terminal, program]:20} ({time.monotonic() - started:.0f} s)", flush=True)
    for at in excused:
        if at[0] in terminals and at[1] in programs and at not in used:
            failed = True
            print("there is a reason for what does not differ:", *at)
    if arguments.write:
        (HERE / "table.md").write_text(written({**before(), **table}, excused))
    sys.exit(1 if failed else 0)


def before():
    """The figures that the table has, since one run may be of a few."""
    table = HERE / "table.md"
    rows = [line.strip("| \n").split(" | ") for line in table.read_text().splitlines() if line.startswith("| ")] if table.exists() else []
    return {(terminal, row[0]): figure for row in rows[2:] for terminal, figure in zip(TERMINALS, row[1:])}


def written(table, excused):
    """The table, in Markdown."""
    def version(words):
        told = subprocess.run(words, capture_output=True).stdout.decode().strip()
        return " ".join(re.sub(r"[()]", " ", told).replace("XTerm", "xterm").split()[:2])

    rows = [["", *(version(TERMINALS[name].version_words) for name in TERMINALS)], ["---"] + ["---:"] * len(TERMINALS)]
    rows += [[program, *(table.get((terminal, program), "") for terminal in TERMINALS)] for program in PROGRAMS]
    lines = ["# What programs show in a session, and on the terminal itself", "",
             "Written by `make programs` (`compare.py`). Each figure is how many looks at a program, at 80x24, 132x43, 40x12 and 80x24 again,",
             "were the same in a session and without one: in tmux cell by cell, in the others pixel by pixel. A number in brackets is a look",
             "that differs, with its reason below.", ""]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    lines += [""] + [f"{n}. {' '.join(at)}: {reason}" for n, (at, reason) in enumerate(excused.items(), 1)]
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    main()
