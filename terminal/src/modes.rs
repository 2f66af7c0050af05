//! The modes that are part of what a terminal shows, or of how it encodes what the user types.

/// An on/off mode of a [`Screen`](crate::Screen).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Mode {
    /// DECTCEM (?25): on at first.
    CursorVisible,
    /// DECSCNM (?5).
    ReverseVideo,
    /// DECCKM (?1).
    ApplicationCursor,
    /// DECKPAM, DECKPNM (ESC =, ESC >; ?66).
    ApplicationKeypad,
    /// ?2004.
    BracketedPaste,
    /// ?1004.
    FocusEvents,
    /// ?1007.
    AlternateScroll,
}

/// What the mouse reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mouse {
    /// Nothing.
    #[default]
    Off,
    /// ?9: presses only.
    X10,
    /// ?1000: presses and releases.
    Buttons,
    /// ?1001: highlight tracking.
    Highlight,
    /// ?1002: and motion while a button is down.
    Drag,
    /// ?1003: and all motion.
    Motion,
}

impl Mouse {
    /// Its private mode number.
    #[must_use]
    pub const fn number(self) -> Option<u16> {
        match self {
            Self::Off => None,
            Self::X10 => Some(9),
            Self::Buttons => Some(1000),
            Self::Highlight => Some(1001),
            Self::Drag => Some(1002),
            Self::Motion => Some(1003),
        }
    }

    pub(crate) const fn from_number(number: u16) -> Option<Self> {
        match number {
            9 => Some(Self::X10),
            1000 => Some(Self::Buttons),
            1001 => Some(Self::Highlight),
            1002 => Some(Self::Drag),
            1003 => Some(Self::Motion),
            _ => None,
        }
    }
}

/// How mouse reports are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MouseEncoding {
    /// One octet a coordinate.
    #[default]
    Legacy,
    /// ?1005.
    Utf8,
    /// ?1006.
    Sgr,
    /// ?1015.
    Urxvt,
    /// ?1016.
    SgrPixels,
}

impl MouseEncoding {
    /// Its private mode number.
    #[must_use]
    pub const fn number(self) -> Option<u16> {
        match self {
            Self::Legacy => None,
            Self::Utf8 => Some(1005),
            Self::Sgr => Some(1006),
            Self::Urxvt => Some(1015),
            Self::SgrPixels => Some(1016),
        }
    }

    pub(crate) const fn from_number(number: u16) -> Option<Self> {
        match number {
            1005 => Some(Self::Utf8),
            1006 => Some(Self::Sgr),
            1015 => Some(Self::Urxvt),
            1016 => Some(Self::SgrPixels),
            _ => None,
        }
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

/// All of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Modes {
    set: u8,
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
