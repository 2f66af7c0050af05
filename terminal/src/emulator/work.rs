//! What it costs to carry out what is read. A few octets can ask for a whole screen to be filled: whoever reads what a
//! stranger wrote may want to know how much was asked for.

use super::Emulator;
use super::machine::Machine;
use super::margins::Margins;

impl Emulator {
    /// How many cells were touched so far by what touches many for a few octets: erasing, filling, copying, scrolling,
    /// repeating. What is printed is not among it.
    #[must_use]
    pub const fn worked(&self) -> u64 {
        self.machine.worked
    }
}

impl Machine {
    /// Cells of so many rows are touched, or will be copied because of this.
    pub(super) const fn work(&mut self, rows: usize, columns: usize) {
        self.worked = self.worked.saturating_add((rows * columns) as u64);
    }

    /// A scroll moves rows, which is little, and blanks others; beside other columns it moves cells.
    pub(super) fn work_scrolling(&mut self, region: Margins, count: u16) {
        let (rows, columns) = (region.rows().len(), self.columns());
        if region.columns().len() == columns {
            self.work(rows.min(count.into()).max(1), columns);
        } else {
            self.work(rows, columns);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Size;

    #[test]
    fn what_touches_many_cells_is_counted_and_what_prints_is_not() {
        let worked = |bytes: &[u8]| {
            let mut emulator = Emulator::new(Size { columns: 80, rows: 24 });
            emulator.feed(bytes);
            emulator.worked()
        };
        assert_eq!(worked(b"text\r\n\x1b[3;4H\x1b[31mred"), 0);
        for all in [
            &b"\x1b[2J"[..],
            b"\x1bc",
            b"\x1b#8",
            b"\x1b[120$x",
            b"\x1b[$z",
            b"\x1b[1;1;24;80;1;1;1$v",
            b"\x1b[?2026h",
            b"\x1b['}",
            b"\x1b[24S",
            b"\x1b[24L",
            b"\x1b[?1049h",
            b"\x1b[?40h\x1b[?3h",
            b"x\x1b[65535b",
        ] {
            // REP scrolls besides, by a row.
            assert!([0, 80].contains(&(worked(all) - 80 * 24)), "{}", all.escape_ascii());
        }
        for row in [&b"\x1b[2K"[..], b"\x1b[@", b"\x1b[P", b"\x1b[S", b"\x1b[L", b"\x1b[99I", b"\x1b[80X"] {
            assert_eq!(worked(row), 80, "{}", row.escape_ascii());
        }
    }
}
