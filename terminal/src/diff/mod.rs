//! From one screen to another in few bytes.
//!
//! The terminal that reads a diff shows `from` and has everything that is not part of a screen at its default
//! (whole-screen margins, no origin or insert mode, wrap on, ASCII). A diff keeps it so, and never asks for an
//! answer.

mod disputed;
mod rows;
mod scroll;
mod sgr;
mod state;
mod transcript;
mod writer;

#[cfg(test)]
mod tests;

use crate::control::{CLEAR, HOME, NO_LINK, PLAIN, WHOLE_SCREEN};
use crate::modes::{Mode, PrivateMode, Reading};
use crate::screen::Screen;
use crate::vocabulary::Vocabulary;
use alloc::vec::Vec;
use state::write;
use writer::Writer;

pub use state::{begin_modes, end_modes};
pub use transcript::transcript;

const SYNCHRONIZED: PrivateMode = PrivateMode::Reads(Reading::Synchronized);

/// The bytes that make a terminal which shows `from` show `to`; none when the two are equal.
///
/// Where the sizes differ, the terminal has been resized to `to`'s size before it reads the diff. One that is
/// [`exact`](Vocabulary::exact) has cut and extended `from` as [`Screen::resize`] does; of any other nothing is
/// assumed, and all is painted anew.
#[must_use]
pub fn diff(from: &Screen, to: &Screen, vocabulary: &Vocabulary) -> Vec<u8> {
    if from.size == to.size {
        return if from == to { Vec::new() } else { frame(from, to, vocabulary, false) };
    }
    let mut base = from.clone();
    base.resize(to.size);
    if vocabulary.exact {
        return if base == *to { Vec::new() } else { frame(&base, to, vocabulary, false) };
    }
    let mut blank = base.wiped(to.size);
    blank.modes.set(Mode::CursorVisible, false);
    let mut out = clearing(vocabulary);
    out.extend(frame(&blank, to, vocabulary, false));
    out
}

/// The bytes that make a terminal in an unknown state show `to`: everything is cleared and said again, but for
/// bell and clipboard.
#[must_use]
pub fn repaint(to: &Screen, vocabulary: &Vocabulary) -> Vec<u8> {
    let mut blank = Screen::new(to.size);
    blank.bells = to.bells;
    blank.clipboard = to.clipboard.clone();
    blank.modes.set(Mode::CursorVisible, false);
    let mut out = clearing(vocabulary);
    out.extend(frame(&blank, to, vocabulary, true));
    out
}

/// The bytes that make a terminal show `to`, of which only modes, titles, clipboard and bells are known (those of
/// `from`). `clearing` blanks it as a new screen is. Where a terminal can show a frame at once, the clearing is part of it.
#[must_use]
pub fn redraw(clearing: &[u8], from: &Screen, to: &Screen, vocabulary: &Vocabulary) -> Vec<u8> {
    let at_once = vocabulary.synchronized;
    let within = Vocabulary {
        synchronized: false,
        hide_cursor: vocabulary.hide_cursor && !at_once,
        ..vocabulary.clone()
    };
    let mut out = Vec::new();
    if at_once {
        write(&mut out, format_args!("{}", SYNCHRONIZED.switched(true)));
    }
    out.extend_from_slice(clearing);
    out.extend(frame(&from.wiped(to.size), to, &within, false));
    if at_once {
        write(&mut out, format_args!("{}", SYNCHRONIZED.switched(false)));
    }
    out
}

/// Hides the cursor, where that can be, and clears; afterwards the cursor is at the top left with the default pen.
fn clearing(vocabulary: &Vocabulary) -> Vec<u8> {
    let mut out = Vec::new();
    if vocabulary.cursor_visibility {
        write(&mut out, format_args!("{}", Mode::CursorVisible.switched(false)));
    }
    if vocabulary.scroll_region {
        out.extend_from_slice(WHOLE_SCREEN.as_bytes());
    }
    if vocabulary.links {
        out.extend_from_slice(NO_LINK.as_bytes());
    }
    write(&mut out, format_args!("{PLAIN}{HOME}{CLEAR}"));
    out
}

/// `all`: say every mode and title, not only what differs.
fn frame(from: &Screen, to: &Screen, vocabulary: &Vocabulary, all: bool) -> Vec<u8> {
    let mut writer = Writer::new(from, vocabulary);
    let drawn = rows::draw(&mut writer, &from.rows, &to.rows);
    let (row, column) = (to.cursor.row, to.cursor.column);
    rows::position(&mut writer, row, usize::from(column), to.rows[usize::from(row)].cells());
    writer.set_pen(&to.pen);
    let grid = writer.out;

    let mut out = Vec::with_capacity(grid.len() + 32);
    let visible = from.modes.get(Mode::CursorVisible);
    let wanted = to.modes.get(Mode::CursorVisible);
    let hide = vocabulary.cursor_visibility
        && visible
        && (!wanted || (drawn && vocabulary.hide_cursor && !vocabulary.synchronized));
    if vocabulary.synchronized && drawn {
        write(&mut out, format_args!("{}", SYNCHRONIZED.switched(true)));
    }
    state::announce(&mut out, from, to, vocabulary, all);
    if hide {
        write(&mut out, format_args!("{}", Mode::CursorVisible.switched(false)));
    }
    out.extend_from_slice(&grid);
    if vocabulary.cursor_visibility && wanted && (hide || !visible || all) {
        write(&mut out, format_args!("{}", Mode::CursorVisible.switched(true)));
    }
    if vocabulary.synchronized && drawn {
        write(&mut out, format_args!("{}", SYNCHRONIZED.switched(false)));
    }
    out
}
