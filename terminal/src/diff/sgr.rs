//! From one pen to another: the shorter of changing what differs and starting from nothing.

use crate::attributes::{Attributes, Color, Flags, Pen, Underline};
use crate::control::{CSI, NO_LINK, OSC, SGR, ST};
use crate::vocabulary::Vocabulary;
use alloc::vec::Vec;

use super::state::write;

/// The pen a terminal has after being told of `pen`.
pub(super) fn project(pen: &Pen, vocabulary: &Vocabulary) -> Pen {
    if vocabulary.exact {
        return pen.clone();
    }
    let mut projected = Pen::new(vocabulary.project(pen.attributes));
    if vocabulary.underlines {
        projected.set_underline_color(vocabulary.colors.nearest(pen.underline_color()));
    }
    if vocabulary.links {
        projected.set_link(pen.link().cloned());
    }
    projected
}

/// Writes the way from `from` to `to`, both projected. `false` when there was nothing to write.
pub(super) fn change(out: &mut Vec<u8>, from: &Pen, to: &Pen) -> bool {
    let start = out.len();
    if from.attributes != to.attributes || from.underline_color() != to.underline_color() {
        select(out, from, to);
    }
    if from.link() != to.link() {
        match to.link() {
            None => out.extend_from_slice(NO_LINK.as_bytes()),
            Some(link) if link.id.is_empty() => write(out, format_args!("{OSC}8;;{}{ST}", link.uri)),
            Some(link) => write(out, format_args!("{OSC}8;id={};{}{ST}", link.id, link.uri)),
        }
    }
    out.len() > start
}

fn select(out: &mut Vec<u8>, from: &Pen, to: &Pen) {
    let mut changes = Vec::new();
    parameters(&mut changes, from.attributes, from.underline_color(), to);
    // A bare SGR resets; its parameter may be left out only when it is the last.
    let mut afresh = Vec::new();
    parameters(&mut afresh, Attributes::default(), Color::Default, to);
    let reset = if afresh.is_empty() { &b""[..] } else { &b";"[..] };
    out.extend_from_slice(CSI.as_bytes());
    if reset.len() + afresh.len() < changes.len() {
        out.extend_from_slice(reset);
        out.extend_from_slice(&afresh);
    } else {
        out.extend_from_slice(&changes);
    }
    out.push(SGR as u8);
}

/// The parameters that change a look to `to`'s, with `;` between them.
fn parameters(out: &mut Vec<u8>, from: Attributes, from_underline: Color, to: &Pen) {
    let attributes = to.attributes;
    let mut before = from.flags;
    let after = attributes.flags;
    // One number ends both bold and faint.
    let weight = Flags::BOLD.with(Flags::FAINT);
    if (before.contains(Flags::BOLD) && !after.contains(Flags::BOLD))
        || (before.contains(Flags::FAINT) && !after.contains(Flags::FAINT))
    {
        number(out, 22);
        before = before.without(weight);
    }
    for (flag, on, off) in [
        (Flags::BOLD, 1, 22),
        (Flags::FAINT, 2, 22),
        (Flags::ITALIC, 3, 23),
        (Flags::BLINK, 5, 25),
        (Flags::INVERSE, 7, 27),
        (Flags::HIDDEN, 8, 28),
        (Flags::STRIKE, 9, 29),
        (Flags::OVERLINE, 53, 55),
    ] {
        if before.contains(flag) != after.contains(flag) {
            number(out, if after.contains(flag) { on } else { off });
        }
    }
    if from.underline != attributes.underline {
        match attributes.underline {
            Underline::None => number(out, 24),
            Underline::Single => number(out, 4),
            style => {
                number(out, 4);
                write(out, format_args!(":{}", style as u8));
            }
        }
    }
    color(out, from.foreground, attributes.foreground, 30);
    color(out, from.background, attributes.background, 40);
    let underline = to.underline_color();
    if from_underline != underline {
        match underline {
            Color::Default => number(out, 59),
            Color::Indexed(index) => {
                number(out, 58);
                write(out, format_args!(":5:{index}"));
            }
            Color::Rgb(r, g, b) => {
                number(out, 58);
                write(out, format_args!(":2::{r}:{g}:{b}"));
            }
        }
    }
}

fn number(out: &mut Vec<u8>, number: u16) {
    if !out.is_empty() {
        out.push(b';');
    }
    write(out, format_args!("{number}"));
}

fn color(out: &mut Vec<u8>, from: Color, to: Color, base: u16) {
    if from == to {
        return;
    }
    match to {
        Color::Default => number(out, base + 9),
        Color::Indexed(index @ 0..=7) => number(out, base + u16::from(index)),
        Color::Indexed(index @ 8..=15) => number(out, base + 60 + u16::from(index - 8)),
        Color::Indexed(index) => {
            number(out, base + 8);
            write(out, format_args!(";5;{index}"));
        }
        Color::Rgb(r, g, b) => {
            number(out, base + 8);
            write(out, format_args!(";2;{r};{g};{b}"));
        }
    }
}
