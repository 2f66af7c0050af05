//! Saving, switching buffers, and starting afresh.

use super::charset::Charsets;
use super::machine::{Machine, Protection, Saved};
use crate::attributes::Pen;
use crate::modes::{Mode, Modes};
use crate::screen::{Cursor, Screen};
use alloc::boxed::Box;
use alloc::sync::Arc;

/// The most titles kept by `CSI 22 t`.
const TITLE_STACK: usize = 10;

impl Machine {
    /// DECSC.
    pub(super) fn save_cursor(&mut self) {
        self.saved[usize::from(self.alternate)] = Saved {
            cursor: self.screen.cursor,
            pen: self.screen.pen.clone(),
            protect: self.protect,
            origin: self.origin,
            charsets: self.charsets,
        };
    }

    /// DECRC.
    pub(super) fn restore_cursor(&mut self) {
        let saved = self.saved[usize::from(self.alternate)].clone();
        let size = self.screen.size;
        self.origin = saved.origin;
        self.protect = saved.protect;
        self.charsets = saved.charsets;
        // A link is not among what DECSC saves.
        let link = self.screen.pen.link().cloned();
        self.screen.pen = saved.pen;
        self.screen.pen.set_link(link);
        let last = Cursor { row: size.rows - 1, column: size.columns - 1, wrap_pending: false };
        self.screen.cursor = Cursor {
            row: saved.cursor.row.min(last.row),
            column: saved.cursor.column.min(last.column),
            wrap_pending: saved.cursor.wrap_pending && saved.cursor.column >= last.column && self.autowrap,
        };
    }

    /// ?47, ?1047, ?1049: shows the other buffer.
    pub(super) fn show_alternate(&mut self, on: bool) {
        if self.alternate == on {
            return;
        }
        self.alternate = on;
        core::mem::swap(&mut self.screen.rows, &mut self.hidden);
        // Each buffer has its own keyboard flags.
        let flags = self.keyboard[usize::from(on)].last().copied().unwrap_or(0);
        self.screen.modes.keyboard = flags;
    }

    /// ?2026.
    pub(super) fn synchronize(&mut self, on: bool) {
        if on && self.finished.is_none() {
            // Every row is shared from now on, and copied when something is written on it.
            self.work(self.screen.rows.len(), self.columns());
            self.finished = Some(self.screen.clone());
            self.frames += 1;
        } else if !on {
            self.finished = None;
        }
    }

    pub(super) fn clear_screen(&mut self) {
        self.clear_rows(0..self.screen.size.rows);
    }

    /// `CSI 22 t`.
    pub(super) fn push_title(&mut self) {
        if self.titles.len() == TITLE_STACK {
            self.titles.remove(0);
        }
        self.titles.push((Arc::clone(&self.screen.title), Arc::clone(&self.screen.icon_name)));
    }

    /// `CSI 23 t`; 1 is the icon's name alone, 2 the window's title alone.
    pub(super) fn pop_title(&mut self, which: u16) {
        if let Some((title, icon_name)) = self.titles.pop() {
            if which != 1 {
                self.screen.title = title;
            }
            if which != 2 {
                self.screen.icon_name = icon_name;
            }
        }
    }

    /// DECSTR.
    pub(super) fn soft_reset(&mut self) {
        self.use_columns(false);
        self.reset_margins();
        self.origin = false;
        self.autowrap = true;
        self.insert = false;
        self.clusters = false;
        self.protect = false;
        self.protection = Protection::Off;
        self.charsets = Charsets::default();
        self.saved[usize::from(self.alternate)] = Saved::default();
        self.screen.pen = Pen::default();
        self.screen.cursor.wrap_pending = false;
        self.screen.modes.set(Mode::CursorVisible, true);
        self.screen.modes.set(Mode::ApplicationCursor, false);
        self.screen.modes.set(Mode::ApplicationKeypad, false);
    }

    /// RIS: as switched on, but for titles, clipboard and bell.
    pub(super) fn reset(&mut self) {
        let mut screen = Screen::new(self.screen.size);
        screen.title = Arc::clone(&self.screen.title);
        screen.icon_name = Arc::clone(&self.screen.icon_name);
        screen.clipboard = self.screen.clipboard.clone();
        screen.bells = self.screen.bells;
        let replies = core::mem::take(&mut self.replies);
        let (answers_keyboard, frames) = (self.answers_keyboard, self.frames);
        self.work(self.screen.rows.len(), self.columns());
        let worked = self.worked;
        let (unanswered, awaits_colors) = (core::mem::take(&mut self.unanswered), self.awaits_colors);
        let palette = core::mem::take(&mut self.palette);
        let overflow = self.overflow.as_ref().map(|_| Box::default());
        *self = Self {
            replies,
            unanswered,
            awaits_colors,
            answers_keyboard,
            frames,
            worked,
            overflow,
            palette,
            ..Self::new(screen)
        };
        self.screen.modes = Modes::default();
    }
}
