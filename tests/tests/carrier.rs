//! The server's end of a carrier, as the real program: what ssh gives it are pipes here, and the client is the production
//! connection, whose datagrams go through the production frames.
#![cfg(target_os = "linux")]

mod carrying;
mod local;

use carrying::{Client, End};
use local::{Home, bounded, gone, kill, said};
use net::Class;
use std::fs;
use std::io::Read;
use std::process::{Command, Output, Stdio};

/// `mpmosh-server new --carry` with a program that stays.
fn new(home: &Home, options: &[&str]) -> Command {
    let mut command = home.program("mpmosh-server");
    command.args(["new", "--carry", "--dialect", "multipath", "--size", "80x24", "-p", "0"]).args(options);
    command.args(["--", "sleep", "1000"]);
    command
}

fn verb(home: &Home, words: &[&str]) -> Command {
    let mut command = home.program("mpmosh-server");
    command.args(words);
    command
}

fn run(home: &Home, words: &[&str]) -> Output {
    let mut command = verb(home, words);
    bounded(
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts"),
    )
}

/// A session, and its first carrier.
struct Session {
    end: End,
    client: Client,
    id: String,
    server: String,
}

impl Session {
    fn begin(home: &Home, options: &[&str]) -> Self {
        let end = End::begin(new(home, options));
        let client = Client::of(&end.before);
        let id = end.before.trim_end().rsplit("session=").next().expect("an id")[..6].to_owned();
        let list = String::from_utf8(run(home, &["sessions", "--json"]).stdout).expect("text");
        let of = &list[list.find(&format!("\"id\":\"{id}\"")).expect("the session is listed")..];
        let server = of.split("\"pid\":").nth(1).expect("a process").split(',').next().expect("a number");
        Self { client, id, server: server.to_owned(), end }
    }

    fn exchange(&mut self) {
        self.client.exchange(&mut self.end);
    }
}

/// Ends what the test has begun, whatever becomes of it.
struct Ended<'a>(&'a Home);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        let list = String::from_utf8_lossy(&run(self.0, &["sessions", "--json"]).stdout).into_owned();
        for id in list.split("\"id\":\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            run(self.0, &["kill", id]);
        }
    }
}

/// What a process has open, but for the standard streams and what this one was given, and gives to all that it starts.
fn descriptors(process: u32) -> Vec<String> {
    let of = |process: &str| {
        let all = fs::read_dir(format!("/proc/{process}/fd")).expect("a process").flatten();
        let given = ["0", "1", "2"];
        let beyond = all.filter(|entry| !given.contains(&entry.file_name().to_str().expect("a number")));
        let link = |path| fs::read_link(path).unwrap_or_default().display().to_string();
        beyond.map(|entry| link(entry.path())).collect::<Vec<_>>()
    };
    let ours = of("self");
    of(&process.to_string()).into_iter().filter(|link| !ours.contains(link)).collect()
}

/// Whether a process has this anywhere in its memory.
fn remembers(process: u32, what: &[u8]) -> bool {
    use std::io::{Seek, SeekFrom};
    let maps = fs::read_to_string(format!("/proc/{process}/maps")).expect("a process");
    let mut memory = fs::File::open(format!("/proc/{process}/mem")).expect("a process of one's own");
    let ranges = maps.lines().filter(|line| line.contains(" rw")).filter_map(|line| {
        let (from, to) = line.split(' ').next()?.split_once('-')?;
        Some((u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(to, 16).ok()?))
    });
    let mut holds = |(from, to): (u64, u64)| {
        let mut octets = vec![0; (to - from) as usize];
        let read = memory.seek(SeekFrom::Start(from)).and_then(|_| memory.read_exact(&mut octets));
        read.is_ok() && octets.windows(what.len()).any(|window| window == what)
    };
    ranges.collect::<Vec<_>>().into_iter().any(&mut holds)
}

#[test]
fn a_session_is_begun_and_carried_on_one_stream_and_goes_on_when_that_ends() {
    let home = Home::new("carry");
    let _ended = Ended(&home);
    let mut session = Session::begin(&home, &[]);
    assert!(session.end.before.starts_with("MPMOSH CONNECT multipath/1 "), "{}", session.end.before);
    session.exchange();
    session.exchange();
    assert!(session.client.payloads > 0, "the screen comes, too");
    let Session { end, server, id, .. } = session;
    let output = end.end();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("detached, pid = "), "{}", said(&output));
    assert!(fs::exists(format!("/proc/{server}")).expect("proc"), "the session goes on");
    assert!(String::from_utf8_lossy(&run(&home, &["sessions", "--json"]).stdout).contains(&id));
}

#[test]
fn a_carrier_has_no_key_and_nothing_of_the_session() {
    let home = Home::new("nothing");
    let _ended = Ended(&home);
    let mut session = Session::begin(&home, &[]);
    session.exchange();
    let carrier = session.end.child.id();
    let words = fs::read(format!("/proc/{carrier}/cmdline")).expect("a process");
    let words = String::from_utf8_lossy(&words).replace('\0', " ");
    assert!(words.trim_end().ends_with(&format!("mpmosh-server carry {}", session.id)), "{words}");
    let open = descriptors(carrier);
    assert!(matches!(&open[..], [one] if one.starts_with("socket:")), "{open:?}");
    let key = session.end.before.split_whitespace().nth(4).expect("a key").to_owned();
    assert!(remembers(carrier, b"MPMOSH_SERVER_CARRIES"), "memory can be read");
    assert!(!remembers(carrier, key.as_bytes()), "the key's text is still there");
    let octets = decoded(&key);
    assert!(!remembers(carrier, &octets[..16]), "the key is still there");
    // The session is the carrier's child, and nobody waits for it.
    kill(session.server.parse().expect("a number"), "KILL");
    gone(&session.server);
    let left = || !fs::exists(format!("/proc/{}", session.server)).expect("proc");
    assert!(
        mpmosh_tests::lab::clock::wait_for(local::PATIENCE, || left().then_some(())).is_some(),
        "a zombie"
    );
    // The port is refused now, which is no reason to end at once.
    session.client.connection.send(b"is anybody there".to_vec(), Class::Interactive);
    session.end.turn(&mut session.client);
    session.end.turn(&mut session.client);
    let output = session.end.end();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

/// Standard base64 without padding.
fn decoded(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits = text.bytes().flat_map(|octet| {
        let value = ALPHABET.iter().position(|known| *known == octet).expect("base64");
        (0..6).rev().map(move |bit| (value >> bit) as u8 & 1)
    });
    let bits: Vec<u8> = bits.collect();
    bits.chunks_exact(8).map(|octet| octet.iter().fold(0, |sum, bit| sum << 1 | bit)).collect()
}

#[test]
fn another_carrier_is_opened_later_by_id_or_name_beside_the_first() {
    let home = Home::new("later");
    let _ended = Ended(&home);
    let mut session = Session::begin(&home, &["--session", "work"]);
    session.exchange();
    let id = session.id.clone();
    let mut by_id = End::begin(verb(&home, &["carry", &id]));
    let mut by_name = End::begin(verb(&home, &["carry", "work"]));
    assert_eq!((by_id.before.as_str(), by_name.before.as_str()), ("", ""));
    session.client.exchange(&mut by_id);
    session.exchange();
    session.client.exchange(&mut by_name);
    assert_eq!(session.end.end().status.code(), Some(0));
    session.client.exchange(&mut by_id);
    assert_eq!(by_id.end().status.code(), Some(0));
    assert_eq!(by_name.end().status.code(), Some(0));
}

#[test]
fn who_attaches_gets_a_carrier_on_the_same_stream() {
    let home = Home::new("attach");
    let _ended = Ended(&home);
    let first = Session::begin(&home, &["--session", "work"]);
    let options = ["--carry", "--take", "--size", "80x24"];
    for words in
        [[&["attach"], &options[..], &["work"]].concat(), [&["new", "--session=work"], &options[..]].concat()]
    {
        let mut command = verb(&home, &words);
        if words[0] == "new" {
            command.args(["--dialect", "multipath"]);
        }
        let mut end = End::begin(command);
        assert!(end.before.contains(" name=work attached"), "{}", end.before);
        Client::of(&end.before).exchange(&mut end);
        assert_eq!(descriptors(end.child.id()).len(), 1);
        assert_eq!(end.end().status.code(), Some(0));
    }
    drop(first.end.end());
}

#[test]
fn the_one_address_that_is_served_is_where_a_carrier_goes() {
    let home = Home::new("only");
    let _ended = Ended(&home);
    let mut session = Session::begin(&home, &["-i", "127.0.0.3"]);
    session.exchange();
    let mut later = End::begin(verb(&home, &["carry", &session.id]));
    session.client.exchange(&mut later);
}

#[test]
fn what_is_no_carrier_s_ends_the_carrier_with_a_sentence_and_not_the_session() {
    let home = Home::new("babble");
    let _ended = Ended(&home);
    let mut session = Session::begin(&home, &[]);
    session.exchange();
    for (octets, sentence) in [
        (&b"Welcome to the bastion!\r\n"[..], "is no carrier's: a frame of 22373 octets was announced"),
        (&[0, 5, 1, 0, 0, 1, 0], "octets were credited that had not been sent"),
        (&[0, 40, 0, 1, 2], "the stream ended within a frame"),
    ] {
        let mut end = End::begin(verb(&home, &["carry", &session.id]));
        end.write(octets);
        let output = end.end();
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        let said = said(&output);
        assert!(said.contains(sentence) && said.lines().count() == 1 && said.ends_with(".\n"), "{said}");
    }
    // Nobody reads any more.
    let mut end = End::begin(verb(&home, &["carry", &session.id]));
    drop(end.child.stdout.take());
    let held = end.child.stdin.take();
    assert_eq!(bounded(end.child).status.code(), Some(0));
    drop(held);
    session.exchange();
}

#[test]
fn a_carrier_to_nowhere_is_refused_where_programs_read_it() {
    let home = Home::new("nowhere");
    let output = run(&home, &["carry", "work"]);
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{out}");
    assert!(out.starts_with("MPMOSH REFUSED unknown no session here is called “work”"), "{out}");
    // No stream, no carrier: the session is there all the same.
    let _ended = Ended(&home);
    let mut terminal = local::Terminal::start(&new(&home, &[]));
    terminal.see("MPMOSH CONNECT multipath/1 ");
    terminal.see("there is no carrier: a carrier's stream is no terminal");
    assert_eq!(terminal.end(), 0);
    assert!(!String::from_utf8_lossy(&terminal.shown).contains("MPMOSH CARRY"));
}
