//! How a session ends as a person meets it, on this machine alone: by the command, by the user, by a signal, by the server.
#![cfg(target_os = "linux")]

mod local;

use local::{Home, Terminal, bounded, first_line, gone, kill, piped, said, shell, within};
use std::fs;
use std::io::Write;
use std::process::Command;

#[test]
fn a_server_that_is_told_to_leave_is_no_success() {
    let home = Home::new("told");
    let mut child = piped(home.mpmosh(&[], &["sh", "-c", "echo $PPID; exec sleep 1000"]));
    let server = first_line(&mut child);
    kill(server.parse().expect("a number"), "TERM");
    let output = bounded(child);
    assert_eq!(output.status.code(), Some(255));
    assert!(said(&output).contains("before the command did"), "{}", said(&output));
    gone(&server);
}

#[test]
fn a_server_that_is_told_to_leave_a_terminal_is_no_success_either() {
    for signal in ["TERM", "USR1"] {
        let home = Home::new("told-terminal");
        let (mut terminal, server) = shell(&home, &[]);
        kill(server.parse().expect("a number"), signal);
        assert_eq!(terminal.end(), 255, "{signal}");
        terminal.see("The session ended before the command did.");
        gone(&server);
    }
}

#[test]
fn a_signal_ends_a_session_on_a_terminal_and_shows_in_the_status() {
    for (signal, status) in [("TERM", 143), ("INT", 130), ("HUP", 129)] {
        let home = Home::new("signalled");
        let (mut terminal, server) = shell(&home, &[]);
        kill(terminal.pty().pid(), signal);
        assert_eq!(terminal.end(), status);
        gone(&server);
    }
}

#[test]
fn what_a_command_printed_stays_when_its_screen_goes() {
    let home = Home::new("printed");
    let words = ["printf", "one\\n\\033[31mtwo\\033[m\\n"];
    let mut terminal = Terminal::start(&home.mpmosh(&[], &words));
    assert_eq!(terminal.end(), 0);
    terminal.see("\x1b[?1049l");
    terminal.see("one\r\r\n\x1b[31mtwo\x1b[m\r\r\n");
    // Where the screen stays, once is enough; and what a full-screen program took away again is not brought back.
    for (options, words) in [(&["--no-init"][..], words), (&[], ["printf", "\\033[?1049hhidden\\033[?1049l"])]
    {
        let mut terminal = Terminal::start(&home.mpmosh(options, &words));
        assert_eq!(terminal.end(), 0);
        let shown = String::from_utf8_lossy(&terminal.shown).into_owned();
        assert!(shown.matches("one").count() <= 1 && !shown.ends_with("hidden"), "{shown:?}");
    }
    // A shell's last screen is nobody's result.
    let mut command = home.program("mpmosh");
    command.arg("--local");
    let mut terminal = Terminal::start(&command);
    terminal.type_in("echo wo''rk; exit\r");
    terminal.see("work");
    assert_eq!(terminal.end(), 0);
    terminal.see("\x1b[?1049l");
    let rest = String::from_utf8_lossy(&terminal.shown).into_owned();
    assert!(!rest.rsplit("\x1b[?1049l").next().is_some_and(|after| after.contains("work")), "{rest:?}");
}

#[test]
fn nobody_types_at_a_shell_that_does_not_show() {
    let home = Home::new("blind");
    let program = home.program("mpmosh").get_program().to_str().expect("text").to_owned();
    let mut around = home.program("mpmosh-server");
    let envs: Vec<_> = around.get_envs().filter_map(|(a, b)| Some((a.to_owned(), b?.to_owned()))).collect();
    around = Command::new("bash");
    around.args(["-c", &format!("set -o pipefail; '{program}' --local | cat; echo st''atus $?")]).envs(envs);
    let mut terminal = Terminal::start(&around);
    terminal.see("would be invisible here");
    terminal.see("status 255");
    assert_eq!(terminal.end(), 0);
    // With input of its own a login shell works, as with ssh.
    let mut command = home.program("mpmosh");
    command.arg("--local");
    let mut child = piped(command);
    child.stdin.take().expect("a pipe").write_all(b"echo he''re\n").expect("a pipe");
    let output = bounded(child);
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stdout).trim()), (Some(0), "here"));
}

#[test]
fn the_escape_key_and_a_dot_end_the_session_at_both_ends() {
    let home = Home::new("quit");
    let (mut terminal, server) = shell(&home, &[]);
    terminal.type_in("\x1e.");
    assert_eq!(terminal.end(), 0);
    gone(&server);
}

#[test]
fn a_server_that_is_killed_leaves_a_user_who_is_told_and_can_quit() {
    for (dialect, shows) in [("multipath", "“mpmosh sessions"), ("mosh", "pgrep -l mosh-server")] {
        let home = Home::new("killed");
        let (mut terminal, server) = shell(&home, &[&format!("--dialect={dialect}")]);
        kill(server.parse().expect("a number"), "KILL");
        terminal.see("This machine answers, but this session's server is gone. Ctrl-^ . quits.");
        terminal.type_in("\x1e.");
        assert_eq!(terminal.end(), 255, "{dialect}");
        terminal.see("its server did not answer");
        terminal.see(shows);
    }
}

#[test]
fn a_user_who_leaves_without_contact_is_told_the_command_that_ends_the_server() {
    let home = Home::new("stopped-server");
    let (mut terminal, server) = shell(&home, &[]);
    let _ended = KilledLater(server.parse().expect("a number"));
    kill(server.parse().expect("a number"), "STOP");
    terminal.see("Last contact");
    terminal.type_in("\x1e.");
    assert_eq!(terminal.end(), 255);
    terminal.see("it goes on there");
    terminal.see("attach --local ");
    terminal.see("mpmosh kill");
}

/// A process that does not outlive the test, whatever becomes of that.
struct KilledLater(u32);

impl Drop for KilledLater {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-KILL", &self.0.to_string()]).status();
    }
}

/// A session that its user has suspended within a shell with job control, and the process number of its server.
fn suspended(home: &Home) -> (Terminal, String) {
    let note = format!("echo $PPID > {}; exec env PS1=\"within> \" sh -i", home.file("server").display());
    let session = home.mpmosh(&[], &["sh", "-c", &note]);
    let mut terminal = within(home, &session, &["bash", "--norc", "--noprofile", "-i"]);
    terminal.see("around>");
    terminal.type_in("stty -g >$HERE/found; sh $HERE/session\r");
    terminal.see("within>");
    let server = fs::read_to_string(home.file("server")).expect("the server's number");
    terminal.type_in("\x1e\x1a");
    terminal.see("\x1b[?1049l");
    terminal.see("around>");
    (terminal, server.trim().to_owned())
}

#[test]
fn a_suspended_client_can_be_killed_and_leaves_no_server_and_the_shell_its_terminal() {
    let home = Home::new("kill-suspended");
    let (mut terminal, server) = suspended(&home);
    terminal.type_in("kill %1\r");
    gone(&server);
    terminal.type_in("wait %1; echo $? >$HERE/status; stty -g >$HERE/after; exit 9\r");
    assert_eq!(terminal.end(), 9);
    let [found, after, status] =
        ["found", "after", "status"].map(|name| fs::read_to_string(home.file(name)).expect("a note"));
    assert_eq!((after == found, status.trim()), (true, "143"), "{found} {after}");
}

#[test]
fn a_suspended_client_in_the_background_waits_for_the_foreground() {
    let home = Home::new("background");
    let (mut terminal, server) = suspended(&home);
    terminal.type_in("bg; wait %1 2>/dev/null; stty -g >$HERE/after; echo sti''ll\r");
    terminal.see("still");
    let [found, after] = ["found", "after"].map(|name| fs::read_to_string(home.file(name)).expect("a note"));
    assert_eq!(after, found, "the shell's terminal is the shell's");
    terminal.type_in("fg\r");
    terminal.see("\x1b[?1049h");
    terminal.type_in("exit 4\r");
    terminal.see("around>");
    gone(&server);
    terminal.type_in("exit 9\r");
    assert_eq!(terminal.end(), 9);
}

/// The shell hangs up on its jobs, and ends and continues what is stopped: three signals at once.
#[test]
fn a_terminal_that_is_closed_over_a_suspended_client_leaves_no_server() {
    let home = Home::new("close-suspended");
    let (mut terminal, server) = suspended(&home);
    let mut pty = terminal.pty.take().expect("a terminal");
    pty.hang_up();
    drop(pty);
    gone(&server);
}

#[test]
fn a_terminal_that_goes_away_ends_the_session_at_both_ends() {
    let home = Home::new("closed");
    let (mut terminal, server) = shell(&home, &[]);
    let mut pty = terminal.pty.take().expect("a terminal");
    pty.hang_up();
    drop(pty);
    gone(&server);
}
