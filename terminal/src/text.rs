//! What is written on a row, as few octets: its text in UTF-8; octets that are in no UTF-8 say how the next characters
//! look ([`LOOK`], [`RARE`]), how wide they are ([`WIDE`], [`NARROW`], [`BROAD`]), or that the next one belongs to the
//! cluster before it ([`MARK`]).
//!
//! So history keeps the rows that are gone. A row that is written from the left to the right, as nearly all output is,
//! has its [`Text`] from the first: in a flood most rows are gone before anybody looks at them, and their cells need
//! never be made.

use crate::attributes::{Attributes, Color, Extra, Flags, Link, Underline};
use crate::cell::Cell;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

const LOOK: u8 = 0xff;
/// A look with an underline colour or a link.
const RARE: u8 = 0xfe;
/// The characters beyond ASCII take two columns from here on.
const WIDE: u8 = 0xfd;
/// They take one, as at the beginning.
const NARROW: u8 = 0xfc;
/// The next character, which is ASCII, takes two.
const BROAD: u8 = 0xfb;
const MARK: u8 = 0xfa;

/// The most octets of a look without those.
const LOOK_LENGTH: usize = 11;

/// A row's text, while the row is written from the left to the right.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    octets: Vec<u8>,
    /// How many columns it takes.
    columns: usize,
    /// The look of what was written last, and where in the octets that begins.
    look: Attributes,
    run: usize,
    /// Whether characters beyond ASCII are wide.
    wide: bool,
    /// All that is on the row is here; else nothing is, and the cells alone know.
    is_whole: bool,
}

impl Text {
    /// Of a row as on a blank screen.
    pub(crate) const fn blank() -> Self {
        Self::empty(true)
    }

    /// Of a row of which the cells alone know what is on it.
    pub(crate) const fn unknown() -> Self {
        Self::empty(false)
    }

    const fn empty(is_whole: bool) -> Self {
        let look = Attributes::DEFAULT;
        Self { octets: Vec::new(), columns: 0, look, run: 0, wide: false, is_whole }
    }

    /// How many octets it takes in memory beside the row.
    pub(crate) fn capacity(&self) -> usize {
        self.octets.capacity()
    }

    /// The row is blank again.
    pub(crate) fn clear(&mut self) {
        self.octets.clear();
        (self.columns, self.is_whole) = (0, true);
        if self.run > 0 || self.wide {
            let octets = core::mem::take(&mut self.octets);
            *self = Self { octets, ..Self::blank() };
        }
    }

    /// From now on the cells alone know.
    pub(crate) fn forget(&mut self) {
        self.clear();
        self.is_whole = false;
    }

    /// How many columns it takes, where all that is on the row is here.
    pub(crate) fn columns(&self) -> Option<usize> {
        self.is_whole.then_some(self.columns)
    }

    /// Whether what is written from `column` on follows it.
    pub(crate) const fn ends_before(&self, column: usize) -> bool {
        self.is_whole && self.columns <= column
    }

    /// Whether it is the same text, to the letter.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.is_whole && other.is_whole && self.octets == other.octets
    }

    pub(crate) fn reader(&self) -> Reader<'_> {
        Reader::new(&self.octets)
    }

    /// What comes next is written at `column`, beyond which there is nothing, with this look. `room` is how many columns
    /// the row has.
    pub(crate) fn go_on(&mut self, column: usize, look: Attributes, room: usize) {
        if self.octets.capacity() == 0 {
            self.octets.reserve_exact(room + 4 * LOOK_LENGTH);
        }
        if self.columns < column {
            self.set_look(Attributes::DEFAULT);
            self.octets.resize(self.octets.len() + column - self.columns, b' ');
            self.columns = column;
        }
        self.set_look(look);
    }

    fn set_look(&mut self, look: Attributes) {
        if self.look != look {
            self.look = look;
            put_look(&mut self.octets, look);
            self.run = self.octets.len();
        }
    }

    /// Adds printable ASCII.
    pub(crate) fn push_ascii(&mut self, text: &[u8]) {
        append(&mut self.octets, text);
        self.columns += text.len();
    }

    /// Adds characters beyond ASCII that take so many columns: two each when they are `wide`.
    pub(crate) fn push_text(&mut self, text: &str, wide: bool, columns: usize) {
        if self.wide != wide {
            self.wide = wide;
            self.octets.push(if wide { WIDE } else { NARROW });
        }
        self.octets.extend_from_slice(text.as_bytes());
        self.columns += columns;
    }

    /// Appends what a line has of a row of so many `columns`, and returns what the row's end is filled with. The row is
    /// `full` when the line goes on in the next one: then it has so many columns of it.
    pub(crate) fn encode(&self, columns: usize, full: Option<usize>, out: &mut Vec<u8>) -> Attributes {
        if let Some(full) = full {
            out.extend_from_slice(&self.octets);
            if self.columns < full {
                if self.look != Attributes::DEFAULT {
                    put_look(out, Attributes::DEFAULT);
                }
                out.resize(out.len() + full - self.columns, b' ');
            }
            return Attributes::DEFAULT;
        }
        // Beyond the text the row is as a blank screen's: blanks at the text's end are of its end when they are too.
        let fill = if self.columns < columns { Attributes::DEFAULT } else { self.look.erased() };
        let mut text = &self.octets[..];
        if self.look == fill {
            while text.len() > self.run
                && let Some((b' ', before)) = text.split_last()
            {
                text = before;
            }
        }
        append(out, text);
        if text.len() < self.octets.len() { fill } else { Attributes::DEFAULT }
    }
}

/// Appends cells.
pub(crate) fn encode(cells: &[Cell], out: &mut Vec<u8>) {
    let mut look = &Cell::blank(Attributes::default());
    let (mut rest, mut is_wide) = (cells, false);
    while let Some(cell) = rest.first() {
        if cell.attributes != look.attributes || !same_extras(cell, look) {
            look = cell;
            if cell.underline_color() == Color::Default && cell.link().is_none() {
                put_look(out, cell.attributes);
            } else {
                put_rare_look(out, cell);
            }
        }
        let plain = if cell.extra.is_none() { plain_run(rest, cell.attributes) } else { 0 };
        if plain > 0 {
            out.extend(rest[..plain].iter().map(|cell| cell.base as u8));
            rest = &rest[plain..];
            continue;
        }
        let wide = cell.width == 2;
        if cell.base.is_ascii() {
            out.extend(wide.then_some(BROAD));
        } else if wide != is_wide {
            is_wide = wide;
            out.push(if wide { WIDE } else { NARROW });
        }
        put_char(out, cell.base);
        for mark in cell.marks().chars() {
            out.push(MARK);
            put_char(out, mark);
        }
        rest = &rest[usize::from(cell.width.max(1)).min(rest.len())..];
    }
}

/// How many cells from the first on hold ASCII alone, and look like this.
fn plain_run(cells: &[Cell], attributes: Attributes) -> usize {
    let is_plain = |cell: &Cell| {
        cell.base.is_ascii() && cell.extra.is_none() && cell.width == 1 && cell.attributes == attributes
    };
    cells.iter().position(|cell| !is_plain(cell)).unwrap_or(cells.len())
}

/// Whether two cells have the same underline colour and link.
fn same_extras(one: &Cell, other: &Cell) -> bool {
    match (&one.extra, &other.extra) {
        (None, None) => true,
        _ => one.underline_color() == other.underline_color() && one.link() == other.link(),
    }
}

fn put_char(out: &mut Vec<u8>, c: char) {
    if c.is_ascii() {
        out.push(c as u8);
    } else {
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

/// Appends octets: few, as a rule.
fn append(out: &mut Vec<u8>, octets: &[u8]) {
    match octets {
        [octet] => out.push(*octet),
        _ => out.extend_from_slice(octets),
    }
}

fn put_look(out: &mut Vec<u8>, look: Attributes) {
    let mut octets = [0; LOOK_LENGTH];
    octets[..3].copy_from_slice(&[LOOK, look.flags.bits(), look.underline as u8]);
    let mut length = 3;
    for color in [look.foreground, look.background] {
        length += set_color(&mut octets[length..], color);
    }
    // Copied whole, since so few octets of a known number are copied at once.
    out.extend_from_slice(&octets);
    out.truncate(out.len() - octets.len() + length);
}

fn put_rare_look(out: &mut Vec<u8>, cell: &Cell) {
    let start = out.len();
    put_look(out, cell.attributes);
    out[start] = RARE;
    put_color(out, cell.underline_color());
    for text in cell.link().map_or(["", ""], |link| [&link.uri, &link.id]) {
        out.extend_from_slice(&(text.len() as u32).to_le_bytes());
        out.extend_from_slice(text.as_bytes());
    }
}

/// Appends a colour.
pub(crate) fn put_color(out: &mut Vec<u8>, color: Color) {
    let mut octets = [0; 4];
    let length = set_color(&mut octets, color);
    out.extend_from_slice(&octets[..length]);
}

/// Writes a colour's octets at the beginning of at least four, and returns how many they are.
fn set_color(out: &mut [u8], color: Color) -> usize {
    match color {
        Color::Default => {
            out[0] = 0;
            1
        }
        Color::Indexed(index) => {
            out[..2].copy_from_slice(&[1, index]);
            2
        }
        Color::Rgb(red, green, blue) => {
            out[..4].copy_from_slice(&[2, red, green, blue]);
            4
        }
    }
}

/// What was written here, read again. It is our own: where it ends too early, defaults follow.
pub(crate) struct Reader<'a> {
    octets: &'a [u8],
    /// Whether characters beyond ASCII are wide.
    wide: bool,
}

/// What comes next in a text.
pub(crate) enum Part<'a> {
    /// What follows looks so: a blank.
    Look(Cell),
    /// ASCII that takes one column each.
    Ascii(&'a [u8]),
    /// A character, and its width: 1 or 2.
    Char(char, u8),
    /// A character that belongs to the cluster before.
    Mark(char),
}

impl<'a> Iterator for Reader<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        loop {
            let ascii = self.octets.iter().position(|octet| !octet.is_ascii()).unwrap_or(self.octets.len());
            if ascii > 0 {
                let (text, rest) = self.octets.split_at(ascii);
                self.octets = rest;
                return Some(Part::Ascii(text));
            }
            if self.octets.is_empty() {
                return None;
            }
            return Some(match self.octet() {
                LOOK => Part::Look(Cell::blank(self.look())),
                RARE => Part::Look(self.rare_look()),
                change @ (WIDE | NARROW) => {
                    self.wide = change == WIDE;
                    continue;
                }
                BROAD => Part::Char(self.char(), 2),
                MARK => Part::Mark(self.char()),
                first => Part::Char(self.char_from(first), 1 + u8::from(self.wide)),
            });
        }
    }
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(octets: &'a [u8]) -> Self {
        Self { octets, wide: false }
    }

    /// What it says, as cells, for which room is made.
    pub(crate) fn cells(self, room: usize) -> Vec<Cell> {
        let mut cells: Vec<Cell> = Vec::with_capacity(room);
        let mut template = Cell::default();
        let made = |c: char, width: u8, template: &Cell| Cell {
            base: c,
            width,
            attributes: template.attributes,
            protected: false,
            extra: template.extra.clone(),
        };
        for part in self {
            match part {
                Part::Look(look) => template = look,
                Part::Ascii(text) => {
                    cells.extend(text.iter().map(|&octet| made(octet.into(), 1, &template)));
                }
                Part::Char(c, width) => {
                    cells.push(made(c, width, &template));
                    cells.extend((width == 2).then(|| made(' ', 0, &template)));
                }
                Part::Mark(mark) => {
                    if let Some(cell) = cells.iter_mut().rfind(|cell| cell.width > 0) {
                        cell.add_mark(mark);
                    }
                }
            }
        }
        cells
    }

    pub(crate) fn octet(&mut self) -> u8 {
        let Some((&octet, rest)) = self.octets.split_first() else { return 0 };
        self.octets = rest;
        octet
    }

    pub(crate) fn color(&mut self) -> Color {
        match self.octet() {
            0 => Color::Default,
            1 => Color::Indexed(self.octet()),
            _ => Color::Rgb(self.octet(), self.octet(), self.octet()),
        }
    }

    fn text(&mut self) -> String {
        let length = u32::from_le_bytes([(); 4].map(|()| self.octet())) as usize;
        let (text, rest) = self.octets.split_at(length.min(self.octets.len()));
        self.octets = rest;
        String::from_utf8_lossy(text).into_owned()
    }

    fn char(&mut self) -> char {
        let first = self.octet();
        self.char_from(first)
    }

    fn char_from(&mut self, first: u8) -> char {
        let more = match first {
            0..=0x7f => return char::from(first),
            0x80..=0xdf => 1,
            0xe0..=0xef => 2,
            _ => 3,
        };
        let mut octets = [first, 0, 0, 0];
        octets[1..=more].fill_with(|| self.octet());
        let text = core::str::from_utf8(&octets[..=more]).unwrap_or_default();
        text.chars().next().unwrap_or(' ')
    }

    fn look(&mut self) -> Attributes {
        let flags = Flags::from_bits(self.octet());
        let underline = Underline::of(self.octet());
        Attributes { flags, underline, foreground: self.color(), background: self.color() }
    }

    fn rare_look(&mut self) -> Cell {
        let attributes = self.look();
        let underline_color = self.color();
        let (uri, id) = (self.text(), self.text());
        let link = (!uri.is_empty()).then(|| Arc::new(Link { id, uri }));
        Cell {
            extra: Extra { underline_color, link, marks: String::new() }.shared(),
            ..Cell::blank(attributes)
        }
    }
}
