//! Hosts on the way (`ProxyJump`).

use super::*;

/// Two hosts on the way and the one that is meant, each a server of its own, and the configuration that leads there.
struct Jumps {
    hosts: [Sshd; 3],
    config: PathBuf,
}

impl Jumps {
    fn new(gate: Allow, jumps: &str) -> Self {
        let hosts = [Sshd::start(gate), Sshd::start(Allow::default()), Sshd::start(Allow::default())];
        let mut text = String::new();
        for (host, sshd) in ["gate", "middle", "h"].into_iter().zip(&hosts) {
            sshd.know_host(&["ed25519"]);
            let key = sshd.user_key("id", "ed25519", "");
            text.push_str(&format!(
                "Host {host}\n  Port {}\n  UserKnownHostsFile {}\n  IdentityFile {}\n",
                sshd.port,
                sshd.known_hosts().display(),
                key.display()
            ));
        }
        text.push_str(&format!(
            "Host h\n  ProxyJump {jumps}\nHost *\n  HostName 127.0.0.1\n  User {}\n  GlobalKnownHostsFile /dev/null\n  \
             IdentityAgent none\n  IdentitiesOnly yes\n",
            sshd::user()
        ));
        let config = hosts[0].directory.join("way");
        fs::write(&config, text).unwrap();
        Self { hosts, config }
    }

    fn start(&self, user: &mut Script) -> Result<Announced, Error> {
        let noise = "head -c 200000 /dev/zero | tr '\\0' x; echo";
        let server = self.hosts[2].server(&format!("{noise}; echo MPMOSH CONNECT multipath/1 60123 {KEY}"));
        let server = format!("--server={}", server.display());
        run(&request(&["-F", self.config.to_str().unwrap(), &server, "h"], false), user)
    }

    fn entered(&self) -> [bool; 3] {
        [0, 1, 2].map(|host: usize| self.hosts[host].log().contains("Accepted publickey"))
    }
}

#[test]
fn a_host_behind_others_is_reached_through_them() {
    if skipped() {
        return;
    }
    for (jumps, entered, last) in
        [("gate", [true, false, true], "gate"), ("gate,middle", [true, true, true], "middle")]
    {
        let way = Jumps::new(Allow::default(), jumps);
        let mut user = Script::default();
        let got = announced(way.start(&mut user));
        assert_eq!((got.port, got.key.expose()), (60123, KEY));
        assert_eq!((way.entered(), got.through.as_deref()), (entered, Some(last)));
        // Where the server is, the host itself tells.
        assert_eq!(got.reached.to_string(), "127.0.0.1:60123");
        assert!(user.told.is_empty() && user.asked.is_empty(), "{} {:?}", user.told, user.asked);
    }
}

#[test]
fn every_host_on_the_way_shows_its_key() {
    if skipped() {
        return;
    }
    let way = Jumps::new(Allow::default(), "gate,middle");
    fs::write(way.hosts[1].known_hosts(), "").unwrap();
    let mut user = Script::answering(&["no"]);
    assert!(matches!(way.start(&mut user), Err(Error::HostKeyDeclined { .. })));
    assert!(user.told.contains("reached through gate"), "{}", user.told);
    assert_eq!(way.entered(), [true, false, false]);
}

#[test]
fn a_host_that_passes_nothing_on_is_told() {
    if skipped() {
        return;
    }
    let way = Jumps::new(Allow { lines: "AllowTcpForwarding no", ..Allow::default() }, "gate");
    let Err(error) = way.start(&mut Script::default()) else { panic!() };
    let text = Paragraph::from(error).to_string();
    assert!(text.contains("did not pass the connection on") && text.contains("AllowTcpForwarding"), "{text}");
}

#[test]
fn a_way_that_leads_back_is_refused() {
    if skipped() {
        return;
    }
    let way = Jumps::new(Allow::default(), "gate,h");
    let Err(error) = way.start(&mut Script::default()) else { panic!() };
    assert!(
        matches!(&error, Error::SshConfig { evidence } if evidence.contains("leads to h again")),
        "{error}"
    );
}
