//! The figure: above, the round trip of each flow over time; below, a row per flow with what it carried.
//!
//! Contract: what comes out are marks on a page, the same for every format. Nobody sees half a pixel: a trace of any length
//! makes a few thousand marks.

use super::trace::{FlowTrace, Stretches, Trace};
use crate::text::sanitize::one_line;

const WIDTH: f64 = 960.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 24.0;
/// Above the figure, without the legend.
const HEAD: f64 = 24.0;
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
/// What a letter takes, about, in pixels.
const LETTER: f64 = 6.9;

/// Colours that stay apart for colour-blind readers (Okabe and Ito).
const COLOURS: [Colour; 7] = [
    Colour(0x00, 0x72, 0xb2),
    Colour(0xd5, 0x5e, 0x00),
    Colour(0x00, 0x9e, 0x73),
    Colour(0xcc, 0x79, 0xa7),
    Colour(0xe6, 0x9f, 0x00),
    Colour(0x56, 0xb4, 0xe9),
    Colour(0x55, 0x55, 0x55),
];
const INK: Colour = Colour(0x22, 0x22, 0x22);
const FAINT: Colour = Colour(0x60, 0x60, 0x60);
const FRAME: Colour = Colour(0x99, 0x99, 0x99);
const GRID: Colour = Colour(0xea, 0xea, 0xea);
const THERE: Colour = Colour(0xc8, 0xc8, 0xc8);
const SUSPECT: Colour = Colour(0xe0, 0xa0, 0x30);
const LOST: Colour = Colour(0xc0, 0x30, 0x30);

/// Red, green, blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Colour(pub(super) u8, pub(super) u8, pub(super) u8);

impl Colour {
    /// As much of the colour, the rest white.
    fn tint(self, part: f64) -> Self {
        let mix = |value: u8| (255.0 - (255.0 - f64::from(value)) * part).round() as u8;
        Self(mix(self.0), mix(self.1), mix(self.2))
    }
}

/// Where a text's place is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// Something drawn. Places are in pixels from the upper left corner.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Mark {
    /// A line through points.
    Line { points: Vec<(f64, f64)>, colour: Colour, width: f64, dotted: bool },
    /// A filled rectangle.
    Block { x: f64, y: f64, width: f64, height: f64, colour: Colour },
    /// A line of text on its baseline; `upright`: it runs upwards.
    Text { x: f64, y: f64, text: String, anchor: Anchor, colour: Colour, upright: bool },
}

/// The size of the letters, in pixels.
pub(super) const TEXT: f64 = 13.0;

/// A page.
#[derive(Debug)]
pub(super) struct Figure {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) marks: Vec<Mark>,
}

impl Figure {
    fn line(&mut self, points: &[(f64, f64)], colour: Colour, width: f64) {
        self.marks.push(Mark::Line { points: points.to_vec(), colour, width, dotted: false });
    }

    fn block(&mut self, x: f64, y: f64, width: f64, height: f64, colour: Colour) {
        self.marks.push(Mark::Block { x, y, width, height, colour });
    }

    fn frame(&mut self, x: f64, y: f64, width: f64, height: f64) {
        let (right, foot) = (x + width, y + height);
        self.line(&[(x, y), (right, y), (right, foot), (x, foot), (x, y)], FRAME, 1.0);
    }

    fn text(&mut self, x: f64, y: f64, text: impl Into<String>, anchor: Anchor, colour: Colour) {
        self.marks.push(Mark::Text { x, y, text: text.into(), anchor, colour, upright: false });
    }
}

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
pub(super) fn draw(trace: &Trace) -> Figure {
    let highest =
        trace.flows.values().flat_map(|flow| &flow.rtt).fold(0.0_f64, |high, (_, rtt)| high.max(*rtt));
    let capped = highest >= CAP;
    let scale = Scale {
        top: HEAD + trace.flows.len().div_ceil(2) as f64 * LEGEND,
        start: trace.span.0,
        seconds: (trace.span.1 - trace.span.0).max(1.0),
        milliseconds: if capped { CAP } else { round_up(highest.max(2.0) * 1.08) },
    };
    let rows = trace.flows.len() as f64;
    let lower = scale.top + RTT_HEIGHT + GAP;
    let mut figure = Figure { width: WIDTH, height: lower + rows * ROW + BOTTOM, marks: Vec::new() };
    let colour = |index: usize| COLOURS[index % COLOURS.len()];
    let middle = |index: usize| lower + (index as f64 + 0.5) * ROW;
    for (index, id) in trace.flows.keys().enumerate() {
        carriers(&mut figure, &scale, trace, *id, colour(index), middle(index));
    }
    axes(&mut figure, &scale, lower, rows, capped);
    for (index, flow) in trace.flows.values().enumerate() {
        round_trips(&mut figure, &scale, flow, colour(index));
    }
    for (index, (id, flow)) in trace.flows.iter().enumerate() {
        row(&mut figure, &scale, *id, flow, colour(index), middle(index));
    }
    legend(&mut figure, trace);
    figure
}

fn axes(figure: &mut Figure, scale: &Scale, lower: f64, rows: f64, capped: bool) {
    let top = scale.top;
    let (right, base, foot) = (WIDTH - RIGHT, top + RTT_HEIGHT, lower + rows * ROW);
    for value in marks(scale.milliseconds, 5.0) {
        let y = scale.y(value);
        let at_least = if capped && value >= CAP { "≥ " } else { "" };
        figure.line(&[(LEFT, y), (right, y)], GRID, 1.0);
        figure.text(LEFT - 8.0, y + 4.5, format!("{at_least}{value}"), Anchor::End, INK);
    }
    for value in marks(scale.seconds, 9.0) {
        let x = scale.x(scale.start + value);
        figure.line(&[(x, top), (x, base)], GRID, 1.0);
        figure.line(&[(x, lower), (x, foot)], GRID, 1.0);
        figure.text(x, foot + 20.0, format!("{value}"), Anchor::Middle, INK);
    }
    figure.frame(LEFT, top, right - LEFT, RTT_HEIGHT);
    figure.frame(LEFT, lower, right - LEFT, rows * ROW);
    figure.text((LEFT + right) / 2.0, foot + 42.0, "time (s)", Anchor::Middle, INK);
    figure.text(
        LEFT,
        lower - 10.0,
        "data sent (upper) and received (lower) on each flow; shaded: the chosen one",
        Anchor::Start,
        FAINT,
    );
    figure.marks.push(Mark::Text {
        x: 18.0,
        y: top + RTT_HEIGHT / 2.0,
        text: "smoothed round trip (ms)".into(),
        anchor: Anchor::Middle,
        colour: INK,
        upright: true,
    });
}

/// One flow's round trip: a line, broken where the flow was silent.
fn round_trips(figure: &mut Figure, scale: &Scale, flow: &FlowTrace, colour: Colour) {
    let mut points: Vec<(f64, f64)> = Vec::new();
    let mut column = Column::default();
    let mut last = f64::NEG_INFINITY;
    let mut draw = |points: &mut Vec<(f64, f64)>, column: &mut Column| {
        column.empty_into(points);
        if let [(x, y)] = points[..] {
            points.push((x + 0.5, y));
        }
        if !points.is_empty() {
            figure.line(points, colour, 2.0);
            points.clear();
        }
    };
    for &(t, rtt) in &flow.rtt {
        if t - last > SILENCE {
            draw(&mut points, &mut column);
        }
        last = t;
        let place = (scale.x(t), scale.y(rtt));
        if !column.add(place) {
            column.empty_into(&mut points);
            column.add(place);
        }
    }
    draw(&mut points, &mut column);
}

/// The points of half a pixel's width: of many only the first, the highest, the lowest and the last are seen.
#[derive(Default)]
struct Column {
    points: Vec<(f64, f64)>,
}

impl Column {
    /// Adds a point, unless it belongs to the next column.
    fn add(&mut self, (x, y): (f64, f64)) -> bool {
        if self.points.first().is_some_and(|(first, _)| x - first >= 0.5) {
            return false;
        }
        // First, lowest, highest, last.
        match &mut self.points[..] {
            [_, low, high, last] => {
                *last = (x, y);
                if y < low.1 {
                    *low = (x, y);
                } else if y > high.1 {
                    *high = (x, y);
                }
            }
            _ => self.points.resize(4, (x, y)),
        }
        true
    }

    fn empty_into(&mut self, out: &mut Vec<(f64, f64)>) {
        if let [_, low, high, _] = &mut self.points[..]
            && low.0 > high.0
        {
            std::mem::swap(low, high);
        }
        for point in self.points.drain(..) {
            if out.last() != Some(&point) {
                out.push(point);
            }
        }
    }
}

/// Behind a flow's row: when it was the chosen one.
fn carriers(figure: &mut Figure, scale: &Scale, trace: &Trace, id: u32, colour: Colour, y: f64) {
    let until = |index: usize| trace.chosen.get(index + 1).map_or(trace.span.1, |(next, _)| *next);
    let spans = trace.chosen.iter().enumerate().filter(|(_, (_, chosen))| *chosen == Some(id));
    let spans =
        spans.map(|(index, (from, _))| (scale.x(*from), scale.x(until(index)).max(scale.x(*from) + 0.5)));
    blocks(figure, spans, y - ROW / 2.0, ROW, colour.tint(0.16));
}

/// How a flow's line is drawn; what is graver is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Look {
    Nothing,
    There,
    Untried,
    Suspect,
    Lost,
}

impl Look {
    fn of(state: &str) -> Self {
        match state {
            "suspect" => Self::Suspect,
            "lost" => Self::Lost,
            "retired" | "down" => Self::Nothing,
            "untried" | "opened" => Self::Untried,
            _ => Self::There,
        }
    }

    fn colour(self) -> Colour {
        match self {
            Self::Suspect => SUSPECT,
            Self::Lost => LOST,
            Self::Nothing | Self::There | Self::Untried => THERE,
        }
    }
}

/// Joins what follows on each other and looks the same. Of what is less than half a pixel wide the gravest is seen.
fn joined(spans: impl Iterator<Item = (f64, f64, Look)>) -> Vec<(f64, f64, Look)> {
    let mut joined: Vec<(f64, f64, Look)> = Vec::new();
    for (from, until, look) in spans {
        match joined.last_mut() {
            Some((_, end, last)) if *last == look => *end = until,
            Some((start, end, last)) if *end - *start < 0.5 && until - *start <= 0.5 => {
                (*end, *last) = (until, look.max(*last));
            }
            Some((start, end, _)) if *end - *start < 0.5 => {
                *end = *start + 0.5;
                let from = *end;
                joined.push((from, until, look));
            }
            _ => joined.push((from, until, look)),
        }
    }
    joined
}

/// One flow's row: when it was there, when it was in doubt, and the stretches of what it carried.
fn row(figure: &mut Figure, scale: &Scale, id: u32, flow: &FlowTrace, colour: Colour, y: f64) {
    let end = scale.start + scale.seconds;
    let name = match flow.interface.as_str() {
        "" => format!("flow {id}"),
        interface => format!("{id} {}", one_line(interface, 7)),
    };
    figure.text(LEFT - 8.0, y + 4.5, name, Anchor::End, colour);
    let until = |index: usize| flow.states.get(index + 1).map_or(end, |(next, _)| *next);
    let spans = flow.states.iter().enumerate();
    let spans = spans.map(|(index, (from, state))| (scale.x(*from), scale.x(until(index)), Look::of(state)));
    for (from, until, look) in joined(spans).into_iter().filter(|(_, _, look)| *look != Look::Nothing) {
        let (points, dotted) = (vec![(from, y), (until, y)], look != Look::There);
        figure.marks.push(Mark::Line { points, colour: look.colour(), width: 1.5, dotted });
    }
    stretches(figure, scale, &flow.sent, colour, y - 8.0);
    stretches(figure, scale, &flow.received, colour.tint(0.55), y + 1.0);
}

fn stretches(figure: &mut Figure, scale: &Scale, stretches: &Stretches, colour: Colour, y: f64) {
    // One datagram is two pixels wide, to be seen.
    let spans = stretches.0.iter().map(|(from, until)| (scale.x(*from) - 1.0, scale.x(*until) + 1.0));
    blocks(figure, spans, y, 7.0, colour);
}

/// Blocks in a row, those that nobody could tell apart as one.
fn blocks(figure: &mut Figure, spans: impl Iterator<Item = (f64, f64)>, y: f64, height: f64, colour: Colour) {
    let mut drawn: Option<(f64, f64)> = None;
    for (x, right) in spans {
        drawn = match drawn {
            Some((start, end)) if x - end < 0.5 => Some((start, right.max(end))),
            other => {
                if let Some((start, end)) = other {
                    figure.block(start, y, end - start, height, colour);
                }
                Some((x, right))
            }
        };
    }
    if let Some((start, end)) = drawn {
        figure.block(start, y, end - start, height, colour);
    }
}

/// The flows' paths, in two columns above the figure.
fn legend(figure: &mut Figure, trace: &Trace) {
    let width = (WIDTH - LEFT - RIGHT) / 2.0;
    let room = ((width - 40.0) / LETTER) as usize;
    for (index, (id, flow)) in trace.flows.iter().enumerate() {
        let x = LEFT + (index % 2) as f64 * width;
        let y = HEAD + (index / 2) as f64 * LEGEND;
        figure.line(&[(x, y), (x + 22.0, y)], COLOURS[index % COLOURS.len()], 3.0);
        let name = match flow.path.as_str() {
            "" => format!("flow {id}"),
            path => one_line(&format!("{id} {}: {path}", flow.interface), room),
        };
        figure.text(x + 30.0, y + 4.5, name, Anchor::Start, INK);
    }
}

/// The marks of an axis from 0 to `end`, about so many.
fn marks(end: f64, count: f64) -> impl Iterator<Item = f64> {
    let step = nice_step(end / count);
    (0..).map(move |n| f64::from(n) * step).take_while(move |value| *value <= end * 1.0001)
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
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn trace() -> Trace {
        let mut trace = Trace { span: (0.0, 10.0), chosen: vec![(0.0, Some(0))], ..Trace::default() };
        let flow = FlowTrace {
            interface: "<script>&".into(),
            path: "a to b".into(),
            rtt: vec![(0.0, 40.0), (1.0, 80.0), (9.0, 9000.0)],
            sent: Stretches(vec![(1.0, 2.0), (5.0, 5.0)]),
            states: vec![(0.0, "opened".into()), (1.0, "answering".into()), (4.0, "lost".into())],
            ..FlowTrace::default()
        };
        trace.flows.insert(0, flow);
        trace
    }

    #[test]
    fn marks_are_round_numbers() {
        assert_eq!([nice_step(0.3), nice_step(3.0), nice_step(70.0)], [1.0, 5.0, 100.0]);
        assert_eq!(round_up(43.2), 50.0);
        assert_eq!(marks(10.0, 5.0).collect::<Vec<_>>(), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
    }

    #[test]
    fn a_silence_breaks_the_line_and_every_place_is_on_the_page() {
        let figure = draw(&trace());
        let lines: Vec<_> = figure
            .marks
            .iter()
            .filter_map(|mark| match mark {
                Mark::Line { points, colour, width: 2.0, .. } if *colour == COLOURS[0] => Some(points.len()),
                _ => None,
            })
            .collect();
        assert_eq!(lines, [2, 2], "two points, and one that stands alone");
        for mark in &figure.marks {
            let (x, y) = match mark {
                Mark::Line { points, .. } => points[0],
                Mark::Block { x, y, .. } | Mark::Text { x, y, .. } => (*x, *y),
            };
            assert!((0.0..=figure.width).contains(&x) && (0.0..=figure.height).contains(&y), "{mark:?}");
        }
        assert!(figure.marks.iter().any(|mark| matches!(mark, Mark::Text { text, .. } if text == "≥ 3000")));
    }

    #[test]
    fn of_what_is_too_short_to_be_seen_the_gravest_is() {
        use Look::{Lost, Suspect, There};
        let looks = [
            (0.0, 10.0, There),
            (10.0, 10.1, Suspect),
            (10.1, 10.2, Lost),
            (10.2, 20.0, There),
            (20.0, 25.0, There),
            (25.0, 30.0, Suspect),
        ];
        let seen = [(0.0, 10.0, There), (10.0, 10.5, Lost), (10.5, 25.0, There), (25.0, 30.0, Suspect)];
        assert_eq!(joined(looks.into_iter()), seen);
    }

    #[test]
    fn a_long_trace_makes_a_small_figure_that_keeps_its_peaks() {
        let mut trace = trace();
        let noise = |n: u32| f64::from(n.wrapping_mul(2_654_435_761) >> 22);
        let flow = trace.flows.get_mut(&0).unwrap();
        flow.rtt = (0..500_000).map(|n| (f64::from(n) / 50_000.0, noise(n))).collect();
        flow.sent = Stretches((0..100_000).map(|n| (f64::from(n) / 1e4, f64::from(n) / 1e4)).collect());
        let flaps = |n: u32| {
            (f64::from(n) / 5000.0, if n.is_multiple_of(2) { "suspect" } else { "answering" }.to_owned())
        };
        flow.states = (0..50_000).map(flaps).collect();
        let highest = flow.rtt.iter().fold(0.0_f64, |high, (_, rtt)| high.max(*rtt));
        trace.chosen =
            (0..50_000).map(|n: u32| (f64::from(n) / 5000.0, n.is_multiple_of(2).then_some(0))).collect();
        let figure = draw(&trace);
        let points: Vec<(f64, f64)> = figure
            .marks
            .iter()
            .filter_map(|mark| match mark {
                Mark::Line { points, width: 2.0, .. } => Some(points.clone()),
                _ => None,
            })
            .flatten()
            .collect();
        assert!(points.len() < 8000 && figure.marks.len() < 2000, "{} {}", points.len(), figure.marks.len());
        let top = points.iter().fold(f64::INFINITY, |top, (_, y)| top.min(*y));
        let scale = Scale { top: HEAD + LEGEND, start: 0.0, seconds: 10.0, milliseconds: 1500.0 };
        assert!((top - scale.y(highest)).abs() < 1e-6, "{top} {}", scale.y(highest));
    }
}
