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
