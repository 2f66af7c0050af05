//! Paths that take smaller datagrams than others, on real kernels: they drop what is larger without a word, or the
//! interface itself changes. What is asserted are packets as the links saw them; times only loosely, since the machine
//! is shared.
#![cfg(target_os = "linux")]

use std::io::Read;
use std::process::Stdio;
use std::time::Duration;

use mpmosh_tests::lab::scenario::{connect, echo_keys, finish_line};
use mpmosh_tests::lab::{self, Console, Fate, Laptop, LaptopOptions, Packet, Side, Subject, USER, clock};

/// How long a search or a fall back may take on a busy machine.
const SETTLED: Duration = Duration::from_secs(3);

/// Every 50 ms a screen that does not compress. Of an interactive shell's own loop an interrupt would end whichever
/// program it met, and not always the loop.
const NOISE: &str = "(trap exit INT; while head -c 3300 /dev/urandom | base64 -w 190; do sleep 0.05; done)\r";

/// What the server's datagrams became, on both uplinks, within `time`.
fn watch(laptop: &Laptop, time: Duration) -> Vec<Packet> {
    for uplink in &laptop.uplinks {
        uplink.link.record();
    }
    clock::sleep(time);
    let packets = laptop.uplinks.iter().flat_map(|uplink| uplink.link.recorded());
    packets.filter(|packet| packet.from == Side::Far && packet.protocol == 17).collect()
}

fn limit(laptop: &Laptop, mtu: usize) {
    for uplink in &laptop.uplinks {
        uplink.link.set(|shape| shape.mtu = Some(mtu));
    }
}

fn stop_noise(console: &Console) {
    console.send("\x03").unwrap();
    finish_line(console, "Ω", "", "", Duration::from_secs(5)).unwrap();
}

/// A session that shows noise, with its search done.
fn noisy(options: LaptopOptions, subject: &Subject) -> Option<(Laptop, Console)> {
    let laptop = lab::open(|| Laptop::with_sshd(options))?;
    let (console, _) = connect(&laptop.lab, &laptop.client, subject).unwrap();
    console.send(NOISE).unwrap();
    clock::sleep(SETTLED);
    Some((laptop, console))
}

/// The longest packet that came through.
fn longest(packets: &[Packet]) -> usize {
    let carried = packets.iter().filter(|packet| packet.fate == Fate::Carried);
    carried.map(|packet| packet.length).max().unwrap_or(0)
}

#[test]
fn output_goes_on_when_large_datagrams_begin_to_vanish() {
    let Some((laptop, console)) = noisy(LaptopOptions::default(), &Subject::mpmosh()) else { return };
    assert_eq!(
        longest(&watch(&laptop, Duration::from_secs(1))),
        1500,
        "the path takes 1500, and they are used"
    );
    for mtu in [1000, 576] {
        limit(&laptop, mtu);
        clock::sleep(SETTLED);
        let packets = watch(&laptop, Duration::from_secs(2));
        let lost = packets.iter().filter(|packet| packet.fate == Fate::TooLong).count();
        assert_eq!(longest(&packets), mtu, "full datagrams, of the size that passes");
        assert!(lost < 10, "{mtu}: {lost} were too long");
        let large = packets.iter().filter(|packet| packet.length == mtu).count();
        assert!(large > 20, "{mtu}: {large} came through");
    }
    stop_noise(&console);
}

#[test]
fn a_stream_of_octets_arrives_whole_when_large_datagrams_begin_to_vanish() {
    let Some(laptop) = lab::open(|| Laptop::with_sshd(LaptopOptions::default())) else { return };
    for uplink in &laptop.uplinks {
        uplink.link.set(|shape| shape.rate = Some(4_000_000));
    }
    let subject = Subject::mpmosh();
    subject.prepare(&laptop.lab).unwrap();
    let mut command = subject.command(&laptop.client, &format!("{USER}@server"));
    command.args(["--", "sh", "-c", "head -c 1500000 /dev/urandom > noise; cat noise"]);
    let mut client = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = client.stdout.take().unwrap();
    let mut received = vec![0; 500_000];
    out.read_exact(&mut received).unwrap();
    limit(&laptop, 1000);
    out.read_to_end(&mut received).unwrap();
    assert_eq!(client.wait().unwrap().code(), Some(0));
    assert!(received == std::fs::read(laptop.server.home().join("noise")).unwrap());
}

#[test]
fn only_padded_probes_forbid_fragments() {
    let Some(laptop) = lab::open(|| Laptop::with_sshd(LaptopOptions::default())) else { return };
    for uplink in &laptop.uplinks {
        uplink.link.record();
    }
    let (console, _) = connect(&laptop.lab, &laptop.client, &Subject::mpmosh()).unwrap();
    console.send(NOISE).unwrap();
    clock::sleep(SETTLED);
    let packets = laptop.uplinks.iter().flat_map(|uplink| uplink.link.recorded());
    let (probes, data): (Vec<_>, Vec<_>) =
        packets.filter(|packet| packet.protocol == 17).partition(|packet| packet.dont_fragment);
    assert!(probes.iter().all(|packet| packet.length == 1500), "{probes:?}");
    let count = |side| probes.iter().filter(|packet| packet.from == side).count();
    assert!((1..=6).contains(&count(Side::Far)), "{} probes", count(Side::Far));
    assert_eq!(count(Side::Near), 0, "who says little has no use for a larger size");
    assert!(data.iter().filter(|packet| packet.length == 1500).count() > 20);
    stop_noise(&console);
}

#[test]
fn ipv6_through_a_tunnel_of_1280_octets_works_and_uses_them() {
    let options = LaptopOptions { ipv6: true, ..LaptopOptions::default() };
    let Some(laptop) = lab::open(|| Laptop::with_sshd(options)) else { return };
    for host in [&laptop.client, &laptop.server] {
        host.etc("hosts", &format!("127.0.0.1 localhost\n::1 localhost\n{} server\n", Laptop::SERVER_V6))
            .unwrap();
    }
    limit(&laptop, 1280);
    // The ssh that comes first has no search: it is told, as a tunnel's end tells it.
    for (host, device) in [(&laptop.client, "wlan0"), (&laptop.client, "wwan0"), (&laptop.server, "eth0")] {
        host.ip(&["link", "set", device, "mtu", "1280"]).unwrap();
    }
    let (console, _) = connect(&laptop.lab, &laptop.client, &Subject::mpmosh().with_option("-6")).unwrap();
    for device in ["wlan0", "wwan0"] {
        laptop.client.ip(&["link", "set", device, "mtu", "1500"]).unwrap();
    }
    laptop.server.ip(&["link", "set", "eth0", "mtu", "1500"]).unwrap();
    console.send(NOISE).unwrap();
    clock::sleep(SETTLED);
    let packets = watch(&laptop, Duration::from_secs(2));
    assert!(packets.iter().all(|packet| packet.source.0.is_ipv6()));
    assert_eq!(longest(&packets), 1280);
    let lost = packets.iter().filter(|packet| packet.fate == Fate::TooLong).count();
    assert!(lost < 10, "{lost} were too long");
    stop_noise(&console);
}

/// What the client's datagrams over the WiFi were while it types for a while, after `change`.
fn of_client(laptop: &Laptop, console: &Console, change: impl FnOnce()) -> Vec<Packet> {
    laptop.uplinks[0].link.record();
    change();
    let keys = (SETTLED.as_millis() / 100) as usize;
    console.type_keys(keys, Duration::from_millis(100), Duration::from_secs(5), |_| Ok(())).unwrap();
    let packets = laptop.uplinks[0].link.recorded().into_iter();
    packets.filter(|packet| packet.from == Side::Near && packet.protocol == 17).collect()
}

#[test]
fn an_interface_that_takes_less_from_now_on_is_followed_and_so_is_one_that_takes_more() {
    let Some(laptop) = lab::open(|| Laptop::with_sshd(LaptopOptions::default())) else { return };
    let (console, _) = connect(&laptop.lab, &laptop.client, &Subject::mpmosh()).unwrap();
    echo_keys(&console).unwrap();
    // On a busy machine an answer may be late, and the probe is repeated.
    let searched = |packets: &[Packet]| {
        let probes = packets.iter().filter(|packet| packet.dont_fragment);
        (1..=4).contains(&probes.clone().count()) && probes.clone().all(|packet| packet.length == 1500)
    };
    let set = |mtu: &str| laptop.client.ip(&["link", "set", "wlan0", "mtu", mtu]).unwrap();
    let word =
        |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29).wrapping_mul(0xd1b5_4a32_d192_ed03);
    let paste = || {
        let text: String = (1..150).map(|n| format!("{:016x}{:016x}\r", word(n), word(n + 1000))).collect();
        console.send(text).unwrap();
    };
    let little = of_client(&laptop, &console, || ());
    assert!(little.iter().all(|packet| !packet.dont_fragment), "who says little looks for no larger size");
    assert!(searched(&of_client(&laptop, &console, paste)));
    // Where the probe's answer was late, the search goes on with what is large next.
    let large = (0..5).map(|_| of_client(&laptop, &console, paste)).find(|large| longest(large) == 1500);
    assert!(large.is_some(), "what was found is used");

    // The interface's word is enough, and what is much leaves in datagrams that fit: a piece would be a full 1300, and a
    // second one without a port.
    let small = of_client(&laptop, &console, || {
        set("1300");
        paste();
    });
    assert_eq!(longest(&small), 1300);
    assert!(small.iter().all(|packet| packet.source.1 == small[0].source.1), "in pieces");

    let again = of_client(&laptop, &console, || set("1500"));
    assert!(searched(&again), "{again:?}");
    assert_eq!(longest(&of_client(&laptop, &console, paste)), 1500);
}
