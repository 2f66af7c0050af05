//! A server that has the session's key and means harm, against the real client on a terminal. SPEC's clauses hold outsiders
//! off; here is what the one who is let in cannot do either.
#![cfg(target_os = "linux")]

mod local;

use local::{Home, Terminal, kill};
use net::{Class, Config, Connection, Dialect, DialectName, Ecn, Key, LocalAddr, Path, Received, Side};
use platform::clock;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use sync::{Input, InputEvent, Screen, Transport};
use terminal::{Size, Vocabulary};

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
const SIZE: Size = Size { columns: 80, rows: 24 };

/// The frames of one attack: what to say for the frame of this number, if anything.
type Attack = Box<dyn FnMut(u64) -> Option<Vec<u8>> + Send>;

struct Hostile {
    port: u16,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Vec<u8>>>,
}

impl Hostile {
    /// Says each frame as soon as it can, once the client has spoken.
    fn start(mut attack: Attack) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let port = socket.local_addr().expect("an address").port();
        let stop = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            socket.set_read_timeout(Some(Duration::from_millis(2))).expect("a timeout");
            let key = Key::parse(KEY).expect("a key");
            let dialect = Dialect::new(DialectName::Multipath, &key, Side::Server).expect("a dialect");
            let mut connection = Connection::server(dialect, Config::default().with_port(port), clock::now());
            // It reads what the client says as any server does.
            let blank = Screen::new(SIZE, Vocabulary::PEER);
            let settings = sync::Config::extended(Duration::ZERO, 1);
            let mut reader = Transport::new(blank, Input::new(), settings, clock::now());
            let (mut typed, mut read, mut number, mut heard) = (Vec::new(), 0, 0, false);
            let mut buffer = [0; 2048];
            while !is_over.load(Ordering::Relaxed) {
                while let Ok((length, remote)) = socket.recv_from(&mut buffer) {
                    let local = LocalAddr { ip: "127.0.0.1".parse().expect("an address"), interface: None };
                    let received = Received::new(Path { local, remote }, Ecn::NotEct, &mut buffer[..length]);
                    if let Ok(Some(payload)) = connection.handle_datagram(received, clock::now()) {
                        heard = true;
                        let _ = reader.handle_payload(&payload, clock::now());
                        for event in reader.remote().events_since(read) {
                            if let InputEvent::Bytes(keys) = event {
                                typed.extend_from_slice(keys);
                            }
                        }
                        read = reader.remote().end();
                    }
                }
                if heard && let Some(diff) = attack(number + 1) {
                    number += 1;
                    for payload in instruction(number, reader.remote_number(), &diff) {
                        connection.send(payload, Class::Bulk);
                    }
                }
                connection.handle_timeout(clock::now());
                while let Some(transmit) = connection.poll_transmit(clock::now()) {
                    let _ = socket.send_to(&transmit.bytes, transmit.path.remote);
                }
                while connection.poll_event().is_some() {}
            }
            typed
        });
        Self { port, stop, thread: Some(thread) }
    }

    /// What was typed to it.
    fn end(mut self) -> Vec<u8> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().expect("a thread").join().expect("the attack")
    }
}

/// An instruction from state 0, by its wire format, in payloads that fit datagrams.
fn instruction(number: u64, ack: u64, diff: &[u8]) -> Vec<Vec<u8>> {
    let mut message = Vec::new();
    for (field, value) in [(1, 2), (2, 0), (3, number), (4, ack), (5, 0)] {
        message.push(field << 3);
        varint(&mut message, value);
    }
    bytes(&mut message, 6, diff);
    let mut compressed = vec![0; zlib_rs::compress_bound(message.len())];
    let mut deflate = zlib_rs::Deflate::new(9, true, 15);
    deflate.compress(&message, &mut compressed, zlib_rs::DeflateFlush::Finish).expect("a stream");
    compressed.truncate(deflate.total_out() as usize);
    let count = compressed.chunks(1000).count();
    let pieces = compressed.chunks(1000).enumerate().map(|(index, piece)| {
        let mark = if index + 1 == count { 1 << 15 } else { 0 };
        [&number.to_be_bytes()[..], &(index as u16 | mark).to_be_bytes(), piece].concat()
    });
    pieces.collect()
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn bytes(out: &mut Vec<u8>, field: u8, contents: &[u8]) {
    out.push(field << 3 | 2);
    varint(out, contents.len() as u64);
    out.extend_from_slice(contents);
}

/// HostBytes.
fn host(contents: &[u8]) -> Vec<u8> {
    let (mut inner, mut step, mut diff) = (Vec::new(), Vec::new(), Vec::new());
    bytes(&mut inner, 4, contents);
    bytes(&mut step, 2, &inner);
    bytes(&mut diff, 1, &step);
    diff
}

/// ResizeMessage.
fn resize(columns: u64, rows: u64) -> Vec<u8> {
    let (mut inner, mut step, mut diff) = (Vec::new(), Vec::new(), Vec::new());
    for (field, value) in [(5, columns), (6, rows)] {
        inner.push(field << 3);
        varint(&mut inner, value);
    }
    bytes(&mut step, 3, &inner);
    bytes(&mut diff, 1, &step);
    diff
}

fn client(home: &Home, port: u16) -> Terminal {
    let mut command = home.program("mpmosh-client");
    command.args(["127.0.0.1", &port.to_string()]).env("MOSH_KEY", KEY);
    Terminal::start(&command)
}

/// The client ends by itself, and says why.
fn refused(name: &str, why: &str, attack: Attack) {
    let home = Home::new(name);
    let hostile = Hostile::start(attack);
    let mut terminal = client(&home, hostile.port);
    terminal.see("its server is broken, or hostile");
    terminal.see(why);
    let status = terminal.end();
    assert_ne!(status, 0, "{}", String::from_utf8_lossy(&terminal.shown));
    hostile.end();
}

#[test]
fn a_screen_of_a_size_that_the_terminal_never_had_ends_the_session() {
    // A million cells, to be filled 10,000 times.
    let diff = [resize(1000, 1000), host(&b"\x1b[88$x".repeat(10_000))].concat();
    refused("size", "a screen of 1000", Box::new(move |number| (number == 1).then(|| diff.clone())));
}

#[test]
fn a_frame_that_is_longer_than_any_screen_ends_the_session() {
    let diff = host(&b"\x1b[88$x".repeat(650_000));
    refused("length", "more than 184 KiB", Box::new(move |number| (number == 1).then(|| diff.clone())));
}

#[test]
fn a_frame_that_asks_for_endless_work_ends_the_session() {
    let diff = host(&b"\x1b[88$x".repeat(20_000));
    refused("work", "busy without end", Box::new(move |number| (number == 1).then(|| diff.clone())));
}

#[test]
fn keys_and_signals_count_while_the_dearest_frames_pour_in() {
    let home = Home::new("flood");
    let diff = host(&[&b"\x1b[88$x".repeat(500)[..], b"\x1b[Hready"].concat());
    let hostile = Hostile::start(Box::new(move |_| Some(diff.clone())));
    let mut terminal = client(&home, hostile.port);
    terminal.see("ready");
    terminal.type_in("typed");
    // The escape key is the client's own, whatever the server does.
    terminal.type_in("\u{1e}?");
    terminal.see("quits");
    let id = terminal.pty().pid();
    // It has given up what a session does not need, where the kernel can take it.
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("the process");
    assert_eq!(status.contains("NoNewPrivs:\t1"), platform::sandbox::means().is_ok(), "{status}");
    kill(id, "TERM");
    assert_eq!(terminal.end(), 143);
    assert!(hostile.end().starts_with(b"typed"));
}

#[test]
fn a_large_clipboard_is_no_attack() {
    let home = Home::new("clipboard");
    let content = "QUJD".repeat(22_500);
    let diff = host(format!("\x1b]52;c;{content}\x07ready").as_bytes());
    let hostile = Hostile::start(Box::new(move |number| (number == 1).then(|| diff.clone())));
    let mut terminal = client(&home, hostile.port);
    terminal.see(&format!("\x1b]52;c;{content}\x07"));
    kill(terminal.pty().pid(), "TERM");
    assert_eq!(terminal.end(), 143);
    hostile.end();
}

#[test]
fn whoever_wants_none_has_no_clipboard_written() {
    let home = Home::new("no-clipboard");
    let diff = host(b"\x1b]52;c;QUJD\x07ready");
    let hostile = Hostile::start(Box::new(move |number| (number == 1).then(|| diff.clone())));
    let mut command = home.program("mpmosh-client");
    command
        .args(["127.0.0.1", &hostile.port.to_string()])
        .env("MOSH_KEY", KEY)
        .env("MPMOSH_CLIPBOARD", "off");
    let mut terminal = Terminal::start(&command);
    terminal.see("ready");
    kill(terminal.pty().pid(), "TERM");
    assert_eq!(terminal.end(), 143);
    assert!(!String::from_utf8_lossy(&terminal.shown).contains("]52;"));
    hostile.end();
}
