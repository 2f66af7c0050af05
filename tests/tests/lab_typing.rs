//! What a person sees who types over a round trip of 200 ms: mpmosh in a real tmux, a real sshd, real kernels. Nothing is
//! timed: with the network cut, what is on the screen has come from this end, and with one direction cut no round trip can
//! be made. `sim_typing.rs` and `sim_prediction.rs` have the exact times.
#![cfg(target_os = "linux")]

use std::time::Duration;

use mpmosh_tests::lab::measure::named;
use mpmosh_tests::lab::{self, Laptop, LaptopOptions, Side, Subject, Tmux, clock};

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
                terminal.wait("the help", PATIENCE, |view| view.rows[0].contains("quits, ")).unwrap()
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

#[test]
fn ctrl_c_ends_a_flood_within_a_round_trip() {
    let Some(desk) = Desk::open("adaptive") else { return };
    desk.terminal.text("yes").unwrap();
    desk.terminal.press(&["Enter"]).unwrap();
    desk.terminal.wait("a flood", PATIENCE, |view| view.rows.iter().all(|row| row == "y")).unwrap();
    let floods = || !named(&desk.laptop.server, "yes").is_empty();
    assert!(floods());
    desk.terminal.press(&["C-c"]).unwrap();
    clock::wait_for(PATIENCE, || (!floods()).then_some(())).expect("the key ends the program");
    // The key is there: what shows it comes without another word from here. A second round trip could not be made.
    for uplink in &desk.laptop.uplinks {
        uplink.link.set_from(Side::Near, |shape| shape.blackhole = true);
    }
    let prompt = desk.terminal.wait("the prompt", PATIENCE, |view| view.line() == "ready>").unwrap();
    assert!(prompt.rows[prompt.cursor.0 - 1].ends_with("^C"), "{prompt:?}");
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

/// The line of `view` with `text` written over what is at the cursor.
fn typed_over(view: &lab::View, text: &str) -> String {
    let mut line: Vec<char> = view.line().chars().collect();
    line.resize(line.len().max(view.cursor.1 + text.len()), ' ');
    line.splice(view.cursor.1..view.cursor.1 + text.len(), text.chars());
    line.into_iter().collect::<String>().trim_end().to_owned()
}

/// Real programs that draw more than what is typed: nothing that is guessed may push that about.
#[test]
fn guesses_leave_a_right_prompt_another_pane_and_another_window_alone() {
    let Some(desk) = Desk::open("adaptive") else { return };
    for (command, column, end, leave) in [
        ("RPROMPT='[right]' PROMPT='> ' zsh -f", 2, "[right]", "\u{15}exit\r"),
        (
            "tmux -L inner -f /dev/null new-session ';' split-window -hd",
            7,
            "│ready>",
            "\u{15}tmux kill-server\r",
        ),
        ("vim -u NONE -N +vnew +startinsert file", 0, "|", "\u{1b}:qa!\r"),
    ] {
        desk.terminal.text(&format!("clear; {command}\r")).unwrap();
        // With the cursor where it will be typed at: what stands to its right is drawn before it goes there.
        let starts = |view: &lab::View| {
            let line = view.line();
            view.cursor.1 == column && line.ends_with(end) && !line.contains("clear")
        };
        let begun = desk.terminal.wait("the program", PATIENCE, starts).unwrap();
        desk.terminal.text("a").unwrap();
        let shows = |text: &'static str| {
            let line = typed_over(&begun, text);
            move |view: &lab::View| view.line() == line
        };
        let echoed = |view: &lab::View| !view.is_underlined();
        desk.terminal.wait("an echo", PATIENCE, |view| shows("a")(view) && echoed(view)).unwrap();
        desk.alone(|terminal| {
            terminal.text("bcd").unwrap();
            terminal.wait("the keys", PATIENCE, shows("abcd")).unwrap();
        });
        desk.cut(false);
        desk.terminal.wait("the echo", PATIENCE, |view| shows("abcd")(view) && echoed(view)).unwrap();
        desk.terminal.text(leave).unwrap();
        desk.terminal.wait("the shell", PATIENCE, |view| view.line() == "ready>").unwrap();
    }
}
