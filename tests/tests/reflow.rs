//! Text through changes of the size, beside tmux: what the server's emulator makes of it is what a user who has tmux on the
//! server sees. Left out are the cases in which tmux leaves blank rows where there was text (a window that had grown wider
//! than its text and shrinks again), or loses what stood below the cursor.
#![cfg(target_os = "linux")]

mod local;

use local::{Home, PATIENCE};
use mpmosh_tests::lab::clock;
use std::fs;
use std::process::Command;
use terminal::{Emulator, Size};

/// tmux on a socket of its own.
struct Tmux<'a>(&'a Home);

impl<'a> Tmux<'a> {
    fn start(home: &'a Home, command: &str, size: Size) -> Self {
        let tmux = Self(home);
        let [columns, rows] = [size.columns, size.rows].map(|side| side.to_string());
        tmux.tell(&["-f", "/dev/null", "new-session", "-d", "-x", &columns, "-y", &rows, "sleep 1000"]);
        tmux.tell(&["set-option", "-g", "status", "off"]);
        tmux.resize(size);
        tmux.tell(&["respawn-pane", "-k", command]);
        tmux
    }

    fn tell(&self, words: &[&str]) -> String {
        let mut command = Command::new("tmux");
        command
            .args(["-u", "-S"])
            .arg(self.0.file("tmux"))
            .args(words)
            .env("LANG", "C.UTF-8")
            .env_remove("TMUX");
        let output = command.output().expect("tmux is installed (.ci/setup test)");
        assert!(output.status.success(), "tmux {words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn resize(&self, size: Size) {
        self.tell(&["resize-window", "-x", &size.columns.to_string(), "-y", &size.rows.to_string()]);
    }

    /// The rows, and column and row of the cursor.
    fn shown(&self) -> (Vec<String>, String) {
        let told =
            self.tell(&["capture-pane", "-p", ";", "display-message", "-p", "#{cursor_x},#{cursor_y}"]);
        let mut rows: Vec<_> = told.lines().map(|row| row.trim_end().to_owned()).collect();
        let cursor = rows.pop().expect("a cursor");
        (rows, cursor)
    }

    fn wait_for(&self, wanted: &(Vec<String>, String)) {
        let seen = clock::wait_for(PATIENCE, || (self.shown() == *wanted).then_some(()));
        assert!(seen.is_some(), "{:?}, not {wanted:?}", self.shown());
    }
}

impl Drop for Tmux<'_> {
    fn drop(&mut self) {
        self.tell(&["kill-server"]);
    }
}

fn shown(emulator: &Emulator) -> (Vec<String>, String) {
    let screen = emulator.screen();
    let text = |row: &terminal::Row| row.cells().iter().map(terminal::Cell::text).collect::<String>();
    let rows = screen.rows().map(|row| text(row).trim_end().to_owned()).collect();
    let cursor = screen.cursor();
    // Where the next character wraps first, tmux's cursor is a column beyond the last.
    (rows, format!("{},{}", cursor.column + u16::from(cursor.wrap_pending), cursor.row))
}

const FIRST: Size = size(80, 24);

const fn size(columns: u16, rows: u16) -> Size {
    Size { columns, rows }
}

/// Lines longer than the window is wide, and more than it has rows; the command that prints them, and an emulator that read
/// them.
fn text(home: &Home) -> (String, Emulator) {
    let line = |number| {
        let fox = "the quick brown fox, 漢字かな交じり文 and e\u{301}, jumps over a lazy dog";
        format!("{number}: {fox}; {}\r\n", "=".repeat(number))
    };
    let text = (1..60).map(line).collect::<String>() + "$ a command that is typed";
    fs::write(home.file("text"), &text).expect("a file");
    let mut emulator = Emulator::new(FIRST);
    emulator.keep_history();
    emulator.feed(text.as_bytes());
    (format!("stty raw -echo; cat {}; exec sleep 1000", home.file("text").display()), emulator)
}

#[test]
fn lines_are_wrapped_anew_as_tmux_does() {
    let home = Home::new("reflow");
    let (command, mut emulator) = text(&home);
    let tmux = Tmux::start(&home, &command, FIRST);
    tmux.wait_for(&shown(&emulator));
    let widths = [50, 80, 33, 20, 7, 2, 50, 91, 80].map(|columns| size(columns, 24));
    let heights = [30, 24, 10, 5, 40].map(|rows| size(80, rows));
    for size in widths.into_iter().chain(heights).chain([size(40, 12), size(100, 30), FIRST]) {
        emulator.reflow(size);
        tmux.resize(size);
        assert_eq!(shown(&emulator), tmux.shown(), "{size:?}");
    }
}

#[test]
fn a_session_whose_window_changes_its_size_loses_nothing() {
    let home = Home::new("reflow-session");
    let (command, mut emulator) = text(&home);
    let session = home.mpmosh(&[], &["sh", "-c", &command]);
    let mut script = String::from("env -i");
    for (name, value) in
        session.get_envs().filter_map(|(name, value)| Some((name.to_str()?, value?.to_str()?)))
    {
        script += &format!(" {name}='{value}'");
    }
    for word in [session.get_program()].into_iter().chain(session.get_args()) {
        script += &format!(" '{}'", word.to_str().expect("text"));
    }
    let tmux = Tmux::start(&home, &script, FIRST);
    tmux.wait_for(&shown(&emulator));
    for size in [size(50, 24), FIRST, size(200, 24), FIRST, size(80, 40), size(60, 10), FIRST] {
        emulator.reflow(size);
        tmux.resize(size);
        tmux.wait_for(&shown(&emulator));
    }
}
