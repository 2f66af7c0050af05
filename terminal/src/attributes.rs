//! How a cell looks: colours, flags and underline styles (ECMA-48 §8.3.117 SGR, and xterm's additions).

use alloc::string::String;
use alloc::sync::Arc;

/// A colour as a program named it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Color {
    /// The terminal's own foreground or background.
    #[default]
    Default,
    /// An entry of the 256-colour palette.
    Indexed(u8),
    /// Red, green, blue.
    Rgb(u8, u8, u8),
}

/// A set of on/off renditions.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Flags(u8);

impl Flags {
    /// Nothing set.
    pub const NONE: Self = Self(0);
    /// SGR 1.
    pub const BOLD: Self = Self(1);
    /// SGR 2.
    pub const FAINT: Self = Self(1 << 1);
    /// SGR 3.
    pub const ITALIC: Self = Self(1 << 2);
    /// SGR 5 (and 6, which no terminal shows differently).
    pub const BLINK: Self = Self(1 << 3);
    /// SGR 7.
    pub const INVERSE: Self = Self(1 << 4);
    /// SGR 8.
    pub const HIDDEN: Self = Self(1 << 5);
    /// SGR 9.
    pub const STRIKE: Self = Self(1 << 6);
    /// SGR 53.
    pub const OVERLINE: Self = Self(1 << 7);

    /// Whether every flag of `other` is set here.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Sets (`on`) or clears the flags of `other`.
    pub const fn set(&mut self, other: Self, on: bool) {
        if on {
            self.0 |= other.0;
        } else {
            self.0 &= !other.0;
        }
    }

    /// These flags and those of `other`.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// These flags without those of `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(crate) const fn bits(self) -> u8 {
        self.0
    }

    pub(crate) const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// Whether nothing is set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl core::fmt::Debug for Flags {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        const NAMES: [&str; 8] =
            ["bold", "faint", "italic", "blink", "inverse", "hidden", "strike", "overline"];
        let set = NAMES.iter().enumerate().filter(|(bit, _)| self.0 & (1 << bit) != 0).map(|(_, name)| name);
        f.debug_set().entries(set).finish()
    }
}

/// SGR 4, 21 and 4:*n*.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Underline {
    /// SGR 24 or 4:0.
    #[default]
    None,
    /// SGR 4 or 4:1.
    Single,
    /// SGR 21 or 4:2.
    Double,
    /// SGR 4:3.
    Curly,
    /// SGR 4:4.
    Dotted,
    /// SGR 4:5.
    Dashed,
}

impl Underline {
    const ALL: [Self; 6] = [Self::None, Self::Single, Self::Double, Self::Curly, Self::Dotted, Self::Dashed];

    /// The style of SGR 4:*n*; none for one that nobody defined.
    pub(crate) fn of(number: u8) -> Self {
        Self::ALL.get(usize::from(number)).copied().unwrap_or_default()
    }
}

/// The look of a cell, but for what is rare (underline colour, hyperlink).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Attributes {
    /// Text colour.
    pub foreground: Color,
    /// Background colour.
    pub background: Color,
    /// On/off renditions.
    pub flags: Flags,
    /// Underline style.
    pub underline: Underline,
}

impl Attributes {
    /// As [`Default`] has it.
    pub(crate) const DEFAULT: Self = Self {
        foreground: Color::Default,
        background: Color::Default,
        flags: Flags::NONE,
        underline: Underline::None,
    };

    /// What an erased cell keeps: the background alone (xterm's *bce*).
    #[must_use]
    pub(crate) const fn erased(self) -> Self {
        Self { background: self.background, ..Self::DEFAULT }
    }
}

/// An OSC 8 hyperlink.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// The `id=` parameter, empty when the program gave none.
    pub id: String,
    /// Where it leads. Never empty, printable ASCII only.
    pub uri: String,
}

/// What few cells have; kept apart so that a cell stays small.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extra {
    /// The cluster's characters after its first.
    pub(crate) marks: String,
    /// SGR 58.
    pub(crate) underline_color: Color,
    /// OSC 8.
    pub(crate) link: Option<Arc<Link>>,
}

impl Extra {
    /// `None` when it says nothing, so that equal looks compare equal.
    pub(crate) fn shared(self) -> Option<Arc<Self>> {
        (self != Self::default()).then(|| Arc::new(self))
    }
}

/// What the next printed character will look like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pen {
    /// Colours, flags and underline style.
    pub attributes: Attributes,
    /// Underline colour and link; its marks are always empty.
    pub(crate) extra: Option<Arc<Extra>>,
}

impl Pen {
    /// A pen with these attributes, no underline colour and no link.
    #[must_use]
    pub const fn new(attributes: Attributes) -> Self {
        Self { attributes, extra: None }
    }

    /// SGR 58's colour.
    #[must_use]
    pub fn underline_color(&self) -> Color {
        self.extra.as_ref().map_or(Color::Default, |extra| extra.underline_color)
    }

    /// The hyperlink under the pen.
    #[must_use]
    pub fn link(&self) -> Option<&Arc<Link>> {
        self.extra.as_ref().and_then(|extra| extra.link.as_ref())
    }

    /// Changes the underline colour.
    pub fn set_underline_color(&mut self, underline_color: Color) {
        let link = self.link().cloned();
        self.extra = Extra { underline_color, link, ..Extra::default() }.shared();
    }

    /// Changes the hyperlink.
    pub fn set_link(&mut self, link: Option<Arc<Link>>) {
        let underline_color = self.underline_color();
        self.extra = Extra { underline_color, link, ..Extra::default() }.shared();
    }
}
