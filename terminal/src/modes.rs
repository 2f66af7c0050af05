//! Modes: those that are part of what a terminal shows or of how it encodes what the user types, and those of the
//! emulator alone. One table has every private mode; DECSET, DECRQM and what a diff says follow from it.

use crate::control::{CSI, RM, SM, XTRESTORE, XTSAVE};
use core::fmt;

/// A private mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PrivateMode {
    /// On or off, and part of a screen.
    Flag(Mode),
    /// What the mouse reports: of several modes one.
    Reports(Mouse),
    /// How it reports: of several modes one.
    Encoded(MouseEncoding),
    /// How output is read; no part of a screen.
    Reads(Reading),
}

use PrivateMode::{Encoded, Flag, Reads, Reports};

/// Every private mode, by its number.
pub(crate) const PRIVATE: [(u16, PrivateMode); 29] = [
    (1, Flag(Mode::ApplicationCursor)),
    (3, Reads(Reading::Columns)),
    (5, Flag(Mode::ReverseVideo)),
    (6, Reads(Reading::Origin)),
    (7, Reads(Reading::Autowrap)),
    (9, Reports(Mouse::X10)),
    (12, Flag(Mode::CursorBlink)),
    (25, Flag(Mode::CursorVisible)),
    (40, Reads(Reading::ColumnsAllowed)),
    (47, Reads(Reading::Alternate)),
    (66, Flag(Mode::ApplicationKeypad)),
    (69, Reads(Reading::ColumnMargins)),
    (1000, Reports(Mouse::Buttons)),
    (1001, Reports(Mouse::Highlight)),
    (1002, Reports(Mouse::Drag)),
    (1003, Reports(Mouse::Motion)),
    (1004, Flag(Mode::FocusEvents)),
    (1005, Encoded(MouseEncoding::Utf8)),
    (1006, Encoded(MouseEncoding::Sgr)),
    (1007, Flag(Mode::AlternateScroll)),
    (1015, Encoded(MouseEncoding::Urxvt)),
    (1016, Encoded(MouseEncoding::SgrPixels)),
    (1047, Reads(Reading::AlternateCleared)),
    (1048, Reads(Reading::SavedCursor)),
    (1049, Reads(Reading::AlternateSaved)),
    (2004, Flag(Mode::BracketedPaste)),
    (2026, Reads(Reading::Synchronized)),
    (2027, Reads(Reading::Clusters)),
    // Nobody's but ours, between the two ends of a session.
    (9007, Flag(Mode::MainScreen)),
];

impl PrivateMode {
    /// What a number stands for, where it is known.
    pub(crate) fn of(number: u16) -> Option<Self> {
        PRIVATE.iter().find(|(known, _)| *known == number).map(|(_, mode)| *mode)
    }

    fn number(self) -> Option<u16> {
        PRIVATE.iter().find(|(_, mode)| *mode == self).map(|(number, _)| *number)
    }

    /// What sets or resets it.
    pub(crate) fn switched(self, on: bool) -> Switch {
        Switch::new(self.number().unwrap_or_default(), on)
    }
}

/// DECSET, DECRST, XTSAVE or XTRESTORE of one mode, as a terminal is sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switch {
    number: u16,
    action: char,
}

impl Switch {
    pub(crate) const fn new(number: u16, on: bool) -> Self {
        Self { number, action: if on { SM } else { RM } }
    }
}

impl fmt::Display for Switch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{CSI}?{}{}", self.number, self.action)
    }
}

/// Modes of how the emulator reads output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// DECCOLM: the screen's width stays, but all is as after a change of it.
    Columns,
    /// xterm's: DECCOLM is obeyed.
    ColumnsAllowed,
    /// DECOM.
    Origin,
    /// DECAWM.
    Autowrap,
    /// DECLRMM.
    ColumnMargins,
    /// The alternate buffer.
    Alternate,
    /// The same, cleared when it is left.
    AlternateCleared,
    /// The cursor saved and restored.
    SavedCursor,
    /// Both, cleared when it is entered.
    AlternateSaved,
    /// A frame is being drawn.
    Synchronized,
    /// Widths are those of grapheme clusters, not of characters.
    Clusters,
}

/// An on/off mode of a [`Screen`](crate::Screen).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Mode {
    /// DECTCEM: on at first.
    CursorVisible,
    /// DECSCNM.
    ReverseVideo,
    /// DECCKM.
    ApplicationCursor,
    /// DECKPAM, DECKPNM (ESC =, ESC >), DECNKM.
    ApplicationKeypad,
    /// A paste is marked as one.
    BracketedPaste,
    /// The window tells when it has the focus.
    FocusEvents,
    /// The wheel sends cursor keys in the alternate buffer.
    AlternateScroll,
    /// The program is known to draw on the main buffer, where the wheel sends no keys: told by the server, for a client
    /// draws both on the alternate one.
    MainScreen,
    /// att610's: the cursor blinks.
    CursorBlink,
}

impl Mode {
    /// What sets or resets it.
    #[must_use]
    pub fn switched(self, on: bool) -> Switch {
        Flag(self).switched(on)
    }

    /// What keeps it as it is, for [`Self::restored`].
    pub(crate) fn saved(self) -> Switch {
        Switch { action: XTSAVE, ..self.switched(true) }
    }

    /// What makes it as it was kept.
    pub(crate) fn restored(self) -> Switch {
        Switch { action: XTRESTORE, ..self.switched(true) }
    }
}

/// What the mouse reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mouse {
    /// Nothing.
    #[default]
    Off,
    /// Presses only.
    X10,
    /// Presses and releases.
    Buttons,
    /// Highlight tracking.
    Highlight,
    /// And motion while a button is down.
    Drag,
    /// And all motion.
    Motion,
}

impl Mouse {
    /// Its private mode number.
    #[must_use]
    pub fn number(self) -> Option<u16> {
        Reports(self).number()
    }
}

/// How mouse reports are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MouseEncoding {
    /// One octet a coordinate.
    #[default]
    Legacy,
    /// UTF-8.
    Utf8,
    /// SGR.
    Sgr,
    /// urxvt's.
    Urxvt,
    /// SGR, in pixels.
    SgrPixels,
}

impl MouseEncoding {
    /// Its private mode number.
    #[must_use]
    pub fn number(self) -> Option<u16> {
        Encoded(self).number()
    }
}

/// DECSCUSR: 0 is the terminal's own, then block, underline and bar, each blinking and steady.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CursorStyle(u8);

impl CursorStyle {
    /// `None` for a style nobody defined.
    #[must_use]
    pub const fn new(style: u8) -> Option<Self> {
        if style <= 6 { Some(Self(style)) } else { None }
    }

    /// DECSCUSR's parameter, 0–6.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }
}

/// What the wheel does in the alternate buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wheel {
    /// What the terminal does by itself.
    Own,
    /// Cursor keys.
    Keys,
    /// Nothing but what the mouse reports.
    Nothing,
}

/// All of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Modes {
    set: u16,
    /// What the mouse reports.
    pub mouse: Mouse,
    /// And how.
    pub mouse_encoding: MouseEncoding,
    /// The cursor's shape.
    pub cursor_style: CursorStyle,
    /// xterm's modifyOtherKeys, 0–2.
    pub modify_other_keys: u8,
    /// The kitty keyboard protocol's progressive enhancement flags, 0–31.
    pub keyboard: u8,
}

impl Default for Modes {
    fn default() -> Self {
        let mut modes = Self {
            set: 0,
            mouse: Mouse::Off,
            mouse_encoding: MouseEncoding::Legacy,
            cursor_style: CursorStyle(0),
            modify_other_keys: 0,
            keyboard: 0,
        };
        modes.set(Mode::CursorVisible, true);
        modes
    }
}

impl Modes {
    /// What the wheel shall do in the alternate buffer.
    pub(crate) const fn wheel(&self) -> Wheel {
        if self.get(Mode::MainScreen) {
            Wheel::Nothing
        } else if self.get(Mode::AlternateScroll) {
            Wheel::Keys
        } else {
            Wheel::Own
        }
    }

    /// Whether `mode` is on.
    #[must_use]
    pub const fn get(&self, mode: Mode) -> bool {
        self.set & (1 << mode as u8) != 0
    }

    /// Turns `mode` on or off.
    pub const fn set(&mut self, mode: Mode, on: bool) {
        if on {
            self.set |= 1 << mode as u8;
        } else {
            self.set &= !(1 << mode as u8);
        }
    }
}
