//! Sessions on terminals of several kinds: what a key of theirs is to the program, and what they are left with.
#![cfg(target_os = "linux")]

mod local;

use local::{Home, Terminal};

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
