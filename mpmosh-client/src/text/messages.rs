//! What the user reads when something fails: what failed, the evidence, and the next step. Each kind of failure says
//! beside its own type what its paragraph is.
//!
//! Contract: one paragraph on standard error, without control characters, however hostile the text it quotes.

use core::fmt;
use std::io::{self, Write};

use platform::tty;
use platform::words::without_numbers;

use crate::text::sanitize::{broken, one_line, printable, wrapped};

/// Columns of a line of a paragraph.
const WIDTH: usize = 78;
/// No terminal is taken for narrower than this.
const NARROWEST: usize = 20;

/// Says something beside a failure on standard error, without controls, in lines as long as the terminal there has room
/// for.
pub fn notice(text: &str) {
    let columns = tty::size(io::stderr()).map_or(usize::MAX, |size| usize::from(size.columns));
    // Nobody is left to hear of it where this cannot be written.
    let _ = writeln!(io::stderr(), "{}", broken(printable(text).trim_end(), columns.max(NARROWEST)));
}

/// What is wrong with a command line, in the same way; what was asked for on it (`--help`) is the definition's own affair.
pub fn print_usage(error: &clap::Error) {
    if error.use_stderr() {
        notice(&error.render().to_string());
    } else {
        let _ = error.print();
    }
}

/// A failure, told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paragraph {
    /// What failed, a sentence.
    pub what: String,
    /// What shows it, sentences or nothing.
    pub evidence: String,
    /// What to do next, sentences.
    pub next: String,
    /// Lines between the evidence and the next step, each by itself.
    pub rows: Vec<String>,
}

impl Paragraph {
    /// Three parts of one paragraph.
    pub fn new(what: impl Into<String>, evidence: impl Into<String>, next: impl Into<String>) -> Self {
        Self { what: what.into(), evidence: evidence.into(), next: next.into(), rows: Vec::new() }
    }

    /// The same with a table, which is shown line by line.
    #[must_use]
    pub fn with_rows(self, rows: impl IntoIterator<Item = String>) -> Self {
        Self { rows: rows.into_iter().collect(), ..self }
    }
}

impl fmt::Display for Paragraph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.in_columns(WIDTH))
    }
}

impl Paragraph {
    /// Tells it on standard error, in lines as long as the terminal there has room for.
    pub fn tell(&self) {
        let columns = tty::size(io::stderr()).map_or(WIDTH, |size| usize::from(size.columns));
        // Nobody is left to hear of it where this cannot be written.
        let _ = writeln!(io::stderr(), "{}", self.in_columns(columns.clamp(NARROWEST, WIDTH)));
    }

    /// The text, in lines of at most so many characters; a row of a table that is longer goes on below, indented.
    #[must_use]
    pub fn in_columns(&self, columns: usize) -> String {
        let prose = |parts: &[&str]| wrapped(&without_numbers(&parts.join(" ")), columns);
        if self.rows.is_empty() {
            return prose(&["mpmosh:", &self.what, &self.evidence, &self.next]).join("\n");
        }
        let mut lines = prose(&["mpmosh:", &self.what]);
        for row in &self.rows {
            let row = one_line(&without_numbers(row), 200);
            // A row that a terminal of the usual width breaks is still one row to whoever reads it in a file.
            let pieces = if columns < WIDTH { wrapped(&row, columns.saturating_sub(4)) } else { vec![row] };
            let indents = core::iter::once("  ").chain(core::iter::repeat("    "));
            lines.extend(pieces.iter().zip(indents).map(|(piece, indent)| format!("{indent}{piece}")));
        }
        lines.extend(prose(&[&self.evidence, &self.next]));
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paragraph_is_wrapped_and_holds_no_controls() {
        let paragraph = Paragraph::new("What \u{1b}[31mfailed\u{7}.", "word ".repeat(40), "Next\u{9b}2J.");
        let text = paragraph.to_string();
        assert!(text.starts_with("mpmosh: What failed."), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(!text.contains(['\u{1b}', '\u{7}', '\u{9b}']));
    }

    #[test]
    fn a_narrow_terminal_breaks_lines_between_words_and_no_number_of_the_system_is_told() {
        let error = io::Error::from_raw_os_error(1);
        let rows = [format!("eth0 192.0.2.1 to 198.51.100.1:60001: {error}")];
        let paragraph =
            Paragraph::new("What failed.", format!("The system says: {error}."), "Next.").with_rows(rows);
        assert!(!paragraph.to_string().contains("os error"), "{paragraph}");
        assert!(paragraph.to_string().contains("says: Operation not permitted. Next."), "{paragraph}");
        let narrow = paragraph.in_columns(40);
        assert!(narrow.lines().all(|line| line.chars().count() <= 40), "{narrow}");
        assert!(narrow.contains("\n    "), "a row goes on below: {narrow}");
    }

    #[test]
    fn a_table_stands_line_by_line() {
        let rows = ["eth0: 9 sent".to_owned(), "wlan0:\n\u{1b}[2J0 sent".to_owned()];
        let text = Paragraph::new("What.", "Evidence.", "Next.").with_rows(rows).to_string();
        assert_eq!(text, "mpmosh: What.\n  eth0: 9 sent\n  wlan0: 0 sent\nEvidence. Next.");
    }
}
