//! Typing over real kernels, a real sshd and a round trip of 200 ms, by the bytes that reach the user's terminal. What is
//! asserted is what caused what: nothing is timed. `sim_prediction.rs` has the exact times.
#![cfg(target_os = "linux")]

use std::time::Duration;

use mpmosh_tests::lab::{self, Console, Laptop, LaptopOptions, Subject, scenario};

const PATIENCE: Duration = Duration::from_secs(15);
const EACH_WAY: Duration = Duration::from_millis(100);

fn far_away() -> Option<Laptop> {
    let options = LaptopOptions { delays: [EACH_WAY, EACH_WAY], ..LaptopOptions::default() };
    lab::open(|| Laptop::with_sshd(options))
}

fn predicting(laptop: &Laptop, mode: &str) -> Console {
    let mut subject = Subject::mpmosh();
    subject.environment = vec![("MOSH_PREDICTION_DISPLAY", mode.into())];
    scenario::connect(&laptop.lab, &laptop.client, &subject).unwrap().0
}

/// Types a letter that nothing on the screen holds, and waits until it is there.
fn echoed(console: &Console, letter: &str) {
    let mark = console.mark();
    console.send(letter).unwrap();
    console.wait_for_after(mark, letter, PATIENCE).unwrap();
}

#[test]
fn of_a_password_no_byte_reaches_the_terminal_and_ctrl_c_ends_yes() {
    let Some(laptop) = far_away() else { return };
    for mode in ["adaptive", "always"] {
        let console = predicting(&laptop, mode);
        ["q", "z", "j"].into_iter().for_each(|letter| echoed(&console, letter));
        // The password is of three signs that nothing else holds. The prompt is a letter of its own, and so is what
        // follows when the password is right.
        let command = "read -rsp $'\\316\\230' word; [ ${#word} = 3 ] && printf '\\316\\223'";
        let mark = console.mark();
        console.send(format!("\x15clear; {command}\r")).unwrap();
        // Typed before the prompt is there it would be echoed, by the other system's terminal driver.
        console.wait_for_after(mark, "Θ", PATIENCE).unwrap();
        ["~", "`", "|", "\r"].into_iter().for_each(|key| console.send(key).unwrap());
        console.wait_for_after(mark, "Γ", PATIENCE).unwrap();
        let raw = String::from_utf8_lossy(&console.raw()).into_owned();
        assert!(
            !raw.contains(['~', '`', '|']),
            "{mode}: a letter of the password reached the terminal: {raw:?}"
        );

        let mark = console.mark();
        console.send("clear; yes $(printf '\\316\\233')\r").unwrap();
        console.wait_for_after(mark, "Λ", PATIENCE).unwrap();
        console.send("\x03").unwrap();
        scenario::finish_line(&console, "Π", "", "", PATIENCE).unwrap();
    }
}
