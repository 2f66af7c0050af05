//! Which control function a sequence asks for (ECMA-48; xterm's ctlseqs; DEC STD 070).

use super::charset::Charset;
use super::machine::{KEYBOARD_STACK, Machine};
use super::parser::Params;
use crate::modes::{CursorStyle, Mode, Mouse, MouseEncoding};

impl Machine {
    /// `ESC`, intermediates, a final.
    pub(super) fn escape_sequence(&mut self, intermediates: &[u8], byte: u8) {
        self.close_cluster();
        match (intermediates, byte) {
            ([], b'6') => self.index_column(false),
            ([], b'7') => self.save_cursor(),
            ([], b'8') => self.restore_cursor(),
            ([], b'9') => self.index_column(true),
            ([], b'D') => self.index(),
            ([], b'E') => self.next_line(),
            ([], b'H') => self.set_tab(true),
            ([], b'M') => self.reverse_index(),
            ([], b'N') => self.charsets.shift_once(2),
            ([], b'O') => self.charsets.shift_once(3),
            ([], b'Z') => self.report_device(None),
            ([], b'c') => self.reset(),
            ([], b'n') => self.charsets.lock(2),
            ([], b'o') => self.charsets.lock(3),
            ([], b'=') => self.screen.modes.set(Mode::ApplicationKeypad, true),
            ([], b'>') => self.screen.modes.set(Mode::ApplicationKeypad, false),
            ([b'#'], b'8') => self.alignment(),
            ([slot @ b'('..=b'+'], set) => {
                self.charsets.designate(usize::from(slot - b'('), Charset::from_final(set));
            }
            _ => {}
        }
    }

    /// `CSI`, a private mark perhaps, parameters, intermediates, a final.
    pub(super) fn control_function(&mut self, params: &Params, marks: &[u8], action: u8) {
        if params.has_groups() && (marks, action) != (&[], b'm') {
            // Nothing else knows colons; what was meant cannot be told.
            return;
        }
        let first = |default| params.at(0, default);
        match (marks, action) {
            ([], b'm') => self.select_rendition(params),
            ([], _) => self.plain(params, action),
            ([b'?'], b'h') => params.plain().iter().for_each(|&mode| self.set_private(mode, true)),
            ([b'?'], b'l') => params.plain().iter().for_each(|&mode| self.set_private(mode, false)),
            ([b'?'], b'J') => self.erase_display(first(0)),
            ([b'?'], b'K') => self.erase_line(first(0)),
            ([b'?'], b'n') => self.report_status(first(0), true),
            ([b'?'], b'u') => self.report_keyboard(),
            ([b'?', b'$'], b'p') => self.report_mode(first(0), true),
            ([b'$'], b'p') => self.report_mode(first(0), false),
            ([b'!'], b'p') => self.soft_reset(),
            ([b' '], b'q') => {
                if let Some(style) = u8::try_from(first(0)).ok().and_then(CursorStyle::new) {
                    self.screen.modes.cursor_style = style;
                }
            }
            ([b' '], b'@') => self.shift_columns(self.margins.left, first(1), true),
            ([b' '], b'A') => self.shift_columns(self.margins.left, first(1), false),
            ([b'\''], b'}') => self.shift_columns(self.screen.cursor.column, first(1), false),
            ([b'\''], b'~') => self.shift_columns(self.screen.cursor.column, first(1), true),
            ([b'$'], b'v') => self.copy_rectangle(params.plain()),
            ([b'$'], b'x') => self.fill_rectangle(first(0), params.plain().get(1..).unwrap_or_default()),
            ([b'$'], b'z' | b'{') => self.erase_rectangle(params.plain()),
            ([b'>'], b'c') => self.report_device(Some(b'>')),
            ([b'='], b'c') => self.report_device(Some(b'=')),
            ([b'>'], b'q') => self.report_version(),
            ([b'>'], b'm') if first(0) == 4 => {
                self.screen.modes.modify_other_keys = params.at(1, 0).min(2) as u8;
            }
            ([b'>'], b'n') if first(0) == 4 => self.screen.modes.modify_other_keys = 0,
            ([b'>'], b'u') => self.push_keyboard(first(0)),
            ([b'<'], b'u') => self.pop_keyboard(first(1)),
            ([b'='], b'u') => self.set_keyboard(first(0), params.at(1, 1)),
            _ => {}
        }
    }

    /// A control sequence without intermediates.
    fn plain(&mut self, params: &Params, action: u8) {
        let first = |default| params.at(0, default);
        let (row, column) = self.place();
        match action {
            b'@' => self.insert_chars(first(1), false),
            b'A' => self.up(first(1)),
            b'B' => self.down(first(1)),
            b'C' => self.forward(first(1)),
            b'D' => self.back(first(1)),
            b'E' => {
                self.down(first(1));
                self.carriage_return();
            }
            b'F' => {
                self.up(first(1));
                self.carriage_return();
            }
            b'G' | b'`' => self.move_to(row, first(1) - 1),
            b'H' | b'f' => self.move_to(first(1) - 1, params.at(1, 1) - 1),
            b'I' => self.tab(first(1)),
            b'J' => self.erase_display(first(0)),
            b'K' => self.erase_line(first(0)),
            b'L' => self.insert_lines(first(1), false),
            b'M' => self.insert_lines(first(1), true),
            b'P' => self.insert_chars(first(1), true),
            b'S' => self.scroll_up(self.margins, first(1)),
            // With more parameters it is highlight tracking.
            b'T' if params.plain().len() <= 1 => self.scroll_down(self.margins, first(1)),
            b'^' => self.scroll_down(self.margins, first(1)),
            b'X' => self.erase_chars(first(1)),
            b'Z' => self.back_tab(first(1)),
            b'b' => self.repeat(first(1)),
            b'a' => self.move_to(row, column.saturating_add(first(1))),
            b'c' => self.report_device(None),
            b'd' => self.move_to(first(1) - 1, column),
            b'e' => self.move_to(row.saturating_add(first(1)), column),
            b'g' if first(0) == 0 => self.set_tab(false),
            b'g' if first(0) == 3 => self.clear_tabs(),
            b'h' => params.plain().iter().for_each(|&mode| self.set_ansi(mode, true)),
            b'l' => params.plain().iter().for_each(|&mode| self.set_ansi(mode, false)),
            b'n' => self.report_status(first(0), false),
            b'r' => self.set_rows(first(1) - 1, params.at(1, u16::MAX) - 1),
            b's' if self.column_margins => self.set_columns(first(1) - 1, params.at(1, u16::MAX) - 1),
            b's' => self.save_cursor(),
            b't' => match first(0) {
                18 => self.report_size(),
                22 => self.push_title(),
                23 => self.pop_title(params.at(1, 0)),
                _ => {}
            },
            b'u' => self.restore_cursor(),
            _ => {}
        }
    }

    fn set_ansi(&mut self, mode: u16, on: bool) {
        match mode {
            4 => self.insert = on,
            20 => self.newline = on,
            _ => {}
        }
    }

    fn set_private(&mut self, number: u16, on: bool) {
        let modes = &mut self.screen.modes;
        match number {
            1 => modes.set(Mode::ApplicationCursor, on),
            3 => {
                self.use_columns(false);
                self.reset_margins();
                self.clear_screen();
                self.origin = false;
                self.move_to(0, 0);
            }
            5 => modes.set(Mode::ReverseVideo, on),
            6 => {
                self.origin = on;
                self.move_to(0, 0);
            }
            7 => {
                self.autowrap = on;
                self.screen.cursor.wrap_pending &= on;
            }
            12 => {}
            25 => modes.set(Mode::CursorVisible, on),
            66 => modes.set(Mode::ApplicationKeypad, on),
            9 | 1000..=1003 => modes.mouse = Mouse::from_number(number).filter(|_| on).unwrap_or_default(),
            69 => self.use_columns(on),
            1004 => modes.set(Mode::FocusEvents, on),
            1005 | 1006 | 1015 | 1016 => {
                modes.mouse_encoding = MouseEncoding::from_number(number).filter(|_| on).unwrap_or_default();
            }
            1007 => modes.set(Mode::AlternateScroll, on),
            47 => self.show_alternate(on),
            1047 => {
                if !on && self.alternate {
                    self.clear_screen();
                }
                self.show_alternate(on);
            }
            1048 if on => self.save_cursor(),
            1048 => self.restore_cursor(),
            1049 if on => {
                self.save_cursor();
                self.show_alternate(true);
                self.clear_screen();
            }
            1049 => {
                self.show_alternate(false);
                self.restore_cursor();
            }
            2004 => modes.set(Mode::BracketedPaste, on),
            2026 => self.synchronize(on),
            _ => {}
        }
    }

    // The kitty keyboard protocol: a stack of flags, its top in force.

    fn push_keyboard(&mut self, flags: u16) {
        let stack = &mut self.keyboard[usize::from(self.alternate)];
        if stack.len() == KEYBOARD_STACK {
            stack.remove(0);
        }
        stack.push((flags & 31) as u8);
        self.screen.modes.keyboard = (flags & 31) as u8;
    }

    fn pop_keyboard(&mut self, count: u16) {
        let stack = &mut self.keyboard[usize::from(self.alternate)];
        stack.truncate(stack.len().saturating_sub(usize::from(count)));
        self.screen.modes.keyboard = stack.last().copied().unwrap_or(0);
    }

    fn set_keyboard(&mut self, flags: u16, how: u16) {
        let (flags, now) = ((flags & 31) as u8, self.screen.modes.keyboard);
        let new = match how {
            1 => flags,
            2 => now | flags,
            3 => now & !flags,
            _ => return,
        };
        self.screen.modes.keyboard = new;
        let stack = &mut self.keyboard[usize::from(self.alternate)];
        match stack.last_mut() {
            Some(top) => *top = new,
            None => stack.push(new),
        }
    }
}
