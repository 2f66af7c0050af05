//! The table of paths that `Ctrl-^ p` lays over the screen.
//!
//! Contract: drawn below the first row, which is the notices'. What a narrow terminal has no room for goes in the order of
//! its worth; what a low one has no room for is counted. While it is hidden it holds nothing and asks for no wake-up.

use crate::session::report::table::{Addresses, Columns, addresses};
use crate::session::report::{
    PathReport, PathState, Trouble, capacities, loss, milliseconds, reason, spent, standing,
};
use crate::text::sanitize::wrapped;
use net::Instant;
use std::time::Duration;
use terminal::{Attributes, Color, Flags, Pen, Screen};

/// How often the numbers are brought up to date while nothing else happens.
const REFRESH: Duration = Duration::from_secs(1);

const COLUMNS: usize = 9;
/// The place of the addresses.
const ADDRESSES: usize = 6;
/// The columns, in their order on the screen.
const TABLE: Columns<COLUMNS> = Columns {
    headings: ["", "interface", "state", "RTT ms", "lost in/out", "role", "path", "why", "sent/received"],
    right: [false; COLUMNS],
    least_needed: &[8, 7, 4, 5, ADDRESSES, 3],
    names: 1,
};

/// The table, shown or not.
#[derive(Clone, Debug, Default)]
pub struct Paths {
    shown: bool,
    paths: Vec<PathReport>,
    trouble: String,
    remarks: Vec<String>,
    /// When it will say something else.
    stale_at: Option<Instant>,
}

fn cells(path: &PathReport, addresses: String) -> [String; COLUMNS] {
    let srtt = path.srtt_ms.zip(path.rttvar_ms).map_or_else(
        || "-".into(),
        |(srtt, rttvar)| format!("{} ±{}", milliseconds(srtt), milliseconds(rttvar)),
    );
    [
        if path.carries() { "*" } else { "" }.into(),
        path.interface.clone(),
        standing(path),
        srtt,
        loss(path),
        path.role.as_str().into(),
        addresses,
        reason(path).into(),
        format!("{}/{}", path.sent, path.received),
    ]
}

/// What is of no use to the session now goes last.
fn is_closed(path: &PathReport) -> bool {
    matches!(path.state, PathState::Down | PathState::Retired)
}

fn background(path: &PathReport) -> Color {
    Color::Indexed(match path.state {
        PathState::Answering if path.chosen => 2,
        PathState::Suspect | PathState::Lost | PathState::Refused => 1,
        PathState::Down | PathState::Retired => 8,
        PathState::Answering | PathState::Untried => 4,
    })
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
    pub fn set(
        &mut self,
        paths: Vec<PathReport>,
        trouble: Option<Trouble>,
        remarks: &[String],
        now: Instant,
    ) {
        self.paths = paths;
        self.paths.sort_by_key(is_closed);
        self.trouble = trouble.map(|trouble| trouble.text).unwrap_or_default();
        self.remarks = remarks.to_vec();
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
        let columns = usize::from(size.columns);
        let (rows, widths) = self.table(columns);
        put(&TABLE.heading(&widths), Color::Indexed(8), Flags::BOLD);
        let notes = self.notes(columns.saturating_sub(2));
        // One row for the heading; the notes have what they need, and leave room for two paths.
        let below = usize::from(last.saturating_sub(2));
        let noted = notes.len().min(below.saturating_sub(2));
        let room = below.saturating_sub(noted);
        let fits = if rows.len() > room { room.saturating_sub(1) } else { rows.len() };
        for (path, cells) in self.paths.iter().zip(&rows).take(fits) {
            put(&TABLE.line(cells, &widths), background(path), Flags::default());
        }
        if fits < rows.len() {
            put(&format!("  and {} more", rows.len() - fits), Color::Indexed(8), Flags::default());
        }
        for (note, color) in notes.iter().take(noted) {
            put(&format!("  {note}"), *color, Flags::BOLD);
        }
        // What it cost comes last: where there is no room it is in `mpmosh paths`.
        let spent: Vec<_> = [spent(&self.paths)].into_iter().chain(capacities(&self.paths)).collect();
        for line in wrapped(&spent.join("; "), columns.saturating_sub(2)) {
            put(&format!("  {line}"), Color::Indexed(8), Flags::default());
        }
    }

    /// The rows with as much of the addresses as there is room for, and the columns' widths.
    fn table(&self, columns: usize) -> (Vec<[String; COLUMNS]>, [usize; COLUMNS]) {
        let with = |told, spared| {
            let told = addresses(&self.paths, told, ">");
            let rows: Vec<_> = self.paths.iter().zip(told).map(|(path, told)| cells(path, told)).collect();
            let (widths, whole) = TABLE.widths(&rows, Some(columns), spared);
            (rows, widths, whole)
        };
        // What is given up before the addresses are shortened, and before they are shortened once more.
        for (told, spared) in [(Addresses::Full, 1), (Addresses::Apart, 2)] {
            if let (rows, widths, true) = with(told, spared) {
                return (rows, widths);
            }
        }
        let (rows, widths, _) = with(Addresses::Family, COLUMNS);
        (rows, widths)
    }

    /// What stands below the table.
    fn notes(&self, columns: usize) -> Vec<(String, Color)> {
        let trouble = wrapped(&self.trouble, columns).into_iter().map(|line| (line, Color::Indexed(1)));
        let remarks = self.remarks.iter().flat_map(|remark| wrapped(remark, columns));
        trouble.chain(remarks.map(|line| (line, Color::Indexed(8)))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::report::tests::path;
    use terminal::Size;

    fn shown(paths: Vec<PathReport>, trouble: &str, columns: u16, rows: u16) -> Vec<String> {
        let mut table = Paths::default();
        table.toggle();
        let trouble = Trouble { text: trouble.into(), brief: String::new(), next: Duration::from_secs(1) };
        table.set(paths, Some(trouble), &[], Instant::ZERO);
        let mut screen = Screen::new(Size { columns, rows });
        table.apply(&mut screen);
        let text = |row: &terminal::Row| row.cells().iter().map(terminal::Cell::text).collect::<String>();
        screen.rows().map(|row| text(row).trim_end().to_owned()).collect()
    }

    fn two() -> Vec<PathReport> {
        let wlan0 = path("wlan0", PathState::Lost, 3);
        let wwan0 = PathReport { chosen: true, ..path("wwan0", PathState::Answering, 62) };
        vec![wlan0, wwan0]
    }

    #[test]
    fn a_wide_terminal_shows_everything() {
        let lines = shown(two(), "wlan0 lost 3 s, on wwan0", 130, 6);
        assert_eq!(lines[0], "");
        assert_eq!(
            lines[1],
            "   interface  state            RTT ms   lost in/out  role     path                            why         \
             sent/received"
        );
        assert_eq!(
            lines[2],
            "   wlan0      lost 3 s         40 ±3.5  -            primary  192.0.2.10 > 203.0.113.1:60001  no answers  120/118"
        );
        assert!(lines[3].starts_with("*  wwan0      answering 1 min  40 ±3.5  0/2 %"), "{}", lines[3]);
        assert_eq!(lines[4], "  wlan0 lost 3 s, on wwan0");
        assert_eq!(lines[5], "  27 kB sent and 0 B received");
        let thin = PathReport { capacity: Some(1_200), ..path("ppp0", PathState::Answering, 9) };
        let lines = shown(vec![thin], "", 80, 6);
        assert_eq!(lines[3], "  14 kB sent and 0 B received; ppp0 carries 1.2 kB a second");
    }

    #[test]
    fn a_narrow_terminal_keeps_the_interface_the_state_and_the_round_trip() {
        let lines = shown(two(), "", 40, 6);
        assert_eq!(lines[2], "   wlan0      lost 3 s         40 ±3.5");
        let lines = shown(two(), "", 80, 6);
        assert_eq!(lines[3], "*  wwan0      answering 1 min  40 ±3.5  0/2 %        primary  203.0.113.1");
        assert_eq!(shown(two(), "", 1, 1), [""], "one cell is the notices'");
    }

    #[test]
    fn paths_of_one_interface_are_told_apart_in_eighty_columns_and_digits_are_whole() {
        let v4 = PathReport { loss_in: Some(100), ..path("wlp0s20f3", PathState::Answering, 360_000) };
        let long = [0x2001, 0xdb8, 0x85a3, 0x8d3, 0x1319, 0x8a2e, 0x370, 0x7348];
        let v6 = PathReport { remote: (long, 60001).into(), srtt_ms: Some(1234.0), ..v4.clone() };
        let lines = shown(vec![v4.clone(), v6], "", 80, 6);
        assert_ne!(lines[2].replace("1234", "40"), lines[3].replace("1234", "40"), "{lines:?}");
        assert!(lines[2].contains("IPv4") && lines[3].contains("IPv6"), "{lines:?}");
        assert!(
            lines[2].contains("100/2 %") && lines[3].contains("answering 4 d 4 h  1234 ±3.5"),
            "{lines:?}"
        );
        let other = PathReport { local: [192, 0, 2, 11].into(), ..v4.clone() };
        let lines = shown(vec![v4, other], "", 80, 6);
        assert!(lines[2].contains("192.0.2.10") && lines[3].contains("192.0.2.11"), "{lines:?}");
    }

    #[test]
    fn a_dead_path_carries_nothing_and_a_refused_one_says_so() {
        let dead = PathReport { chosen: true, ..path("wlan0", PathState::Lost, 8) };
        let refused = path("wwan0", PathState::Refused, 8);
        let lines = shown(vec![dead, refused], "", 80, 6);
        assert!(lines[2].starts_with("   wlan0      lost 8 s") && !lines[2].contains('%'), "{lines:?}");
        assert!(lines[3].starts_with("   wwan0      refused 8 s"), "{lines:?}");
    }

    #[test]
    fn remarks_stand_below_and_wrap() {
        let mut table = Paths::default();
        table.toggle();
        table.set(
            two(),
            None,
            &["eth1 is not used: tun0 takes all traffic of this machine".into()],
            Instant::ZERO,
        );
        let mut screen = Screen::new(Size { columns: 40, rows: 8 });
        table.apply(&mut screen);
        let text = |row: &terminal::Row| row.cells().iter().map(terminal::Cell::text).collect::<String>();
        let lines: Vec<_> = screen.rows().map(|row| text(row).trim_end().to_owned()).collect();
        assert_eq!(lines[4..6], ["  eth1 is not used: tun0 takes all", "  traffic of this machine"]);
    }

    #[test]
    fn a_low_terminal_counts_what_it_does_not_show_and_closed_paths_go_last() {
        let mut paths = vec![path("eth9", PathState::Retired, 9); 7];
        paths.extend(two());
        let lines = shown(paths, "wrong", 40, 7);
        assert!(lines[2].contains("wlan0") && lines[3].contains("wwan0"), "{lines:?}");
        assert_eq!(lines[5..], ["  and 6 more", "  wrong"]);
    }

    #[test]
    fn hidden_it_draws_nothing_holds_nothing_and_wakes_nobody() {
        let mut table = Paths::default();
        table.toggle();
        table.set(two(), None, &[], Instant::ZERO);
        assert_eq!(table.poll_timeout(), Some(Instant::ZERO + REFRESH));
        table.toggle();
        assert_eq!((table.poll_timeout(), table.paths.len()), (None, 0));
        let mut screen = Screen::new(Size { columns: 20, rows: 3 });
        table.apply(&mut screen);
        assert_eq!(screen, Screen::new(Size { columns: 20, rows: 3 }));
    }
}
