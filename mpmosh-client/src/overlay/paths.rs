//! The table of paths that `Ctrl-^ p` lays over the screen.

use net::{FlowReport, FlowState};
use terminal::{Attributes, Color, Pen, Screen};

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathRow {
    /// What it says.
    text: String,
    /// Whether the session goes over it.
    chosen: bool,
}

impl From<&FlowReport> for PathRow {
    fn from(flow: &FlowReport) -> Self {
        let state = match flow.state {
            FlowState::Answering => "answering",
            FlowState::Untried => "untried",
            FlowState::Suspect => "suspect",
            FlowState::Lost => "lost",
            FlowState::Suspended => "down",
            FlowState::Retired => "retired",
        };
        let srtt = flow.srtt.map_or_else(|| "-".into(), |srtt| format!("{} ms", srtt.as_millis()));
        let path = format!("{} > {}", flow.path.local.ip, flow.path.remote);
        // A narrow terminal cuts off what matters least.
        let text = format!(
            "{} {state:<9} {srtt:>8} {:>3}% lost  {path:<31} {:>6} sent {:>6} received",
            if flow.chosen { '*' } else { ' ' },
            flow.loss_out.max(flow.loss_in),
            flow.sent,
            flow.received
        );
        Self { text, chosen: flow.chosen }
    }
}

/// The table, shown or not.
#[derive(Clone, Debug, Default)]
pub struct Paths {
    shown: bool,
    rows: Vec<PathRow>,
}

impl Paths {
    /// Shows it, or hides it.
    pub fn toggle(&mut self) {
        self.shown = !self.shown;
    }

    /// Whether it is shown.
    #[must_use]
    pub fn is_shown(&self) -> bool {
        self.shown
    }

    /// What it says.
    pub fn set(&mut self, rows: Vec<PathRow>) {
        self.rows = rows;
    }

    /// Draws it below the first row, which is the notices'.
    pub fn apply(&self, screen: &mut Screen) {
        if !self.shown {
            return;
        }
        let blank = " ".repeat(usize::from(screen.size().columns));
        for (row, line) in (1..screen.size().rows).zip(&self.rows) {
            let background = Color::Indexed(if line.chosen { 2 } else { 4 });
            let pen =
                Pen::new(Attributes { foreground: Color::Indexed(7), background, ..Attributes::default() });
            screen.put_text(row, 0, &blank, &pen);
            screen.put_text(row, 0, &line.text, &pen);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use terminal::Size;

    #[test]
    fn the_table_covers_the_rows_below_the_first_while_it_is_shown() {
        let mut screen = Screen::new(Size { columns: 20, rows: 3 });
        let mut paths = Paths::default();
        paths.set(vec![PathRow { text: "* a > b".into(), chosen: true }; 9]);
        paths.apply(&mut screen);
        assert_eq!(screen, Screen::new(Size { columns: 20, rows: 3 }));
        paths.toggle();
        paths.apply(&mut screen);
        assert_eq!(screen.cell(0, 0).map(|cell| cell.first_char()), Some(' '));
        assert_eq!(screen.cell(1, 0).map(|cell| cell.first_char()), Some('*'));
        assert_eq!(screen.cell(2, 6).map(|cell| cell.first_char()), Some('b'));
    }
}
