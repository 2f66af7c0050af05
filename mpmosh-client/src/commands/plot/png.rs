//! The figure as PNG, at twice its size in pixels.
//!
//! The letters are those of `font.ttf` beside this file: Roboto Regular, cut down to Latin, © Google Inc., under the
//! Apache License 2.0. What it has no letter for is shown as its empty box.

use super::figure::{Anchor, Colour, Figure, Mark, TEXT};
use tiny_skia::{
    Color, FillRule, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, Rect, Stroke, StrokeDash, Transform,
};
use ttf_parser::{Face, OutlineBuilder};

const FONT: &[u8] = include_bytes!("font.ttf");

/// Pixels to a unit of the figure.
const SCALE: f32 = 2.0;

/// Draws the figure.
///
/// # Errors
/// A sentence: the figure has no size, or there is not the memory for it.
pub(super) fn write(figure: &Figure) -> Result<Vec<u8>, String> {
    let face = Face::parse(FONT, 0).map_err(|error| error.to_string())?;
    let pixels = |length: f64| (length as f32 * SCALE).ceil() as u32;
    let mut canvas = Pixmap::new(pixels(figure.width), pixels(figure.height))
        .ok_or_else(|| "the figure is too large".to_owned())?;
    canvas.fill(Color::WHITE);
    let transform = Transform::from_scale(SCALE, SCALE);
    for mark in &figure.marks {
        match mark {
            Mark::Line { points, colour, width, dotted } => {
                if let Some(path) = polyline(points) {
                    let stroke = Stroke {
                        width: *width as f32,
                        line_cap: if *dotted { LineCap::Butt } else { LineCap::Round },
                        line_join: LineJoin::Round,
                        dash: dotted.then(|| StrokeDash::new(vec![2.0, 3.0], 0.0)).flatten(),
                        ..Stroke::default()
                    };
                    canvas.stroke_path(&path, &paint(*colour), &stroke, transform, None);
                }
            }
            Mark::Block { x, y, width, height, colour } => {
                let rect = Rect::from_xywh(*x as f32, *y as f32, *width as f32, *height as f32);
                if let Some(rect) = rect {
                    canvas.fill_rect(rect, &paint(*colour), transform, None);
                }
            }
            Mark::Text { x, y, text, anchor, colour, upright } => {
                let place = Transform::from_translate(*x as f32, *y as f32);
                let turned = if *upright { place.pre_rotate(-90.0) } else { place };
                if let Some(path) = letters(&face, text, *anchor) {
                    let transform = transform.pre_concat(turned);
                    canvas.fill_path(&path, &paint(*colour), FillRule::Winding, transform, None);
                }
            }
        }
    }
    canvas.encode_png().map_err(|error| error.to_string())
}

fn paint(Colour(red, green, blue): Colour) -> Paint<'static> {
    let mut paint = Paint::default();
    paint.set_color_rgba8(red, green, blue, 255);
    paint
}

fn polyline(points: &[(f64, f64)]) -> Option<Path> {
    let mut path = PathBuilder::new();
    let mut points = points.iter().map(|(x, y)| (*x as f32, *y as f32));
    let (x, y) = points.next()?;
    path.move_to(x, y);
    points.for_each(|(x, y)| path.line_to(x, y));
    path.finish()
}

/// The outlines of a text whose anchor is at the origin.
fn letters(face: &Face<'_>, text: &str, anchor: Anchor) -> Option<Path> {
    let unit = TEXT as f32 / f32::from(face.units_per_em());
    let glyphs: Vec<_> = text.chars().map(|c| face.glyph_index(c).unwrap_or_default()).collect();
    let advance = |glyph| f32::from(face.glyph_hor_advance(glyph).unwrap_or_default()) * unit;
    let length: f32 = glyphs.iter().map(|glyph| advance(*glyph)).sum();
    let mut outline = Outline { path: PathBuilder::new(), unit, x: 0.0 };
    outline.x = match anchor {
        Anchor::Start => 0.0,
        Anchor::Middle => -length / 2.0,
        Anchor::End => -length,
    };
    for glyph in glyphs {
        face.outline_glyph(glyph, &mut outline);
        outline.x += advance(glyph);
    }
    outline.path.finish()
}

/// A glyph's outline, in units of the figure; a font's y points upwards.
struct Outline {
    path: PathBuilder,
    unit: f32,
    x: f32,
}

impl Outline {
    fn place(&self, x: f32, y: f32) -> (f32, f32) {
        (self.x + x * self.unit, -y * self.unit)
    }
}

impl OutlineBuilder for Outline {
    fn move_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.place(x, y);
        self.path.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.place(x, y);
        self.path.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let ((x1, y1), (x, y)) = (self.place(x1, y1), self.place(x, y));
        self.path.quad_to(x1, y1, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let ((x1, y1), (x2, y2), (x, y)) = (self.place(x1, y1), self.place(x2, y2), self.place(x, y));
        self.path.cubic_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.path.close();
    }
}

#[cfg(test)]
mod tests {
    use super::super::figure;
    use super::*;

    #[test]
    fn the_font_has_every_letter_that_the_figure_writes() {
        let face = Face::parse(FONT, 0).unwrap();
        let written = ('\u{20}'..='\u{7e}').chain(['≥', '…', '–', 'é', 'ü']);
        assert_eq!(written.filter(|c| face.glyph_index(*c).is_none()).collect::<String>(), "");
    }

    #[test]
    fn lines_blocks_and_letters_leave_their_colours_where_they_stand() {
        let figure = figure::draw(&figure::tests::trace());
        let png = write(&figure).unwrap();
        let pixels = Pixmap::decode_png(&png).unwrap();
        assert_eq!((pixels.width(), pixels.height()), (1920, (figure.height * 2.0).ceil() as u32));
        let at = |x: f64, y: f64| {
            let pixel = pixels.pixel((x * 2.0) as u32, (y * 2.0) as u32).unwrap();
            Colour(pixel.red(), pixel.green(), pixel.blue())
        };
        for mark in &figure.marks {
            if let Mark::Block { x, y, width, height: 7.0, colour } = mark
                && *width > 4.0
            {
                assert_eq!(at(x + 2.0, y + 3.0), *colour);
            }
        }
        assert_eq!(at(2.0, 2.0), Colour(255, 255, 255));
        let dark = pixels.pixels().iter().filter(|pixel| pixel.red() < 0x40).count();
        assert!(dark > 1000, "letters: {dark}");
    }
}
