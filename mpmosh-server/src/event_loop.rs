//! The one loop of the server: what the system has to say goes into [`Server`], what it answers goes out.

use crate::addresses::Listing;
use crate::control::Control;
use crate::program::Program;
use crate::server::{Leave, Output, Server};
use net::{Candidate, Instant, Path, Received, SendError, Transmit};
use platform::clock;
use platform::confine::{Part, confine};
use platform::control::DeskTokens;
use platform::driver::{Driver, DriverTokens, Machine};
use platform::interfaces::Interface;
use platform::login;
use platform::signals::{Signal, Signals};
use platform::tty;
use platform::udp::{Endpoint, IcmpKind};
use platform::wait::{Token, Waiter};
use platform::words::without_numbers;
use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use sync::Channel;

/// After this long without a word the user counts as gone from the terminal (as stock servers record it).
const ATTACHED: Duration = Duration::from_secs(30);

/// The record of logins follows a client to another of its addresses no more often: a client with several paths speaks now
/// from one and now from another, and each record is a program that is started.
const MOVES: Duration = Duration::from_secs(10);

/// What to run.
pub struct Launch {
    /// The program and its environment.
    pub command: Command,
    /// What to call it when it cannot be run.
    pub name: String,
    /// Shown before it starts.
    pub greeting: Vec<u8>,
    /// On pipes, not on a terminal.
    pub streams: bool,
}

/// Serves one session to its end.
///
/// # Errors
/// What keeps the loop from waiting: never the peer's doing.
pub async fn run(
    mut server: Server,
    endpoint: Endpoint,
    launch: Launch,
    listing: Listing,
    mut control: Control,
) -> io::Result<()> {
    let mut launch = Some(launch);
    let mut program: Option<Program> = None;
    let mut signals = Signals::new(&[Signal::Terminate, Signal::Interrupt, Signal::User1, Signal::Child])?;
    let only = listing.only;
    let mut driver = Driver::new(endpoint, listing)?.only_at(only);
    let mut recorded = Recorded { told: None, told_at: Instant::ZERO, over: false };
    driver.begin(&mut server);
    loop {
        control.serve(&mut server, clock::now());
        driver.transmit(&mut server);
        if drain(&mut server, &mut launch, &mut program, &mut control)
            && let Some(listing) = control.take_listing()
        {
            // It came by another way than the client before.
            driver.obey(listing);
            driver.begin(&mut server);
        }
        if let Some(running) = &mut program {
            let now = clock::now();
            feed(running, &mut server, now);
            let client = server.attached_from(now, ATTACHED).map(|client| client.ip());
            recorded.follow(running, client, now);
        }
        if server.is_finished() {
            break;
        }
        // What was read may have made room to report.
        let timeout = driver.timeout(&server).into_iter().chain(control.timeout(clock::now())).min();
        let (waiter, tokens) = watch(&server, &driver, &signals, &control, program.as_ref());
        let ready = waiter.wait(timeout).await?;
        driver.handle_ready(&ready, tokens.driver, &mut server);
        control.handle_ready(&ready, tokens.control);
        while driver.poll_notice().is_some() {}
        if ready.has(tokens.signals) {
            handle_signals(&mut signals, &mut server, program.as_mut());
        }
        if let Some(running) = &mut program {
            let [output, error] = [tokens.output, tokens.error].map(|token| ready.has(token));
            follow_program(running, &mut server, output, error);
            if let Some(status) = running.status() {
                // What it wrote last is still in the terminal.
                follow_program(running, &mut server, true, true);
                recorded.end(running);
                server.handle_program_end(status, clock::now());
                program = None;
            }
        }
        driver.handle_timeout(&mut server);
    }
    if let Some(mut program) = program {
        recorded.end(&program);
        program.hang_up();
    }
    Ok(())
}

/// Does all that the server asks for, until it asks for nothing. Whether another client has taken the session over.
fn drain(
    server: &mut Server,
    launch: &mut Option<Launch>,
    program: &mut Option<Program>,
    control: &mut Control,
) -> bool {
    let mut taken_over = false;
    while let Some(output) = server.poll_output() {
        match (output, &mut *program) {
            (Output::Start(size), None) => {
                if let Some(launch) = launch.take() {
                    *program = start(launch, size, server);
                    let files = control.files();
                    if confine(Part::Server, &files.iter().map(PathBuf::as_path).collect::<Vec<_>>()) {
                        control.keep_the_socket();
                    }
                }
            }
            (Output::Input(bytes), Some(program)) => program.give(&bytes),
            (Output::Resize(size), Some(program)) => program.resize(window(size)),
            (Output::TakenOver(size), program) => {
                taken_over = true;
                if let Some(program) = program {
                    program.resize(window(size));
                    program.announce_size();
                }
            }
            _ => {}
        }
    }
    while let Some(event) = server.poll_event() {
        let level = if event.is_routine() { log::Level::Trace } else { log::Level::Info };
        log::log!(level, "{event:?}");
    }
    taken_over
}

/// Gives the program what has come for it, as far as it has room.
fn feed(program: &mut Program, server: &mut Server, now: Instant) {
    let input = server.read_input(program.room(), now);
    if !input.is_empty() {
        program.give(&input);
    }
    if server.input_ended() {
        program.end_input();
    }
    program.pump();
}

/// What is waited for in one turn of the loop.
struct TurnTokens {
    driver: DriverTokens,
    control: DeskTokens,
    signals: Token,
    output: Option<Token>,
    error: Option<Token>,
}

/// What to wait for now.
fn watch<'fd>(
    server: &Server,
    driver: &'fd Driver,
    signals: &'fd Signals,
    control: &'fd Control,
    program: Option<&'fd Program>,
) -> (Waiter<'fd>, TurnTokens) {
    let mut waiter = Waiter::new();
    let output = program.and_then(Program::output).filter(|_| server.room(Channel::Stdout) > 0);
    let error = program.and_then(Program::error).filter(|_| server.room(Channel::Stderr) > 0);
    let tokens = TurnTokens {
        driver: driver.watch(&mut waiter),
        control: control.watch(&mut waiter),
        signals: waiter.read(signals.as_fd()),
        output: output.map(|fd| waiter.read(fd)),
        error: error.map(|fd| waiter.read(fd)),
    };
    if let Some(sink) = program.and_then(Program::sink) {
        waiter.write(sink);
    }
    (waiter, tokens)
}

fn handle_signals(signals: &mut Signals, server: &mut Server, mut program: Option<&mut Program>) {
    let now = clock::now();
    for signal in signals {
        match (signal, &mut program) {
            (Signal::Terminate | Signal::Interrupt, _) => server.handle_leave(Leave::Now, now),
            (Signal::User1, _) => server.handle_leave(Leave::IfDetached, now),
            (Signal::Child, Some(program)) => program.reap(),
            _ => {}
        }
    }
}

fn start(launch: Launch, size: terminal::Size, server: &mut Server) -> Option<Program> {
    let now = clock::now();
    let started = if launch.streams {
        Program::on_pipes(launch.command)
    } else {
        server.handle_program_output(&launch.greeting, now);
        Program::on_terminal(launch.command, window(size))
    };
    match started {
        Ok(program) => Some(program),
        Err(error) => {
            log::error!("{}: {error}", launch.name);
            let reason = without_numbers(&error.to_string());
            let message = format!("mpmosh-server: {}: {reason}\r\n", launch.name);
            if launch.streams {
                server.handle_program_error(message.replace('\r', "").as_bytes(), now);
            } else {
                server.handle_program_output(message.as_bytes(), now);
            }
            // As a shell tells it.
            let status = if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 };
            server.handle_program_end(status, now);
            None
        }
    }
}

/// Hands over what the program wrote, as far as there is room; `output` and `error`: where there is something to read.
fn follow_program(program: &mut Program, server: &mut Server, output: bool, error: bool) {
    let now = clock::now();
    if output && let Some(bytes) = program.read_output(server.room(Channel::Stdout)) {
        server.handle_program_output(&bytes, now);
    }
    if error && let Some(bytes) = program.read_error(server.room(Channel::Stderr)) {
        server.handle_program_error(&bytes, now);
    }
    if server.is_stopped(Channel::Stdout) {
        program.close_output();
    }
    if server.is_stopped(Channel::Stderr) {
        program.close_error();
    }
}

impl Machine for Server {
    fn handle_datagram(&mut self, received: Received<'_>, now: Instant) {
        self.handle_datagram(received, now);
    }

    fn handle_send_error(&mut self, path: &Path, error: SendError, now: Instant) {
        self.handle_send_error(path, error, now);
    }

    fn handle_refusal(&mut self, path: &Path, kind: IcmpKind, now: Instant) {
        match kind {
            IcmpKind::PortUnreachable => self.handle_refusal(path, now),
            _ => self.handle_icmp(path, now),
        }
    }

    fn handle_packet_too_big(&mut self, path: &Path, mtu: u32, now: Instant) {
        self.handle_packet_too_big(path, mtu, now);
    }

    fn handle_interfaces(&mut self, _interfaces: &[Interface], candidates: &[Candidate], now: Instant) {
        self.handle_interfaces(candidates, now);
    }

    fn handle_resume(&mut self, slept: Duration, now: Instant) {
        self.handle_resume(slept, now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.handle_timeout(now);
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> {
        self.poll_transmit(now)
    }

    fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        self.poll_timeout(now).map(|(at, _)| at)
    }

    fn is_active(&self, now: Instant) -> bool {
        self.connection().is_some_and(|connection| connection.is_active(now))
    }
}

fn window(size: terminal::Size) -> tty::Size {
    tty::Size { columns: size.columns, rows: size.rows }
}

/// What the system's record of logins says of this session.
struct Recorded {
    told: Option<Option<IpAddr>>,
    /// When it was last told.
    told_at: Instant,
    over: bool,
}

impl Recorded {
    /// Keeps the record: who is there, and from where.
    fn follow(&mut self, program: &Program, client: Option<IpAddr>, now: Instant) {
        let Some(terminal) = program.terminal() else { return };
        let moved = matches!((self.told, client), (Some(Some(_)), Some(_)));
        let waits = moved && now.since(self.told_at) < MOVES;
        if self.over || self.told == Some(client) || waits {
            return;
        }
        (self.told, self.told_at) = (Some(client), now);
        let id = std::process::id();
        let host = match client {
            Some(ip) => format!("{ip} via mosh [{id}]"),
            None => format!("mosh [{id}]"),
        };
        login::record_login(terminal, Some(&host));
    }

    fn end(&mut self, program: &Program) {
        if let (Some(terminal), Some(_)) = (program.terminal(), self.told) {
            login::record_login(terminal, None);
        }
        self.over = true;
    }
}
