//! The one loop of the client: what the system has to say goes into [`Client`], what it answers goes out.

mod carrying;
mod connecting;
pub(crate) mod control;
pub mod draw;
mod driving;
mod ending;
mod explaining;
mod name;
mod streams;
mod terminal;
pub mod trace;
mod tracing;
pub mod uplinks;

use self::carrying::{Carrying, CarryingTokens};
pub(crate) use self::connecting::connection;
use self::connecting::port;
use self::ending::{Consequence, Ending};
use self::name::Name;
use self::streams::{Silence, StreamEnds};
use self::terminal::TerminalEnd;
use self::tracing::Tracing;
use crate::bootstrap::{Courier, Uplinks};
use crate::cli::plan::{KnownSession, ServerProcess, SessionPlan};
use crate::cli::words::CarrierMode;
use crate::session::client::{Client, Outcome, Output};
use crate::session::report::SessionReport;
use crate::session::silence::Refusal;
use crate::text::messages::{Paragraph, notice};
use net::Trust;
use platform::changes::Changes;
use platform::clock;
use platform::confine::{Part, confine};
use platform::control::{Desk, DeskTokens};
use platform::driver::{Driver, DriverTokens};
use platform::login;
use platform::rehearsal::{self, no};
use platform::sandbox::{self, Kept};
use platform::signals::{Signal, Signals};
use platform::tty;
use platform::udp::{Endpoint, Families, IcmpKind};
use platform::wait::{Ready, Token, Waiter};
use std::collections::BTreeSet;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The status of failures of our own, as ssh's.
pub const FAILED: u8 = 255;

/// How a session ended.
#[derive(Debug)]
pub enum Ended {
    /// With this exit status.
    Status(u8),
    /// Nothing was ever heard from the server; what the user is told of that if nothing else is tried.
    Unheard(Box<Paragraph>),
}

/// Runs the session to its end, and gives the exit status. `courier` holds ssh beside it, where ssh began it.
///
/// # Errors
/// What the user is told: there was no session, or the system does not let it go on.
pub fn run(plan: &SessionPlan, courier: &mut Option<Courier>) -> Result<u8, Paragraph> {
    match try_run(plan, courier, None)? {
        Ended::Status(status) => Ok(status),
        Ended::Unheard(paragraph) => Err(*paragraph),
    }
}

/// [`run`] for whoever can try something else where the server is not heard within `patience`.
///
/// # Errors
/// As [`run`].
pub fn try_run(
    plan: &SessionPlan,
    courier: &mut Option<Courier>,
    patience: Option<Duration>,
) -> Result<Ended, Paragraph> {
    let mut session = Session::new(plan, courier.take())?;
    session.standby = patience.is_some();
    if let Some(patience) = patience {
        session.client.expect_first_word_within(patience);
    }
    session.enter_sandbox(plan);
    let (ending, carrying) = block_on(session.run()).map_err(|error| ending::cut_off(plan, &error))?;
    *courier = carrying.into_courier();
    // The terminal is the shell's again, or nobody's.
    let _ = tty::write_all(io::stdout(), &ending.printed);
    for line in &ending.afterwards {
        notice(&format!("mpmosh: {line}"));
    }
    let unheard = ending.outcome == Outcome::NothingReceived;
    match ending.verdict() {
        Consequence::Status(status) => Ok(Ended::Status(status)),
        Consequence::Told(told, status) => {
            told.tell();
            Ok(Ended::Status(status))
        }
        Consequence::Failure(told) if unheard => Ok(Ended::Unheard(Box::new(told))),
        Consequence::Failure(told) => Err(told),
    }
}

/// What stands at the user's side.
enum Ends {
    Terminal(TerminalEnd),
    Streams(StreamEnds),
}

struct Session {
    client: Client,
    ends: Ends,
    driver: Driver,
    trace: Tracing,
    control: Desk,
    about: About,
    port: u16,
    through: Option<String>,
    /// The signal that ended the session.
    ended_by: Option<Signal>,
    silence: Silence,
    name: Name,
    /// Interfaces whose silence has been looked into.
    explained: Vec<Option<net::Interface>>,
    wake_lock_told: bool,
    /// Flows whose refusal stands in the trace.
    refused: BTreeSet<net::FlowId>,
    /// What the user of a terminal is told when they have their shell again.
    afterwards: Vec<String>,
    /// Somebody waits with the session for the server's first word.
    standby: bool,
    carrying: Carrying,
}

/// What the session waits for in one turn of the loop.
struct TurnTokens {
    input: Option<Token>,
    signals: Token,
    name: Option<Token>,
    driver: DriverTokens,
    control: DeskTokens,
    carrying: CarryingTokens,
}

/// What a report tells of the session besides its paths.
struct About {
    name: String,
    ssh_host: Option<String>,
    /// What names its host on our command line.
    way: String,
    session: Option<KnownSession>,
    process: ServerProcess,
    command: bool,
    dialect: net::DialectName,
    started: net::Instant,
}

fn failure(what: &str) -> impl Fn(io::Error) -> Paragraph {
    move |error| Paragraph::new(what.to_owned(), format!("The system says: {error}."), "")
}

impl Session {
    fn new(plan: &SessionPlan, courier: Option<Courier>) -> Result<Self, Paragraph> {
        login::forbid_core_dumps();
        if plan.streams && !plan.dialect.traits().streams {
            return Err(Paragraph::new(
                "Without a terminal a session needs an mpmosh-server at the other end.",
                format!("This one speaks the {} dialect, which knows nothing but terminals.", plan.dialect),
                "Run it on a terminal, or install mpmosh there.",
            ));
        }
        let settings = plan.settings.clone();
        let seed = u64::from_ne_bytes(login::random().map_err(failure("There is no randomness."))?);
        let now = clock::now();
        let trace = Tracing::new(settings.trace.as_deref(), plan.dialect.as_str(), now)?;
        let carrying = Carrying::new(courier);
        let carriers = match settings.carrier {
            _ if !carrying.is_possible() => net::Carriers::Never,
            CarrierMode::Never => net::Carriers::Never,
            CarrierMode::Auto => net::Carriers::Auto,
            CarrierMode::Always => net::Carriers::Always,
        };
        let (connection, endpoint) = connection(plan, carriers, false, now)?;
        let ends = if plan.streams {
            Ends::Streams(StreamEnds::new().map_err(failure("Standard input cannot be read."))?)
        } else {
            Ends::Terminal(TerminalEnd::new(&settings)?)
        };
        let driver = Driver::new(endpoint, Uplinks::new(&settings));
        let driver = driver.map_err(failure("The network cannot be watched."))?;
        let port = port(plan);
        let mut client = match &ends {
            Ends::Streams(_) => Client::on_streams(connection, now),
            Ends::Terminal(terminal) => {
                Client::on_terminal(connection, terminal.display_options(plan, seed, port), now)
            }
        };
        client.expect_carrier(carriers != net::Carriers::Never);
        Ok(Self {
            client,
            ends,
            driver,
            trace,
            control: control::open(),
            about: About {
                name: plan.label.clone(),
                ssh_host: plan.ssh_host.clone(),
                way: plan.way.clone(),
                session: plan.session.clone(),
                process: plan.process.clone(),
                command: plan.command,
                dialect: plan.dialect,
                started: now,
            },
            port,
            through: plan.through.clone(),
            ended_by: None,
            silence: Silence::default(),
            name: Name::new(plan.lookup.clone(), port, plan.settings.family),
            explained: Vec::new(),
            wake_lock_told: false,
            refused: BTreeSet::new(),
            afterwards: Vec::new(),
            standby: false,
            carrying,
        })
    }

    /// Gives up what no session needs, before there is another thread. A process beside this one that holds ssh has been made
    /// by now; another session that follows in this process can still open what this one has.
    fn enter_sandbox(&self, plan: &SessionPlan) {
        let folder = self.control.path().and_then(Path::parent);
        let trace = plan.settings.trace.as_deref();
        let home = std::env::var_os("HOME").map(|home| Path::new(&home).join(".terminfo"));
        let own = ["TERMINFO", "TERMINFO_DIRS"].map(std::env::var_os).into_iter().flatten();
        let own = own.flat_map(|folders| std::env::split_paths(&folders).collect::<Vec<_>>());
        let terminals: Vec<PathBuf> = own.chain(home).collect();
        let kept = Kept {
            files: trace.as_slice(),
            read: &terminals.iter().map(PathBuf::as_path).collect::<Vec<_>>(),
            sockets: folder.as_slice(),
        };
        match sandbox::enter(kept) {
            Ok(what) => log::info!("given up: {what}"),
            Err(why) => log::info!("nothing is given up: {why}"),
        }
    }

    /// Carries the session to its end.
    async fn run(mut self) -> io::Result<(Ending, Carrying)> {
        let mut signals = Signals::new(&[
            Signal::WindowChange,
            Signal::Continue,
            Signal::Terminate,
            Signal::Interrupt,
            Signal::Hangup,
        ])?;
        self.driver.begin(&mut self.client);
        match &mut self.ends {
            Ends::Terminal(terminal) => terminal.enter()?,
            Ends::Streams(streams) => streams.begin()?,
        }
        if !self.standby {
            self.settle();
        }
        loop {
            self.drain();
            if let Some(outcome) = self.client.outcome() {
                self.trace(|trace, client| trace.end(how(client), clock::now()));
                self.take_answers().await?;
                self.carrying.finish(&mut self.client).await;
                return Ok((self.ending(outcome), self.carrying));
            }
            let reported = || control::line_of(report(&self.client, &self.about, &self.ends));
            self.control.serve(|question, _| control::understand(question), reported, clock::now());
            let control = self.control.poll_timeout(clock::now());
            let carrying = self.carrying.timeout(clock::now());
            let due = [self.driver.timeout(&self.client), self.tell_silence(), control, carrying];
            let (waiter, tokens) = self.watch(&signals);
            let ready = waiter.wait(due.into_iter().flatten().min()).await?;
            self.driver.handle_ready(&ready, tokens.driver, &mut self.client);
            self.hear_courier(&ready, tokens.carrying);
            self.heed_notices();
            self.follow_refusals();
            self.control.handle_ready(&ready, tokens.control);
            self.dismiss_standby();
            if ready.has(tokens.name) {
                self.client.add_remotes(&self.name.take(), Trust::Hint, clock::now());
            }
            if ready.has(tokens.signals) {
                self.handle_signals(&mut signals);
            }
            if ready.has(tokens.input) {
                match &mut self.ends {
                    Ends::Terminal(terminal) => terminal.read(&mut self.client),
                    Ends::Streams(streams) => streams.read(&mut self.client),
                }
            }
            self.driver.handle_timeout(&mut self.client);
        }
    }

    /// A session that ends at once leaves nothing for the shell to read that its terminal was asked.
    async fn take_answers(&mut self) -> io::Result<()> {
        let until = clock::now() + ANSWERS;
        while self.client.awaits_answers(clock::now()) && clock::now() < until {
            let Ends::Terminal(terminal) = &mut self.ends else { break };
            let Some(input) = terminal.input() else { break };
            let mut waiter = Waiter::new();
            let token = waiter.read(input);
            if waiter.wait(Some(until.since(clock::now()))).await?.has(token) {
                terminal.read(&mut self.client);
            }
        }
        Ok(())
    }

    /// What to wait for now.
    fn watch<'fd>(&'fd self, signals: &'fd Signals) -> (Waiter<'fd>, TurnTokens) {
        let mut waiter = Waiter::new();
        let input = match &self.ends {
            Ends::Terminal(terminal) => terminal.input(),
            Ends::Streams(streams) => streams.input().filter(|_| self.client.room() > 0),
        };
        let tokens = TurnTokens {
            input: input.map(|fd| waiter.read(fd)),
            signals: waiter.read(signals.as_fd()),
            name: self.name.fd().map(|fd| waiter.read(fd)),
            driver: self.driver.watch(&mut waiter),
            control: self.control.watch(&mut waiter),
            carrying: self.carrying.watch(&mut waiter),
        };
        if let Ends::Streams(streams) = &self.ends {
            streams.watch(&mut waiter);
        }
        (waiter, tokens)
    }

    /// Does all that the client asks for, until it asks for nothing.
    fn drain(&mut self) {
        loop {
            let mut quiet = true;
            self.driver.transmit(&mut self.client);
            quiet &= !self.carrying.write(&mut self.client);
            while let Some(output) = self.client.poll_output(clock::now()) {
                quiet = false;
                match (output, &mut self.ends) {
                    (Output::ChoosePaths, _) => self.driver.choose_paths(&mut self.client),
                    (Output::Resolve, _) => {
                        self.name.ask(self.client.connection().silent_since(), clock::now());
                    }
                    (Output::Draw(bytes), Ends::Terminal(terminal)) => {
                        let drawn = terminal.draw(&bytes);
                        terminal.must(drawn, &mut self.client);
                    }
                    (Output::Suspend, Ends::Terminal(terminal)) => terminal.suspend(&mut self.client),
                    (Output::Named(name), Ends::Terminal(terminal)) => terminal.name(&name, &mut self.client),
                    (Output::Draw(_) | Output::Suspend | Output::Named(_), Ends::Streams(_)) => {}
                }
            }
            if let Ends::Streams(streams) = &mut self.ends {
                quiet &= !streams.write(&mut self.client);
            }
            self.heed_notices();
            while let Some(event) = self.client.poll_event() {
                let level = if event.is_routine() { log::Level::Trace } else { log::Level::Info };
                log::log!(level, "{event:?}");
                self.explain(&event);
                self.carrying.heed(&event, &mut self.client);
                if !event.is_routine() {
                    self.control.changed();
                }
                self.trace(|trace, client| {
                    trace.event(&event, client.journal(), client.connection(), clock::now())
                });
            }
            if quiet {
                return;
            }
        }
    }

    /// Lets go whoever has waited for the server's first word, once that is there.
    fn dismiss_standby(&mut self) {
        if self.client.connection().last_heard().is_some() && std::mem::take(&mut self.standby) {
            self.settle();
        }
    }

    /// Nothing but the session is to be done any more: what it does not need is given up.
    fn settle(&mut self) {
        self.carrying.settle();
        confine(Part::Client, self.control.path().as_slice());
    }

    /// Takes what the courier has to say, and opens what is due.
    fn hear_courier(&mut self, ready: &Ready, tokens: CarryingTokens) {
        for told in self.carrying.handle_ready(ready, tokens, &mut self.client, &self.about.process) {
            self.client.remark(&told);
            match self.ends {
                Ends::Terminal(_) => self.client.announce(&told, clock::now()),
                Ends::Streams(_) => notice(&format!("mpmosh: {told}")),
            }
        }
        self.carrying.handle_timeout(clock::now());
    }

    /// Does something with the trace, if there is one; the user is told when that was its end.
    fn trace(&mut self, write: impl FnOnce(&mut tracing::Writer, &Client) -> io::Result<()>) {
        let client = &self.client;
        let Some(message) = self.trace.write(|trace| write(trace, client)) else { return };
        match &self.ends {
            Ends::Terminal(_) => {
                self.client.remark(&message);
                self.afterwards.push(message);
            }
            Ends::Streams(_) => {
                notice(&format!("mpmosh: {message}"));
            }
        }
    }

    fn handle_signals(&mut self, signals: &mut Signals) {
        // A stopped process that is told to end is continued for it: what ends it counts first.
        let mut caught: Vec<Signal> = signals.collect();
        caught.sort_by_key(|signal| matches!(signal, Signal::Continue | Signal::WindowChange));
        for signal in caught {
            self.handle_signal(signal);
        }
    }

    fn handle_signal(&mut self, signal: Signal) {
        let now = clock::now();
        match (signal, &mut self.ends) {
            (Signal::WindowChange, Ends::Terminal(terminal)) => {
                if let Some(size) = terminal.size() {
                    self.client.handle_resize(size, now);
                }
            }
            (Signal::Continue, Ends::Terminal(terminal)) => {
                let resumed = terminal.resume();
                terminal.must(resumed, &mut self.client);
                self.client.handle_redraw();
                if self.ended_by.is_none() {
                    terminal.stop_again(&mut self.client);
                }
            }
            (Signal::WindowChange | Signal::Continue, Ends::Streams(_)) => {}
            _ => {
                // Whoever presses Ctrl-C again waits no longer.
                let again = self.ended_by == Some(signal) && signal == Signal::Interrupt;
                self.ended_by.get_or_insert(signal);
                if again {
                    self.client.leave(now);
                } else if signal == Signal::Hangup {
                    self.client.hang_up(now);
                } else {
                    self.client.quit(now);
                }
                // Whoever sent it may not wait for the farewell.
                self.trace(|trace, _| trace.flush());
            }
        }
    }

    fn ending(&mut self, outcome: Outcome) -> Ending {
        let printed = match (&self.ends, self.client.screen(), outcome) {
            (Ends::Terminal(terminal), Some(screen), Outcome::Ended(_)) if self.about.command => {
                terminal.printed(screen)
            }
            _ => Vec::new(),
        };
        let unwritten = match &mut self.ends {
            Ends::Terminal(terminal) => {
                // A terminal that is gone shows nothing anyway.
                let _ = terminal.finish(&mut self.client);
                None
            }
            Ends::Streams(streams) => streams.failure(),
        };
        Ending {
            outcome,
            streams: matches!(self.ends, Ends::Streams(_)),
            signal: self.ended_by,
            unwritten,
            last_words: self.client.screen().filter(|_| printed.is_empty()).and_then(terminal::refusal),
            printed,
            host: self.about.ssh_host.take(),
            way: std::mem::take(&mut self.about.way),
            session: self.about.session.take(),
            process: self.about.process.get().copied(),
            port: self.port,
            stock: !self.about.dialect.traits().extended,
            heard: self.client.heard(),
            afterwards: std::mem::take(&mut self.afterwards),
            rows: self.client.rows(clock::now()),
            through: self.through.take(),
        }
    }
}

/// Runs what waits for the network to its end.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    // One thread is plenty beside a loop that does all by itself; there would be one for each processor. It and async-io's
    // sleep as long as the session waits by itself (`platform::wait`); async-std starts no fewer.
    let one = async_global_executor::GlobalExecutorConfig::default().with_min_threads(1).with_max_threads(1);
    async_global_executor::init_with_config(one);
    async_std::task::block_on(work)
}

/// So long may a terminal take for what it was asked, when the session ends at once.
const ANSWERS: Duration = Duration::from_millis(200);
/// Threads that bootstrap and session have besides the executor's.
const THREADS: usize = 4;
/// Descriptors of a session besides those that the rehearsal opens as it does.
const DESCRIPTORS: usize = 16;
/// Octets of memory that a session begins with, and some more.
const MEMORY: usize = 16 << 20;

/// Tries what a session needs of this machine, before a server is started for it.
///
/// # Errors
/// The paragraph that says what is wanting.
pub fn rehearse() -> Result<(), Paragraph> {
    // What is started from here has no other stack.
    let needs = || {
        rehearsal::stack()?;
        rehearsal::memory(MEMORY)?;
        // The executor and what it waits with have a thread each.
        block_on(async { async_io::Timer::after(Duration::ZERO).await });
        rehearsal::threads(THREADS).map_err(no("another thread cannot be started"))?;
        rehearsal::process().map_err(no("another process cannot be started"))?;
        let _sockets = Endpoint::client(Families::ANY).map_err(no("no UDP socket can be had"))?;
        let _changes = Changes::new().map_err(no("the network cannot be watched"))?;
        rehearsal::descriptors(DESCRIPTORS).map_err(no("not enough descriptors can be had"))
    };
    rehearsal::rehearse(needs).map_err(|wanting| {
        Paragraph::new(
            "This machine has not what a session needs.",
            format!("Here, {wanting}."),
            "End other programs, or raise the limits that “ulimit -a” shows (-u processes, -n descriptors, -s stack, -v memory).",
        )
    })
}

/// The word for an ICMP error.
pub(crate) fn refusal(kind: IcmpKind) -> Refusal {
    match kind {
        IcmpKind::PortUnreachable => Refusal::Port,
        IcmpKind::Prohibited | IcmpKind::Here => Refusal::Prohibited,
        IcmpKind::Unreachable => Refusal::Unreachable,
        _ => Refusal::Other,
    }
}

/// How the session ended, for the trace.
fn how(client: &Client) -> &'static str {
    match client.outcome() {
        Some(Outcome::Ended(_)) | None => "ended",
        Some(Outcome::Quit) => "quit",
        Some(Outcome::QuitUnanswered) => "quit, unanswered",
        Some(Outcome::Detached) => "detached",
        Some(Outcome::TakenOver(_)) => "taken over",
        Some(Outcome::DetachedThere(_)) => "detached by another",
        Some(Outcome::NothingReceived) => "nothing received",
        Some(Outcome::ServerGone) => "server gone",
        Some(Outcome::Breached(_)) => "refused what the server sent",
    }
}

/// What `mpmosh paths` is told.
fn report(client: &Client, about: &About, ends: &Ends) -> SessionReport {
    let now = clock::now();
    let connection = client.connection();
    let kind = match ends {
        Ends::Terminal(_) => "terminal",
        Ends::Streams(_) => "streams",
    };
    SessionReport {
        pid: std::process::id(),
        name: about.name.clone(),
        release: env!("CARGO_PKG_VERSION").into(),
        dialect: about.dialect.as_str().into(),
        kind: kind.into(),
        age_ms: now.since(about.started).as_millis() as u64,
        heard_ms: connection.last_heard().map(|at| now.since(at).as_millis() as u64),
        discarded: connection.discards().iter().map(|(_, count)| count).sum(),
        paths: client.paths(now),
        remarks: client.journal().remarks().to_vec(),
    }
}
