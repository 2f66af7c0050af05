//! SGR: what the pen writes (ECMA-48 §8.3.117; colours also in ITU-T T.416's colon form).

use super::machine::Machine;
use super::parser::Params;
use crate::attributes::{Attributes, Color, Flags, Pen, Underline};

impl Machine {
    pub(super) fn select_rendition(&mut self, params: &Params) {
        let pen = &mut self.screen.pen;
        if params.has_groups() {
            let mut groups = params.groups();
            while let Some(values) = groups.next() {
                match values {
                    [number] => {
                        one(pen, *number, || groups.next().and_then(|values| values.first().copied()))
                    }
                    values => group(pen, values),
                }
            }
        } else {
            let mut numbers = params.plain().iter().copied();
            while let Some(number) = numbers.next() {
                one(pen, number, || numbers.next());
            }
        }
    }
}

/// A number on its own. A colour in the semicolon form takes those after it.
fn one(pen: &mut Pen, number: u16, mut next: impl FnMut() -> Option<u16>) {
    if !matches!(number, 38 | 48 | 58) {
        return simple(pen, number);
    }
    let color = match next() {
        Some(5) => next().and_then(indexed),
        Some(2) => rgb([next(), next(), next()]),
        _ => None,
    };
    if let Some(color) = color {
        paint(pen, number, color);
    }
}

/// Numbers with colons between them.
fn group(pen: &mut Pen, values: &[u16]) {
    match *values {
        [4, style, ..] => {
            if let Some(style) = underline(style) {
                pen.attributes.underline = style;
            }
        }
        [number @ (38 | 48 | 58), 5, index, ..] => {
            if let Some(color) = indexed(index) {
                paint(pen, number, color);
            }
        }
        // With a colour space identifier before the three, and without.
        [number @ (38 | 48 | 58), 2, r, g, b] | [number @ (38 | 48 | 58), 2, _, r, g, b, ..] => {
            if let Some(color) = rgb([Some(r), Some(g), Some(b)]) {
                paint(pen, number, color);
            }
        }
        _ => {}
    }
}

fn underline(style: u16) -> Option<Underline> {
    Some(match style {
        0 => Underline::None,
        1 => Underline::Single,
        2 => Underline::Double,
        3 => Underline::Curly,
        4 => Underline::Dotted,
        5 => Underline::Dashed,
        _ => return None,
    })
}

fn indexed(index: u16) -> Option<Color> {
    u8::try_from(index).ok().map(Color::Indexed)
}

fn rgb(values: [Option<u16>; 3]) -> Option<Color> {
    let [r, g, b] = values.map(|value| value.and_then(|value| u8::try_from(value).ok()));
    Some(Color::Rgb(r?, g?, b?))
}

fn paint(pen: &mut Pen, number: u16, color: Color) {
    match number {
        38 => pen.attributes.foreground = color,
        48 => pen.attributes.background = color,
        _ => pen.set_underline_color(color),
    }
}

fn simple(pen: &mut Pen, number: u16) {
    let attributes = &mut pen.attributes;
    let flags = &mut attributes.flags;
    match number {
        0 => {
            *attributes = Attributes::default();
            if pen.extra.is_some() {
                pen.set_underline_color(Color::Default);
            }
        }
        1 => flags.set(Flags::BOLD, true),
        2 => flags.set(Flags::FAINT, true),
        3 => flags.set(Flags::ITALIC, true),
        4 => attributes.underline = Underline::Single,
        5 | 6 => flags.set(Flags::BLINK, true),
        7 => flags.set(Flags::INVERSE, true),
        8 => flags.set(Flags::HIDDEN, true),
        9 => flags.set(Flags::STRIKE, true),
        21 => attributes.underline = Underline::Double,
        22 => flags.set(Flags::BOLD.with(Flags::FAINT), false),
        23 => flags.set(Flags::ITALIC, false),
        24 => attributes.underline = Underline::None,
        25 => flags.set(Flags::BLINK, false),
        27 => flags.set(Flags::INVERSE, false),
        28 => flags.set(Flags::HIDDEN, false),
        29 => flags.set(Flags::STRIKE, false),
        30..=37 => attributes.foreground = Color::Indexed((number - 30) as u8),
        39 => attributes.foreground = Color::Default,
        40..=47 => attributes.background = Color::Indexed((number - 40) as u8),
        49 => attributes.background = Color::Default,
        53 => flags.set(Flags::OVERLINE, true),
        55 => flags.set(Flags::OVERLINE, false),
        59 => pen.set_underline_color(Color::Default),
        90..=97 => attributes.foreground = Color::Indexed((number - 90 + 8) as u8),
        100..=107 => attributes.background = Color::Indexed((number - 100 + 8) as u8),
        _ => {}
    }
}
