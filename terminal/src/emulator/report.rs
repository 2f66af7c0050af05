//! What a terminal answers. Nothing a program can choose freely is ever sent back (titles, the clipboard), and the
//! answers waiting to be read are bounded.

use super::machine::Machine;
use super::margins::Margins;
use super::palette::Entry;
use crate::attributes::{Attributes, Color, Flags, Underline};
use crate::modes::{Mode, Mouse, MouseEncoding};
use alloc::string::String;
use core::fmt::{Arguments, Write};

/// The most octets of answers that wait for [`crate::Emulator::take_replies`]; an answer that finds no room is
/// not given.
pub const MAX_REPLIES: usize = 4096;

impl Machine {
    fn reply(&mut self, answer: Arguments<'_>) {
        let mut text = String::new();
        if text.write_fmt(answer).is_ok() && self.replies.len() + text.len() <= MAX_REPLIES {
            self.replies.extend_from_slice(text.as_bytes());
        }
    }

    /// DA1, DA2 (`>`), DA3 (`=`). A VT420 with horizontal scrolling and colour, which makes tmux scroll panes side by
    /// side between margins; programs read the second number of DA2 as xterm's patch level, and 277 is the first that
    /// vim trusts with SGR mouse reports.
    pub(super) fn report_device(&mut self, kind: Option<u8>) {
        match kind {
            None => self.reply(format_args!("\x1b[?64;21;22c")),
            Some(b'>') => self.reply(format_args!("\x1b[>41;277;0c")),
            Some(_) => self.reply(format_args!("\x1bP!|00000000\x1b\\")),
        }
    }

    /// XTVERSION.
    pub(super) fn report_version(&mut self) {
        self.reply(format_args!("\x1bP>|mpmosh({})\x1b\\", env!("CARGO_PKG_VERSION")));
    }

    /// DSR and CPR.
    pub(super) fn report_status(&mut self, what: u16, private: bool) {
        let (row, column) = self.place();
        let (row, column) = (row + 1, column + 1);
        match (what, private) {
            (5, false) => self.reply(format_args!("\x1b[0n")),
            (6, false) => self.reply(format_args!("\x1b[{row};{column}R")),
            (6, true) => self.reply(format_args!("\x1b[?{row};{column};1R")),
            _ => {}
        }
    }

    /// `CSI 18 t`.
    pub(super) fn report_size(&mut self) {
        let size = self.screen.size;
        self.reply(format_args!("\x1b[8;{};{}t", size.rows, size.columns));
    }

    /// `CSI ? u`, only when somebody has said that the user's terminal speaks it.
    pub(super) fn report_keyboard(&mut self) {
        if self.answers_keyboard {
            let flags = self.screen.modes.keyboard;
            self.reply(format_args!("\x1b[?{flags}u"));
        }
    }

    /// DECRQM: 0 unknown, 1 set, 2 reset.
    pub(super) fn report_mode(&mut self, number: u16, private: bool) {
        let modes = &self.screen.modes;
        let on = match (number, private) {
            (4, false) => Some(self.insert),
            (20, false) => Some(self.newline),
            (_, false) => None,
            (1, _) => Some(modes.get(Mode::ApplicationCursor)),
            (5, _) => Some(modes.get(Mode::ReverseVideo)),
            (6, _) => Some(self.origin),
            (7, _) => Some(self.autowrap),
            (25, _) => Some(modes.get(Mode::CursorVisible)),
            (69, _) => Some(self.column_margins),
            (66, _) => Some(modes.get(Mode::ApplicationKeypad)),
            (9 | 1000..=1003, _) => Some(Mouse::from_number(number) == Some(modes.mouse)),
            (1004, _) => Some(modes.get(Mode::FocusEvents)),
            (1005 | 1006 | 1015 | 1016, _) => {
                Some(MouseEncoding::from_number(number) == Some(modes.mouse_encoding))
            }
            (1007, _) => Some(modes.get(Mode::AlternateScroll)),
            (47 | 1047 | 1049, _) => Some(self.alternate),
            (2004, _) => Some(modes.get(Mode::BracketedPaste)),
            (2026, _) => Some(self.finished.is_some()),
            _ => None,
        };
        let state = on.map_or(0, |on| if on { 1 } else { 2 });
        let mark = if private { "?" } else { "" };
        self.reply(format_args!("\x1b[{mark}{number};{state}$y"));
    }

    /// OSC 4, 10, 11, 12 with `?`, ended the way the question was.
    pub(super) fn report_color(&mut self, which: Arguments<'_>, entry: Entry, bell: bool) {
        let [r, g, b] = self.palette.get(entry);
        let end = if bell { "\x07" } else { "\x1b\\" };
        self.reply(format_args!("\x1b]{which};rgb:{r:02x}{r:02x}/{g:02x}{g:02x}/{b:02x}{b:02x}{end}"));
    }

    /// DECRQSS (`DCS $ q`) and XTGETTCAP (`DCS + q`), the device control strings that are answered.
    pub(super) fn device_control_string(&mut self, text: &[u8]) {
        if let Some(setting) = text.strip_prefix(b"$q") {
            self.report_setting(setting);
        } else if text.starts_with(b"+q") {
            self.reply(format_args!("\x1bP0+r\x1b\\"));
        }
    }

    fn report_setting(&mut self, setting: &[u8]) {
        match setting {
            b"m" => {
                let sgr = rendition(self.screen.pen.attributes);
                self.reply(format_args!("\x1bP1$r{sgr}m\x1b\\"));
            }
            b"r" => {
                let Margins { top, bottom, .. } = self.margins;
                self.reply(format_args!("\x1bP1$r{};{}r\x1b\\", top + 1, bottom + 1));
            }
            b"s" => {
                let Margins { left, right, .. } = self.margins;
                self.reply(format_args!("\x1bP1$r{};{}s\x1b\\", left + 1, right + 1));
            }
            b" q" => {
                let style = self.screen.modes.cursor_style.number();
                self.reply(format_args!("\x1bP1$r{style} q\x1b\\"));
            }
            _ => self.reply(format_args!("\x1bP0$r\x1b\\")),
        }
    }
}

fn rendition(attributes: Attributes) -> String {
    let mut sgr = String::from("0");
    let flags = [
        (Flags::BOLD, 1),
        (Flags::FAINT, 2),
        (Flags::ITALIC, 3),
        (Flags::BLINK, 5),
        (Flags::INVERSE, 7),
        (Flags::HIDDEN, 8),
        (Flags::STRIKE, 9),
        (Flags::OVERLINE, 53),
    ];
    for (_, number) in flags.iter().filter(|(flag, _)| attributes.flags.contains(*flag)) {
        let _ = write!(sgr, ";{number}");
    }
    match attributes.underline {
        Underline::None => {}
        Underline::Single => sgr.push_str(";4"),
        style => {
            let _ = write!(sgr, ";4:{}", style as u8);
        }
    }
    for (base, color) in [(30, attributes.foreground), (40, attributes.background)] {
        let _ = match color {
            Color::Default => Ok(()),
            Color::Indexed(n @ 0..=7) => write!(sgr, ";{}", base + u16::from(n)),
            Color::Indexed(n) => write!(sgr, ";{}:5:{n}", base + 8),
            Color::Rgb(r, g, b) => write!(sgr, ";{}:2::{r}:{g}:{b}", base + 8),
        };
    }
    sgr
}
