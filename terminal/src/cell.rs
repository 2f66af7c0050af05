//! One position of the grid: a grapheme cluster and its look.

use crate::attributes::{Attributes, Color, Extra, Link, Pen};
use crate::width;
use alloc::string::String;
use alloc::sync::Arc;

/// The most a cluster may hold after its first character, in octets: what comes later is dropped, so that
/// endless combining marks cost nothing.
pub const MAX_MARKS: usize = 32;

/// One position of the grid. A wide cluster takes two: the first of width 2, then a continuation of width 0 with
/// the same attributes. An erased position is a space.
#[derive(Clone, Debug)]
pub struct Cell {
    pub(crate) base: char,
    pub(crate) attributes: Attributes,
    pub(crate) width: u8,
    /// Some erasing spares it (DECSCA, SPA). Cannot be seen, so it does not count when cells are compared.
    pub(crate) protected: bool,
    pub(crate) extra: Option<Arc<Extra>>,
}

impl PartialEq for Cell {
    fn eq(&self, other: &Self) -> bool {
        self.base == other.base
            && self.attributes == other.attributes
            && self.width == other.width
            && self.extra == other.extra
    }
}

impl Eq for Cell {}

impl Default for Cell {
    fn default() -> Self {
        Self::blank(Attributes::default())
    }
}

impl Cell {
    /// A space with these attributes.
    #[must_use]
    pub const fn blank(attributes: Attributes) -> Self {
        Self { base: ' ', attributes, width: 1, protected: false, extra: None }
    }

    /// The cell `base` gives when printed with `pen`; `None` for a character that takes no column of its own.
    #[must_use]
    pub fn of_char(base: char, pen: &Pen) -> Option<Self> {
        let width = width::of(base);
        (width > 0).then(|| Self::new(base, width, pen))
    }

    pub(crate) fn new(base: char, width: u8, pen: &Pen) -> Self {
        Self { base, attributes: pen.attributes, width, protected: false, extra: pen.extra.clone() }
    }

    /// Becomes this character with the look of `template`, which has no marks.
    pub(crate) fn write(&mut self, base: char, width: u8, template: &Self) {
        self.base = base;
        self.width = width;
        self.protected = template.protected;
        self.attributes = template.attributes;
        if self.extra.is_some() || template.extra.is_some() {
            self.extra.clone_from(&template.extra);
        }
    }

    /// The second half of a wide cluster.
    #[must_use]
    pub fn continuation(&self) -> Self {
        let pen = self.pen();
        let Self { attributes, protected, .. } = *self;
        Self { base: ' ', attributes, width: 0, protected, extra: pen.extra }
    }

    /// The first character of the cluster; a space where nothing is.
    #[must_use]
    pub const fn first_char(&self) -> char {
        self.base
    }

    /// The cluster's characters after the first.
    #[must_use]
    pub fn marks(&self) -> &str {
        self.extra.as_ref().map_or("", |extra| &extra.marks)
    }

    /// Appends the whole cluster; nothing for a continuation.
    pub fn push_text(&self, text: &mut String) {
        if self.width > 0 {
            text.push(self.base);
            text.push_str(self.marks());
        }
    }

    /// The whole cluster; empty for a continuation.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        self.push_text(&mut text);
        text
    }

    /// Columns it takes: 1, 2, or 0 for the second half of a wide one.
    #[must_use]
    pub const fn width(&self) -> u8 {
        self.width
    }

    /// Colours, flags and underline style.
    #[must_use]
    pub const fn attributes(&self) -> Attributes {
        self.attributes
    }

    /// Changes colours, flags and underline style. Both halves of a wide cluster want the same.
    pub const fn set_attributes(&mut self, attributes: Attributes) {
        self.attributes = attributes;
    }

    /// SGR 58's colour.
    #[must_use]
    pub fn underline_color(&self) -> Color {
        self.extra.as_ref().map_or(Color::Default, |extra| extra.underline_color)
    }

    /// The hyperlink.
    #[must_use]
    pub fn link(&self) -> Option<&Arc<Link>> {
        self.extra.as_ref().and_then(|extra| extra.link.as_ref())
    }

    /// The pen that would print this cell.
    #[must_use]
    pub fn pen(&self) -> Pen {
        let extra = match &self.extra {
            Some(extra) if !extra.marks.is_empty() => {
                Extra { marks: String::new(), ..Extra::clone(extra) }.shared()
            }
            other => other.clone(),
        };
        Pen { attributes: self.attributes, extra }
    }

    /// Whether `pen` would print with this cell's look.
    pub(crate) fn looks_like(&self, pen: &Pen) -> bool {
        self.attributes == pen.attributes
            && match (&self.extra, &pen.extra) {
                (None, None) => true,
                _ => self.underline_color() == pen.underline_color() && self.link() == pen.link(),
            }
    }

    /// Whether nothing is written here: a space, whatever its colours.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.base == ' ' && self.width == 1 && self.marks().is_empty()
    }

    /// Whether an erase with the pen's background leaves exactly this.
    pub(crate) fn is_erased(&self) -> bool {
        self.base == ' '
            && self.width == 1
            && self.extra.is_none()
            && self.attributes == self.attributes.erased()
    }

    /// The cluster that this becomes when `next` is printed directly after it; `None` when that begins one of its own, or
    /// when there is no room for it.
    #[must_use]
    pub fn joined(&self, next: char) -> Option<Self> {
        let joins = self.width > 0 && width::of(next) == 0 && !next.is_control();
        let mut cell = self.clone();
        (joins && cell.push_mark(next)).then_some(cell)
    }

    /// Whether `mark` would make this narrow cluster a wide one.
    pub(crate) fn widened_by(&self, mark: char) -> bool {
        mark == width::EMOJI_PRESENTATION
            && self.width == 1
            && self.marks().is_empty()
            && width::widens(self.base)
    }

    /// Whether this is not what its characters make of it, each by itself: a program asked for clusters (mode 2027).
    pub(crate) fn is_clustered(&self) -> bool {
        let columns = |c: char| width::of(c);
        self.width != columns(self.base) || self.marks().chars().any(|mark| columns(mark) > 0)
    }

    /// Whether there are terminals that give it other columns than these, or draw it together with what is beside it.
    pub(crate) fn is_disputed(&self) -> bool {
        width::is_disputed(self.base) || self.marks().chars().any(width::is_disputed)
    }

    /// Adds a character to the cluster; `false` when it is full.
    pub(crate) fn push_mark(&mut self, mark: char) -> bool {
        if self.marks().len() + mark.len_utf8() > MAX_MARKS {
            return false;
        }
        self.add_mark(mark);
        true
    }

    /// Adds a character that is known to belong to the cluster.
    pub(crate) fn add_mark(&mut self, mark: char) {
        let mut extra = self.extra.as_deref().cloned().unwrap_or_default();
        extra.marks.push(mark);
        self.extra = Some(Arc::new(extra));
    }
}
