//! Paths that take smaller datagrams than others, on real kernels: they drop what is larger without a word, or the
//! interface itself changes. What is asserted are packets as the links saw them; times only loosely, since the machine
//! is shared.
#![cfg(target_os = "linux")]

use std::time::Duration;

use mpmosh_tests::lab::scenario::{connect, finish_line};
use mpmosh_tests::lab::{self, Console, Fate, Laptop, LaptopOptions, Packet, Side, Subject, clock};

/// How long a search or a fall back may take on a busy machine.
const SETTLED: Duration = Duration::from_secs(3);

/// Every 50 ms a screen that does not compress.
const NOISE: &str = "while head -c 3300 /dev/urandom | base64 -w 190; do sleep 0.05; done\r";

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
    for side in [Side::Near, Side::Far] {
        let count = probes.iter().filter(|packet| packet.from == side).count();
        assert!((1..=6).contains(&count), "{side:?}: {count} probes");
    }
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

#[test]
fn an_interface_that_takes_less_from_now_on_is_followed_and_so_is_one_that_takes_more() {
    let Some(laptop) = lab::open(|| Laptop::with_sshd(LaptopOptions::default())) else { return };
    let trace = laptop.client.home().join("trace.jsonl");
    let subject = Subject::mpmosh().with_option(&format!("--trace={}", trace.display()));
    let (console, _) = connect(&laptop.lab, &laptop.client, &subject).unwrap();
    let told = |octets: usize, times: usize| {
        clock::wait_for(Duration::from_secs(10), || {
            // Keys keep the session awake.
            console.send("\x0c").ok()?;
            clock::sleep(Duration::from_millis(100));
            let lines = std::fs::read_to_string(&trace).ok()?;
            let sizes = lines.lines().filter(|line| line.contains(r#""event":"size""#));
            let first = sizes.filter(|line| line.contains(r#""flow":0"#));
            (first.filter(|line| line.contains(&format!(r#""bytes":{octets}"#))).count() >= times)
                .then_some(())
        })
    };
    assert!(told(1472, 1).is_some(), "the search finds 1500");
    laptop.client.ip(&["link", "set", "wlan0", "mtu", "1300"]).unwrap();
    assert!(told(1272, 1).is_some(), "the interface tells of 1300");
    // Much is typed at once: what leaves fits, and is not in pieces.
    laptop.uplinks[0].link.record();
    console.send("cat > /dev/null\r").unwrap();
    let word =
        |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29).wrapping_mul(0xd1b5_4a32_d192_ed03);
    let paste: String = (1..150).map(|n| format!("{:016x}{:016x}\r", word(n), word(n + 1000))).collect();
    console.send(paste).unwrap();
    clock::sleep(Duration::from_secs(1));
    let packets = laptop.uplinks[0].link.recorded();
    let ours = packets.iter().filter(|packet| packet.from == Side::Near && packet.protocol == 17);
    let longest = ours.map(|packet| packet.length).max().unwrap_or(0);
    assert!((600..=1300).contains(&longest), "{longest}");
    console.send("\x03").unwrap();
    laptop.client.ip(&["link", "set", "wlan0", "mtu", "1500"]).unwrap();
    assert!(told(1472, 2).is_some(), "and is searched anew when it takes more");
    finish_line(&console, "Ω", "", "", Duration::from_secs(5)).unwrap();
}
