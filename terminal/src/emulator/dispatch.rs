//! Which control function a sequence asks for (ECMA-48; xterm's ctlseqs; DEC STD 070).

use super::charset::Charset;
use super::machine::{KEYBOARD_STACK, Machine};
use super::report::DeviceString;
use crate::modes::{CursorStyle, Mode, Mouse, MouseEncoding};
use vte::{Params, Perform};

/// The parameter at `index`; 0 and absent are `default`.
fn parameter(params: &Params, index: usize, default: u16) -> u16 {
    match params.iter().nth(index).and_then(|values| values.first()) {
        None | Some(0) => default,
        Some(&value) => value,
    }
}

impl Perform for Machine {
    fn terminated(&self) -> bool {
        !self.in_sequence
    }

    // vte comes back to its ground state without a word after a malformed CSI and after CAN; it then reads text
    // itself until the next escape.
    fn print(&mut self, c: char) {
        Self::print(self, c);
    }

    fn execute(&mut self, byte: u8) {
        if byte < 0x80 {
            self.control(byte);
        }
    }

    fn esc_dispatch(&mut self, intermediates: &[u8], ignore: bool, byte: u8) {
        self.in_sequence = false;
        self.close_cluster();
        if ignore {
            return;
        }
        match (intermediates, byte) {
            ([], b'7') => self.save_cursor(),
            ([], b'8') => self.restore_cursor(),
            ([], b'D') => self.index(),
            ([], b'E') => {
                self.move_to_column(0);
                self.index();
            }
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

    fn csi_dispatch(&mut self, params: &Params, intermediates: &[u8], ignore: bool, action: char) {
        self.in_sequence = false;
        self.close_cluster();
        if ignore {
            return;
        }
        let first = |default| parameter(params, 0, default);
        match (intermediates, action) {
            ([], 'm') => self.select_rendition(params),
            ([], _) => self.plain(params, action),
            ([b'?'], 'h') => params.iter().flatten().for_each(|&mode| self.set_private(mode, true)),
            ([b'?'], 'l') => params.iter().flatten().for_each(|&mode| self.set_private(mode, false)),
            ([b'?'], 'J') => self.erase_display(first(0)),
            ([b'?'], 'K') => self.erase_line(first(0)),
            ([b'?'], 'n') => self.report_status(first(0), true),
            ([b'?'], 'u') => self.report_keyboard(),
            ([b'?', b'$'], 'p') => self.report_mode(first(0), true),
            ([b'$'], 'p') => self.report_mode(first(0), false),
            ([b'!'], 'p') => self.soft_reset(),
            ([b' '], 'q') => {
                if let Some(style) = u8::try_from(first(0)).ok().and_then(CursorStyle::new) {
                    self.screen.modes.cursor_style = style;
                }
            }
            ([b'>'], 'c') => self.report_device(Some(b'>')),
            ([b'='], 'c') => self.report_device(Some(b'=')),
            ([b'>'], 'q') => self.report_version(),
            ([b'>'], 'm') if first(0) == 4 => {
                self.screen.modes.modify_other_keys = parameter(params, 1, 0).min(2) as u8;
            }
            ([b'>'], 'n') if first(0) == 4 => self.screen.modes.modify_other_keys = 0,
            ([b'>'], 'u') => self.push_keyboard(first(0)),
            ([b'<'], 'u') => self.pop_keyboard(first(1)),
            ([b'='], 'u') => self.set_keyboard(first(0), parameter(params, 1, 1)),
            _ => {}
        }
    }

    fn osc_dispatch(&mut self, params: &[&[u8]], bell_terminated: bool) {
        if bell_terminated {
            self.in_sequence = false;
        }
        self.close_cluster();
        self.operating_system_command(params, bell_terminated);
    }

    fn hook(&mut self, _: &Params, intermediates: &[u8], ignore: bool, action: char) {
        self.close_cluster();
        self.device = if ignore { None } else { DeviceString::of(intermediates, action) };
    }

    fn put(&mut self, byte: u8) {
        if let Some(device) = &mut self.device {
            device.push(byte);
        }
    }

    fn unhook(&mut self) {
        if let Some(device) = self.device.take() {
            self.report_device_string(&device);
        }
    }
}

impl Machine {
    /// A control sequence without intermediates.
    fn plain(&mut self, params: &Params, action: char) {
        let first = |default| parameter(params, 0, default);
        let column = self.screen.cursor.column;
        match action {
            '@' => self.insert_chars(first(1)),
            'A' => self.up(first(1)),
            'B' | 'e' => self.down(first(1)),
            'C' | 'a' => self.move_to_column(column.saturating_add(first(1))),
            'D' => self.move_to_column(column.saturating_sub(first(1))),
            'E' => {
                self.down(first(1));
                self.move_to_column(0);
            }
            'F' => {
                self.up(first(1));
                self.move_to_column(0);
            }
            'G' | '`' => self.move_to_column(first(1) - 1),
            'H' | 'f' => self.move_to(first(1) - 1, parameter(params, 1, 1) - 1),
            'I' => self.tab(first(1)),
            'J' => self.erase_display(first(0)),
            'K' => self.erase_line(first(0)),
            'L' => self.insert_lines(first(1), false),
            'M' => self.insert_lines(first(1), true),
            'P' => self.delete_chars(first(1)),
            'S' => self.scroll_up(self.margins.0, self.margins.1, first(1)),
            // With more parameters it is highlight tracking.
            'T' if params.len() <= 1 => self.scroll_down(self.margins.0, self.margins.1, first(1)),
            '^' => self.scroll_down(self.margins.0, self.margins.1, first(1)),
            'X' => self.erase_chars(first(1)),
            'Z' => self.back_tab(first(1)),
            'b' => self.repeat(first(1)),
            'c' => self.report_device(None),
            'd' => self.move_to(first(1) - 1, column),
            'g' if first(0) == 0 => self.set_tab(false),
            'g' if first(0) == 3 => self.clear_tabs(),
            'h' => params.iter().flatten().for_each(|&mode| self.set_ansi(mode, true)),
            'l' => params.iter().flatten().for_each(|&mode| self.set_ansi(mode, false)),
            'n' => self.report_status(first(0), false),
            'r' => self.set_margins(first(1) - 1, parameter(params, 1, u16::MAX) - 1),
            's' => self.save_cursor(),
            't' => match first(0) {
                18 => self.report_size(),
                22 => self.push_title(),
                23 => self.pop_title(parameter(params, 1, 0)),
                _ => {}
            },
            'u' => self.restore_cursor(),
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
                self.margins = (0, self.screen.size.rows - 1);
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
            2026 => self.synchronized = on,
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
