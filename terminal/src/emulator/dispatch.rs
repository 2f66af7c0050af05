//! Which control function a sequence asks for (ECMA-48; xterm's ctlseqs; DEC STD 070).

use super::charset::Charset;
use super::machine::{KEYBOARD_STACK, Machine, Protection};
use super::parser::Params;
use crate::control::*;
use crate::modes::{CursorStyle, Mode, Mouse, MouseEncoding, PrivateMode, Reading};

impl Machine {
    /// `ESC`, intermediates, a final.
    pub(super) fn escape_sequence(&mut self, intermediates: &[u8], byte: u8) {
        self.close_cluster();
        match (intermediates, char::from(byte)) {
            ([], esc::DECBI) => self.index_column(false),
            ([], esc::DECSC) => self.save_cursor(),
            ([], esc::DECRC) => self.restore_cursor(),
            ([], esc::DECFI) => self.index_column(true),
            ([], esc::IND) => self.index(),
            ([], esc::NEL) => self.next_line(),
            ([], esc::HTS) => self.set_tab(true),
            ([], esc::RI) => self.reverse_index(),
            ([], esc::SPA) => {
                self.protect = true;
                self.protection = Protection::Iso;
            }
            ([], esc::EPA) => self.protect = false,
            ([], esc::SS2) => self.charsets.shift_once(2),
            ([], esc::SS3) => self.charsets.shift_once(3),
            ([], esc::DECID) => self.report_device(None),
            ([], esc::RIS) => self.reset(),
            ([], esc::LS2) => self.charsets.lock(2),
            ([], esc::LS3) => self.charsets.lock(3),
            ([], esc::DECKPAM) => self.screen.modes.set(Mode::ApplicationKeypad, true),
            ([], esc::DECKPNM) => self.screen.modes.set(Mode::ApplicationKeypad, false),
            ([b'#'], esc::DECALN) => self.alignment(),
            ([slot @ b'('..=b'+'], _) => {
                self.charsets.designate(usize::from(slot - b'('), Charset::from_final(byte));
            }
            _ => {}
        }
    }

    /// `CSI`, a private mark perhaps, parameters, intermediates, a final.
    pub(super) fn control_function(&mut self, params: &Params, marks: &[u8], action: u8) {
        if params.has_groups() && (marks, char::from(action)) != (&[], SGR) {
            // Nothing else knows colons; what was meant cannot be told.
            return;
        }
        let first = |default| params.at(0, default);
        match (marks, char::from(action)) {
            ([], SGR) => self.select_rendition(params),
            ([], _) => self.plain(params, action),
            ([b'?'], SM) => params.plain().iter().for_each(|&mode| self.set_private(mode, true)),
            ([b'?'], RM) => params.plain().iter().for_each(|&mode| self.set_private(mode, false)),
            ([b'?'], ED) => self.erase_display(first(0), true),
            ([b'?'], EL) => self.erase_line(first(0), true),
            ([b'?'], DSR) => self.report_status(first(0), true),
            ([b'?'], KEYBOARD) => self.report_keyboard(),
            ([b'?', b'$'], DECRQM) => self.report_mode(first(0), true),
            ([b'$'], DECRQM) => self.report_mode(first(0), false),
            ([b'!'], DECSTR) => self.soft_reset(),
            ([b'"'], DECSCA) if first(0) <= 2 => {
                self.protect = first(0) == 1;
                self.protection = Protection::Dec;
            }
            ([b' '], DECSCUSR) => {
                if let Some(style) = u8::try_from(first(0)).ok().and_then(CursorStyle::new) {
                    self.screen.modes.cursor_style = style;
                }
            }
            ([b' '], SL) => self.shift_columns(self.margins.left, first(1), true),
            ([b' '], SR) => self.shift_columns(self.margins.left, first(1), false),
            ([b'\''], DECIC) => self.shift_columns(self.screen.cursor.column, first(1), false),
            ([b'\''], DECDC) => self.shift_columns(self.screen.cursor.column, first(1), true),
            ([b'$'], DECCRA) => self.copy_rectangle(params.plain()),
            ([b'$'], DECFRA) => self.fill_rectangle(first(0), params.plain().get(1..).unwrap_or_default()),
            ([b'$'], DECERA) => self.erase_rectangle(params.plain(), false),
            ([b'$'], DECSERA) => self.erase_rectangle(params.plain(), true),
            ([b'>'], DA) => self.report_device(Some(b'>')),
            ([b'='], DA) => self.report_device(Some(b'=')),
            ([b'>'], XTVERSION) => self.report_version(),
            ([b'>'], XTMODKEYS) if first(0) == 4 => {
                self.screen.modes.modify_other_keys = params.at(1, 0).min(2) as u8;
            }
            ([b'>'], XTMODKEYS_OFF) if first(0) == 4 => self.screen.modes.modify_other_keys = 0,
            ([b'>'], KEYBOARD) => self.push_keyboard(first(0)),
            ([b'<'], KEYBOARD) => self.pop_keyboard(first(1)),
            ([b'='], KEYBOARD) => self.set_keyboard(first(0), params.at(1, 1)),
            _ => {}
        }
    }

    /// A control sequence without intermediates.
    fn plain(&mut self, params: &Params, action: u8) {
        let first = |default| params.at(0, default);
        let (row, column) = self.place();
        match char::from(action) {
            ICH => self.insert_chars(first(1), false),
            CUU => self.up(first(1)),
            CUD => self.down(first(1)),
            CUF => self.forward(first(1)),
            CUB => self.back(first(1)),
            CNL => {
                self.down(first(1));
                self.carriage_return();
            }
            CPL => {
                self.up(first(1));
                self.carriage_return();
            }
            CHA | HPA => self.move_to(row, first(1) - 1),
            CUP | HVP => self.move_to(first(1) - 1, params.at(1, 1) - 1),
            CHT => self.tab(first(1)),
            ED => self.erase_display(first(0), false),
            EL => self.erase_line(first(0), false),
            IL => self.insert_lines(first(1), false),
            DL => self.insert_lines(first(1), true),
            DCH => self.insert_chars(first(1), true),
            SU => self.scroll_off(first(1)),
            // With more parameters it is highlight tracking.
            SD if params.plain().len() <= 1 => self.scroll_down(self.margins, first(1)),
            SD_OLD => self.scroll_down(self.margins, first(1)),
            ECH => self.erase_chars(first(1)),
            CBT => self.back_tab(first(1)),
            REP => self.repeat(first(1)),
            HPR => self.move_to(row, column.saturating_add(first(1))),
            DA => self.report_device(None),
            VPA => self.move_to(first(1) - 1, column),
            VPR => self.move_to(row.saturating_add(first(1)), column),
            TBC if first(0) == 0 => self.set_tab(false),
            TBC if first(0) == 3 => self.clear_tabs(),
            SM => params.plain().iter().for_each(|&mode| self.set_ansi(mode, true)),
            RM => params.plain().iter().for_each(|&mode| self.set_ansi(mode, false)),
            DSR => self.report_status(first(0), false),
            DECSTBM => self.set_rows(first(1) - 1, params.at(1, u16::MAX) - 1),
            DECSLRM if self.column_margins => self.set_columns(first(1) - 1, params.at(1, u16::MAX) - 1),
            SCOSC => self.save_cursor(),
            XTWINOPS => match first(0) {
                18 => self.report_size(),
                22 => self.push_title(),
                23 => self.pop_title(params.at(1, 0)),
                _ => {}
            },
            SCORC => self.restore_cursor(),
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
        match PrivateMode::of(number) {
            Some(PrivateMode::Flag(mode)) => modes.set(mode, on),
            Some(PrivateMode::Reports(mouse)) => modes.mouse = if on { mouse } else { Mouse::Off },
            Some(PrivateMode::Encoded(encoding)) => {
                modes.mouse_encoding = if on { encoding } else { MouseEncoding::Legacy };
            }
            Some(PrivateMode::Reads(reading)) => self.set_reading(reading, on),
            None => {}
        }
    }

    fn set_reading(&mut self, reading: Reading, on: bool) {
        match (reading, on) {
            (Reading::ColumnsAllowed, _) => self.columns_allowed = on,
            (Reading::Columns, _) if !self.columns_allowed => {}
            (Reading::Columns, _) => {
                self.use_columns(false);
                self.reset_margins();
                self.clear_screen();
                self.origin = false;
                self.move_to(0, 0);
            }
            (Reading::Origin, _) => {
                self.origin = on;
                self.move_to(0, 0);
            }
            (Reading::Autowrap, _) => {
                self.autowrap = on;
                self.screen.cursor.wrap_pending &= on;
            }
            (Reading::ColumnMargins, _) => self.use_columns(on),
            (Reading::Alternate, _) => self.show_alternate(on),
            (Reading::AlternateCleared, _) => {
                if !on && self.alternate {
                    self.clear_screen();
                }
                self.show_alternate(on);
            }
            (Reading::SavedCursor, true) => self.save_cursor(),
            (Reading::SavedCursor, false) => self.restore_cursor(),
            (Reading::AlternateSaved, true) => {
                self.save_cursor();
                self.show_alternate(true);
                self.clear_screen();
            }
            (Reading::AlternateSaved, false) => {
                self.show_alternate(false);
                self.restore_cursor();
            }
            (Reading::Synchronized, _) => self.synchronize(on),
            (Reading::Clusters, _) => self.clusters = on,
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
