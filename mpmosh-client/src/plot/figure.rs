//! The figure: above, the round trip of each flow over time; below, a row per flow with what it carried.

use core::fmt::Write;

use super::trace::{Flow, Trace};
use crate::sanitize::one_line;

const WIDTH: f64 = 960.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 24.0;
/// Above the figure, without the legend.
const HEAD: f64 = 22.0;
/// Height of a line of the legend, which has two columns.
const LEGEND: f64 = 22.0;
/// Height of the upper panel.
const RTT_HEIGHT: f64 = 260.0;
/// Between the panels.
const GAP: f64 = 44.0;
/// Height of one flow's row in the lower panel.
const ROW: f64 = 30.0;
const BOTTOM: f64 = 52.0;
/// Round trips above this are drawn at it, as in the paper's figure, in milliseconds.
const CAP: f64 = 3000.0;
/// A line is not drawn across a silence longer than this, in seconds.
const SILENCE: f64 = 5.0;
/// Datagrams closer than this are drawn as one segment, in seconds.
const TOGETHER: f64 = 0.6;

/// Colours that stay apart for colour-blind readers (Okabe and Ito).
const COLOURS: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#555555"];

/// Where time and round trip lie on the page.
struct Scale {
    /// Upper edge of the upper panel.
    top: f64,
    start: f64,
    seconds: f64,
    milliseconds: f64,
}

impl Scale {
    fn x(&self, t: f64) -> f64 {
        LEFT + (t - self.start) / self.seconds * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, rtt: f64) -> f64 {
        self.top + RTT_HEIGHT * (1.0 - rtt.min(self.milliseconds) / self.milliseconds)
    }
}

/// Draws the trace.
pub(super) fn svg(trace: &Trace) -> String {
    let highest =
        trace.flows.values().flat_map(|flow| &flow.rtt).fold(0.0_f64, |high, (_, rtt)| high.max(*rtt));
    let scale = Scale {
        top: HEAD + trace.flows.len().div_ceil(2) as f64 * LEGEND,
        start: trace.span.0,
        seconds: (trace.span.1 - trace.span.0).max(1.0),
        milliseconds: if highest >= CAP { CAP } else { round_up(highest.max(20.0) * 1.08) },
    };
    let rows = trace.flows.len() as f64;
    let lower = scale.top + RTT_HEIGHT + GAP;
    let height = lower + rows * ROW + BOTTOM;
    let mut out = String::new();
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         font-family=\"Helvetica, Arial, 'DejaVu Sans', sans-serif\" font-size=\"13\" fill=\"#222\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    axes(&mut out, &scale, lower, rows, highest >= CAP);
    for (index, flow) in trace.flows.values().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        line(&mut out, &scale, flow, colour);
    }
    for (index, (id, flow)) in trace.flows.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        row(&mut out, &scale, *id, flow, colour, lower + (index as f64 + 0.5) * ROW);
    }
    legend(&mut out, trace);
    out.push_str("</svg>\n");
    out
}

fn axes(out: &mut String, scale: &Scale, lower: f64, rows: f64, capped: bool) {
    let top = scale.top;
    let (right, base, foot) = (WIDTH - RIGHT, top + RTT_HEIGHT, lower + rows * ROW);
    let step = nice_step(scale.milliseconds / 5.0);
    let mut value = 0.0;
    while value <= scale.milliseconds * 1.0001 {
        let y = scale.y(value);
        let mark = if capped && value >= CAP { format!("≥ {value}") } else { format!("{value}") };
        let _ = writeln!(
            out,
            "<line x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#e4e4e4\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{mark}</text>",
            LEFT - 8.0,
            y + 4.5
        );
        value += step;
    }
    let step = nice_step(scale.seconds / 9.0);
    let mut value = 0.0;
    while value <= scale.seconds * 1.0001 {
        let x = scale.x(scale.start + value);
        let _ = writeln!(
            out,
            "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{top}\" y2=\"{base}\" stroke=\"#f0f0f0\"/>\
             <line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{lower}\" y2=\"{foot}\" stroke=\"#f0f0f0\"/>\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{value}</text>",
            foot + 20.0
        );
        value += step;
    }
    let middle = (LEFT + right) / 2.0;
    let half = top + RTT_HEIGHT / 2.0;
    let _ = writeln!(
        out,
        "<rect x=\"{LEFT}\" y=\"{top}\" width=\"{:.1}\" height=\"{RTT_HEIGHT}\" fill=\"none\" stroke=\"#999\"/>\
         <rect x=\"{LEFT}\" y=\"{lower}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"none\" stroke=\"#999\"/>\
         <text x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\">time (s)</text>\
         <text transform=\"translate(18 {half:.1}) rotate(-90)\" text-anchor=\"middle\">smoothed round trip (ms)</text>\
         <text x=\"{LEFT}\" y=\"{:.1}\" fill=\"#555\">data carried by</text>",
        right - LEFT,
        right - LEFT,
        rows * ROW,
        foot + 42.0,
        lower - 9.0
    );
}

/// One flow's round trip: a line, broken where the flow was silent.
fn line(out: &mut String, scale: &Scale, flow: &Flow, colour: &str) {
    let mut path = String::new();
    let mut last: Option<(f64, f64)> = None;
    for &(t, rtt) in &flow.rtt {
        let (x, y) = (scale.x(t), scale.y(rtt));
        match last {
            Some((before, _)) if t - before > SILENCE => {
                let _ = write!(path, "M{x:.1} {y:.1}");
            }
            // Nobody sees half a pixel: a long trace stays a small file.
            Some((before, drawn)) if (x - scale.x(before)).abs() < 0.5 && (y - drawn).abs() < 0.5 => continue,
            Some(_) => {
                let _ = write!(path, "L{x:.1} {y:.1}");
            }
            None => {
                let _ = write!(path, "M{x:.1} {y:.1}");
            }
        }
        last = Some((t, y));
    }
    if !path.is_empty() {
        let _ = writeln!(
            out,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" stroke-linejoin=\"round\" stroke-linecap=\"round\"/>"
        );
    }
}

/// One flow's row: when it was there, when it was in doubt, and the segments of what it carried.
fn row(out: &mut String, scale: &Scale, id: u32, flow: &Flow, colour: &str, y: f64) {
    let end = scale.start + scale.seconds;
    let _ = writeln!(
        out,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"{colour}\">flow {id}</text>",
        LEFT - 8.0,
        y + 4.5
    );
    for (index, (from, state)) in flow.states.iter().enumerate() {
        let until = flow.states.get(index + 1).map_or(end, |(next, _)| *next);
        let (stroke, dash) = match state.as_str() {
            "suspect" => ("#e0a030", " stroke-dasharray=\"2 3\""),
            "lost" => ("#c03030", " stroke-dasharray=\"2 3\""),
            "retired" | "suspended" => continue,
            "untried" | "opened" => ("#d0d0d0", " stroke-dasharray=\"2 3\""),
            _ => ("#d0d0d0", ""),
        };
        let _ = writeln!(
            out,
            "<line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"{stroke}\" stroke-width=\"1.5\"{dash}/>",
            scale.x(*from),
            scale.x(until)
        );
    }
    for (from, until) in segments(&flow.data) {
        // At least as wide as it is high is too much; two pixels are seen.
        let (x, right) = (scale.x(from) - 1.0, scale.x(until) + 1.0);
        let _ = writeln!(
            out,
            "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"12\" rx=\"1\" fill=\"{colour}\"/>",
            y - 6.0,
            right - x
        );
    }
}

/// Times joined to stretches.
fn segments(times: &[f64]) -> Vec<(f64, f64)> {
    let mut out: Vec<(f64, f64)> = Vec::new();
    for &t in times {
        match out.last_mut() {
            Some((_, until)) if t - *until <= TOGETHER => *until = until.max(t),
            _ => out.push((t, t)),
        }
    }
    out
}

/// The flows' paths, in two columns above the figure.
fn legend(out: &mut String, trace: &Trace) {
    let width = (WIDTH - LEFT - RIGHT) / 2.0;
    // About seven pixels to a letter of this size.
    let room = ((width - 34.0) / 7.0) as usize;
    for (index, (id, flow)) in trace.flows.iter().enumerate() {
        let x = LEFT + (index % 2) as f64 * width;
        let y = HEAD + (index / 2) as f64 * LEGEND;
        let colour = COLOURS[index % COLOURS.len()];
        let name = if flow.path.is_empty() { format!("flow {id}") } else { one_line(&flow.path, room) };
        let _ = writeln!(
            out,
            "<line x1=\"{x:.1}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"{colour}\" stroke-width=\"3\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            x + 22.0,
            x + 29.0,
            y + 4.5,
            escaped(&name)
        );
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The next of 1, 2, 5 and their tenfolds.
fn nice_step(least: f64) -> f64 {
    let mut step = 1.0;
    loop {
        for factor in [1.0, 2.0, 5.0] {
            if step * factor >= least {
                return step * factor;
            }
        }
        step *= 10.0;
    }
}

/// A little above `value`, on a mark of the axis.
fn round_up(value: f64) -> f64 {
    let step = nice_step(value / 5.0);
    (value / step).ceil() * step
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_round_numbers() {
        assert_eq!([nice_step(0.3), nice_step(3.0), nice_step(70.0)], [1.0, 5.0, 100.0]);
        assert_eq!(round_up(43.2), 50.0);
    }

    #[test]
    fn datagrams_close_together_are_one_segment() {
        assert_eq!(segments(&[1.0, 1.5, 2.0, 5.0]), [(1.0, 2.0), (5.0, 5.0)]);
    }

    #[test]
    fn a_path_cannot_break_out_of_the_figure() {
        let mut trace = Trace { span: (0.0, 10.0), ..Trace::default() };
        let flow =
            Flow { path: "<script>&".into(), rtt: vec![(0.0, 40.0), (9.0, 9000.0)], ..Flow::default() };
        trace.flows.insert(0, flow);
        let text = svg(&trace);
        assert!(text.contains("&lt;script&gt;&amp;") && !text.contains("<script"));
        assert!(text.contains("≥ 3000"), "{text}");
    }
}
