//! Sessions that outlive their client, as a person meets them, on this machine alone: left, listed, returned to on another
//! terminal, taken over, let go and ended; and what is told at each of these.
#![cfg(target_os = "linux")]

mod local;

use local::{Home, Terminal, bounded, gone, kill, piped, said};
use platform::tty::Size;
use std::fs;
use std::process::{Command, Output};

/// `mpmosh VERB --local WORDS`.
fn verb(home: &Home, verb: &str, words: &[&str]) -> Command {
    let mut command = home.program("mpmosh");
    command.args([verb, "--local"]).args(words);
    command
}

/// The same without a terminal, to its end.
fn run(home: &Home, name: &str, words: &[&str]) -> Output {
    let mut child = piped(verb(home, name, words));
    drop(child.stdin.take());
    bounded(child)
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A shell in a session with this name, which knows a word; and the process number of its server.
fn begun(home: &Home, name: &str) -> (Terminal, String) {
    let (mut terminal, server) = local::shell(home, &["--session", name]);
    terminal.type_in("WORD=kept; echo no''ted\r");
    terminal.see("noted");
    (terminal, server)
}

/// The shell in a session that was returned to still knows its word.
fn knows(terminal: &mut Terminal) {
    terminal.type_in("echo is $WORD\r");
    terminal.see("is kept");
}

/// A session that has no client.
fn left(home: &Home, name: &str) -> String {
    let (mut terminal, server) = begun(home, name);
    terminal.type_in("\x1ed");
    assert_eq!(terminal.end(), 0);
    server
}

/// Sessions do not outlive the test that began them, whatever becomes of it.
struct Ended<'a>(&'a Home);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        let list = printed(&run(self.0, "sessions", &["--json"]));
        for id in list.split("\"id\":\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            run(self.0, "kill", &[id]);
        }
    }
}

#[test]
fn a_session_that_is_left_is_listed_and_returned_to_on_another_terminal() {
    let home = Home::new("left");
    let _ended = Ended(&home);
    let (mut terminal, server) = begun(&home, "work");
    terminal.type_in("\x1e");
    terminal.see("\"d\" detaches");
    terminal.type_in("d");
    assert_eq!(terminal.end(), 0);
    terminal.see("Detached from the session work. ");
    terminal.see("“mpmosh attach --local work” returns");

    let list = run(&home, "sessions", &[]);
    let text = printed(&list);
    assert_eq!(list.status.code(), Some(0), "{text}{}", said(&list));
    assert!(
        text.contains("work  sh -i") && text.contains("detached") && text.contains("ends in 1"),
        "{text}"
    );
    assert!(text.ends_with("\nmpmosh attach --local work\n"), "{text}");

    let attach = verb(&home, "attach", &[]);
    let mut other = Terminal::start_sized(&attach, Size { columns: 50, rows: 20 });
    other.see("noted");
    knows(&mut other);
    other.type_in("stty size\r");
    other.see("20 50");
    other.type_in("exit 3\r");
    assert_eq!(other.end(), 3);
    gone(&server);
    let list = run(&home, "sessions", &[]);
    assert_eq!((list.status.code(), printed(&list).as_str()), (Some(1), ""));
    assert!(said(&list).contains("no session of yours is on this machine"), "{}", said(&list));
}

#[test]
fn a_take_over_is_asked_about_and_its_loser_told() {
    let home = Home::new("taken");
    let _ended = Ended(&home);
    let (mut first, server) = begun(&home, "work");
    // The one who is asked says no, and nothing changes.
    let mut second = Terminal::start(&verb(&home, "attach", &["work"]));
    second.see("Session work has a client at 127.0.0.1:");
    second.see("(yes/no)? ");
    second.type_in("no\r");
    assert_eq!(second.end(), 255);
    second.see("stays with the client that it has");
    knows(&mut first);

    // The only session there is, by a client of its own: the question is the same.
    let mut second = Terminal::start(&verb(&home, "attach", &[]));
    second.see("(yes/no)? ");
    second.type_in("yes\r");
    assert_eq!(first.end(), 254);
    first.see("Another client has taken over the session work from this one.");
    knows(&mut second);

    let mut third = Terminal::start(&verb(&home, "attach", &["--take", "work"]));
    assert_eq!(second.end(), 254);
    knows(&mut third);

    // By the name alone, and a command that is not run.
    let named = home.mpmosh(&["--session=work", "--take"], &["false"]);
    let mut fourth = Terminal::start(&named);
    fourth.see("the session work was there already: the command was not started");
    assert_eq!(third.end(), 254);
    knows(&mut fourth);
    fourth.type_in("\x1e.");
    assert_eq!(fourth.end(), 0);
    fourth.see("The session work is ended.");
    gone(&server);
}

#[test]
fn a_session_is_let_go_and_ended_from_elsewhere() {
    let home = Home::new("elsewhere");
    let _ended = Ended(&home);
    let (mut first, server) = begun(&home, "work");
    let output = run(&home, "detach", &["work"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(first.end(), 254);
    first.see("Somebody has detached the session work from this client.");
    let mut second = Terminal::start(&verb(&home, "attach", &[]));
    knows(&mut second);
    let output = run(&home, "kill", &["work"]);
    assert_eq!((output.status.code(), printed(&output).as_str()), (Some(0), "Session work is ended.\n"));
    assert_eq!(second.end(), 255);
    second.see("The session ended before the command did.");
    gone(&server);
    for name in ["kill", "detach"] {
        let output = run(&home, name, &["work"]);
        assert_eq!((output.status.code(), printed(&output).as_str()), (Some(1), ""), "{name}");
        assert!(said(&output).starts_with("mpmosh: No session here is called “work”."), "{}", said(&output));
    }
}

#[test]
fn one_of_several_is_chosen_from_a_list() {
    let home = Home::new("several");
    let _ended = Ended(&home);
    for name in ["one", "two"] {
        left(&home, name);
    }
    let mut terminal = Terminal::start(&verb(&home, "attach", &[]));
    terminal.see("Sessions on this machine:");
    terminal.see("(1 to 2)? ");
    terminal.type_in("7\r");
    terminal.see("a number from 1 to 2, or a name: ");
    terminal.type_in("two\r");
    knows(&mut terminal);
    terminal.type_in("exit 0\r");
    assert_eq!(terminal.end(), 0);
}

#[test]
fn a_hang_up_leaves_a_session_with_a_name_and_ends_one_without_unless_it_is_said_otherwise() {
    let home = Home::new("hung-up");
    let _ended = Ended(&home);
    for (options, what, stays) in [
        (&["--session=named"][..], "", true),
        (&[][..], "", false),
        (&["--session=other"][..], "end", false),
        (&[][..], "detach", true),
    ] {
        let mut command = home.mpmosh(options, &["sh", "-i"]);
        if !what.is_empty() {
            command.env("MPMOSH_ON_HANGUP", what);
        }
        let (mut terminal, server) = local::shell_by(&home, &command);
        kill(terminal.pty().pid(), "HUP");
        assert_eq!(terminal.end(), 129, "{options:?} {what}");
        if stays {
            terminal.see("Detached from the session");
            let list = printed(&run(&home, "sessions", &["--json"]));
            assert!(list.contains(&format!("\"pid\":{server},")), "{list}");
            let mut back = Terminal::start(&verb(&home, "attach", &[]));
            back.see("noted");
            back.type_in("exit\r");
            back.end();
        }
        gone(&server);
    }
}

#[test]
fn a_client_that_was_killed_leaves_its_session() {
    let home = Home::new("killed-client");
    let _ended = Ended(&home);
    let (mut first, server) = local::shell(&home, &[]);
    let id = printed(&run(&home, "sessions", &["--json"]));
    let id = id.split("\"id\":\"").nth(1).and_then(|rest| rest.split('"').next()).expect("an id").to_owned();
    kill(first.pty().pid(), "KILL");
    first.end();
    let mut second = Terminal::start(&verb(&home, "attach", &["--take", &id]));
    second.see("noted");
    second.type_in("echo $MPMOSH_SESSION; exit 4\r");
    second.see(&id);
    assert_eq!(second.end(), 4);
    gone(&server);
}

#[test]
fn what_cannot_be_attached_to_is_one_sentence() {
    let home = Home::new("refused");
    let _ended = Ended(&home);
    let mut stock = piped(home.mpmosh(&[], &["sh", "-c", "echo up; cat"]));
    let up = local::first_line(&mut stock);
    assert_eq!(up, "up");
    let list = printed(&run(&home, "sessions", &["--json"]));
    let streams =
        list.split("\"id\":\"").nth(1).and_then(|rest| rest.split('"').next()).expect("an id").to_owned();
    let long = "x".repeat(33);
    for (words, says) in [
        (&["nosuch"][..], "No session here is called “nosuch”."),
        (&[streams.as_str()], "mpmosh kill"),
        (&[long.as_str()], "is longer than 32 characters"),
        (&["a\u{1b}[2Jb"], "holds a control character"),
        (&["-x"], "'-x'"),
        (&["work", "--", "top"], "takes no command"),
        (&["work", "top"], "takes no command"),
        (&["work", "--dialect=mosh"], "ends with its client"),
        (&["work", "--client=mpmosh-client"], "that is to outlive it"),
        (&["work", "--client=mosh-client"], "ends with its client"),
        (&["work", "--server=mosh-server"], "ends with its client"),
    ] {
        let mut terminal = Terminal::start(&verb(&home, "attach", words));
        assert_eq!(terminal.end(), 255, "{words:?}");
        let shown = String::from_utf8_lossy(&terminal.shown).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(shown.contains(says), "{words:?}: {shown}");
    }
    // Without a terminal there is nothing to attach.
    for command in [verb(&home, "attach", &["work"]), home.mpmosh(&["--session=work"], &["sh"])] {
        let output = bounded(piped(command));
        assert_eq!((output.status.code(), printed(&output).as_str()), (Some(255), ""));
        assert!(
            said(&output).contains("terminal") && said(&output).contains("sessions HOST --json"),
            "{}",
            said(&output)
        );
    }
    drop(stock.stdin.take());
    assert_eq!(bounded(stock).status.code(), Some(0));
}

#[test]
fn a_script_reads_json_and_nothing_else() {
    let home = Home::new("json");
    let _ended = Ended(&home);
    let empty = run(&home, "sessions", &["--json"]);
    assert_eq!(empty.status.code(), Some(1));
    left(&home, "work");
    let list = run(&home, "sessions", &["--json"]);
    assert_eq!((list.status.code(), said(&list).as_str()), (Some(0), ""));
    for (list, count) in [(empty, 0), (list, 1)] {
        let text = printed(&list);
        assert!(text.ends_with("}\n") && text.lines().count() == 1, "{text}");
        let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(json["version"], 1);
        assert_eq!(json["sessions"].as_array().map(Vec::len), Some(count));
        if count == 1 {
            assert_eq!(json["sessions"][0]["name"], "work");
        }
    }
}

#[test]
fn a_title_is_not_obeyed_where_sessions_are_listed() {
    let home = Home::new("title");
    let _ended = Ended(&home);
    // A shell that the server starts as a login shell has no command, and is known by its title.
    let mut command = home.program("mpmosh");
    command.args(["--local", "--session", "work"]);
    let mut terminal = Terminal::start(&command);
    fs::write(home.file("title"), "\x1b]2;evil\u{9b}31m title\x07").expect("a file");
    terminal.type_in("cat ~/title; echo do''ne\r");
    terminal.see("done");
    terminal.type_in("\x1ed");
    assert_eq!(terminal.end(), 0);
    let table = printed(&run(&home, "sessions", &[]));
    let json = printed(&run(&home, "sessions", &["--json"]));
    for text in [table, json] {
        assert!(text.contains("evil") && !text.contains(['\u{1b}', '\u{9b}', '\u{7}']), "{text:?}");
    }
}
