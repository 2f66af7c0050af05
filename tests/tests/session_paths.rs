//! What a user sees of the paths of real sessions: `mpmosh paths`, the overlay, the trace. On this machine alone.
#![cfg(target_os = "linux")]

mod local;

use local::{Home, Terminal, bounded, first_line, gone, kill, piped, said, shell};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Command, Output};
use std::time::Duration;

/// `mpmosh paths WORDS`.
fn paths(home: &Home, words: &[&str]) -> Command {
    let mut command = home.program("mpmosh");
    command.arg("paths").args(words);
    command
}

fn told(home: &Home, words: &[&str]) -> Output {
    bounded(piped(paths(home, words)))
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

/// A session without a terminal, which lasts until its input ends.
fn streams(home: &Home) -> Child {
    let mut child = piped(home.mpmosh(&[], &["sh", "-c", "echo there; cat"]));
    assert_eq!(first_line(&mut child), "there");
    child
}

fn end(mut child: Child) {
    drop(child.stdin.take());
    assert_eq!(bounded(child).status.code(), Some(0));
}

fn json(home: &Home, words: &[&str]) -> Value {
    let output = told(home, &[&["--json"], words].concat());
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output)))
}

#[test]
fn every_session_is_told_of_as_a_table_and_as_json_and_by_its_process_or_name() {
    let home = Home::new("paths");
    let none = told(&home, &[]);
    assert_eq!((none.status.code(), text(&none).as_str()), (Some(1), ""));
    assert!(said(&none).contains("No session of yours"), "{}", said(&none));
    assert_eq!(json(&home, &[]), serde_json::json!({ "version": 1, "sessions": [] }));

    let child = streams(&home);
    let id = child.id().to_string();
    let (mut terminal, _) = shell(&home, &[]);
    let table = told(&home, &[]);
    assert_eq!(table.status.code(), Some(0), "{}", said(&table));
    let table = text(&table);
    assert_eq!(table.matches("local (process ").count(), 2, "{table}");
    assert!(table.contains(&format!("local (process {id}): without a terminal, multipath")), "{table}");
    let carrier = table.lines().find(|line| line.starts_with('*')).expect("a path that carries");
    assert!(carrier.contains(" primary ") && carrier.contains("answering for"), "{table}");

    let report = json(&home, &[&id]);
    let session = &report["sessions"][0];
    assert_eq!(report["sessions"].as_array().map(Vec::len), Some(1), "{report}");
    assert_eq!((&session["kind"], &session["name"]), (&Value::from("streams"), &Value::from("local")));
    let carrier = session["paths"].as_array().expect("paths").iter().find(|path| path["chosen"] == true);
    let carrier = carrier.expect("one is chosen");
    // The clock of the wire counts milliseconds: a round trip on one machine may take none.
    assert!(carrier["srtt_ms"].as_f64().is_some_and(|srtt| (0.0..5000.0).contains(&srtt)), "{carrier}");
    assert!(carrier["received"].as_u64().is_some_and(|received| received > 0), "{carrier}");
    assert_eq!(carrier["state"], "answering");
    assert_eq!(json(&home, &["local"])["sessions"].as_array().map(Vec::len), Some(2));

    for unknown in ["elsewhere", "1"] {
        let output = told(&home, &[unknown]);
        assert_eq!((output.status.code(), text(&output).as_str()), (Some(1), ""), "{}", said(&output));
    }
    let wrong = told(&home, &["--jsn"]);
    assert_eq!(wrong.status.code(), Some(255));
    assert!(said(&wrong).contains("--json"), "{}", said(&wrong));

    end(child);
    terminal.type_in("exit\r");
    terminal.end();
    assert_eq!(told(&home, &[]).status.code(), Some(1));
    assert_eq!(
        fs::read_dir(home.file("run/mpmosh")).expect("the folder").count(),
        0,
        "nothing is left behind"
    );
}

#[test]
fn a_session_of_the_drop_in_client_is_told_of_by_its_address() {
    let home = Home::new("dropin");
    let mut server = home.program("mpmosh-server");
    server.args(["new", "-i", "127.0.0.1", "-c", "256", "--", "sh", "-i"]);
    let announced = text(&bounded(piped(server)));
    let words: Vec<&str> = announced.split_whitespace().collect();
    let [.., "CONNECT", port, key] = words[..] else { panic!("{announced}") };
    let mut client = home.program("mpmosh-client");
    client.args(["127.0.0.1", port]).env("MOSH_KEY", key);
    let mut terminal = Terminal::start(&client);
    terminal.see("ready>");
    let report = json(&home, &["127.0.0.1"]);
    assert_eq!(report["sessions"][0]["dialect"], "mosh", "{report}");
    assert_eq!(report["sessions"][0]["paths"][0]["interface"], "any", "{report}");
    terminal.type_in("exit\r");
    terminal.end();
}

#[test]
fn a_watch_goes_on_until_the_last_session_ends() {
    let home = Home::new("watch");
    let child = streams(&home);
    let mut watch = piped(paths(&home, &["--watch"]));
    let mut lines = BufReader::new(watch.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
    for _ in 0..3 {
        assert!(lines.any(|line| line.starts_with('*')), "a table after the other");
    }
    end(child);
    assert_eq!(lines.find(|line| line.contains("nothing of the sort")), None, "it ends");
    let output = bounded(watch);
    assert_eq!(output.status.code(), Some(0));
    assert!(said(&output).contains("The last session has ended"), "{}", said(&output));
    assert_eq!(told(&home, &["--watch"]).status.code(), Some(1));
}

#[test]
fn a_watch_on_a_terminal_is_redrawn_in_place_and_left_with_q() {
    let home = Home::new("live");
    let child = streams(&home);
    for key in ["q", "\u{3}"] {
        let mut terminal = Terminal::start(&paths(&home, &["--watch"]));
        terminal.see("\x1b[?1049h");
        terminal.see("without a terminal");
        terminal.see("\x1b[H");
        terminal.type_in(key);
        assert_eq!(terminal.end(), 0);
        terminal.see("\x1b[?1049l");
    }
    end(child);
}

#[test]
fn what_a_killed_session_left_is_removed() {
    let home = Home::new("stale");
    let mut child = piped(home.mpmosh(&[], &["sh", "-c", "echo $PPID; cat"]));
    let server = first_line(&mut child);
    let socket = home.file(&format!("run/mpmosh/{}.sock", child.id()));
    assert!(socket.exists());
    kill(child.id(), "KILL");
    child.wait().expect("a child");
    assert!(socket.exists());
    assert_eq!(told(&home, &[]).status.code(), Some(1));
    assert!(!socket.exists());
    // It would tell a client of its end, and wait for the answer.
    kill(server.parse().unwrap(), "KILL");
    gone(&server);
}

#[test]
fn a_stopped_session_is_named_and_not_waited_for() {
    let home = Home::new("stopped");
    let child = streams(&home);
    let id = child.id();
    kill(id, "STOP");
    let output = told(&home, &[]);
    kill(id, "CONT");
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains(&format!("process {id} does not answer")), "{}", said(&output));
    end(child);
}

/// A folder that is another user's.
fn foreign(home: &Home) -> std::path::PathBuf {
    if !rustix::process::geteuid().is_root() {
        return "/".into();
    }
    let folder = home.file("foreign");
    fs::DirBuilder::new().mode(0o777).create(&folder).expect("a folder");
    chown(&folder, Some(65_534), None).expect("another owner");
    folder
}

#[test]
fn a_folder_of_another_user_is_not_used_and_a_link_is_not_followed() {
    let home = Home::new("owner");
    let somewhere = home.file("somewhere");
    fs::DirBuilder::new().mode(0o700).create(&somewhere).expect("a folder");
    let user = rustix::process::geteuid().as_raw();
    let temporary = home.file("tmp");
    fs::create_dir(&temporary).expect("a folder");
    let elsewhere = foreign(&home);
    let with = |mut command: Command| {
        command.env("XDG_RUNTIME_DIR", &elsewhere).env("TMPDIR", &temporary);
        command
    };
    let mut child = piped(with(home.mpmosh(&[], &["sh", "-c", "echo there; cat"])));
    assert_eq!(first_line(&mut child), "there");
    let socket = temporary.join(format!("mpmosh-{user}/{}.sock", child.id()));
    assert_eq!(fs::metadata(&socket).expect("the second place").permissions().mode() & 0o777, 0o600);
    let ask = || bounded(piped(with(paths(&home, &["local"])))).status.code();
    assert_eq!(ask(), Some(0));
    // Somebody lays a folder and a listener of his own where the session's were.
    let folder = temporary.join(format!("mpmosh-{user}"));
    fs::rename(&folder, somewhere.join("real")).expect("renamed");
    std::os::unix::fs::symlink(somewhere.join("real"), &folder).expect("a link");
    assert_eq!(ask(), Some(1), "the link is not followed");
    fs::remove_file(&folder).expect("removed");
    fs::rename(somewhere.join("real"), &folder).expect("renamed");
    end(child);
}

/// Connects to the session as any program of the user can.
fn asker(home: &Home, child: &Child, question: &str) -> UnixStream {
    let path = home.file(&format!("run/mpmosh/{}.sock", child.id()));
    let mut stream = UnixStream::connect(path).expect("the session listens");
    stream.write_all(question.as_bytes()).expect("it takes a question");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket");
    stream
}

#[test]
fn what_is_asked_wrongly_is_answered_in_words_or_not_at_all() {
    let home = Home::new("skew");
    let child = streams(&home);
    let answer = |question: &str| {
        let mut answer = String::new();
        asker(&home, &child, question).read_to_string(&mut answer).expect("an answer and its end");
        answer
    };
    let skew: Value = serde_json::from_str(&answer("paths 99\n")).expect("JSON");
    assert_eq!(skew["version"], 1);
    assert!(skew["error"].as_str().is_some_and(|error| error.contains("version 1")), "{skew}");
    let unknown: Value = serde_json::from_str(&answer("make coffee\n")).expect("JSON");
    assert!(unknown["error"].as_str().is_some_and(|error| error.contains("not known")), "{unknown}");
    let report: Value = serde_json::from_str(&answer("paths 1\n")).expect("JSON");
    assert_eq!(report["session"]["pid"], child.id());
    assert_eq!(answer(&"x".repeat(5000)), "", "no question is so long");
    end(child);
}

#[test]
fn askers_who_never_ask_or_never_read_cost_the_session_nothing_and_are_let_go() {
    let home = Home::new("hostile");
    let mut child = streams(&home);
    let mut silent: Vec<UnixStream> = (0..32).map(|_| asker(&home, &child, "")).collect();
    let mut one = asker(&home, &child, "paths 1\n");
    let mut answer = String::new();
    let _ = one.read_to_string(&mut answer);
    assert_eq!(answer, "", "there are as many already as are let in");
    let turned_away = said(&told(&home, &[]));
    assert!(turned_away.contains("turns us away"), "{turned_away}");
    let input = child.stdin.as_mut().expect("a pipe");
    input.write_all(b"still here\n").expect("the session reads");
    assert_eq!(first_line(&mut child), "still here");
    for stream in &mut silent {
        let mut said = String::new();
        stream.read_to_string(&mut said).expect("let go");
        assert_eq!(said, "");
    }
    let watchers: Vec<UnixStream> = (0..8).map(|_| asker(&home, &child, "watch 1\n")).collect();
    let input = child.stdin.as_mut().expect("a pipe");
    input.write_all(b"and here\n").expect("the session reads");
    assert_eq!(first_line(&mut child), "and here");
    drop(watchers);
    for garbage in ["\0\n", "paths\n", "watch 1\nmore and more\n", "\u{1b}[2J\n"] {
        drop(asker(&home, &child, garbage));
    }
    assert_eq!(told(&home, &[]).status.code(), Some(0), "those who left make room");
    end(child);
}

#[test]
fn a_process_that_is_no_session_is_told_apart() {
    let home = Home::new("impostor");
    fs::DirBuilder::new().mode(0o700).create(home.file("run/mpmosh")).expect("a folder");
    let id = std::process::id();
    let listener = UnixListener::bind(home.file(&format!("run/mpmosh/{id}.sock"))).expect("a socket");
    let asked = std::thread::spawn({
        let home_paths = paths(&home, &[]);
        move || bounded(piped(home_paths))
    });
    let (mut stream, _) = listener.accept().expect("it is asked");
    stream.write_all(b"{\"version\":7,\"release\":\"9.0\\u001b[2J\"}\n").expect("it reads");
    let output = asked.join().expect("the program");
    let said = said(&output).replace('\n', " ");
    assert!(
        said.contains("mpmosh 9.0's") && said.contains("version 7") && !said.contains('\u{1b}'),
        "{said:?}"
    );
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn the_overlay_shows_the_paths_and_goes_again() {
    let home = Home::new("overlay");
    let (mut terminal, _) = shell(&home, &[]);
    terminal.type_in("\x1ep");
    terminal.see("interface");
    terminal.see("RTT ms");
    terminal.see("answering");
    terminal.type_in("\x1ep");
    terminal.type_in("echo a''gain; exit 3\r");
    terminal.see("again");
    assert_eq!(terminal.end(), 3);
}

#[test]
fn a_trace_has_its_last_line_also_after_a_signal_and_is_drawn_in_both_formats() {
    let home = Home::new("trace");
    let trace = home.file("trace.jsonl");
    let option = format!("--trace={}", trace.display());
    let mut child = piped(home.mpmosh(&[&option], &["sh", "-c", "echo there; exec sleep 1000"]));
    assert_eq!(first_line(&mut child), "there");
    kill(child.id(), "TERM");
    assert_eq!(bounded(child).status.code(), Some(128 + 15));
    assert_eq!(fs::metadata(&trace).expect("the trace").permissions().mode() & 0o777, 0o600);
    let lines: Vec<Value> = fs::read_to_string(&trace)
        .expect("the trace")
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines[0]["event"], "session");
    assert_eq!(lines.last().map(|line| line["event"].clone()), Some(Value::from("end")));
    for event in ["interfaces", "flow", "chosen", "sent", "received", "rtt"] {
        assert!(lines.iter().any(|line| line["event"] == event), "no {event}");
    }
    for (name, magic) in [("figure.svg", &b"<svg "[..]), ("figure.png", b"\x89PNG\r\n")] {
        let mut plot = home.program("mpmosh");
        plot.arg("plot").arg(&trace).arg("-o").arg(home.file(name));
        let output = bounded(piped(plot));
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        assert!(fs::read(home.file(name)).expect("a figure").starts_with(magic));
    }
    // Another file is not written over.
    let precious = home.file("precious");
    fs::write(&precious, "dear diary\n").expect("a file");
    let option = format!("--trace={}", precious.display());
    let output = bounded(piped(home.mpmosh(&[&option], &["true"])));
    assert_eq!(output.status.code(), Some(255));
    assert!(said(&output).contains("is no trace"), "{}", said(&output));
    assert_eq!(fs::read(&precious).expect("a file"), b"dear diary\n");
}

#[test]
fn a_full_disk_ends_the_trace_and_not_the_session() {
    let home = Home::new("full");
    let output = bounded(piped(home.mpmosh(&["--trace=/dev/full"], &["sh", "-c", "echo whole; exit 6"])));
    assert_eq!((output.status.code(), text(&output).as_str()), (Some(6), "whole\n"));
    assert!(said(&output).contains("The trace ends here: No space left"), "{}", said(&output));
}
