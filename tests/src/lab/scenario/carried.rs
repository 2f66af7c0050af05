//! Where UDP is blocked: what goes through ssh, beside ssh itself.

use std::io::Read;
use std::process::Stdio;
use std::time::Duration;

use super::super::link::{Loss, Random, Side};
use super::super::packet::Packet;
use super::super::{Console, Context, Key, LabError, Laptop, LaptopOptions, Sshd, Subject, USER, clock};
use super::{INTERVAL, echo_keys};

/// No datagram passes between the laptop and the server.
const BLOCKED: &str = "meta l4proto udp drop";

/// How long a session may take to be there, and a key to appear: a lossy stream stalls for seconds.
const LONG: Duration = Duration::from_secs(60);

/// The host that [`Laptop::core`] is to one that jumps.
const GATE: &str = "203.0.113.1";

/// Ours on the built-in ssh and on the user's own, beside ssh.
#[must_use]
pub fn subjects() -> [Subject; 3] {
    let own = Subject { name: "mpmosh, own ssh", ..Subject::mpmosh().with_option("--ssh=ssh") };
    [Subject::ssh(), Subject::mpmosh(), own]
}

/// A laptop with one uplink of 40 ms: what is lost there is lost for all.
fn one_uplink() -> Result<Laptop, LabError> {
    let laptop = Laptop::with_sshd(LaptopOptions::default())?;
    laptop.client.ip(&["link", "set", laptop.uplinks[1].interface, "down"])?;
    Ok(laptop)
}

fn block(laptop: &Laptop) -> Result<(), LabError> {
    laptop.core.filter("ip", "forward", BLOCKED)
}

fn start(laptop: &Laptop, subject: &Subject) -> Result<Console, LabError> {
    subject.prepare(&laptop.lab)?;
    let console = Console::start(subject.command(&laptop.client, &format!("{USER}@server")))?;
    console.wait_for("ready>", LONG)?;
    Ok(console)
}

/// From the command line to the prompt where no datagram passes, so many times; over a host that jumps, if asked.
///
/// # Errors
/// When the lab cannot run, or a session does not come up.
pub fn first_prompt(subject: &Subject, jumps: bool, times: usize) -> Result<Vec<Duration>, LabError> {
    let laptop = one_uplink()?;
    block(&laptop)?;
    let gate = jumps.then(|| Sshd::start(&laptop.lab, &laptop.core, 22)).transpose()?;
    let mut subject = subject.clone();
    if let Some(gate) = &gate {
        gate.admit(&laptop.client, &[GATE])?;
        laptop.core.etc("hosts", &format!("127.0.0.1 localhost\n{} server\n", Laptop::SERVER))?;
        subject.options.extend(["-J".into(), format!("{USER}@{GATE}")]);
    }
    let mut taken = Vec::new();
    for _ in 0..times {
        let began = clock::now();
        let console = start(&laptop, &subject)?;
        taken.push(console.wait_for("ready>", LONG)?.saturating_sub(began));
        drop(console);
        laptop.client.end_processes();
    }
    Ok(taken)
}

/// Ten keys a second over 40 ms that lose this part of the packets, each way.
///
/// # Errors
/// When the lab cannot run, or a session does not come up.
pub fn keys(subject: &Subject, loss: f64, count: usize) -> Result<Vec<Key>, LabError> {
    let laptop = one_uplink()?;
    block(&laptop)?;
    let console = start(&laptop, subject)?;
    echo_keys(&console)?;
    if loss > 0.0 {
        laptop.uplinks[0].link.set(|shape| shape.loss = Loss::Random(loss));
    }
    // The keys that count come when the network is known.
    console.type_keys(30, INTERVAL, LONG, |_| Ok(()))?;
    console.type_keys(count, INTERVAL, LONG, |_| Ok(()))
}

/// Ctrl-C under `yes`, from the key to the prompt, over 1 Mbit/s with this much queue before it.
///
/// # Errors
/// When the lab cannot run, or the flood does not end.
pub fn stop_flood(subject: &Subject, queue: usize) -> Result<Duration, LabError> {
    let laptop = one_uplink()?;
    block(&laptop)?;
    let console = start(&laptop, subject)?;
    laptop.uplinks[0].link.set(|shape| (shape.rate, shape.queue) = (Some(1_000_000), queue));
    let mark = console.mark();
    console.send("clear; yes $(printf '\\316\\233')\r")?;
    console.wait_for_after(mark, "Λ", LONG)?;
    // What there is of queues fills.
    clock::sleep(Duration::from_secs(10));
    let (mark, pressed) = (console.mark(), clock::now());
    console.send("\x03")?;
    Ok(console.wait_for_after(mark, "ready>", LONG)?.saturating_sub(pressed))
}

/// What came of a command's output.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    /// From the command line to the end.
    pub whole: Duration,
    /// From the first octet to the end.
    pub flowing: Duration,
}

/// `cat` of so many octets, without a terminal, over 40 ms and so many bits a second.
///
/// # Errors
/// When the lab cannot run, the command fails, or octets are missing.
pub fn stream(subject: &Subject, rate: u64, octets: usize) -> Result<Stream, LabError> {
    let laptop = one_uplink()?;
    block(&laptop)?;
    subject.prepare(&laptop.lab)?;
    laptop.uplinks[0].link.set(|shape| shape.rate = Some(rate));
    let path = laptop.lab.directory().join("file");
    // Nobody makes less of it.
    let mut random = Random(1);
    let words = core::iter::repeat_with(|| random.word().to_le_bytes()).flatten();
    std::fs::write(&path, words.take(octets).collect::<Vec<_>>()).context(|| "writing a file".into())?;
    let began = clock::now();
    let mut command = laptop.client.command(subject.program);
    // A terminal is what this is not about.
    command.args(subject.options.iter().filter(|option| *option != "-tt")).arg(format!("{USER}@server"));
    command.args((subject.program != "ssh").then_some("--")).arg("cat").arg(&path);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = child.context(|| format!("starting {command:?}"))?;
    let mut output = child.stdout.take().ok_or_else(|| LabError::new("no standard output"))?;
    let (mut buffer, mut count, mut first) = (vec![0; 1 << 16], 0, None);
    while let length @ 1.. = output.read(&mut buffer).context(|| "reading the output".into())? {
        first.get_or_insert_with(clock::now);
        count += length;
    }
    let ended = clock::now();
    let status = child.wait().context(|| "waiting for the command".into())?;
    if !status.success() || count != octets {
        return Err(LabError::new(format!("{count} of {octets} octets came, {status}")));
    }
    let flowing = ended.saturating_sub(first.unwrap_or(began));
    Ok(Stream { whole: ended.saturating_sub(began), flowing })
}

/// What became of keys while UDP died for good, and when it returned.
#[derive(Clone, Debug)]
pub struct Change {
    /// All keys.
    pub keys: Vec<Key>,
    /// The first key after UDP died, and the first after it had returned.
    pub from: [usize; 2],
    /// From the first answer by UDP until keys went there; `None` if they never did.
    pub moved: Option<Duration>,
}

impl Change {
    /// The longest that a key took while UDP was dead, and from when it was back; `None` if one never appeared.
    #[must_use]
    pub fn worst(&self) -> [Option<Duration>; 2] {
        let [dead, back] = self.from;
        let worst = |keys: &[Key]| {
            let all: Option<Vec<_>> = keys.iter().map(Key::latency).collect();
            all?.into_iter().max()
        };
        [worst(&self.keys[dead..back]), worst(&self.keys[back..])]
    }
}

/// Ten keys a second; UDP dies after two seconds, and returns after twenty more.
///
/// # Errors
/// When the lab cannot run, or the session does not come up.
pub fn change(subject: &Subject) -> Result<Change, LabError> {
    let laptop = one_uplink()?;
    let console = start(&laptop, subject)?;
    echo_keys(&console)?;
    let from = [20, 220];
    let keys = console.type_keys(420, INTERVAL, LONG, |number| match number {
        20 => block(&laptop),
        220 => {
            laptop.core.nft("delete table ip f")?;
            laptop.uplinks[0].link.record();
            Ok(())
        }
        _ => Ok(()),
    })?;
    Ok(Change { keys, from, moved: moved(&laptop.uplinks[0].link.recorded()) })
}

/// From the first datagram of the server's to where less than four segments with octets go up in a second: a stream that is kept
/// for a while is probed, and keys go elsewhere.
fn moved(packets: &[Packet]) -> Option<Duration> {
    const TCP: u8 = 6;
    const UDP: u8 = 17;
    // IP, TCP and a time stamp.
    const BARE: usize = 52;
    let answered = packets.iter().find(|packet| packet.protocol == UDP && packet.from == Side::Far)?.at;
    let last = packets.last()?.at;
    let up = |packet: &&Packet| packet.protocol == TCP && packet.from == Side::Near && packet.length > BARE;
    let carried: Vec<Duration> = packets.iter().filter(up).map(|packet| packet.at).collect();
    let after =
        |at: Duration| carried.iter().filter(move |time| (at..at + Duration::from_secs(1)).contains(*time));
    let candidates = [answered].into_iter().chain(carried.iter().copied().filter(|at| *at > answered));
    let moved = candidates.into_iter().find(|at| after(*at).count() < 4)?;
    (moved + Duration::from_secs(1) < last).then(|| moved.saturating_sub(answered))
}
