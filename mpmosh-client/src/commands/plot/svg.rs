//! The figure as SVG: needs nothing else to be shown, and its letters are whatever sans-serif the reader has.

use core::fmt::Write;

use super::figure::{Anchor, Colour, Figure, Mark, TEXT};

/// Writes the figure.
pub(super) fn write(figure: &Figure) -> String {
    let Figure { width, height, .. } = figure;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         font-family=\"Roboto, Helvetica, Arial, 'DejaVu Sans', sans-serif\" font-size=\"{TEXT}\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    for mark in &figure.marks {
        put(&mut out, mark);
    }
    out.push_str("</svg>\n");
    out
}

fn put(out: &mut String, mark: &Mark) {
    let _ = match mark {
        Mark::Line { points, colour, width, dotted } => {
            let places: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
            let dash = if *dotted { " stroke-dasharray=\"2 3\"" } else { " stroke-linecap=\"round\"" };
            writeln!(
                out,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{width}\" stroke-linejoin=\"round\"{dash}/>",
                places.join(" "),
                hex(*colour)
            )
        }
        Mark::Block { x, y, width, height, colour } => writeln!(
            out,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{}\"/>",
            hex(*colour)
        ),
        Mark::Text { x, y, text, anchor, colour, upright } => {
            let anchor = match anchor {
                Anchor::Start => "start",
                Anchor::Middle => "middle",
                Anchor::End => "end",
            };
            let place = match upright {
                true => format!("transform=\"translate({x:.1} {y:.1}) rotate(-90)\""),
                false => format!("x=\"{x:.1}\" y=\"{y:.1}\""),
            };
            writeln!(
                out,
                "<text {place} text-anchor=\"{anchor}\" fill=\"{}\">{}</text>",
                hex(*colour),
                escaped(text)
            )
        }
    };
}

fn hex(Colour(red, green, blue): Colour) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::super::figure;
    use super::*;

    #[test]
    fn a_name_cannot_break_out_of_the_figure() {
        let text = write(&figure::draw(&figure::tests::trace()));
        assert!(text.contains("&lt;script&gt;&amp;") && !text.contains("<script"), "{text}");
    }
}
