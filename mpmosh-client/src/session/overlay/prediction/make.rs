//! Making guesses: what a key does to the line that the cursor is on.

use super::guess::CursorGuess;
use super::{Effect, Prediction};
use net::Instant;
use terminal::{Cell, Color, Flags, Pen, Screen, Size};

/// One line as it is expected to be; `None`: something, but not known what.
type ExpectedRow = Vec<Option<Cell>>;

impl Prediction {
    /// The guess where the cursor is, of the present epoch.
    fn cursor(&mut self, screen: &Screen) -> (u16, u16) {
        let (row, column) = match self.cursors.last() {
            Some(cursor) => (cursor.row, cursor.column),
            None => {
                let actual = (screen.cursor().row, screen.cursor().column);
                // No key has brought it here: the program may be asking something new.
                if self.settled.replace(actual).is_some_and(|settled| settled != actual) {
                    self.become_tentative();
                }
                actual
            }
        };
        self.set_cursor(row, column);
        (row, column)
    }

    pub(super) fn set_cursor(&mut self, row: u16, column: u16) {
        let guess = CursorGuess { row, column, epoch: self.epoch, frame: self.frame };
        match self.cursors.last_mut() {
            Some(last) if last.epoch == guess.epoch => *last = guess,
            _ => self.cursors.push(guess),
        }
    }

    fn line(&self, row: u16, screen: &Screen) -> ExpectedRow {
        let expected = |column| match self.cells.get(&(row, column)) {
            Some(guess) => guess.replacement.clone(),
            None => screen.cell(row, column).cloned(),
        };
        (0..screen.size().columns).map(expected).collect()
    }

    /// Guesses that a row will be `line` from `column` on; what lies beyond `typed` has only moved.
    fn set_line(&mut self, at: (u16, u16), typed: u16, line: &[Option<Cell>], screen: &Screen, now: Instant) {
        let (row, column) = at;
        for (column, cell) in (0..).zip(line).skip(usize::from(column)) {
            let moved = column >= typed;
            let known = self.cells.contains_key(&(row, column));
            if moved && !known && cell.as_ref() == screen.cell(row, column) {
                continue;
            }
            let (epoch, frame, quiet) = (self.epoch, self.frame, moved && self.effect == Effect::LeavesRest);
            let guess = self.cells.entry((row, column)).or_default();
            guess.renew(screen.cell(row, column), cell.clone());
            (guess.epoch, guess.frame, guess.at) = (epoch, frame, now);
            (guess.moved, guess.quiet) = (moved, quiet);
        }
    }

    pub(super) fn print(&mut self, character: char, screen: &Screen, now: Instant) {
        let (row, column) = self.cursor(screen);
        let mut line = self.line(row, screen);
        let columns = edge(&line, (row, column), screen);
        let left = left_of(&line, column);
        let neighbour = left.and_then(|left| line[usize::from(left)].clone());
        if let (Some(left), Some(joined)) = (left, neighbour.as_ref().and_then(|cell| cell.joined(character)))
        {
            line[usize::from(left)] = Some(joined);
            self.set_line((row, left), column, &line[..usize::from(column)], screen, now);
            return;
        }
        let pen = neighbour.as_ref().map_or_else(|| screen.pen().clone(), Cell::pen);
        let cell = Cell::of_char(character, &pen);
        let Some(cell) = cell.filter(|cell| column + u16::from(cell.width()) <= columns) else {
            self.become_tentative();
            return;
        };
        let after = column + u16::from(cell.width());
        if after >= columns {
            // Nobody knows which of the two ways to wrap the program has.
            self.become_tentative();
        }
        line.truncate(usize::from(columns));
        let rest = &line[usize::from(column)..];
        let stays = neighbour.is_some_and(|left| is_suggestion(&left, rest)) || right_prompt(rest).is_some();
        if self.effect == Effect::Overwrites || stays {
            put(&mut line, column, &cell);
            self.set_line((row, column), after, &line[..usize::from(after)], screen, now);
        } else {
            insert(&mut line, column, &cell);
            self.set_line((row, column), after, &line, screen, now);
        }
        if after < columns {
            self.set_cursor(row, after);
        } else {
            self.become_tentative();
            self.new_line(screen, now);
        }
    }

    pub(super) fn backspace(&mut self, screen: &Screen, now: Instant) {
        let (row, column) = self.cursor(screen);
        let mut line = self.line(row, screen);
        let Some(left) = left_of(&line, column) else {
            self.turn_back(row, screen);
            return;
        };
        self.set_cursor(row, left);
        if self.effect == Effect::Overwrites {
            for cell in line[usize::from(left)..usize::from(column)].iter_mut().flatten() {
                *cell = Cell::blank(cell.attributes());
            }
            self.set_line((row, left), column, &line[..usize::from(column)], screen, now);
            return;
        }
        line.truncate(usize::from(edge(&line, (row, column), screen)));
        if let Some(start) = right_prompt(&line[usize::from(column)..]) {
            let blank = line[usize::from(column)].clone();
            line.truncate(usize::from(column) + start);
            let length = line.len();
            line.drain(usize::from(left)..usize::from(column));
            line.resize(length, blank);
        } else {
            let length = line.len();
            line.drain(usize::from(left)..usize::from(column));
            // What comes in from the right margin is not known, and whether the last column went on in the next row.
            line.pop();
            line.resize(length, None);
        }
        self.set_line((row, left), left, &line, screen, now);
    }

    /// From the first column back into the row above: where programs do so at all, it is where a line is wrapped.
    fn turn_back(&mut self, row: u16, screen: &Screen) {
        self.become_tentative();
        if let Some(above) = row.checked_sub(1) {
            self.set_cursor(above, screen.size().columns - 1);
        }
    }

    pub(super) fn move_cursor(&mut self, right: bool, screen: &Screen) {
        let (row, column) = self.cursor(screen);
        let line = self.line(row, screen);
        let wide = line[usize::from(column)].as_ref().is_some_and(|cell| cell.width() == 2);
        let columns = screen.size().columns;
        let to = if right { Some(column + 1 + u16::from(wide)) } else { left_of(&line, column) };
        match to {
            Some(to) if to < columns => self.set_cursor(row, to),
            Some(_) => {
                self.become_tentative();
                self.set_cursor((row + 1).min(screen.size().rows - 1), 0);
            }
            None => self.turn_back(row, screen),
        }
    }

    pub(super) fn new_line(&mut self, screen: &Screen, now: Instant) {
        let (row, _) = self.cursor(screen);
        let Size { columns, rows } = screen.size();
        if row + 1 < rows {
            self.set_cursor(row + 1, 0);
            return;
        }
        // The screen scrolls, and the last row is new.
        self.set_cursor(row, 0);
        let blank = vec![Some(Cell::blank(Pen::default().attributes)); usize::from(columns)];
        self.set_line((row, 0), columns, &blank, screen, now);
    }
}

/// The column of the cluster left of `column`.
fn left_of(line: &[Option<Cell>], column: u16) -> Option<u16> {
    let left = column.checked_sub(1)?;
    let half = line[usize::from(left)].as_ref().is_some_and(|cell| cell.width() == 0);
    left.checked_sub(u16::from(half))
}

/// Where the part of the row ends that a program writes in: a vertical line parts it from another's (tmux, vim).
fn edge(line: &[Option<Cell>], (row, column): (u16, u16), screen: &Screen) -> u16 {
    let is_bar = |row, column| screen.cell(row, column).is_some_and(|cell| cell.first_char() == '|');
    let others = [row.checked_sub(1), Some(row + 1).filter(|&row| row < screen.size().rows)];
    let is_border = |(column, cell): (u16, &Option<Cell>)| match cell.as_ref().map(Cell::first_char) {
        Some('│' | '┃' | '┆' | '┇' | '┊' | '┋' | '╎' | '╏' | '║' | '▏' | '▌' | '▐' | '▕') => {
            true
        }
        // In a command it is a pipe; a line goes on above and below.
        Some('|') => others.into_iter().flatten().all(|row| is_bar(row, column)),
        _ => false,
    };
    let right = (0..).zip(line).skip(usize::from(column) + 1);
    right.into_iter().find(|cell| is_border(*cell)).map_or(screen.size().columns, |(column, _)| column)
}

/// Where a prompt at the right margin begins in `rest`, what is right of the cursor: it is parted from what is typed,
/// and stays.
fn right_prompt(rest: &[Option<Cell>]) -> Option<usize> {
    let is_text = |cell: &Option<Cell>| cell.as_ref().is_none_or(|cell| !cell.is_blank());
    let (first, last) = (rest.iter().position(is_text)?, rest.iter().rposition(is_text)?);
    (first >= 1 && last + 2 >= rest.len()).then_some(first)
}

/// A cell and, when it is wide, its second half.
fn halves(cell: &Cell) -> impl Iterator<Item = Option<Cell>> {
    let half = (cell.width() == 2).then(|| Some(cell.continuation()));
    core::iter::once(Some(cell.clone())).chain(half)
}

/// Overwrites; of a wide character that loses a half nobody knows what is left.
fn put(line: &mut ExpectedRow, column: u16, cell: &Cell) {
    let (start, end) = (usize::from(column), usize::from(column) + usize::from(cell.width()));
    line.splice(start..end, halves(cell));
    if line.get(end).is_some_and(|next| next.as_ref().is_some_and(|next| next.width() == 0)) {
        line[end] = None;
    }
}

/// Pushes the rest to the right; what is in the last column afterwards is not known.
fn insert(line: &mut ExpectedRow, column: u16, cell: &Cell) {
    let columns = line.len();
    let column = usize::from(column);
    line.splice(column..column, halves(cell));
    line.truncate(columns);
    if let Some(last) = line.get_mut(columns - 1).filter(|_| column + usize::from(cell.width()) < columns) {
        *last = None;
    }
    if let Some(cut) = columns.checked_sub(2).and_then(|at| line.get_mut(at))
        && cut.as_ref().is_some_and(|cell| cell.width() == 2)
    {
        *cut = None;
    }
}

/// Whether `rest`, what is right of the cursor, is what a shell proposes (fish, zsh-autosuggestions): greyed text, other
/// than what is left of the cursor. It does not move: what is typed replaces it, letter by letter.
fn is_suggestion(left: &Cell, rest: &[Option<Cell>]) -> bool {
    let proposed = |cell: &Cell| is_grey(cell) && cell.attributes() != left.attributes();
    let starts = rest.first().is_some_and(|first| first.as_ref().is_some_and(&proposed));
    starts && rest.iter().flatten().filter(|cell| !cell.is_blank()).all(proposed)
}

fn is_grey(cell: &Cell) -> bool {
    let attributes = cell.attributes();
    attributes.flags.contains(Flags::FAINT)
        || match attributes.foreground {
            Color::Indexed(index) => matches!(index, 8 | 59 | 102 | 232..=250),
            Color::Rgb(r, g, b) => r.abs_diff(g) < 24 && g.abs_diff(b) < 24 && (40..200).contains(&g),
            Color::Default => false,
        }
}
