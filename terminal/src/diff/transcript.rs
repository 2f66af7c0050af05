//! What a screen shows, as text with its looks, for wherever the cursor of a terminal stands.

use super::sgr;
use crate::attributes::Pen;
use crate::screen::Screen;
use crate::vocabulary::Vocabulary;
use alloc::vec::Vec;

/// The rows of `screen` down to its last that holds anything, each on a line of its own but where the program let the
/// terminal wrap: what a program printed, said again below what a terminal shows already. Nothing for a blank screen. The
/// terminal's cursor stands at a line's beginning before and after it, and its pen is the default one.
#[must_use]
pub fn transcript(screen: &Screen, vocabulary: &Vocabulary) -> Vec<u8> {
    let rows: Vec<_> = screen.rows().collect();
    let end = rows.iter().rposition(|row| !row.is_blank()).map_or(0, |last| last + 1);
    let plain = sgr::project(&Pen::default(), vocabulary);
    let (mut out, mut pen) = (Vec::new(), plain.clone());
    for row in rows.into_iter().take(end) {
        let cells = row.cells();
        let shown = if row.is_wrapped() {
            cells.len()
        } else {
            cells.iter().rposition(|cell| !cell.is_blank()).map_or(0, |last| last + 1)
        };
        for cell in cells.iter().take(shown).filter(|cell| cell.width() > 0) {
            let wanted = sgr::project(&cell.pen(), vocabulary);
            sgr::change(&mut out, &pen, &wanted);
            pen = wanted;
            out.extend_from_slice(cell.text().as_bytes());
        }
        if !row.is_wrapped() {
            sgr::change(&mut out, &pen, &plain);
            pen = plain.clone();
            out.extend_from_slice(b"\r\n");
        }
    }
    sgr::change(&mut out, &pen, &plain);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Emulator, Size};

    /// What another terminal shows of it below a prompt.
    fn again(printed: &[u8]) -> (alloc::string::String, Emulator) {
        let mut from = Emulator::new(Size { columns: 10, rows: 6 });
        from.feed(printed);
        let mut to = Emulator::new(Size { columns: 10, rows: 6 });
        to.feed(b"$ run\r\n");
        to.feed(&transcript(from.screen(), &Vocabulary::PEER));
        let text = to
            .screen()
            .rows()
            .map(|row| row.cells().iter().map(crate::Cell::text).collect::<alloc::string::String>());
        (text.map(|row| row.trim_end().to_owned() + "|").collect(), to)
    }

    use alloc::borrow::ToOwned;

    #[test]
    fn what_was_printed_stands_below_what_was_there_with_its_looks() {
        let (text, to) = again("Linux \x1b[1;31mred\x1b[m\r\n\r\n多 last".as_bytes());
        assert_eq!(text, "$ run|Linux red||多 last|||");
        assert_eq!(to.screen().cell(1, 6).unwrap().attributes().foreground, crate::Color::Indexed(1));
        assert_eq!((to.screen().cursor().row, to.screen().cursor().column), (4, 0));
        assert_eq!(to.screen().cell(1, 0).unwrap().attributes(), crate::Attributes::default());
    }

    #[test]
    fn a_line_that_wrapped_is_one_line_again_and_a_blank_screen_is_nothing() {
        let (text, _) = again(b"0123456789abc\r\nd");
        assert_eq!(text, "$ run|0123456789|abc|d|||");
        assert_eq!(transcript(&Screen::new(Size { columns: 10, rows: 6 }), &Vocabulary::PEER), b"");
    }
}
