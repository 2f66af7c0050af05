//! `mpmosh plot`: a picture of a session's paths from its trace, in the manner of the paper's figure of §5.
//!
//! Contract: reads what [`crate::run::trace`] writes, of this version; events and fields it does not know are passed over. A line
//! that is no line of a trace is an error with its number, except for the last when it is cut off: what came before is
//! drawn. Writes one file, SVG or PNG by its name, that needs nothing else to be shown.
//!
//! SVG is written by hand and PNG painted by `tiny-skia` with letters of a font of our own, because a picture must not
//! depend on which fonts a machine has: a general SVG renderer draws no text where there are none.

mod figure;
mod png;
mod svg;
mod trace;

use std::fs::{self, File};
use std::io::{self, BufReader, Write};
use std::path::Path;

use crate::text::messages::Paragraph;

/// Draws `trace` into `output`.
///
/// # Errors
/// The trace cannot be read or holds nothing to draw, the figure cannot be written, or is asked for in another format.
pub fn run(trace: &Path, output: &Path) -> Result<(), Paragraph> {
    let is_png = match output.extension().and_then(|extension| extension.to_str()) {
        Some("svg") => false,
        Some("png") => true,
        _ => {
            return Err(Paragraph::new(
                format!("What {} is to be cannot be told.", output.display()),
                "SVG and PNG are drawn, by the end of the name.",
                "Name it FIGURE.svg or FIGURE.png.",
            ));
        }
    };
    let unreadable = |error: trace::Error| {
        Paragraph::new(
            format!("The trace {} cannot be drawn.", trace.display()),
            format!("{error}."),
            "A trace is what --trace FILE wrote.",
        )
    };
    let file = File::open(trace).map_err(|error| unreadable(error.into()))?;
    let mut read = trace::read(BufReader::with_capacity(1 << 20, file)).map_err(unreadable)?;
    if let Some(line) = read.cut {
        let _ = writeln!(
            io::stderr(),
            "mpmosh: Line {line}, the last, is cut off and left out: the session was killed, or is still running."
        );
    }
    // Pairs of addresses that never worked say nothing.
    read.flows.retain(|_, flow| !flow.rtt.is_empty() || !flow.sent.0.is_empty());
    if read.flows.is_empty() {
        return Err(Paragraph::new(
            format!("There is nothing to draw in {}.", trace.display()),
            "It tells of no round trip and no datagram of any flow.",
            "A trace is written by a session that was started with --trace FILE.",
        ));
    }
    let figure = figure::draw(&read);
    let unwritten = |why: String| {
        Paragraph::new(
            "The figure cannot be written.",
            format!("{}: {why}.", output.display()),
            "Name another file with -o.",
        )
    };
    let bytes =
        if is_png { png::write(&figure).map_err(unwritten)? } else { svg::write(&figure).into_bytes() };
    fs::write(output, bytes).map_err(|error| unwritten(error.to_string()))
}
