//! What a terminal answers. Nothing a program can choose freely is ever sent back (titles, the clipboard), and the
//! answers waiting to be read are bounded.

use super::machine::Machine;
use super::margins::Margins;
use super::palette::{ColorName, Rgb};
use crate::attributes::{Attributes, Color, Flags, Underline};
use crate::control::*;
use crate::modes::{Mode, PrivateMode, Reading};
use alloc::format;
use alloc::string::{String, ToString};
use core::fmt::{Arguments, Write};

/// The most octets of answers that wait for [`crate::Emulator::take_replies`]; an answer that finds no room is
/// not given.
pub const MAX_REPLIES: usize = 4096;

/// The most questions for colours that wait for their answers.
const MAX_UNANSWERED: usize = 64;

/// A question for a colour that is not known yet.
#[derive(Debug)]
pub(super) struct Unanswered {
    /// How many octets of answers stand before its own.
    pub(super) at: usize,
    which: String,
    name: ColorName,
    bell: bool,
}

fn color_report(which: Arguments<'_>, [r, g, b]: Rgb, bell: bool) -> String {
    let end = if bell { BEL } else { ST };
    format!("{OSC}{which};rgb:{r:02x}{r:02x}/{g:02x}{g:02x}/{b:02x}{b:02x}{end}")
}

impl Machine {
    fn reply(&mut self, answer: Arguments<'_>) {
        let mut text = String::new();
        if text.write_fmt(answer).is_ok() && self.replies.len() + text.len() <= MAX_REPLIES {
            self.replies.extend_from_slice(text.as_bytes());
        }
    }

    /// DA1, DA2 (`>`), DA3 (`=`). A VT420 with horizontal scrolling and colour, which makes tmux scroll panes side by
    /// side between margins; programs read the second number of DA2 as xterm's patch level: vim trusts one of 277 with SGR
    /// mouse reports, and asks one of 279 for the cursor's style and whether it blinks. It is the level whose behaviour is
    /// the witness of ours.
    pub(super) fn report_device(&mut self, kind: Option<u8>) {
        match kind {
            None => self.reply(format_args!("{CSI}?64;21;22{DA}")),
            Some(b'>') => self.reply(format_args!("{CSI}>41;379;0{DA}")),
            Some(_) => self.reply(format_args!("{DCS}!|00000000{ST}")),
        }
    }

    /// XTVERSION: xterm's, of the level that DA2 names, then our own. By a name that it does not know tmux takes a terminal
    /// for one of 256 colours, also where the user's own shows all.
    pub(super) fn report_version(&mut self) {
        self.reply(format_args!("{DCS}>|XTerm(379) mpmosh({}){ST}", env!("CARGO_PKG_VERSION")));
    }

    /// DSR and CPR.
    pub(super) fn report_status(&mut self, what: u16, private: bool) {
        let (row, column) = self.place();
        let (row, column) = (row + 1, column + 1);
        match (what, private) {
            (5, false) => self.reply(format_args!("{CSI}0{DSR}")),
            (6, false) => self.reply(format_args!("{CSI}{row};{column}{CPR}")),
            (6, true) => self.reply(format_args!("{CSI}?{row};{column};1{CPR}")),
            _ => {}
        }
    }

    /// `CSI 18 t`.
    pub(super) fn report_size(&mut self) {
        let size = self.screen.size;
        self.reply(format_args!("{CSI}8;{};{}{XTWINOPS}", size.rows, size.columns));
    }

    /// `CSI ? u`, only when somebody has said that the user's terminal speaks it.
    pub(super) fn report_keyboard(&mut self) {
        if self.answers_keyboard {
            let flags = self.screen.modes.keyboard;
            self.reply(format_args!("{CSI}?{flags}{KEYBOARD}"));
        }
    }

    /// DECRQM: 0 unknown, 1 set, 2 reset.
    pub(super) fn report_mode(&mut self, number: u16, private: bool) {
        let modes = &self.screen.modes;
        let on = match (private, number) {
            (false, 4) => Some(self.insert),
            (false, 20) => Some(self.newline),
            (false, _) => None,
            (true, _) => PrivateMode::of(number).and_then(|mode| match mode {
                // A program has nothing to do with it.
                PrivateMode::Flag(Mode::MainScreen) => None,
                PrivateMode::Flag(mode) => Some(modes.get(mode)),
                PrivateMode::Reports(mouse) => Some(modes.mouse == mouse),
                PrivateMode::Encoded(encoding) => Some(modes.mouse_encoding == encoding),
                PrivateMode::Reads(reading) => self.reads(reading),
            }),
        };
        let state = on.map_or(0, |on| if on { 1 } else { 2 });
        let mark = if private { "?" } else { "" };
        self.reply(format_args!("{CSI}{mark}{number};{state}${DECRPM}"));
    }

    /// Whether output is read so; `None` where there is nothing to tell.
    fn reads(&self, reading: Reading) -> Option<bool> {
        match reading {
            Reading::Origin => Some(self.origin),
            Reading::Autowrap => Some(self.autowrap),
            Reading::ColumnMargins => Some(self.column_margins),
            Reading::Alternate | Reading::AlternateCleared | Reading::AlternateSaved => Some(self.alternate),
            Reading::Synchronized => Some(self.finished.is_some()),
            Reading::Clusters => Some(self.clusters),
            Reading::ColumnsAllowed => Some(self.columns_allowed),
            Reading::Columns | Reading::SavedCursor => None,
        }
    }

    /// OSC 4, 10, 11, 12 with `?`, ended the way the question was; nothing where the answer is not known.
    pub(super) fn report_color(&mut self, which: Arguments<'_>, name: ColorName, bell: bool) {
        if let Some(rgb) = self.color(name) {
            self.reply(format_args!("{}", color_report(which, rgb, bell)));
        } else if self.awaits_colors && self.unanswered.len() < MAX_UNANSWERED {
            let which = which.to_string();
            self.unanswered.push(Unanswered { at: self.replies.len(), which, name, bell });
        }
    }

    /// Answers what was asked before it was known, in its place among the other answers.
    pub(super) fn answer_colors(&mut self) {
        let mut added = 0;
        for mut question in core::mem::take(&mut self.unanswered) {
            question.at += added;
            let Some(rgb) = self.color(question.name) else {
                self.unanswered.push(question);
                continue;
            };
            let report = color_report(format_args!("{}", question.which), rgb, question.bell);
            self.replies.splice(question.at..question.at, report.bytes());
            added += report.len();
        }
    }

    /// DECRQSS (`DCS $ q`) and XTGETTCAP (`DCS + q`), the device control strings that are answered.
    pub(super) fn device_control_string(&mut self, text: &[u8]) {
        if let Some(setting) = text.strip_prefix(b"$q") {
            self.report_setting(setting);
        } else if text.starts_with(b"+q") {
            self.reply(format_args!("{DCS}0+r{ST}"));
        }
    }

    fn report_setting(&mut self, setting: &[u8]) {
        match setting {
            b"m" => {
                let sgr = rendition(self.screen.pen.attributes);
                self.reply(format_args!("{DCS}1$r{sgr}{SGR}{ST}"));
            }
            b"r" => {
                let Margins { top, bottom, .. } = self.margins;
                self.reply(format_args!("{DCS}1$r{};{}{DECSTBM}{ST}", top + 1, bottom + 1));
            }
            b"s" => {
                let Margins { left, right, .. } = self.margins;
                self.reply(format_args!("{DCS}1$r{};{}{DECSLRM}{ST}", left + 1, right + 1));
            }
            b" q" => {
                let style = self.screen.modes.cursor_style.number();
                self.reply(format_args!("{DCS}1$r{style} {DECSCUSR}{ST}"));
            }
            b"\"q" => {
                let protects = u8::from(self.protect);
                self.reply(format_args!("{DCS}1$r{protects}\"{DECSCA}{ST}"));
            }
            _ => self.reply(format_args!("{DCS}0$r{ST}")),
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
