//! `mpmosh plot`: a picture of a session's paths from its trace, in the manner of the paper's figure of §5.
//!
//! Contract: reads one JSON object per line; lines it does not know are passed over, so that traces of other releases can
//! be drawn. Writes one SVG file that needs nothing else to be shown.

mod figure;
mod trace;

use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;

use crate::messages::Paragraph;

/// Draws `trace` into `output`.
///
/// # Errors
/// The trace cannot be read or holds nothing to draw, the figure cannot be written, or is asked for in another format.
pub fn run(trace: &Path, output: &Path) -> Result<(), Paragraph> {
    if output.extension().is_none_or(|extension| extension != "svg") {
        return Err(Paragraph::new(
            format!("The figure {} is not an SVG file.", output.display()),
            "SVG is the one format that is drawn.",
            "Name it FIGURE.svg; “rsvg-convert -o FIGURE.png FIGURE.svg” makes a PNG of it.",
        ));
    }
    let unreadable = |error: std::io::Error| {
        Paragraph::new(
            "The trace cannot be read.",
            format!("{}: {error}.", trace.display()),
            "It is what --trace FILE wrote.",
        )
    };
    let file = File::open(trace).map_err(unreadable)?;
    let mut read = trace::read(BufReader::new(file)).map_err(unreadable)?;
    // Pairs of addresses that never worked say nothing.
    read.flows.retain(|_, flow| !flow.rtt.is_empty() || !flow.data.is_empty());
    if read.flows.is_empty() {
        return Err(Paragraph::new(
            format!("There is nothing to draw in {}.", trace.display()),
            format!(
                "It has {} lines that were not understood, and no round trip or datagram of any flow.",
                read.skipped
            ),
            "A trace is written by a session that was started with --trace FILE.",
        ));
    }
    fs::write(output, figure::svg(&read)).map_err(|error| {
        Paragraph::new(
            "The figure cannot be written.",
            format!("{}: {error}.", output.display()),
            "Name another file with -o.",
        )
    })
}
