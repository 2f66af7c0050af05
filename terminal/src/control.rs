//! Control functions by the names that ECMA-48, DEC and xterm gave them: what the emulator reads, and what diffs say.
//!
//! A control sequence is [`CSI`], a private mark perhaps, parameters, intermediates and a final, which names it; so
//! `format_args!("{CSI}{count}{ECH}")` erases characters.

/// Control sequence introducer.
pub const CSI: &str = "\x1b[";
/// Operating system command, ended by [`BEL`] or [`ST`].
pub const OSC: &str = "\x1b]";
/// Device control string, ended by [`ST`].
pub const DCS: &str = "\x1bP";
/// String terminator.
pub const ST: &str = "\x1b\\";
/// The bell, which also ends operating system commands.
pub const BEL: &str = "\x07";

/// The pen as at first (SGR without parameters).
pub const PLAIN: &str = "\x1b[m";
/// The cursor to the top left (CUP without parameters).
pub const HOME: &str = "\x1b[H";
/// Every cell erased (ED 2).
pub const CLEAR: &str = "\x1b[2J";
/// The row erased from the cursor on (EL 0).
pub const CLEAR_ROW: &str = "\x1b[K";
/// The screen erased from the cursor on (ED 0).
pub const CLEAR_BELOW: &str = "\x1b[J";
/// The margins around the whole screen (DECSTBM without parameters).
pub const WHOLE_SCREEN: &str = "\x1b[r";
/// No link from here on (OSC 8 without an address).
pub const NO_LINK: &str = "\x1b]8;;\x1b\\";
/// Reverse index (RI).
pub const REVERSE_INDEX: &str = "\x1bM";
/// The keypad sends sequences of its own (DECKPAM).
pub const APPLICATION_KEYPAD: &str = "\x1b=";
/// The keypad sends digits (DECKPNM).
pub const NUMERIC_KEYPAD: &str = "\x1b>";
/// The window's title and the icon's name are remembered (XTWINOPS 22).
pub const SAVE_TITLES: &str = "\x1b[22;0t";
/// They are what was remembered last (XTWINOPS 23).
pub const RESTORE_TITLES: &str = "\x1b[23;0t";
/// All as it was switched on (RIS).
pub const FULL_RESET: &str = "\x1bc";

macro_rules! finals {
    ($($(#[$about:meta])* $name:ident $final:literal)+) => {
        $($(#[$about])* pub(crate) const $name: char = $final;)+
    };
}

/// Finals of escape sequences: `ESC`, the final.
pub(crate) mod esc {
    finals! {
        /// Back index.
        DECBI '6'
        /// Save cursor.
        DECSC '7'
        /// Restore cursor.
        DECRC '8'
        /// Forward index.
        DECFI '9'
        /// Index.
        IND 'D'
        /// Next line.
        NEL 'E'
        /// Horizontal tab set.
        HTS 'H'
        /// Reverse index.
        RI 'M'
        /// Start of a guarded area.
        SPA 'V'
        /// End of a guarded area.
        EPA 'W'
        /// Single shift two.
        SS2 'N'
        /// Single shift three.
        SS3 'O'
        /// Identify terminal.
        DECID 'Z'
        /// Reset to initial state.
        RIS 'c'
        /// Locking shift two.
        LS2 'n'
        /// Locking shift three.
        LS3 'o'
        /// Application keypad.
        DECKPAM '='
        /// Numeric keypad.
        DECKPNM '>'
        /// Screen alignment pattern, after `#`.
        DECALN '8'
    }
}

finals! {
    /// Insert character.
    ICH '@'
    /// Cursor up.
    CUU 'A'
    /// Cursor down.
    CUD 'B'
    /// Cursor forward.
    CUF 'C'
    /// Cursor backward.
    CUB 'D'
    /// Cursor next line.
    CNL 'E'
    /// Cursor preceding line.
    CPL 'F'
    /// Cursor character absolute.
    CHA 'G'
    /// Cursor position.
    CUP 'H'
    /// Cursor forward tabulation.
    CHT 'I'
    /// Erase in display.
    ED 'J'
    /// Erase in line.
    EL 'K'
    /// Insert line.
    IL 'L'
    /// Delete line.
    DL 'M'
    /// Delete character.
    DCH 'P'
    /// Scroll up.
    SU 'S'
    /// Scroll down.
    SD 'T'
    /// Scroll down, as ECMA-48's first edition had it by mistake.
    SD_OLD '^'
    /// Erase character.
    ECH 'X'
    /// Cursor backward tabulation.
    CBT 'Z'
    /// Character position absolute.
    HPA '`'
    /// Character position forward.
    HPR 'a'
    /// Repeat.
    REP 'b'
    /// Device attributes; with `>` or `=` the secondary and tertiary ones.
    DA 'c'
    /// Line position absolute.
    VPA 'd'
    /// Line position forward.
    VPR 'e'
    /// Character and line position.
    HVP 'f'
    /// Tabulation clear.
    TBC 'g'
    /// Set mode; with `?` DECSET.
    SM 'h'
    /// Reset mode; with `?` DECRST.
    RM 'l'
    /// Select graphic rendition.
    SGR 'm'
    /// xterm's key modifier options, with `>`.
    XTMODKEYS 'm'
    /// Device status report; with `?` DECDSR.
    DSR 'n'
    /// Key modifier options off, with `>`.
    XTMODKEYS_OFF 'n'
    /// Cursor position report, an answer.
    CPR 'R'
    /// Request mode, after `$`.
    DECRQM 'p'
    /// Report mode, after `$`, an answer.
    DECRPM 'y'
    /// Soft terminal reset, after `!`.
    DECSTR 'p'
    /// Select whether characters are protected, after `"`.
    DECSCA 'q'
    /// Keep the colours, after `#`.
    XTPUSHCOLORS 'P'
    /// Take them back, after `#`.
    XTPOPCOLORS 'Q'
    /// Set cursor style, after a space.
    DECSCUSR 'q'
    /// Save private modes, with `?`.
    XTSAVE 's'
    /// Restore private modes, with `?`.
    XTRESTORE 'r'
    /// xterm's name and version, with `>`.
    XTVERSION 'q'
    /// Set top and bottom margins.
    DECSTBM 'r'
    /// Set left and right margins, where DECLRMM is set.
    DECSLRM 's'
    /// Save cursor, where it is not.
    SCOSC 's'
    /// xterm's window operations.
    XTWINOPS 't'
    /// Restore cursor.
    SCORC 'u'
    /// The kitty keyboard protocol's flags, with `?`, `>`, `<` or `=`.
    KEYBOARD 'u'
    /// Shift left, after a space.
    SL '@'
    /// Shift right, after a space.
    SR 'A'
    /// Insert column, after an apostrophe.
    DECIC '}'
    /// Delete column, after an apostrophe.
    DECDC '~'
    /// Copy rectangular area, after `$`.
    DECCRA 'v'
    /// Fill rectangular area, after `$`.
    DECFRA 'x'
    /// Erase rectangular area, after `$`.
    DECERA 'z'
    /// Selective erase rectangular area, after `$`.
    DECSERA '{'
}
