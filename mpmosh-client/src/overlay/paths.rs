//! The table of paths that `Ctrl-^ p` lays over the screen.
//!
//! Contract: drawn below the first row, which is the notices'. What a narrow terminal has no room for goes in the order of
//! its worth; what a low one has no room for is counted. While it is hidden it holds nothing and asks for no wake-up.

use crate::report::{PathReport, State, Trouble, duration, milliseconds, reason};
use net::Instant;
use std::time::Duration;
use terminal::{Attributes, Color, Flags, Pen, Screen};

/// How often the numbers are brought up to date while nothing else happens.
const REFRESH: Duration = Duration::from_secs(1);

/// The columns, in their order on the screen.
const COLUMNS: usize = 8;
/// Their headings.
const HEADINGS: [&str; COLUMNS] =
    ["", "interface", "state", "RTT ms", "lost in/out", "role", "addresses", "sent/received"];
/// From which to take when there is not room for all, the least needed first.
const LEAST_NEEDED: [usize; 4] = [7, 6, 5, 4];

/// The table, shown or not.
#[derive(Clone, Debug, Default)]
pub struct Paths {
    shown: bool,
    rows: Vec<Row>,
    trouble: String,
    /// When it will say something else.
    stale_at: Option<Instant>,
}

/// A path, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    cells: [String; COLUMNS],
    chosen: bool,
    state: State,
}

impl From<&PathReport> for Row {
    fn from(path: &PathReport) -> Self {
        let lasts = duration(Duration::from_millis(path.silent_ms.unwrap_or(path.for_ms)));
        let state = match (path.state, reason(path)) {
            (State::Answering, _) => format!("answering {lasts}"),
            (State::Suspect | State::Lost, _) if path.received > 0 => format!("silent {lasts}"),
            (State::Down, why) => format!("down {lasts}: {why}"),
            (_, why) => why.to_owned(),
        };
        let srtt = path.srtt_ms.zip(path.rttvar_ms).map_or_else(
            || "-".into(),
            |(srtt, rttvar)| format!("{} ±{}", milliseconds(srtt), milliseconds(rttvar)),
        );
        let cells = [
            if path.chosen { "*" } else { "" }.into(),
            path.interface.clone(),
            state,
            srtt,
            format!("{}/{} %", path.loss_in, path.loss_out),
            path.role.as_str().into(),
            format!("{} > {}", path.local, path.remote),
            format!("{}/{}", path.sent, path.received),
        ];
        Self { cells, chosen: path.chosen, state: path.state }
    }
}

impl Row {
    /// What is of no use to the session now goes last.
    fn is_closed(&self) -> bool {
        matches!(self.state, State::Down | State::Retired)
    }

    fn background(&self) -> Color {
        Color::Indexed(match self.state {
            _ if self.chosen && self.state == State::Answering => 2,
            State::Suspect | State::Lost => 1,
            State::Down | State::Retired => 8,
            State::Answering | State::Untried => 4,
        })
    }
}

impl Paths {
    /// Shows it, or hides it.
    pub fn toggle(&mut self) {
        *self = Self { shown: !self.shown, ..Self::default() };
    }

    /// Whether it is shown.
    #[must_use]
    pub fn is_shown(&self) -> bool {
        self.shown
    }

    /// What it says from `now` on.
    pub fn set(&mut self, paths: Vec<PathReport>, trouble: Option<Trouble>, now: Instant) {
        self.rows = paths.iter().map(Row::from).collect();
        self.rows.sort_by_key(Row::is_closed);
        self.trouble = trouble.map(|trouble| trouble.text).unwrap_or_default();
        self.stale_at = Some(now + REFRESH);
    }

    /// When it is to be brought up to date, if nothing happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.stale_at.filter(|_| self.shown)
    }

    /// Draws it.
    pub fn apply(&self, screen: &mut Screen) {
        if !self.shown {
            return;
        }
        let size = screen.size();
        let last = size.rows;
        let mut row = 1;
        let mut put = |text: &str, background: Color, flags: Flags| {
            if row < last {
                let attributes =
                    Attributes { foreground: Color::Indexed(15), background, flags, ..Attributes::default() };
                let pen = Pen::new(attributes);
                screen.put_text(row, 0, &" ".repeat(usize::from(size.columns)), &pen);
                screen.put_text(row, 0, text, &pen);
                row += 1;
            }
        };
        let widths = self.widths(usize::from(size.columns));
        let heading = HEADINGS.map(str::to_owned);
        put(&line(&heading, &widths), Color::Indexed(8), Flags::BOLD);
        // One row for the heading, one for the trouble, one for what is not shown.
        let room = usize::from(last.saturating_sub(2)).saturating_sub(usize::from(!self.trouble.is_empty()));
        let fits = if self.rows.len() > room { room.saturating_sub(1) } else { self.rows.len() };
        for path in self.rows.iter().take(fits) {
            put(&line(&path.cells, &widths), path.background(), Flags::default());
        }
        if fits < self.rows.len() {
            put(&format!("  and {} more", self.rows.len() - fits), Color::Indexed(8), Flags::default());
        }
        if !self.trouble.is_empty() {
            put(&format!("  {}", self.trouble), Color::Indexed(1), Flags::BOLD);
        }
    }

    /// The columns' widths; 0 for those that have no room.
    fn widths(&self, columns: usize) -> [usize; COLUMNS] {
        let mut widths = HEADINGS.map(|heading| heading.chars().count().max(1));
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(&row.cells) {
                *width = (*width).max(cell.chars().count());
            }
        }
        for least in LEAST_NEEDED {
            if widths.iter().filter(|width| **width > 0).map(|width| width + 2).sum::<usize>() > columns + 2 {
                widths[least] = 0;
            }
        }
        widths
    }
}

/// A line of the table.
fn line(cells: &[String; COLUMNS], widths: &[usize; COLUMNS]) -> String {
    let mut line = String::new();
    for (cell, width) in cells.iter().zip(widths).filter(|(_, width)| **width > 0) {
        line.push_str(&format!("{cell:<width$}  "));
    }
    line.truncate(line.trim_end().len());
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::path;
    use terminal::Size;

    fn shown(paths: Vec<PathReport>, trouble: &str, columns: u16, rows: u16) -> Vec<String> {
        let mut table = Paths::default();
        table.toggle();
        let trouble = Trouble { text: trouble.into(), next: Duration::from_secs(1) };
        table.set(paths, Some(trouble), Instant::ZERO);
        let mut screen = Screen::new(Size { columns, rows });
        table.apply(&mut screen);
        let text = |row: &terminal::Row| row.cells().iter().map(terminal::Cell::text).collect::<String>();
        screen.rows().map(|row| text(row).trim_end().to_owned()).collect()
    }

    fn two() -> Vec<PathReport> {
        let wlan0 = path("wlan0", State::Lost, 3);
        let wwan0 = PathReport { chosen: true, ..path("wwan0", State::Answering, 62) };
        vec![wlan0, wwan0]
    }

    #[test]
    fn a_wide_terminal_shows_everything() {
        let lines = shown(two(), "wlan0 silent 3 s, on wwan0", 120, 6);
        assert_eq!(lines[0], "");
        assert_eq!(
            lines[1],
            "   interface  state            RTT ms   lost in/out  role     addresses                       sent/received"
        );
        assert_eq!(
            lines[2],
            "   wlan0      silent 3 s       40 ±3.5  0/2 %        primary  192.0.2.10 > 203.0.113.1:60001  120/118"
        );
        assert!(lines[3].starts_with("*  wwan0      answering 1 min  40 ±3.5"), "{}", lines[3]);
        assert_eq!(lines[4], "  wlan0 silent 3 s, on wwan0");
    }

    #[test]
    fn a_narrow_terminal_keeps_the_interface_the_state_and_the_round_trip() {
        let lines = shown(two(), "", 40, 6);
        assert_eq!(lines[2], "   wlan0      silent 3 s       40 ±3.5");
        let lines = shown(two(), "", 80, 6);
        assert_eq!(lines[2], "   wlan0      silent 3 s       40 ±3.5  0/2 %        primary");
        assert_eq!(shown(two(), "", 1, 1), [""], "one cell is the notices'");
    }

    #[test]
    fn a_low_terminal_counts_what_it_does_not_show_and_closed_paths_go_last() {
        let mut paths = vec![path("eth9", State::Retired, 9); 7];
        paths.extend(two());
        let lines = shown(paths, "wrong", 40, 7);
        assert!(lines[2].contains("wlan0") && lines[3].contains("wwan0"), "{lines:?}");
        assert_eq!(lines[5..], ["  and 6 more", "  wrong"]);
    }

    #[test]
    fn hidden_it_draws_nothing_holds_nothing_and_wakes_nobody() {
        let mut table = Paths::default();
        table.toggle();
        table.set(two(), None, Instant::ZERO);
        assert_eq!(table.poll_timeout(), Some(Instant::ZERO + REFRESH));
        table.toggle();
        assert_eq!((table.poll_timeout(), table.rows.len()), (None, 0));
        let mut screen = Screen::new(Size { columns: 20, rows: 3 });
        table.apply(&mut screen);
        assert_eq!(screen, Screen::new(Size { columns: 20, rows: 3 }));
    }
}
