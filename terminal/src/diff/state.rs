//! What is not in the grid: modes, titles, bell, clipboard.

use crate::control::*;
use crate::emulator::ColorName;
use crate::modes::{Mode, Modes, Mouse, MouseEncoding, PRIVATE, PrivateMode, Switch, Wheel};
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
    colors(out, from, to, vocabulary);
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
        write(out, format_args!("{OSC}0;{}{BEL}", to.title));
        return;
    }
    if icon_name {
        write(out, format_args!("{OSC}1;{}{BEL}", to.icon_name));
    }
    if title {
        write(out, format_args!("{OSC}2;{}{BEL}", to.title));
    }
}

/// What the program has set of the terminal's colours, and what it has given back.
fn colors(out: &mut Vec<u8>, from: &Screen, to: &Screen, vocabulary: &Vocabulary) {
    let (from, to) = (&from.colors, &to.colors);
    if from == to || !vocabulary.palette {
        return;
    }
    let command = |name: ColorName| match name {
        ColorName::Indexed(_) => 4,
        ColorName::Foreground => 10,
        ColorName::Background => 11,
        ColorName::Cursor => 12,
    };
    for &name in from.keys().filter(|name| !to.contains_key(name)) {
        match name {
            ColorName::Indexed(index) => write(out, format_args!("{OSC}104;{index}{BEL}")),
            _ => write(out, format_args!("{OSC}1{}{BEL}", command(name))),
        }
    }
    for (&name, rgb) in to.iter().filter(|(name, rgb)| from.get(name) != Some(rgb)) {
        write(out, format_args!("{OSC}{};", command(name)));
        if let ColorName::Indexed(index) = name {
            write(out, format_args!("{index};"));
        }
        let [red, green, blue] = rgb;
        write(out, format_args!("rgb:{red:02x}/{green:02x}/{blue:02x}{BEL}"));
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
            write(out, format_args!("{OSC}52;;{BEL}"));
        }
    }
    let selection = if vocabulary.exact || !to.selection.is_empty() { &*to.selection } else { "c" };
    write(out, format_args!("{OSC}52;{selection};{}{BEL}", to.content));
}

fn modes(out: &mut Vec<u8>, from: &Modes, to: &Modes, vocabulary: &Vocabulary, all: bool) {
    for (number, mode) in PRIVATE {
        let PrivateMode::Flag(mode) = mode else { continue };
        let on = to.get(mode);
        if vocabulary.tells(mode) && (all || on != from.get(mode)) {
            write(out, format_args!("{}", Switch::new(number, on)));
        }
    }
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
    if vocabulary.wheel && (all || from.wheel() != to.wheel()) {
        wheel(out, to.wheel());
    }
    let blinks = to.get(Mode::CursorBlink);
    let blink_changed = if all { blinks } else { blinks != from.get(Mode::CursorBlink) };
    if tells_blinking(vocabulary) && blink_changed {
        write(out, format_args!("{}", Mode::CursorBlink.switched(blinks)));
    }
    let keypad = to.get(Mode::ApplicationKeypad);
    if vocabulary.keypad && (all || keypad != from.get(Mode::ApplicationKeypad)) {
        out.extend_from_slice(if keypad { APPLICATION_KEYPAD } else { NUMERIC_KEYPAD }.as_bytes());
    }
    if vocabulary.cursor_style && (all || from.cursor_style != to.cursor_style) {
        write(out, format_args!("{CSI}{} {DECSCUSR}", to.cursor_style.number()));
    }
    if vocabulary.modify_other_keys && (all || from.modify_other_keys != to.modify_other_keys) {
        write(out, format_args!("{CSI}>4;{}{XTMODKEYS}", to.modify_other_keys));
    }
    if vocabulary.keyboard && (all || from.keyboard != to.keyboard) {
        write(out, format_args!("{CSI}={};1{KEYBOARD}", to.keyboard));
    }
}

/// Whether a user's terminal is told that its cursor blinks, when that changes: what it does by itself is not known.
const fn tells_blinking(vocabulary: &Vocabulary) -> bool {
    vocabulary.cursor_style && !vocabulary.tells(Mode::CursorBlink)
}

/// Whether a user's terminal keeps its colours while a session may set others.
const fn keeps_colors(vocabulary: &Vocabulary) -> bool {
    vocabulary.palette && !vocabulary.exact
}

/// Whoever cannot restore the mode has had it on; xterm can, which has had it off.
fn wheel(out: &mut Vec<u8>, does: Wheel) {
    let scrolls = Mode::AlternateScroll;
    write(out, format_args!("{}", scrolls.switched(does != Wheel::Nothing)));
    if does == Wheel::Own {
        write(out, format_args!("{}", scrolls.restored()));
    }
}

/// What is sent before the first diff to a terminal, so that [`end_modes`] can leave it as it was.
#[must_use]
pub fn begin_modes(vocabulary: &Vocabulary) -> Vec<u8> {
    let mut out = Vec::new();
    if vocabulary.wheel {
        write(&mut out, format_args!("{}", Mode::AlternateScroll.saved()));
    }
    if tells_blinking(vocabulary) {
        write(&mut out, format_args!("{}", Mode::CursorBlink.saved()));
    }
    if keeps_colors(vocabulary) {
        write(&mut out, format_args!("{CSI}#{XTPUSHCOLORS}"));
    }
    out
}

/// What ends each mode that diffs may have begun on the terminal of a user: those of the table, then the others. The
/// cursor is left to whoever says what it shall be.
#[must_use]
pub fn end_modes(vocabulary: &Vocabulary) -> Vec<u8> {
    let mut out = Vec::new();
    if vocabulary.synchronized {
        write(&mut out, format_args!("{}", super::SYNCHRONIZED.switched(false)));
    }
    for (number, mode) in PRIVATE {
        let begun = match mode {
            PrivateMode::Flag(mode) => vocabulary.tells(mode),
            PrivateMode::Reports(_) | PrivateMode::Encoded(_) => vocabulary.input_modes,
            PrivateMode::Reads(_) => false,
        };
        if begun {
            write(&mut out, format_args!("{}", Switch::new(number, false)));
        }
    }
    if vocabulary.wheel {
        wheel(&mut out, Wheel::Own);
    }
    if tells_blinking(vocabulary) {
        write(&mut out, format_args!("{}", Mode::CursorBlink.restored()));
    }
    if keeps_colors(vocabulary) {
        write(&mut out, format_args!("{CSI}#{XTPOPCOLORS}"));
    }
    if vocabulary.keyboard {
        write(&mut out, format_args!("{CSI}=0;1{KEYBOARD}"));
    }
    if vocabulary.modify_other_keys {
        write(&mut out, format_args!("{CSI}>4{XTMODKEYS}"));
    }
    if vocabulary.keypad {
        out.extend_from_slice(NUMERIC_KEYPAD.as_bytes());
    }
    if vocabulary.cursor_style {
        write(&mut out, format_args!("{CSI}0 {DECSCUSR}"));
    }
    if vocabulary.links {
        out.extend_from_slice(NO_LINK.as_bytes());
    }
    out
}

/// One of several modes that exclude each other; not every terminal takes setting one for resetting the others.
fn numbered(out: &mut Vec<u8>, old: Option<u16>, new: Option<u16>, replaces: bool) {
    if let Some(old) = old.filter(|_| !replaces) {
        write(out, format_args!("{CSI}?{old}{RM}"));
    }
    if let Some(new) = new {
        write(out, format_args!("{CSI}?{new}{SM}"));
    }
}
