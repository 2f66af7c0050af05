//! Rows that have moved up or down together: moving them costs a few bytes, writing them again costs all of them.

use super::rows::changed;
use super::writer::{Count, Writer};
use crate::attributes::{Attributes, Color};
use crate::control::{CSI, DECSTBM, DL, IL, REVERSE_INDEX, SD, SU, WHOLE_SCREEN};
use crate::row::Row;
use crate::screen::same_row;
use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::vec::Vec;

/// A region is worth moving when that saves more than it costs to say, in octets.
const PAYS: i32 = 14;
/// Regions that may move in one frame, each by its own distance.
const MOVES: usize = 4;
/// Distances tried for each, those with most rows in favour first.
const TRIED: usize = 3;
/// A row is compared with so many of the same content, so that a screen of equal rows costs little.
const TWINS: usize = 8;

/// Rows `top..=bottom` move by `distance`: up when it is positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Move {
    top: usize,
    bottom: usize,
    distance: i32,
}

/// Moves what has moved on the terminal; the rows as they then are, and about how many octets that saves.
pub(super) fn detect(
    writer: &mut Writer<'_>,
    from: &[Rc<Row>],
    to: &[Rc<Row>],
) -> Option<(Vec<Rc<Row>>, i32)> {
    let (mut saved, found) = best(writer, from, to)?;
    let mut shown = from.to_vec();
    emit(writer, found, to.len());
    apply(&mut shown, found);
    for _ in 1..MOVES {
        let Some((more, found)) = best(writer, &shown, to) else { break };
        saved += more;
        emit(writer, found, to.len());
        apply(&mut shown, found);
    }
    Some((shown, saved))
}

fn apply(shown: &mut [Rc<Row>], moved: Move) {
    let columns = shown[moved.top].cells().len();
    let blank = Rc::new(Row::blank(columns, Attributes::default()));
    let count = moved.distance.unsigned_abs() as usize;
    let region = &mut shown[moved.top..=moved.bottom];
    if moved.distance > 0 {
        region.rotate_left(count);
        let kept = region.len() - count;
        region[kept..].fill(blank);
    } else {
        region.rotate_right(count);
        region[..count].fill(blank);
    }
}

/// The move that saves most, if any pays.
fn best(writer: &Writer<'_>, shown: &[Rc<Row>], to: &[Rc<Row>]) -> Option<(i32, Move)> {
    let (first, last) = changed(shown, to)?;
    if last - first < 1 {
        return None;
    }
    let mut votes: BTreeMap<i32, u32> = BTreeMap::new();
    let mut places: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (row, content) in shown.iter().enumerate().take(last + 1).skip(first) {
        if let Some(hash) = fingerprint(content) {
            let rows = places.entry(hash).or_default();
            if rows.len() < TWINS {
                rows.push(row);
            }
        }
    }
    for row in (first..=last).filter(|&row| !same_row(&shown[row], &to[row])) {
        let rows = fingerprint(&to[row]).and_then(|hash| places.get(&hash));
        for &from in rows.into_iter().flatten().filter(|&&from| from != row) {
            *votes.entry(from as i32 - row as i32).or_default() += 1;
        }
    }
    if votes.is_empty() {
        return None;
    }
    let now: Vec<i32> = (0..to.len()).map(|row| cost(&shown[row], &to[row])).collect();
    let mut distances: Vec<(u32, i32)> =
        votes.into_iter().map(|(distance, votes)| (votes, distance)).collect();
    distances.sort_unstable_by(|a, b| b.cmp(a));
    let tried = distances.iter().take(TRIED);
    let candidates = tried.filter_map(|&(_, distance)| region(shown, to, &now, (first, last), distance));
    let (saved, found) = candidates.max_by_key(|&(saved, _)| saved)?;
    (saved > PAYS && possible(writer, found, to.len())).then_some((saved, found))
}

/// The rows that gain most from moving by `distance`, and what that saves.
fn region(
    shown: &[Rc<Row>],
    to: &[Rc<Row>],
    now: &[i32],
    (first, last): (usize, usize),
    distance: i32,
) -> Option<(i32, Move)> {
    let count = distance.unsigned_abs() as usize;
    // The rows that would receive another's content.
    let (start, end) = if distance > 0 { (first, last.checked_sub(count)?) } else { (first + count, last) };
    let (mut best, mut sum, mut begin) = (None::<(i32, usize, usize)>, 0, start);
    for row in start..=end {
        if sum <= 0 {
            (sum, begin) = (0, row);
        }
        sum += now[row] - cost(&shown[(row as i32 + distance) as usize], &to[row]);
        if best.is_none_or(|(most, ..)| sum > most) {
            best = Some((sum, begin, row));
        }
    }
    let (gain, begin, end) = best?;
    let found = if distance > 0 {
        Move { top: begin, bottom: end + count, distance }
    } else {
        Move { top: begin - count, bottom: end, distance }
    };
    let vacated = if distance > 0 { end + 1..=end + count } else { begin - count..=begin - 1 };
    let loss: i32 = vacated.map(|row| cost_of_blank(&to[row]) - now[row]).sum();
    Some((gain - loss, found))
}

/// What it takes to turn one row into another, about.
fn cost(old: &Rc<Row>, new: &Rc<Row>) -> i32 {
    if Rc::ptr_eq(old, new) {
        return 0;
    }
    let (mut written, mut erased) = (0, 0);
    let (old, new) = old.both(new);
    for (_, new) in old.iter().zip(new).filter(|(old, new)| old != new) {
        if new.is_erased() {
            erased += 1;
        } else {
            written += 1;
        }
    }
    if written + erased == 0 { 0 } else { 4 + written + erased.min(4) }
}

fn cost_of_blank(new: &Row) -> i32 {
    let blank = crate::cell::Cell::default();
    let written = new.used().iter().filter(|cell| **cell != blank).count() as i32;
    if written == 0 { 0 } else { 4 + written }
}

/// A number equal for equal rows; `None` for a row on which nothing is written.
fn fingerprint(row: &Row) -> Option<u64> {
    // FNV-1a over what mostly tells rows apart; every match is checked cell by cell when its cost is counted.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    // Blanks at the end are left out: they may be of any background, or beyond what is used.
    let end = row.used().iter().rposition(|cell| cell.base != ' ').map_or(0, |last| last + 1);
    for cell in &row.used()[..end] {
        hash = (hash ^ u64::from(u32::from(cell.base))).wrapping_mul(0x0100_0000_01b3);
    }
    (end > 0).then_some(hash)
}

fn possible(writer: &Writer<'_>, moved: Move, rows: usize) -> bool {
    let vocabulary = writer.vocabulary;
    let whole = moved.top == 0 && moved.bottom + 1 == rows;
    (whole && vocabulary.edges) || vocabulary.scroll_region || vocabulary.insert_line
}

fn emit(writer: &mut Writer<'_>, moved: Move, rows: usize) {
    let count = moved.distance.unsigned_abs();
    let (top, bottom) = (moved.top as u16, moved.bottom as u16);
    let up = moved.distance > 0;
    let (to_bottom, whole) = (moved.bottom + 1 == rows, moved.top == 0 && moved.bottom + 1 == rows);
    writer.set_erase_color(Color::Default);
    if whole {
        scroll(writer, top, bottom, count, up);
    } else if writer.vocabulary.insert_line && to_bottom {
        lines(writer, top, count, up);
    } else if writer.vocabulary.scroll_region {
        writer.sequence(format_args!("{CSI}{};{}{DECSTBM}", top + 1, bottom + 1));
        writer.moved(0, 0);
        scroll(writer, top, bottom, count, up);
        writer.sequence(format_args!("{WHOLE_SCREEN}"));
        writer.moved(0, 0);
    } else {
        let (leave, enter) =
            if up { (top, bottom + 1 - count as u16) } else { (bottom + 1 - count as u16, top) };
        lines(writer, leave, count, true);
        lines(writer, enter, count, false);
    }
}

/// Scrolls the region whose margins are set.
fn scroll(writer: &mut Writer<'_>, top: u16, bottom: u16, count: u32, up: bool) {
    let edge = if up { bottom } else { top };
    let at_edge = writer.position().is_some_and(|(row, _)| row == edge);
    if writer.vocabulary.scroll && !(up && at_edge && count <= 4) {
        writer.sequence(format_args!("{CSI}{}{}", Count(count), if up { SU } else { SD }));
        return;
    }
    if !at_edge {
        writer.move_to(edge, 0);
    }
    for _ in 0..count {
        writer.sequence(format_args!("{}", if up { "\n" } else { REVERSE_INDEX }));
    }
}

/// DL or IL at `row`.
fn lines(writer: &mut Writer<'_>, row: u16, count: u32, delete: bool) {
    writer.move_to_row(row);
    writer.sequence(format_args!("{CSI}{}{}", Count(count), if delete { DL } else { IL }));
    writer.lost_column(row);
}
