//! What is not in the grid: modes, titles, bell, clipboard.

use crate::modes::{Mode, Modes, Mouse, MouseEncoding};
use crate::screen::Screen;
use crate::vocabulary::Vocabulary;
use alloc::vec::Vec;
use core::fmt::{self, Write};

/// Text into bytes.
pub(super) struct Bytes<'a>(pub(super) &'a mut Vec<u8>);

impl Write for Bytes<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

pub(super) fn write(out: &mut Vec<u8>, text: fmt::Arguments<'_>) {
    // Writing to a vector cannot fail.
    let _ = Bytes(out).write_fmt(text);
}

pub(super) fn announce(out: &mut Vec<u8>, from: &Screen, to: &Screen, vocabulary: &Vocabulary, all: bool) {
    titles(out, from, to, vocabulary, all);
    clipboard(out, from, to, vocabulary);
    let rings = to.bells.wrapping_sub(from.bells);
    let rings = if vocabulary.count_bells { rings } else { rings.min(1) };
    out.extend(core::iter::repeat_n(0x07, usize::from(rings)));
    modes(out, &from.modes, &to.modes, vocabulary, all);
}

fn titles(out: &mut Vec<u8>, from: &Screen, to: &Screen, vocabulary: &Vocabulary, all: bool) {
    if !vocabulary.title {
        return;
    }
    let title = all || from.title != to.title;
    let icon_name = all || from.icon_name != to.icon_name;
    if title && icon_name && to.title == to.icon_name {
        write(out, format_args!("\x1b]0;{}\x07", to.title));
        return;
    }
    if icon_name {
        write(out, format_args!("\x1b]1;{}\x07", to.icon_name));
    }
    if title {
        write(out, format_args!("\x1b]2;{}\x07", to.title));
    }
}

fn clipboard(out: &mut Vec<u8>, from: &Screen, to: &Screen, vocabulary: &Vocabulary) {
    let (from, to) = (&from.clipboard, &to.clipboard);
    if from == to || !vocabulary.clipboard || to.content.len() > vocabulary.clipboard_limit {
        return;
    }
    if vocabulary.exact {
        // Writes of nothing bring the count to where it must be; the last is the one that stays.
        let writes = (to.writes + 4 - from.writes) % 4;
        for _ in 1..if writes == 0 { 4 } else { writes } {
            out.extend_from_slice(b"\x1b]52;;\x07");
        }
    }
    let selection = if vocabulary.exact || !to.selection.is_empty() { &*to.selection } else { "c" };
    write(out, format_args!("\x1b]52;{selection};{}\x07", to.content));
}

fn modes(out: &mut Vec<u8>, from: &Modes, to: &Modes, vocabulary: &Vocabulary, all: bool) {
    let mut private = |mode: Mode, number: u16, known: bool| {
        let on = to.get(mode);
        if known && (all || on != from.get(mode)) {
            write(out, format_args!("\x1b[?{number}{}", if on { 'h' } else { 'l' }));
        }
    };
    private(Mode::ReverseVideo, 5, vocabulary.reverse_video);
    private(Mode::ApplicationCursor, 1, vocabulary.inner_modes);
    private(Mode::AlternateScroll, 1007, vocabulary.inner_modes);
    private(Mode::BracketedPaste, 2004, vocabulary.input_modes);
    private(Mode::FocusEvents, 1004, vocabulary.input_modes);

    let changed = |old, new| all || old != new;
    if vocabulary.input_modes {
        if changed(from.mouse.number(), to.mouse.number()) {
            let old = if all { Some(1003) } else { from.mouse.number() };
            numbered(out, old, to.mouse.number(), vocabulary.exact && to.mouse != Mouse::Off);
        }
        if changed(from.mouse_encoding.number(), to.mouse_encoding.number()) {
            let old = if all { Some(1006) } else { from.mouse_encoding.number() };
            let replaces = vocabulary.exact && to.mouse_encoding != MouseEncoding::Legacy;
            numbered(out, old, to.mouse_encoding.number(), replaces);
        }
    }
    let keypad = to.get(Mode::ApplicationKeypad);
    if vocabulary.keypad && (all || keypad != from.get(Mode::ApplicationKeypad)) {
        out.extend_from_slice(if keypad { b"\x1b=" } else { b"\x1b>" });
    }
    if vocabulary.cursor_style && (all || from.cursor_style != to.cursor_style) {
        write(out, format_args!("\x1b[{} q", to.cursor_style.number()));
    }
    if vocabulary.modify_other_keys && (all || from.modify_other_keys != to.modify_other_keys) {
        write(out, format_args!("\x1b[>4;{}m", to.modify_other_keys));
    }
    if vocabulary.keyboard && (all || from.keyboard != to.keyboard) {
        write(out, format_args!("\x1b[={};1u", to.keyboard));
    }
}

/// One of several modes that exclude each other; not every terminal takes setting one for resetting the others.
fn numbered(out: &mut Vec<u8>, old: Option<u16>, new: Option<u16>, replaces: bool) {
    if let Some(old) = old.filter(|_| !replaces) {
        write(out, format_args!("\x1b[?{old}l"));
    }
    if let Some(new) = new {
        write(out, format_args!("\x1b[?{new}h"));
    }
}
