//! The trace of a session's paths: one JSON object a line, for `mpmosh plot` and for people.
//!
//! Every line has `t`, seconds since the session began, and `event`. The key and what is typed are never in it; addresses
//! are. Readers pass over events and fields that they do not know. All but the first are in the order of what happened:
//!
//! | event | fields |
//! |---|---|
//! | `session` | `version` (1), `release`, `dialect`, `unix_time` (seconds): always the first line |
//! | `interfaces` | `addresses`: this machine's, each with `interface`, `index`, `local`, `role` (primary, backup, metered, never); at the start and after each change |
//! | `flow` | `flow`, `state`, `reason`: a flow stands otherwise. State `opened` adds `interface`, `local`, `remote`, `role`; the others are answering, untried, suspect, lost, refused, down, retired |
//! | `chosen` | `flow` and `before` (or null), `reason`: payloads go on another flow |
//! | `sent`, `received` | `flow`, `kind` (data, probe, answer, addr, padded: a probe of a size), `octets` of UDP payload: every datagram of the session |
//! | `rtt` | `flow`, `sample_ms`, `srtt_ms`: a round trip was measured |
//! | `loss` | `flow`, `in`, `out`: percent lost of the last 64 datagrams each way, when it changes |
//! | `size` | `flow`, `octets`, `repeat`: UDP payloads may have so many octets from now on; the newest state is sent again |
//! | `suspect`, `lost`, `revived` | `flow`: the newest state is sent again at once, because this flow's answer is overdue, it is gone, or nothing answered before it |
//! | `hopped` | `flow`, `port`: it sends from this end's port of that number from now on |
//! | `discarded` | `reason`, `count`, `from`, `interface`: so many datagrams were ignored within a second, the last one from there |
//! | `addresses` | `count`: the server listed its addresses |
//! | `observed` | `flow`, `address`: this end's address as the server sees it |
//! | `send-error` | `error`, `interface`, `local`, `remote`: the system refused to send |
//! | `icmp` | the same, and `count`: the network sent an error about that path, or beyond the first eight of a second so many of a kind, the last one about it |
//! | `resumed` | `slept_s`: the machine slept |
//! | `attached`, `detached`, `roamed`, `key-spent` | what their names say, as `net` tells them |
//! | `end` | `how`: the last line, unless the session was killed. Of a trace that has grown too long it is `full`, and the session went on |

use crate::session::report::{Journal, PathState};
use net::{Candidate, Connection, Event, FlowId, FlowState, Instant, Path};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// What is summed is told when so much time is over.
const SECOND: Duration = Duration::from_secs(1);
/// So many errors of the network are told one by one in a second.
const PROMPT: u32 = 8;
/// And of no more kinds of errors.
const MOST_KINDS: usize = 64;

/// The version of the shape.
pub const VERSION: u32 = 1;

/// A line.
#[derive(Serialize)]
struct TraceLine<'a> {
    t: f64,
    #[serde(flatten)]
    what: What<'a>,
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum What<'a> {
    Session {
        version: u32,
        release: &'a str,
        dialect: &'a str,
        unix_time: f64,
    },
    Interfaces {
        addresses: Vec<Address>,
    },
    Flow {
        flow: u16,
        state: &'a str,
        reason: &'a str,
        #[serde(flatten)]
        opened: Option<Opened>,
    },
    Chosen {
        flow: Option<u16>,
        before: Option<u16>,
        reason: &'a str,
    },
    Sent {
        flow: u16,
        kind: &'a str,
        octets: usize,
    },
    Received {
        flow: u16,
        kind: &'a str,
        octets: usize,
    },
    Rtt {
        flow: u16,
        sample_ms: f64,
        srtt_ms: f64,
    },
    Loss {
        flow: u16,
        r#in: u8,
        out: u8,
    },
    Size {
        flow: u16,
        octets: usize,
        repeat: bool,
    },
    Suspect {
        flow: u16,
    },
    Lost {
        flow: u16,
    },
    Revived {
        flow: u16,
    },
    Hopped {
        flow: u16,
        port: u32,
    },
    Discarded {
        reason: &'a str,
        count: u64,
        from: SocketAddr,
        interface: String,
    },
    Addresses {
        count: usize,
    },
    Observed {
        flow: u16,
        address: SocketAddr,
    },
    Roamed {
        flow: u16,
        #[serde(flatten)]
        path: TracedPath,
    },
    SendError {
        error: String,
        #[serde(flatten)]
        path: TracedPath,
    },
    Icmp {
        error: String,
        count: u64,
        #[serde(flatten)]
        path: TracedPath,
    },
    Resumed {
        slept_s: f64,
    },
    Attached,
    Detached,
    KeySpent,
    AllSilent,
    End {
        how: &'a str,
    },
}

/// A path.
#[derive(Serialize)]
struct TracedPath {
    interface: String,
    local: IpAddr,
    remote: SocketAddr,
}

#[derive(Serialize)]
struct Opened {
    #[serde(flatten)]
    path: TracedPath,
    role: &'static str,
}

/// An address of this machine.
#[derive(Serialize)]
struct Address {
    interface: String,
    index: Option<u32>,
    local: IpAddr,
    role: &'static str,
}

impl TracedPath {
    fn new(path: &Path, journal: &Journal) -> Self {
        Self { interface: journal.way_out(path), local: path.local.ip, remote: path.remote }
    }
}

/// Writes a trace.
pub struct TraceWriter<W> {
    out: W,
    line: Vec<u8>,
    octets: u64,
    start: Instant,
    /// What was last told of each flow's loss.
    losses: BTreeMap<FlowId, (u8, u8)>,
    /// What anybody can cause, until it is told: a line for each kind and second.
    sums: Sums,
}

/// What anybody may send as often as they like is told once a second, with its number: a trace is not theirs to fill.
#[derive(Default)]
struct Sums {
    /// When the second began.
    since: Option<Instant>,
    discarded: BTreeMap<&'static str, (u64, SocketAddr, String)>,
    icmp: BTreeMap<String, (u64, TracedPath)>,
    /// How many errors were told by themselves within the second.
    prompt: u32,
}

impl<W: Write> TraceWriter<W> {
    /// A trace of a session that begins at `start`, which is `unix_time` after 1970; writes its first line.
    ///
    /// # Errors
    /// The writer's, here and below.
    pub fn new(out: W, start: Instant, dialect: &str, unix_time: Duration) -> io::Result<Self> {
        let mut trace =
            Self { out, line: Vec::new(), octets: 0, start, losses: BTreeMap::new(), sums: Sums::default() };
        let release = env!("CARGO_PKG_VERSION");
        let unix_time = unix_time.as_secs_f64();
        trace.write(What::Session { version: VERSION, release, dialect, unix_time }, start)?;
        Ok(trace)
    }

    /// Something happened to the paths.
    pub fn event(
        &mut self,
        event: &Event,
        journal: &Journal,
        connection: &Connection,
        now: Instant,
    ) -> io::Result<()> {
        self.tell_sums(now)?;
        if let Event::Discarded { reason, from, at } = event {
            let interface = journal.name(at.interface);
            self.sums.since.get_or_insert(now);
            let sum = self.sums.discarded.entry(reason.as_str()).or_insert((0, *from, String::new()));
            *sum = (sum.0 + 1, *from, interface);
        }
        if let Some(what) = describe(event, journal) {
            self.write(what, now)?;
        }
        match event {
            Event::FlowOpened { flow, .. } => {
                self.losses.remove(flow);
            }
            Event::Received { flow, .. } => self.loss(*flow, connection, now)?,
            _ => {}
        }
        Ok(())
    }

    /// This machine's addresses are these.
    pub fn interfaces(&mut self, locals: &[Candidate], journal: &Journal, now: Instant) -> io::Result<()> {
        let address = |local: &Candidate| Address {
            interface: journal.name(local.addr.interface),
            index: local.addr.interface.map(net::Interface::get),
            local: local.addr.ip,
            role: match local.role {
                net::Role::Never => "never",
                _ => journal.role(local.addr.interface).as_str(),
            },
        };
        self.write(What::Interfaces { addresses: locals.iter().map(address).collect() }, now)
    }

    /// The system refused to send on a path.
    pub fn send_error(
        &mut self,
        path: &Path,
        error: net::SendError,
        journal: &Journal,
        now: Instant,
    ) -> io::Result<()> {
        let error = error.as_str().into();
        self.write(What::SendError { error, path: TracedPath::new(path, journal) }, now)
    }

    /// The network sent an error about a path.
    pub fn icmp(&mut self, path: &Path, error: String, journal: &Journal, now: Instant) -> io::Result<()> {
        self.tell_sums(now)?;
        self.sums.since.get_or_insert(now);
        let path = TracedPath::new(path, journal);
        // The first stand where they came, before what follows from them.
        if self.sums.prompt < PROMPT {
            self.sums.prompt += 1;
            return self.write(What::Icmp { error, count: 1, path }, now);
        }
        let count = self.sums.icmp.get(&error).map_or(0, |(count, _)| *count);
        // The words come from few kinds, and a number that anybody may choose.
        if count > 0 || self.sums.icmp.len() < MOST_KINDS {
            self.sums.icmp.insert(error, (count + 1, path));
        }
        Ok(())
    }

    /// Tells the sums of a second that is over.
    fn tell_sums(&mut self, now: Instant) -> io::Result<()> {
        if self.sums.since.is_none_or(|since| now.since(since) < SECOND) {
            return Ok(());
        }
        self.tell_all_sums(now)
    }

    fn tell_all_sums(&mut self, now: Instant) -> io::Result<()> {
        let Sums { discarded, icmp, .. } = std::mem::take(&mut self.sums);
        for (reason, (count, from, interface)) in discarded {
            self.write(What::Discarded { reason, count, from, interface }, now)?;
        }
        for (error, (count, path)) in icmp {
            self.write(What::Icmp { error, count, path }, now)?;
        }
        Ok(())
    }

    /// The network says that nobody listens at a flow's port: the word of the paths' table for it.
    pub fn refused(&mut self, flow: FlowId, now: Instant) -> io::Result<()> {
        let state = PathState::Refused.as_str();
        self.write(What::Flow { flow: flow.index(), state, reason: "port refused", opened: None }, now)
    }

    /// The machine slept.
    pub fn resumed(&mut self, slept: Duration, now: Instant) -> io::Result<()> {
        self.write(What::Resumed { slept_s: slept.as_secs_f64() }, now)
    }

    /// The session has ended: the last line, and everything is handed over.
    pub fn end(&mut self, how: &str, now: Instant) -> io::Result<()> {
        self.tell_all_sums(now)?;
        self.write(What::End { how }, now)?;
        self.flush()
    }

    /// How long it is by now.
    #[must_use]
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// Hands over what is still buffered.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Tells a flow's loss where it has changed.
    fn loss(&mut self, id: FlowId, connection: &Connection, now: Instant) -> io::Result<()> {
        let Some(report) = connection.flows().find(|report| report.id == id) else { return Ok(()) };
        let loss = (report.loss_in, report.loss_out);
        if self.losses.insert(id, loss).unwrap_or_default() == loss {
            return Ok(());
        }
        self.write(What::Loss { flow: id.index(), r#in: loss.0, out: loss.1 }, now)
    }

    fn write(&mut self, what: What<'_>, now: Instant) -> io::Result<()> {
        let t = now.since(self.start).as_micros() as f64 / 1e6;
        self.line.clear();
        serde_json::to_writer(&mut self.line, &TraceLine { t, what })?;
        self.line.push(b'\n');
        self.octets += self.line.len() as u64;
        self.out.write_all(&self.line)
    }
}

fn describe<'a>(event: &Event, journal: &Journal) -> Option<What<'a>> {
    let millis = |duration: &Duration| duration.as_micros() as f64 / 1e3;
    Some(match event {
        // That routes are asked for is the driver's business; what `net` may tell one day has no line yet.
        Event::FlowOpened { flow, path } => {
            let role = journal.role(path.local.interface).as_str();
            let opened = Some(Opened { path: TracedPath::new(path, journal), role });
            What::Flow { flow: flow.index(), state: "opened", reason: "path usable", opened }
        }
        Event::FlowState { flow, to, cause, .. } => {
            let state = state_text(*to);
            What::Flow { flow: flow.index(), state, reason: cause.as_str(), opened: None }
        }
        Event::Chosen { flow, previous, cause } => What::Chosen {
            flow: flow.map(FlowId::index),
            before: previous.map(FlowId::index),
            reason: cause.as_str(),
        },
        Event::Rtt { flow, sample, srtt } => {
            What::Rtt { flow: flow.index(), sample_ms: millis(sample), srtt_ms: millis(srtt) }
        }
        Event::Sent { flow, kind, bytes } => {
            What::Sent { flow: flow.index(), kind: kind.as_str(), octets: *bytes }
        }
        Event::Received { flow, kind, bytes } => {
            What::Received { flow: flow.index(), kind: kind.as_str(), octets: *bytes }
        }
        // Summed.
        Event::Discarded { .. } => return None,
        Event::Hopped { flow, port_generation } => {
            What::Hopped { flow: flow.index(), port: *port_generation }
        }
        Event::PathSuspect { flow } => What::Suspect { flow: flow.index() },
        Event::PathLost { flow } => What::Lost { flow: flow.index() },
        Event::PathRevived { flow, .. } => What::Revived { flow: flow.index() },
        Event::AddressesLearned { count } => What::Addresses { count: *count },
        Event::Observed { flow, address } => What::Observed { flow: flow.index(), address: *address },
        Event::Roamed { flow, path } => {
            What::Roamed { flow: flow.index(), path: TracedPath::new(path, journal) }
        }
        Event::DatagramSize { flow, octets, repeat } => {
            What::Size { flow: flow.index(), octets: *octets, repeat: *repeat }
        }
        Event::AllSilent => What::AllSilent,
        Event::Attached => What::Attached,
        Event::Detached => What::Detached,
        Event::KeySpent => What::KeySpent,
        _ => return None,
    })
}

fn state_text(state: FlowState) -> &'static str {
    PathState::from(state).as_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use net::{Cause, Dialect, Key, LocalAddr, SentKind, Side};

    #[test]
    fn what_anybody_may_send_is_told_once_a_second_with_its_number() {
        let key = Key::from_bytes(&[7; 32]).unwrap();
        let dialect = Dialect::new(net::DialectName::Multipath, &key, Side::Client).unwrap();
        let connection = Connection::client(dialect, &[], net::Config::default(), Instant::ZERO);
        let journal = Journal::default();
        let at = LocalAddr { ip: [192, 0, 2, 10].into(), interface: None };
        let from = ([203, 0, 113, 66], 666).into();
        let path = Path { local: at, remote: from };
        let mut out = Vec::new();
        let mut trace = TraceWriter::new(&mut out, Instant::ZERO, "multipath", Duration::ZERO).unwrap();
        // Ten thousand a second, for three seconds.
        for n in 0..30_000 {
            let now = Instant::from_micros(n * 100);
            let reason = if n % 2 == 0 { net::Discard::Forged } else { net::Discard::Replayed };
            trace.event(&Event::Discarded { reason, from, at }, &journal, &connection, now).unwrap();
            trace.icmp(&path, "port refused".into(), &journal, now).unwrap();
            trace.icmp(&path, format!("too big for {n} octets"), &journal, now).unwrap();
        }
        trace.end("ended", Instant::from_micros(3_000_000)).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let count = |event: &str, kind: &str, of: &str| -> (usize, u64) {
            let lines = lines.iter().filter(|line| line["event"] == event && line[kind] == of);
            lines.fold((0, 0), |(lines, sum), line| (lines + 1, sum + line["count"].as_u64().unwrap()))
        };
        let forged = net::Discard::Forged.as_str();
        assert_eq!(count("discarded", "reason", forged), (3, 15_000));
        assert_eq!(count("discarded", "reason", net::Discard::Replayed.as_str()), (3, 15_000));
        let (told, sum) = count("icmp", "error", "port refused");
        assert!(sum == 30_000 && told <= 3 * (1 + PROMPT as usize), "{sum} in {told} lines");
        let order: Vec<_> = lines.iter().filter(|line| line["event"] == "icmp").take(2).collect();
        assert_eq!((&order[0]["count"], &order[0]["error"]), (&1.into(), &"port refused".into()));
        assert!(lines.len() < 250, "{}", lines.len());
    }

    #[test]
    fn each_line_is_an_object_with_its_time_and_event_first() {
        let key = Key::from_bytes(&[7; 32]).unwrap();
        let dialect = Dialect::new(net::DialectName::Multipath, &key, Side::Client).unwrap();
        let connection = Connection::client(dialect, &[], net::Config::default(), Instant::ZERO);
        let mut journal = Journal::default();
        let interface = net::Interface::new(3);
        journal.name_interfaces([(interface.unwrap(), "wlan0".into())]);
        let mut out = Vec::new();
        let mut trace =
            TraceWriter::new(&mut out, Instant::ZERO, "multipath", Duration::from_secs(1_700_000_000))
                .unwrap();
        let flow = FlowId::new(0).unwrap();
        let local = LocalAddr { ip: [192, 0, 2, 10].into(), interface };
        let path = Path { local, remote: ([203, 0, 113, 1], 60001).into() };
        let now = Instant::from_micros(1_500_000);
        for event in [
            Event::FlowOpened { flow, path },
            Event::FlowState {
                flow,
                from: FlowState::Answering,
                to: FlowState::Suspended,
                cause: Cause::PathGone,
            },
            Event::Chosen { flow: None, previous: Some(flow), cause: Cause::Failure },
            Event::Received { flow, kind: SentKind::AddressList, bytes: 60 },
        ] {
            trace.event(&event, &journal, &connection, now).unwrap();
        }
        trace.send_error(&path, net::SendError::TooBig, &journal, now).unwrap();
        trace.end("quit", now).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<_> = text.lines().collect();
        let session =
            concat!(r#"{"t":0.0,"event":"session","version":1,"release":""#, env!("CARGO_PKG_VERSION"));
        assert!(lines[0].starts_with(session), "{}", lines[0]);
        assert_eq!(
            lines[1..],
            [
                r#"{"t":1.5,"event":"flow","flow":0,"state":"opened","reason":"path usable","interface":"wlan0","local":"192.0.2.10","remote":"203.0.113.1:60001","role":"primary"}"#,
                r#"{"t":1.5,"event":"flow","flow":0,"state":"down","reason":"path gone"}"#,
                r#"{"t":1.5,"event":"chosen","flow":null,"before":0,"reason":"failure"}"#,
                r#"{"t":1.5,"event":"received","flow":0,"kind":"addr","octets":60}"#,
                r#"{"t":1.5,"event":"send-error","error":"too big","interface":"wlan0","local":"192.0.2.10","remote":"203.0.113.1:60001"}"#,
                r#"{"t":1.5,"event":"end","how":"quit"}"#,
            ]
        );
    }
}
