//! What the terminal that will read a diff understands.

use crate::attributes::{Attributes, Color, Flags, Underline};
use crate::modes::Mode;

/// How many colours a terminal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Colors {
    /// Only its own foreground and background.
    None,
    /// 30–37.
    Eight,
    /// And 90–97.
    Sixteen,
    /// And 38;5;*n*.
    Indexed,
    /// And 38;2;*r*;*g*;*b*.
    True,
}

/// What the terminal that will read a diff understands. Beyond these, every diff takes for granted what all
/// terminals since the VT102 have: CUP and the relative moves, RI, ED, EL, SGR 0, 1, 4, 7, CR, LF, BS.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is one capability, as terminfo lists them")]
pub struct Vocabulary {
    /// It is one of our own emulators: widths, clusters and the wrap are exactly ours, and every state of a
    /// screen can be told.
    pub exact: bool,
    /// It shows grapheme clusters (joiners, emoji modifiers); otherwise each character takes its own columns.
    pub clusters: bool,
    /// ECH, `CSI n X`.
    pub ech: bool,
    /// Erasing leaves the current background.
    pub bce: bool,
    /// REP, `CSI n b`.
    pub rep: bool,
    /// HPA, VPA: `CSI n G`, `CSI n d`.
    pub absolute: bool,
    /// DECSTBM, `CSI t;b r`.
    pub scroll_region: bool,
    /// SU, SD: `CSI n S`, `CSI n T`. Without it whole-screen scrolls are line feeds at the bottom, which moreover
    /// keep what leaves the top in the terminal's history.
    pub scroll: bool,
    /// IL, DL.
    pub insert_line: bool,
    /// ICH, DCH.
    pub insert_char: bool,
    /// Window title and icon name (OSC 0, 1, 2).
    pub title: bool,
    /// OSC 4, 10, 11, 12 set colours, and 104, 110, 111, 112 give them back. A user's terminal must keep its own meanwhile
    /// (XTPUSHCOLORS), since the user may have set them.
    pub palette: bool,
    /// OSC 52.
    pub clipboard: bool,
    /// The most octets of OSC 52's text it takes; more is not sent.
    pub clipboard_limit: usize,
    /// Colours.
    pub colors: Colors,
    /// SGR 3.
    pub italic: bool,
    /// SGR 2, 9, 53.
    pub faint_strike: bool,
    /// SGR 4:2–4:5 and 58: underline styles and colours.
    pub underlines: bool,
    /// OSC 8.
    pub links: bool,
    /// DECSCUSR.
    pub cursor_style: bool,
    /// DECSCNM, `?5`.
    pub reverse_video: bool,
    /// Mouse, focus and bracketed paste modes.
    pub input_modes: bool,
    /// DECCKM, alternate scroll: modes a client never passes on, as it keeps its own terminal in application mode.
    pub inner_modes: bool,
    /// The wheel can be kept from sending cursor keys (`?1007`), and given back what it did (XTSAVE, XTRESTORE).
    pub wheel: bool,
    /// DECKPAM.
    pub keypad: bool,
    /// modifyOtherKeys.
    pub modify_other_keys: bool,
    /// The kitty keyboard protocol.
    pub keyboard: bool,
    /// Mode 2026: a frame between `?2026h` and `?2026l` appears at once.
    pub synchronized: bool,
    /// The bell is a count (a peer that compares it) rather than a sound (a user's terminal).
    pub count_bells: bool,
    /// A reader of text by lines gets soft wraps: a line that goes on is written past the margin.
    pub soft_wrap: bool,
    /// The screen reaches to the terminal's edges: what is pushed over one is gone, and a line feed in the last row scrolls.
    pub edges: bool,
    /// DECTCEM, `?25`: the cursor can be hidden.
    pub cursor_visibility: bool,
    /// Hide the cursor while drawing, where it can be.
    pub hide_cursor: bool,
}

impl Vocabulary {
    /// Our own emulator at the other end.
    pub const PEER: Self = Self {
        exact: true,
        clusters: true,
        ech: true,
        bce: true,
        rep: true,
        absolute: true,
        scroll_region: true,
        scroll: true,
        insert_line: true,
        insert_char: true,
        title: true,
        palette: true,
        clipboard: true,
        clipboard_limit: usize::MAX,
        colors: Colors::True,
        italic: true,
        faint_strike: true,
        underlines: true,
        links: true,
        cursor_style: true,
        reverse_video: true,
        input_modes: true,
        inner_modes: true,
        wheel: false,
        keypad: true,
        modify_other_keys: true,
        keyboard: true,
        synchronized: false,
        count_bells: true,
        soft_wrap: true,
        edges: true,
        cursor_visibility: true,
        hide_cursor: false,
    };

    /// A stock mosh client's emulator, as of 1.4.0. One of 1.2.5 does not know RGB colours and takes their numbers
    /// for other renditions: for it, set `colors` to [`Colors::Indexed`].
    pub const STOCK_PEER: Self = Self {
        exact: false,
        clusters: false,
        rep: false,
        faint_strike: false,
        underlines: false,
        palette: false,
        links: false,
        cursor_style: false,
        inner_modes: false,
        keypad: false,
        modify_other_keys: false,
        keyboard: false,
        // Its control strings end at 16,384 characters.
        clipboard_limit: 16_000,
        ..Self::PEER
    };

    /// The least a user's terminal may be; to be filled in from what is known about it.
    pub const BASIC: Self = Self {
        exact: false,
        clusters: true,
        ech: false,
        bce: false,
        rep: false,
        absolute: false,
        scroll_region: false,
        scroll: false,
        insert_line: false,
        insert_char: false,
        title: false,
        palette: false,
        clipboard: false,
        clipboard_limit: usize::MAX,
        colors: Colors::Eight,
        italic: false,
        faint_strike: false,
        underlines: false,
        links: false,
        cursor_style: false,
        reverse_video: false,
        input_modes: false,
        inner_modes: false,
        wheel: false,
        keypad: false,
        modify_other_keys: false,
        keyboard: false,
        synchronized: false,
        count_bells: false,
        soft_wrap: true,
        edges: true,
        cursor_visibility: false,
        hide_cursor: true,
    };

    /// A user's terminal of xterm's kind, as of patch 370 and whatever imitates it. What not all of them have
    /// (links, underline styles, the kitty keyboard, mode 2026) is left to be filled in.
    pub const XTERM: Self = Self {
        ech: true,
        bce: true,
        rep: true,
        absolute: true,
        scroll_region: true,
        insert_line: true,
        insert_char: true,
        title: true,
        clipboard: true,
        colors: Colors::Indexed,
        italic: true,
        faint_strike: true,
        cursor_style: true,
        cursor_visibility: true,
        reverse_video: true,
        input_modes: true,
        keypad: true,
        modify_other_keys: true,
        ..Self::BASIC
    };

    /// The same for a terminal that is larger than the screen drawn on it: nothing that depends upon its edges.
    #[must_use]
    pub fn within_edges(&self) -> Self {
        Self {
            scroll_region: false,
            scroll: false,
            insert_line: false,
            insert_char: false,
            soft_wrap: false,
            edges: false,
            ..self.clone()
        }
    }

    /// Whether a diff sets and resets this mode by its number. The cursor's visibility is said around the drawing, and the
    /// keypad's mode by sequences of its own.
    pub(crate) const fn tells(&self, mode: Mode) -> bool {
        match mode {
            Mode::ReverseVideo => self.reverse_video,
            // Whether the cursor of a user's terminal blinks by itself is not known: that is told when it changes.
            Mode::ApplicationCursor | Mode::AlternateScroll | Mode::MainScreen | Mode::CursorBlink => {
                self.inner_modes
            }
            Mode::BracketedPaste | Mode::FocusEvents => self.input_modes,
            Mode::CursorVisible | Mode::ApplicationKeypad => false,
        }
    }

    /// The nearest look this terminal has.
    #[must_use]
    pub fn project(&self, attributes: Attributes) -> Attributes {
        let mut flags = attributes.flags;
        if !self.italic {
            flags = flags.without(Flags::ITALIC);
        }
        if !self.faint_strike {
            flags = flags.without(Flags::FAINT.with(Flags::STRIKE).with(Flags::OVERLINE));
        }
        let underline = match attributes.underline {
            Underline::None => Underline::None,
            _ if !self.underlines => Underline::Single,
            style => style,
        };
        Attributes {
            foreground: self.colors.nearest(attributes.foreground),
            background: self.colors.nearest(attributes.background),
            flags,
            underline,
        }
    }
}

impl Colors {
    /// The nearest colour a terminal with so many has.
    #[must_use]
    pub fn nearest(self, color: Color) -> Color {
        match (self, color) {
            (_, Color::Default) | (Self::None, _) => Color::Default,
            (Self::True, _) | (Self::Indexed, Color::Indexed(_)) | (_, Color::Indexed(0..=7)) => color,
            (Self::Sixteen, Color::Indexed(8..=15)) => color,
            (Self::Eight, Color::Indexed(index @ 8..=15)) => Color::Indexed(index - 8),
            (Self::Indexed, Color::Rgb(r, g, b)) => Color::Indexed(nearest_of([r, g, b], 16..=255)),
            (_, Color::Indexed(index)) => Color::Indexed(self.nearest_basic(indexed_rgb(index))),
            (_, Color::Rgb(r, g, b)) => Color::Indexed(self.nearest_basic([r, g, b])),
        }
    }

    fn nearest_basic(self, rgb: [u8; 3]) -> u8 {
        nearest_of(rgb, if self >= Self::Sixteen { 0..=15 } else { 0..=7 })
    }
}

fn nearest_of(rgb: [u8; 3], among: core::ops::RangeInclusive<u8>) -> u8 {
    let distance = |&index: &u8| {
        let other = indexed_rgb(index);
        (0..3).map(|n| u32::from(rgb[n].abs_diff(other[n])).pow(2)).sum::<u32>()
    };
    among.min_by_key(distance).unwrap_or(0)
}

/// xterm's palette: sixteen named colours, a 6×6×6 cube, 24 greys.
pub(crate) const fn indexed_rgb(index: u8) -> [u8; 3] {
    const NAMED: [[u8; 3]; 16] = [
        [0, 0, 0],
        [205, 0, 0],
        [0, 205, 0],
        [205, 205, 0],
        [0, 0, 238],
        [205, 0, 205],
        [0, 205, 205],
        [229, 229, 229],
        [127, 127, 127],
        [255, 0, 0],
        [0, 255, 0],
        [255, 255, 0],
        [92, 92, 255],
        [255, 0, 255],
        [0, 255, 255],
        [255, 255, 255],
    ];
    const fn step(n: u8) -> u8 {
        if n == 0 { 0 } else { 55 + 40 * n }
    }
    match index {
        0..=15 => NAMED[index as usize],
        16..=231 => {
            let n = index - 16;
            [step(n / 36), step(n / 6 % 6), step(n % 6)]
        }
        232.. => {
            let grey = 8 + 10 * (index - 232);
            [grey, grey, grey]
        }
    }
}
