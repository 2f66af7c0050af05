//! The rows that left the top of the main screen, newest last, as few octets.
//!
//! What comes in is a row that scrolls off the top of a full-width region that begins at row 0 of the main screen, or
//! one for which there is no room after a change of the size. What goes out are whole lines, the newest first, when
//! there is room again. Rows are kept as they were wrapped: what it takes to change the size does not grow with what
//! is kept.
//!
//! A row is an octet of flags, then its text in UTF-8; octets that are in no UTF-8 say how the next character looks
//! ([`LOOK`]), that it is wide ([`WIDE`]), or that it belongs to the cluster before it ([`MARK`]).

use crate::attributes::{Attributes, Color, Extra, Flags, Link, Underline};
use crate::cell::Cell;
use crate::line::Line;
use crate::row::Row;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// The most rows that are kept, and the most octets.
pub(crate) const MAX_ROWS: usize = 10_000;
pub(crate) const MAX_OCTETS: usize = 8 << 20;

/// Rows are kept in pages of about so many octets: the oldest page goes as a whole.
const PAGE: usize = 32 << 10;

const LOOK: u8 = 0xff;
const WIDE: u8 = 0xfe;
const MARK: u8 = 0xfd;

/// Flags of a row: its line goes on in the next one; its end is filled with a colour, which follows.
const GOES_ON: u8 = 1;
const FILLED: u8 = 2;

/// The rows that left the top of the main screen.
#[derive(Default)]
pub(crate) struct History {
    pages: VecDeque<Page>,
    /// Rows and octets in all pages.
    rows: usize,
    octets: usize,
    /// So many of the newest rows may come back: older ones were there before the screen was cleared.
    scrolled: usize,
    spare: Page,
}

#[derive(Default)]
struct Page {
    octets: Vec<u8>,
    /// Where each row begins.
    starts: Vec<u32>,
}

impl History {
    /// Takes a row.
    pub(crate) fn push(&mut self, row: &Row) {
        if self.pages.back().is_none_or(|page| page.octets.len() >= PAGE) {
            self.pages.push_back(core::mem::take(&mut self.spare));
        }
        let Some(page) = self.pages.back_mut() else { return };
        let start = page.octets.len();
        page.starts.push(start as u32);
        encode(row, &mut page.octets);
        self.octets += page.octets.len() - start;
        self.rows += 1;
        self.scrolled += 1;
        while (self.rows > MAX_ROWS || self.octets > MAX_OCTETS) && self.forget_page() {}
    }

    /// Forgets the oldest page. `false` when it is the only one.
    fn forget_page(&mut self) -> bool {
        if self.pages.len() < 2 {
            return false;
        }
        let Some(mut page) = self.pages.pop_front() else { return false };
        self.rows -= page.starts.len();
        self.octets -= page.octets.len();
        self.scrolled = self.scrolled.min(self.rows);
        page.octets.clear();
        page.starts.clear();
        self.spare = page;
        true
    }

    /// What has been taken until now stays: the screen was cleared.
    pub(crate) const fn settle(&mut self) {
        self.scrolled = 0;
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Gives the newest line back, or, of one that has more than `most` cells, what comes last of it.
    pub(crate) fn pop_line(&mut self, most: usize) -> Option<Line> {
        let mut rows = Vec::new();
        let mut cells = 0;
        while cells < most && (rows.is_empty() || self.goes_on()) {
            let Some(row) = self.pop() else { break };
            cells += row.len().max(1);
            rows.push(row);
        }
        rows.into_iter().rev().reduce(Line::joined)
    }

    /// Whether the newest row goes on in the one that came after it.
    pub(crate) fn goes_on(&self) -> bool {
        let newest = self.pages.back().and_then(|page| page.octets.get(*page.starts.last()? as usize));
        self.scrolled > 0 && newest.is_some_and(|flags| flags & GOES_ON != 0)
    }

    fn pop(&mut self) -> Option<Line> {
        if self.scrolled == 0 {
            return None;
        }
        let page = self.pages.back_mut()?;
        let start = page.starts.pop()? as usize;
        let line = decode(page.octets.get(start..)?);
        self.octets -= page.octets.len() - start;
        page.octets.truncate(start);
        self.rows -= 1;
        self.scrolled -= 1;
        if page.starts.is_empty() {
            self.pages.pop_back();
        }
        Some(line)
    }

    /// How many rows are kept.
    pub(crate) const fn rows(&self) -> usize {
        self.rows
    }

    #[cfg(test)]
    pub(crate) const fn octets(&self) -> usize {
        self.octets
    }
}

fn encode(row: &Row, out: &mut Vec<u8>) {
    let (cells, fill) = row.content();
    let filled = if fill.background == Color::Default { 0 } else { FILLED };
    out.push(filled | if row.is_wrapped() { GOES_ON } else { 0 });
    if filled != 0 {
        put_color(out, fill.background);
    }
    let mut look = &Cell::blank(Attributes::default());
    let mut rest = cells;
    while let Some(cell) = rest.first() {
        if cell.attributes != look.attributes || !same_extras(cell, look) {
            look = cell;
            put_look(out, cell);
        }
        let plain = if cell.extra.is_none() { plain_run(rest, cell.attributes) } else { 0 };
        if plain > 0 {
            out.extend(rest[..plain].iter().map(|cell| cell.base as u8));
            rest = &rest[plain..];
            continue;
        }
        if cell.width == 2 {
            out.push(WIDE);
        }
        put_char(out, cell.base);
        for mark in cell.marks().chars() {
            out.push(MARK);
            put_char(out, mark);
        }
        rest = &rest[usize::from(cell.width.max(1))..];
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

fn put_look(out: &mut Vec<u8>, cell: &Cell) {
    let Attributes { foreground, background, flags, underline } = cell.attributes;
    out.extend_from_slice(&[LOOK, flags.bits(), underline as u8]);
    put_color(out, foreground);
    put_color(out, background);
    put_color(out, cell.underline_color());
    for text in cell.link().map_or(["", ""], |link| [&link.uri, &link.id]) {
        out.extend_from_slice(&(text.len() as u32).to_le_bytes());
        out.extend_from_slice(text.as_bytes());
    }
}

fn put_color(out: &mut Vec<u8>, color: Color) {
    match color {
        Color::Default => out.push(0),
        Color::Indexed(index) => out.extend_from_slice(&[1, index]),
        Color::Rgb(red, green, blue) => out.extend_from_slice(&[2, red, green, blue]),
    }
}

/// What [`encode`] wrote, read again. It is our own: where it ends too early, defaults follow.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn octet(&mut self) -> u8 {
        let Some((&octet, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        octet
    }

    fn color(&mut self) -> Color {
        match self.octet() {
            0 => Color::Default,
            1 => Color::Indexed(self.octet()),
            _ => Color::Rgb(self.octet(), self.octet(), self.octet()),
        }
    }

    fn text(&mut self) -> String {
        let length = u32::from_le_bytes([(); 4].map(|()| self.octet())) as usize;
        let (text, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        String::from_utf8_lossy(text).into_owned()
    }

    fn char(&mut self, first: u8) -> char {
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

    /// The look of what follows, as a blank.
    fn look(&mut self) -> Cell {
        let flags = Flags::from_bits(self.octet());
        let underline = Underline::of(self.octet());
        let attributes = Attributes { flags, underline, foreground: self.color(), background: self.color() };
        let underline_color = self.color();
        let (uri, id) = (self.text(), self.text());
        let link = (!uri.is_empty()).then(|| Arc::new(Link { id, uri }));
        Cell {
            extra: Extra { underline_color, link, marks: String::new() }.shared(),
            ..Cell::blank(attributes)
        }
    }
}

fn decode(octets: &[u8]) -> Line {
    let mut reader = Reader(octets);
    let flags = reader.octet();
    let background = if flags & FILLED == 0 { Color::Default } else { reader.color() };
    let fill = Attributes { background, ..Attributes::default() };
    let mut cells: Vec<Cell> = Vec::new();
    let (mut template, mut width) = (Cell::default(), 1);
    while !reader.0.is_empty() {
        match reader.octet() {
            LOOK => template = reader.look(),
            WIDE => width = 2,
            MARK => {
                let first = reader.octet();
                let mark = reader.char(first);
                if let Some(cell) = cells.iter_mut().rfind(|cell| cell.width > 0) {
                    cell.add_mark(mark);
                }
            }
            first => {
                let mut cell = template.clone();
                cell.write(reader.char(first), width, &template);
                let second = (width == 2).then(|| cell.continuation());
                cells.push(cell);
                cells.extend(second);
                width = 1;
            }
        }
    }
    Line::new(cells, fill, flags & GOES_ON != 0)
}
