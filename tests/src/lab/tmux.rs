//! A program in a real terminal: Debian's tmux on a socket of its own. What the program writes is kept raw, and what a
//! person would see at a moment is what tmux's emulator made of it.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::{Context, LabError, Namespace, clock, finish, require};

/// A terminal in which a program runs. Dropping it ends both.
pub struct Tmux {
    namespace: Namespace,
    raw: PathBuf,
}

/// What the terminal shows at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The rows, from the top, without blanks at their ends.
    pub rows: Vec<String>,
    /// The same rows, with the escape sequences that give each its look.
    pub styled: Vec<String>,
    /// Row and column, from 0.
    pub cursor: (usize, usize),
}

impl View {
    /// The row that the cursor is in.
    #[must_use]
    pub fn line(&self) -> &str {
        self.rows.get(self.cursor.0).map_or("", String::as_str)
    }

    /// Whether some of the cursor's row is underlined.
    #[must_use]
    pub fn is_underlined(&self) -> bool {
        self.styled.get(self.cursor.0).is_some_and(|row| row.contains("\x1b[4m"))
    }
}

impl Tmux {
    /// Runs `command` in a terminal of 80 columns and 24 rows, as the lab's user in `namespace`.
    ///
    /// # Errors
    /// When tmux is not installed or does not start.
    pub fn start(namespace: &Namespace, command: &str) -> Result<Self, LabError> {
        require("tmux", "tmux")?;
        let tmux = Self { namespace: namespace.clone(), raw: namespace.home().join("tmux.raw") };
        namespace.give("tmux.raw", "")?;
        // The program starts when its output is being kept.
        let start = format!("read -rs _; {command}; exec sleep 1000");
        tmux.tell(&["-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", "bash", "-c", &start])?;
        // One row of the window is tmux's own, unless it is told otherwise.
        tmux.tell(&["set-option", "-g", "status", "off", ";", "resize-window", "-x", "80", "-y", "24"])?;
        tmux.tell(&["pipe-pane", "-o", &format!("exec cat >> {}", tmux.raw.display())])?;
        tmux.press(&["Enter"])?;
        Ok(tmux)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.namespace.command("tmux");
        command.env("TMUX_TMPDIR", self.namespace.home()).args(["-L", "lab", "-u"]).args(arguments);
        command
    }

    fn tell(&self, arguments: &[&str]) -> Result<String, LabError> {
        finish(&mut self.command(arguments))
    }

    /// Types text, as it is.
    ///
    /// # Errors
    /// When tmux has ended.
    pub fn text(&self, text: &str) -> Result<(), LabError> {
        self.tell(&["send-keys", "-l", "--", text]).map(drop)
    }

    /// Presses keys by tmux's names of them, such as `Enter`, `C-c` or `Up`.
    ///
    /// # Errors
    /// When tmux has ended.
    pub fn press(&self, keys: &[&str]) -> Result<(), LabError> {
        let arguments: Vec<&str> = ["send-keys"].iter().chain(keys).copied().collect();
        self.tell(&arguments).map(drop)
    }

    /// What it shows now.
    ///
    /// # Errors
    /// When tmux has ended.
    pub fn view(&self) -> Result<View, LabError> {
        let separator = "cursor";
        let told = self.tell(&[
            "capture-pane",
            "-p",
            ";",
            "display-message",
            "-p",
            &format!("{separator} #{{cursor_y}} #{{cursor_x}}"),
            ";",
            "capture-pane",
            "-p",
            "-e",
        ])?;
        let mark = format!("\n{separator} ");
        let (plain, rest) = told.split_once(&mark).context_missing("a cursor")?;
        let (cursor, styled) = rest.split_once('\n').context_missing("a screen")?;
        let (row, column) = cursor.split_once(' ').context_missing("a column")?;
        let number = |text: &str| text.parse().context(|| format!("reading {text:?}"));
        let rows = |text: &str| text.lines().map(|row| row.trim_end().to_owned()).collect();
        Ok(View { rows: rows(plain), styled: rows(styled), cursor: (number(row)?, number(column)?) })
    }

    /// Waits until `wanted` holds of what it shows, and gives that.
    ///
    /// # Errors
    /// When it does not within `patience`: with what was shown.
    pub fn wait(
        &self,
        what: &str,
        patience: Duration,
        wanted: impl Fn(&View) -> bool,
    ) -> Result<View, LabError> {
        let mut last = None;
        let seen = clock::wait_for(patience, || {
            let view = self.view();
            let wanted = view.as_ref().map_or(true, &wanted);
            last = Some(view);
            wanted.then_some(())
        });
        match (seen, last) {
            (Some(()), Some(view)) => view,
            (_, last) => Err(LabError::new(format!("not {what}: {last:#?}"))),
        }
    }

    /// Everything that the program has written.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn raw(&self) -> Result<String, LabError> {
        let bytes = std::fs::read(&self.raw).context(|| format!("reading {}", self.raw.display()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let _ = self.tell(&["kill-server"]);
    }
}

/// What tmux answered without what was asked for.
trait Missing<T> {
    fn context_missing(self, what: &str) -> Result<T, LabError>;
}

impl<T> Missing<T> for Option<T> {
    fn context_missing(self, what: &str) -> Result<T, LabError> {
        self.ok_or_else(|| LabError::new(format!("tmux did not answer with {what}")))
    }
}
