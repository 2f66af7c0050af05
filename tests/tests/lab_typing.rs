//! What a person sees who types over a round trip of 200 ms: mpmosh in a real tmux, a real sshd, real kernels. Nothing is
//! timed: with the network cut, what is on the screen has come from this end; and round trips are counted in the link's
//! datagrams. `sim_typing.rs` and `sim_prediction.rs` have the exact times.
#![cfg(target_os = "linux")]

use std::time::Duration;

use mpmosh_tests::lab::{self, Laptop, LaptopOptions, Side, Subject, Tmux};

const PATIENCE: Duration = Duration::from_secs(20);
const EACH_WAY: Duration = Duration::from_millis(100);

/// A session in a terminal, and the network that it goes over.
struct Desk {
    terminal: Tmux,
    laptop: Laptop,
}

impl Desk {
    fn open(mode: &str) -> Option<Self> {
        let options = LaptopOptions { delays: [EACH_WAY, EACH_WAY], ..LaptopOptions::default() };
        let laptop = lab::open(|| Laptop::with_sshd(options))?;
        Subject::mpmosh().prepare(&laptop.lab).unwrap();
        let command = format!("mpmosh --predict={mode} lab@server");
        let terminal = Tmux::start(&laptop.client, &command).unwrap();
        terminal.wait("a prompt", PATIENCE, |view| view.line() == "ready>").unwrap();
        Some(Self { terminal, laptop })
    }

    /// Types text that the server is to echo, and waits until it has: then guesses like these are shown.
    fn echoed(&self, text: &str) {
        self.terminal.text(text).unwrap();
        let shown = |view: &lab::View| view.line().ends_with(text) && !view.is_underlined();
        self.terminal.wait("the echo", PATIENCE, shown).unwrap();
    }

    fn runs(&self, command: &str, answer: &str) {
        self.terminal.text(command).unwrap();
        self.terminal.press(&["Enter"]).unwrap();
        self.terminal.wait(answer, PATIENCE, |view| view.line() == answer).unwrap();
    }

    /// Cuts the network, or heals it.
    fn cut(&self, cut: bool) {
        self.laptop.uplinks.iter().for_each(|uplink| uplink.silence(cut));
    }

    /// How many datagrams have reached the client.
    fn heard(&self) -> u64 {
        self.laptop.uplinks.iter().map(|uplink| uplink.link.counters(Side::Far).delivered).sum()
    }

    /// Does something with the network cut: what is seen then, no server has said.
    fn alone<T>(&self, act: impl FnOnce(&Tmux) -> T) -> T {
        self.cut(true);
        let before = self.heard();
        let seen = act(&self.terminal);
        assert_eq!(self.heard(), before, "the network was not cut");
        seen
    }
}

#[test]
fn keys_are_shown_though_no_server_can_have_echoed_them_and_a_wrong_guess_is_repaired() {
    let Some(desk) = Desk::open("adaptive") else { return };
    // A key that inserts something else than itself.
    desk.runs("bind '\"%\": \"[percent]\"'", "ready>");
    desk.echoed("echo one");
    let guessed = desk.alone(|terminal| {
        terminal.text(" two 50%").unwrap();
        terminal.wait("the keys", PATIENCE, |view| view.line() == "ready> echo one two 50%").unwrap()
    });
    assert!(guessed.is_underlined(), "guesses over so long a round trip are underlined: {guessed:?}");
    assert_eq!(guessed.cursor.1, "ready> echo one two 50%".len());
    desk.cut(false);
    let settled = desk
        .terminal
        .wait("the truth", PATIENCE, |view| view.line() == "ready> echo one two 50[percent]")
        .unwrap();
    assert_eq!(settled.cursor.1, settled.line().len());
    desk.terminal.wait("what is sure", PATIENCE, |view| !view.is_underlined()).unwrap();
}

#[test]
fn a_password_is_not_shown_whoever_asks_for_it_and_whatever_the_network_does() {
    for mode in ["adaptive", "always"] {
        let Some(desk) = Desk::open(mode) else { return };
        // Letters that nothing else holds.
        for (number, (ask, prompt)) in [
            ("read -rsp 'Secret: ' word", "Secret:"),
            ("su -c true", "Password:"),
            ("python3 -c 'import getpass; getpass.getpass(\"Passphrase: \")'", "Passphrase:"),
        ]
        .into_iter()
        .enumerate()
        {
            desk.runs(ask, prompt);
            desk.terminal.text("~`").unwrap();
            let asked = desk.alone(|terminal| {
                terminal.text("|~`").unwrap();
                // A key that is guessed like any other would be here before the help that follows it.
                terminal.press(&["C-^", "?"]).unwrap();
                terminal.wait("the help", PATIENCE, |view| view.rows[0].contains("Commands:")).unwrap()
            });
            assert_eq!(asked.line(), prompt, "{mode}");
            desk.cut(false);
            desk.terminal.press(&["C-c"]).unwrap();
            desk.terminal.wait("a prompt", PATIENCE, |view| view.line() == "ready>").unwrap();
            let raw = desk.terminal.raw().unwrap();
            assert!(!raw.contains(['~', '`', '|']), "{mode}, {number}: a letter of it was written: {raw:?}");
        }
        // The guesses are alive.
        desk.echoed("q");
        desk.alone(|terminal| {
            terminal.text("x").unwrap();
            terminal.wait("the key", PATIENCE, |view| view.line() == "ready> qx").unwrap();
        });
    }
}

/// What the server may have sent between the key and the screen that it leads to: a round trip's worth, when a frame is
/// sent each half of one and each of them besides its acknowledgement, over two uplinks that are both measured.
const DATAGRAMS_OF_TWO_ROUND_TRIPS: usize = 24;

#[test]
fn ctrl_c_ends_a_flood_within_a_round_trip() {
    let Some(desk) = Desk::open("adaptive") else { return };
    desk.terminal.text("yes").unwrap();
    desk.terminal.press(&["Enter"]).unwrap();
    desk.terminal.wait("a flood", PATIENCE, |view| view.rows.iter().all(|row| row == "y")).unwrap();
    desk.laptop.uplinks.iter().for_each(|uplink| uplink.link.record());
    desk.terminal.press(&["C-c"]).unwrap();
    desk.terminal.wait("the prompt", PATIENCE, |view| view.line() == "ready>").unwrap();
    let mut packets: Vec<_> = desk.laptop.uplinks.iter().flat_map(|uplink| uplink.link.recorded()).collect();
    packets.sort_by_key(|packet| packet.at);
    for packet in &packets {
        println!("{:?} {:?} {} octets", packet.at, packet.from, packet.length);
    }
    let answers = packets.iter().filter(|packet| packet.from == Side::Far).count();
    assert!(answers <= DATAGRAMS_OF_TWO_ROUND_TRIPS, "{answers} datagrams until the prompt");
}

#[test]
fn a_typist_who_does_not_pause_at_return_is_shown_the_keys_of_the_next_line() {
    let Some(desk) = Desk::open("adaptive") else { return };
    desk.echoed(": a");
    // Return and what follows are under way when the link is cut the other way: the server's answer comes, and none to
    // what is typed then.
    desk.terminal.press(&["Enter"]).unwrap();
    desk.terminal.text(": b").unwrap();
    desk.terminal.wait("an echo", PATIENCE, |view| view.line() == "ready> : b").unwrap();
    let seen = desk.alone(|terminal| {
        terminal.text(" c d").unwrap();
        terminal.wait("the keys", PATIENCE, |view| view.line() == "ready> : b c d").unwrap()
    });
    assert!(seen.is_underlined());
}
