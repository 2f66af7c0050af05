//! Sessions on terminals of several kinds: what a key of theirs is to the program, and what they are left with.
#![cfg(target_os = "linux")]

mod local;

use local::{Home, Terminal};
use platform::tty::Size;
use std::fs;
use terminal::Emulator;

/// A session on a terminal of this type.
fn session(home: &Home, term: &str, options: &[&str], script: &str) -> Terminal {
    let mut command = home.mpmosh(options, &["sh", "-c", script]);
    command.env("TERM", term);
    Terminal::start(&command)
}

/// What each key is: terminfo's entry of the terminal. What the program reads: what xterm writes for that key, by DECCKM
/// (seen with `cat -v` in xterm 379; urxvt 9.30 in a session writes the same).
#[test]
fn a_key_of_the_users_terminal_is_the_servers_in_both_cursor_key_modes() {
    for (term, typed) in [
        ("rxvt-unicode", "\x1b[A\x1b[7~\x1b[8~\x1b[11~\x1bOa"),
        ("rxvt-unicode", "\x1bOA\x1b[7~\x1b[8~\x1b[11~\x1bOa"),
        ("tmux-256color", "\x1bOA\x1b[1~\x1b[4~\x1bOP\x1b[1;5A"),
        ("xterm-256color", "\x1bOA\x1bOH\x1bOF\x1bOP\x1b[1;5A"),
    ] {
        let home = Home::new("keys");
        let script = "stty -echo; echo ready; cat -v";
        let normal = session(&home, term, &[], script);
        let application = session(&home, term, &[], &format!("printf '\\033[?1h'; {script}"));
        let expected = ["^[[A^[[H^[[F^[OP^[[1;5A", "^[OA^[OH^[OF^[OP^[[1;5A"];
        for (mut terminal, expected) in [normal, application].into_iter().zip(expected) {
            terminal.see("ready");
            terminal.type_in(&format!("{typed}\r"));
            terminal.see(expected);
            terminal.type_in("\x04");
            assert_eq!(terminal.end(), 0, "{term}");
        }
    }
}

/// As without a session: OSC 0 names both, OSC 2 the window alone, and who sets none changes none.
#[test]
fn the_windows_title_is_the_users_until_the_remote_sets_one() {
    for (script, expected) in [
        ("true", vec![]),
        ("printf '\\033]0;work\\007'", vec!["\x1b]0;[mpmosh] work\x07"]),
        ("printf '\\033]2;work\\007'", vec!["\x1b]2;[mpmosh] work\x07"]),
        ("printf '\\033]1;work\\007'", vec!["\x1b]1;work\x07"]),
        (
            "printf '\\033]0;work\\007'; read go; printf '\\033]0;\\007'",
            vec!["\x1b]0;[mpmosh] work\x07", "\x1b]0;\x07"],
        ),
    ] {
        let home = Home::new("titles");
        let mut terminal = session(&home, "xterm-256color", &[], &format!("{script}; echo shown; read end"));
        for title in &expected {
            terminal.see(title);
            terminal.type_in("\r");
        }
        terminal.see("shown");
        terminal.type_in("\r");
        assert_eq!(terminal.end(), 0);
        let shown = String::from_utf8_lossy(&terminal.shown).into_owned();
        let titles = ["\x1b]0;", "\x1b]1;", "\x1b]2;"].iter().map(|osc| shown.matches(osc).count());
        assert_eq!(titles.sum::<usize>(), expected.len(), "{script}: {shown:?}");
        let (saved, restored) = (shown.find("\x1b[22;0"), shown.rfind("\x1b[23;0"));
        assert!(saved.is_some() && restored > shown.rfind("\x1b]"), "{shown:?}");
    }
}

/// The rows of what `bytes` leave on a terminal of this size, without what is blank at their ends.
fn rows(bytes: &[u8], columns: u16, rows: u16) -> Vec<String> {
    let mut emulator = Emulator::new(terminal::Size { columns, rows });
    emulator.feed(bytes);
    let text = |row: &terminal::Row| row.cells().iter().map(terminal::Cell::text).collect::<String>();
    emulator.screen().rows().map(|row| text(row).trim_end().to_owned()).collect()
}

/// What a stock mosh leaves with MOSH_NO_TERM_INIT: what the remote showed, nothing over it, and the shell below.
#[test]
fn a_screen_that_stays_has_nothing_over_it_and_the_shell_goes_on_below() {
    for (term, options) in [("xterm-256color", &["--no-init"][..]), ("linux", &[])] {
        let home = Home::new("stays");
        let script = "printf '\\033[H\\033[2Jfirst\\nsecond\\n'; echo third; cat";
        let mut terminal = session(&home, term, options, script);
        terminal.see("third");
        terminal.type_in("\x1e.");
        assert_eq!(terminal.end(), 0, "{term}");
        let mut shown = terminal.shown.clone();
        shown.extend(b"$ ");
        assert_eq!(rows(&shown, 80, 24)[..4], ["first", "second", "third", "$"], "{term}");
    }
}

#[test]
fn a_terminal_larger_than_a_screen_can_be_is_drawn_on_as_far_as_that_goes() {
    for (columns, rows, told) in [(1200, 3, "3x1000"), (80, 1200, "1000x80")] {
        let home = Home::new("large");
        let command = home.mpmosh(&[], &["sh", "-c", "read go; stty size | tr ' ' x; read end"]);
        let mut terminal = Terminal::start_sized(&command, Size { columns, rows });
        terminal.type_in("\r");
        terminal.see(told);
        terminal.type_in("\r");
        assert_eq!(terminal.end(), 0);
    }
}

/// A terminal that shows frames at once (kitty's entry is known by its name) is never seen blank.
#[test]
fn ctrl_l_and_a_resize_clear_within_the_frame() {
    let home = Home::new("flash");
    let mut terminal = session(&home, "xterm-kitty", &[], "stty -echo; echo ready; cat");
    terminal.see("ready");
    let begun = terminal.shown.len();
    terminal.type_in("\x0c");
    terminal.see("\x1b[2J");
    terminal.see("ready");
    terminal.see("\x1b[?2026l");
    terminal.pty().resize(Size { columns: 70, rows: 20 }).expect("another size");
    terminal.see("\x1b[2J");
    terminal.see("ready");
    terminal.see("\x1b[?2026l");
    let mut inside = false;
    let shown = String::from_utf8_lossy(&terminal.shown[begun..]).into_owned();
    for part in shown.split('\x1b').skip(1) {
        match part {
            _ if part.starts_with("[?2026") => inside = part.starts_with("[?2026h"),
            _ if part.starts_with("[2J") => assert!(inside, "{shown:?}"),
            _ => {}
        }
    }
    terminal.type_in("\r\x04");
    assert_eq!(terminal.end(), 0);
}

/// On a terminal's main screen the wheel scrolls; on its alternate one, where a session draws, it types cursor keys.
#[test]
fn the_wheel_types_no_keys_at_a_prompt() {
    let home = Home::new("wheel");
    let script =
        "echo main; read go; printf '\\033[?1049h'; echo pager; read go; printf '\\033[?1049l'; read end";
    let mut terminal = session(&home, "xterm-256color", &[], script);
    terminal.see("\x1b[?1007s");
    terminal.see("\x1b[?1007l");
    terminal.see("main");
    terminal.type_in("\r");
    terminal.see("\x1b[?1007h\x1b[?1007r");
    terminal.see("pager");
    terminal.type_in("\r");
    terminal.see("\x1b[?1007l");
    terminal.type_in("\r");
    assert_eq!(terminal.end(), 0);
    let shown = String::from_utf8_lossy(&terminal.shown).into_owned();
    assert!(shown.rfind("\x1b[?1007r") > shown.rfind("\x1b[?1007l"), "{shown:?}");
    // A stock server does not tell which screen its program draws on.
    let mut terminal = session(&home, "xterm-256color", &["--dialect=mosh"], "echo main; read end");
    terminal.see("main");
    terminal.type_in("\r");
    assert_eq!(terminal.end(), 0);
    assert!(!String::from_utf8_lossy(&terminal.shown).contains("\x1b[?1007l"));
}

/// What a terminal with a light background answers when it is asked, up to its kind: xterm 379's words.
const ANSWERS: &str = "\x1b]10;rgb:0000/0000/0000\x1b\\\x1b]11;rgb:ffff/fafa/e0e0\x1b\\\x1b]4;1;rgb:cdcd/0000/0000\x1b\\\x1b[?64;1;2c";

/// Tells what the program reads, `count` octets of it, once a key was typed, and once it has said `asked`.
fn reads(home: &Home, asked: &str, count: usize) -> String {
    let file = home.file("read").display().to_string();
    let first = "stty raw -echo; echo ready; dd bs=1 count=1 of=/dev/null 2>/dev/null";
    format!(
        "{first}; printf '{asked}'; dd bs=1 count={count} of={file} 2>/dev/null; stty sane; echo done; read end"
    )
}

#[test]
fn a_program_is_told_the_colours_of_the_users_terminal_and_until_they_are_known_nothing() {
    let mut kind = Emulator::new(terminal::Size::default());
    kind.feed(b"\x1b[c");
    let kind = String::from_utf8(kind.take_replies()).expect("text");
    let colours = "\x1b]11;rgb:ffff/fafa/e0e0\x1b\\\x1b]4;1;rgb:cdcd/0000/0000\x1b\\";
    for (answers, dialect, told) in [
        (true, "multipath", colours),
        (false, "multipath", ""),
        // As a stock client, which tells nothing.
        (true, "mosh", ""),
    ] {
        let home = Home::new("colours");
        let expected = format!("{told}{kind}");
        let asked = "\\033]11;?\\033\\\\\\033]4;1;?\\033\\\\\\033[c";
        let script = reads(&home, asked, expected.len());
        let mut terminal = session(&home, "xterm-256color", &[&format!("--dialect={dialect}")], &script);
        terminal.see("\x1b]11;?\x1b\\");
        terminal.see("\x1b[c");
        if answers {
            terminal.type_in(ANSWERS);
        }
        terminal.see("ready");
        terminal.type_in("k");
        terminal.see("done");
        assert_eq!(fs::read_to_string(home.file("read")).expect("what was read"), expected, "{dialect}");
        terminal.type_in("\r");
        assert_eq!(terminal.end(), 0);
    }
}

/// `mpmosh host vim`: it asks before the client has said its first word, and is answered in the order of its questions.
#[test]
fn a_program_that_asks_at_once_is_told_the_colours_too_and_never_waits_for_long() {
    let mut kind = Emulator::new(terminal::Size::default());
    kind.feed(b"\x1b[c");
    let kind = String::from_utf8(kind.take_replies()).expect("text");
    for told in ["\x1b]11;rgb:ffff/fafa/e0e0\x1b\\", ""] {
        let home = Home::new("at-once");
        let (file, expected) = (home.file("read").display().to_string(), format!("{told}{kind}"));
        let asked = "stty raw -echo; printf '\\033]11;?\\033\\\\\\033[c'";
        let count = expected.len();
        let read = format!("dd bs=1 count={count} of={file} 2>/dev/null; stty sane; echo done; read end");
        let mut terminal = session(&home, "xterm-256color", &[], &format!("{asked}; {read}"));
        terminal.see("\x1b[c");
        terminal.type_in(if told.is_empty() { "\x1b[?64;1;2c" } else { ANSWERS });
        terminal.see("done");
        assert_eq!(fs::read_to_string(home.file("read")).expect("what was read"), expected);
        terminal.type_in("\r");
        assert_eq!(terminal.end(), 0);
    }
}

/// However late (tmux hands on what its own terminal answers after its own kind) and however it is cut.
#[test]
fn an_answer_never_reaches_the_remote_and_no_key_is_lost() {
    let home = Home::new("answers");
    let expected = "abc\x1bd\x1b[A";
    let mut terminal = session(&home, "tmux-256color", &[], &reads(&home, "", expected.len()));
    terminal.see("\x1b[c");
    terminal.type_in("\x1b[?1;2c");
    terminal.see("ready");
    let cut = [
        "k",
        "a",
        "\x1b]10;rgb:0000/",
        "0000/0000\x1b",
        "\\b",
        "\x1b]11;rgb:ffff/ffff/ffff\x07c",
        "\x1b",
        "d\x1b[A",
    ];
    for part in cut {
        terminal.type_in(part);
    }
    terminal.see("done");
    assert_eq!(fs::read_to_string(home.file("read")).expect("what was read"), expected);
    terminal.type_in("\r");
    assert_eq!(terminal.end(), 0);
}
