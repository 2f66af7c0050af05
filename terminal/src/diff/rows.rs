//! The grid, row by row.

use super::disputed::{self, Disputed};
use super::scroll;
use super::writer::{Count, Writer};
use crate::attributes::Color;
use crate::cell::Cell;
use crate::control::{CLEAR_BELOW, CLEAR_ROW, CSI, DCH, ECH, ICH, REP};
use crate::row::Row;
use crate::screen::same_row;
use alloc::rc::Rc;

/// Erasing with ECH and stepping over what was erased costs about this much more than nothing.
const ECH_PAYS: usize = 9;
/// A run longer than this is shorter as REP.
const REP_PAYS: usize = 6;
/// Blanks at the end of a row longer than this are shorter as EL.
const EL_PAYS: usize = 3;

/// The most columns that a row's rest is tried to be moved by ICH or DCH.
const SHIFT_FAR: usize = 16;
/// When moving rows is thought to save less than this, in octets, it is held against not moving them.
const DOUBTFUL: i32 = 200;

/// Turns `from` into `to`. `false` when there was nothing to draw.
pub(super) fn draw(writer: &mut Writer<'_>, from: &[Rc<Row>], to: &[Rc<Row>]) -> bool {
    if changed(from, to).is_none() {
        return false;
    }
    let unmoved = writer.clone();
    let Some((moved, saved)) = scroll::detect(writer, from, to) else {
        draw_rows(writer, from, to);
        return true;
    };
    draw_rows(writer, &moved, to);
    if saved < DOUBTFUL {
        writer.rather(unmoved, |writer| draw_rows(writer, from, to));
    }
    true
}

fn draw_rows(writer: &mut Writer<'_>, shown: &[Rc<Row>], to: &[Rc<Row>]) {
    let Some((first, last)) = changed(shown, to) else { return };
    let ended = if first < last { ended(writer, shown, to) } else { None };
    let mut continued = false;
    for row in first..=last {
        if Some(row) == ended && !continued {
            writer.move_to(row as u16, 0);
            writer.set_erase_color(to[row].cells()[0].attributes.background);
            writer.sequence(format_args!("{CLEAR_BELOW}"));
            return;
        }
        let (old, new) = (&shown[row], &to[row]);
        let same = same_row(old, new);
        // A row that newly goes on in the next is written past the margin, so that who copies text gets one line.
        let goes_on = writer.vocabulary.soft_wrap
            && new.is_wrapped()
            && !old.is_wrapped()
            && row < last
            && !(same && same_row(&shown[row + 1], &to[row + 1]));
        if !same || goes_on || continued {
            draw_row(writer, row as u16, old, new, continued, goes_on);
        }
        continued = goes_on;
    }
}

/// The first row to change of those that one ED blanks, when there is more than one.
fn ended(writer: &Writer<'_>, shown: &[Rc<Row>], to: &[Rc<Row>]) -> Option<usize> {
    let end = to.last()?.cells().last()?;
    let blank = |row: &Rc<Row>| row.is_all(end);
    if !erasable(writer, end) {
        return None;
    }
    let start = to.iter().rposition(|row| !blank(row)).map_or(0, |before| before + 1);
    let mut changes = (start..to.len()).filter(|&row| !same_row(&shown[row], &to[row]));
    let first = changes.next()?;
    changes.next().map(|_| first)
}

/// The first and the last row that differ.
pub(super) fn changed(from: &[Rc<Row>], to: &[Rc<Row>]) -> Option<(usize, usize)> {
    let first = from.iter().zip(to).position(|(a, b)| !same_row(a, b))?;
    let last = from.iter().zip(to).rposition(|(a, b)| !same_row(a, b))?;
    Some((first, last))
}

/// What a row needs.
struct Needs<'a> {
    old: &'a [Cell],
    new: &'a [Cell],
    /// Write the first, the last cell whether it differs or not.
    first: bool,
    last: bool,
    disputed: Disputed,
}

impl Needs<'_> {
    fn writes(&self, column: usize) -> bool {
        self.differs(column) || self.disputed.forces(column)
    }

    fn differs(&self, column: usize) -> bool {
        self.old[column] != self.new[column]
            || (self.new[column].width == 2 && self.old[column + 1] != self.new[column + 1])
            || (self.first && column == 0)
            || (self.last && column + usize::from(self.new[column].width.max(1)) == self.new.len())
    }
}

fn draw_row(writer: &mut Writer<'_>, row: u16, old: &Row, new: &Row, continued: bool, goes_on: bool) {
    let moved = if continued || goes_on { None } else { shift(writer, old, new) };
    let Some(moved) = moved else {
        draw_cells(writer, row, old, new, continued, goes_on);
        return;
    };
    let unmoved = writer.clone();
    let shifted = moved.emit(writer, row, old);
    draw_cells(writer, row, &shifted, new, false, false);
    writer.rather(unmoved, |writer| draw_cells(writer, row, old, new, false, false));
}

fn draw_cells(writer: &mut Writer<'_>, row: u16, old: &Row, new: &Row, continued: bool, goes_on: bool) {
    let disputed = Disputed::default();
    let mut needs = Needs { old: old.cells(), new: new.cells(), first: continued, last: goes_on, disputed };
    if !writer.vocabulary.exact {
        needs.disputed = Disputed::of(old, new, |column| needs.differs(column));
    }
    let cells = new.cells();
    let columns = cells.len();
    // Beyond what either has used they are alike.
    let end = if goes_on { columns } else { old.both(new).1.len().max(needs.disputed.end()) };
    let tail = tail(writer, new, &needs, end);
    let mut column = 0;
    while column < end {
        let cell = &cells[column];
        let width = usize::from(cell.width.max(1));
        if cell.width == 0 || !needs.writes(column) {
            column += 1;
            continue;
        }
        if column >= tail {
            position(writer, row, column, cells);
            writer.set_erase_color(cell.attributes.background);
            writer.sequence(format_args!("{CLEAR_ROW}"));
            return;
        }
        let wraps = column == 0 && continued && writer.wraps_onto(row);
        if let Some(group) = needs.disputed.starting_at(column) {
            if !wraps {
                position(writer, row, column, cells);
            }
            // What the last glyph may be drawn on, when it is blank anyway, is made so before that.
            let after = group.end;
            let blank = cells.get(after).is_some_and(Cell::is_blank) && needs.writes(after);
            let blanks = after..after + usize::from(blank);
            column = blanks.end;
            disputed::draw(writer, row, cells, group, blanks);
            continue;
        }
        let run = blank_run(writer, &cells[column..tail.max(column)]);
        let written = (column..column + run).filter(|&column| needs.writes(column)).count();
        if !wraps && writer.vocabulary.ech && written > ECH_PAYS {
            let blank =
                (column..column + run).rposition(|column| needs.writes(column)).map_or(run, |last| last + 1);
            position(writer, row, column, cells);
            writer.set_erase_color(cell.attributes.background);
            writer.sequence(format_args!("{CSI}{blank}{ECH}"));
            column += blank;
            // When the last cell is to be written for the wrap's sake, it must be printed.
            if goes_on && column == columns {
                column -= 1;
                position(writer, row, column, cells);
                writer.print(&cells[column]);
                column += 1;
            }
            continue;
        }
        if !wraps {
            position(writer, row, column, cells);
        }
        writer.print(cell);
        column += width;
        let run = if repeatable(writer, cell) {
            cells[column..].iter().take_while(|next| *next == cell).count()
        } else {
            0
        };
        if run * cell.base.len_utf8() > REP_PAYS {
            writer.sequence(format_args!("{CSI}{run}{REP}"));
            column += run;
            writer.moved(row, column as u16);
        }
    }
}

/// Whether REP says `cell` again. Whether a terminal repeats what is beyond ASCII is only known of our own.
fn repeatable(writer: &Writer<'_>, cell: &Cell) -> bool {
    writer.vocabulary.rep
        && cell.width == 1
        && cell.marks().is_empty()
        && (cell.base.is_ascii() || writer.vocabulary.exact)
}

/// ICH or DCH, where the rest of a row has moved.
struct Shift {
    column: usize,
    count: usize,
    delete: bool,
}

impl Shift {
    /// Moves it on the terminal; the row as it then is.
    fn emit(&self, writer: &mut Writer<'_>, row: u16, old: &Row) -> Row {
        writer.move_to(row, self.column as u16);
        writer.set_erase_color(Color::Default);
        writer.sequence(format_args!(
            "{CSI}{}{}",
            Count(self.count as u32),
            if self.delete { DCH } else { ICH }
        ));
        let mut shifted = old.clone();
        shifted.shift(self.column..old.cells().len(), self.count, self.delete, crate::Attributes::default());
        shifted
    }
}

/// The move of a row's rest after which fewest cells differ, if any helps.
fn shift(writer: &Writer<'_>, old: &Row, new: &Row) -> Option<Shift> {
    let (old, new) = old.both(new);
    let column = old.iter().zip(new).position(|(old, new)| old != new)?;
    let (before, after) = (&old[column..], &new[column..]);
    let differing = |old: &[Cell], new: &[Cell]| old.iter().zip(new).filter(|(old, new)| old != new).count();
    let worst = differing(before, after);
    let narrow = |cell: &Cell| cell.width == 1;
    let whole = before[0].width > 0 && after[0].width > 0;
    let disputed = |cells: &[Cell]| !writer.vocabulary.exact && cells.iter().any(Cell::is_disputed);
    if !writer.vocabulary.insert_char
        || worst <= 2
        || disputed(old)
        || disputed(new)
        || !(whole && writer.vocabulary.exact || before.iter().chain(after).all(narrow))
    {
        return None;
    }
    // The character that was here is now so much to the right, or the one that is here was.
    let far = SHIFT_FAR.min(before.len() - 1);
    let inserted = (1..=far).filter(|&by| after[by] == before[0] && !before[0].is_erased());
    let deleted = (1..=far).filter(|&by| before[by] == after[0] && !after[0].is_erased());
    let inserted = inserted.map(|by| (differing(before, &after[by..]) + by, by, false));
    let deleted = deleted.map(|by| (differing(&before[by..], after) + by, by, true));
    let (cost, count, delete) = inserted.chain(deleted).min()?;
    (cost < worst).then_some(Shift { column, count, delete })
}

/// Where the blanks begin that EL can make, of which those to write end at `end`; the row's length when it does not pay.
fn tail(writer: &Writer<'_>, new: &Row, needs: &Needs<'_>, end: usize) -> usize {
    let columns = new.cells().len();
    let Some(last) = new.cells().last() else { return columns };
    if needs.last || !erasable(writer, last) {
        return columns;
    }
    let start = new.end_run().max(usize::from(needs.first));
    let written = (start..end).filter(|&column| needs.writes(column)).count();
    if written > EL_PAYS { start } else { columns }
}

fn erasable(writer: &Writer<'_>, cell: &Cell) -> bool {
    cell.is_erased() && (writer.vocabulary.bce || cell.attributes == crate::Attributes::default())
}

/// How many cells from the first on an erase can make.
fn blank_run(writer: &Writer<'_>, cells: &[Cell]) -> usize {
    match cells.first() {
        Some(first) if erasable(writer, first) => cells.iter().take_while(|cell| *cell == first).count(),
        _ => 0,
    }
}

/// Brings the cursor to `row`, `column`: by writing the cells between again where that is shortest.
pub(super) fn position(writer: &mut Writer<'_>, row: u16, column: usize, cells: &[Cell]) {
    if let Some((at, from)) = writer.position()
        && at == row
        && usize::from(from) < column
        && column - usize::from(from) <= writer.motion_cost(row, column as u16)
    {
        let between = &cells[usize::from(from)..column];
        let plain = |cell: &Cell| cell.base.is_ascii() && cell.width == 1 && cell.looks_like(writer.pen());
        let covered = cells[..usize::from(from)].last().is_some_and(Cell::is_disputed);
        if !covered && between.iter().all(|cell| plain(cell) && cell.marks().is_empty()) {
            between.iter().for_each(|cell| writer.print(cell));
            return;
        }
    }
    writer.move_to(row, column as u16);
}
