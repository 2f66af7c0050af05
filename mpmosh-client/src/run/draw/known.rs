//! Terminals by what they say of themselves: one table of what terminfo does not tell, with its sources.
//!
//! A terminal says who it is by `TERM`, by variables that only its own children have, and by its answer to XTVERSION
//! (`CSI > q`), which alone comes through ssh. The answer counts more than variables: these are inherited by whatever is
//! started from there. Within a multiplexer only the multiplexer's own word counts.

use super::evidence::Evidence;
use Ability::{Keyboard, Links, ModifiedKeys, Palette, Repeat, Rgb, Synchronized, Underlines};

/// What terminfo tells of few terminals, or of none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ability {
    /// SGR 38;2 and 48;2.
    Rgb,
    /// OSC 8. Who does not know it skips it.
    Links,
    /// SGR 4:3 and 58.
    Underlines,
    /// Mode 2026.
    Synchronized,
    /// The kitty keyboard protocol.
    Keyboard,
    /// REP.
    Repeat,
    /// modifyOtherKeys.
    ModifiedKeys,
    /// XTPUSHCOLORS: what a session sets of its colours ends with it.
    Palette,
}

/// How a terminal is known.
#[derive(Clone, Copy, Debug)]
enum Sign {
    /// `TERM` is of this family.
    Term(&'static str),
    /// `TERM_PROGRAM`.
    Program(&'static str),
    /// A variable is set.
    Variable(&'static str),
    /// A variable, or XTVERSION's answer behind this name, is a number of at least this.
    Version(&'static str, &'static str, u32),
    /// XTVERSION's answer begins so.
    Answer(&'static str),
}

use Sign::{Answer, Program, Term, Variable, Version};

struct KnownTerminal {
    signs: &'static [Sign],
    has: &'static [Ability],
}

const ALL: &[Ability] = &[Rgb, Links, Underlines, Synchronized, Keyboard, Repeat];

const TABLE: &[KnownTerminal] = &[
    // kitty: docs "Terminal protocol extensions"; synchronized since 0.19.2, keyboard 0.20, links 0.19.
    KnownTerminal { signs: &[Term("xterm-kitty"), Term("kitty"), Answer("kitty(")], has: ALL },
    // alacritty: docs/escape_support.md, CHANGELOG 0.11 (links, underlines), 0.13 (keyboard, 2026).
    KnownTerminal { signs: &[Term("alacritty"), Program("alacritty")], has: ALL },
    // The same where its entry is missing; what it starts inherits the variable.
    KnownTerminal { signs: &[Variable("ALACRITTY_WINDOW_ID")], has: &[Rgb, Links, Underlines] },
    // foot: foot-ctlseqs(7).
    KnownTerminal { signs: &[Term("foot"), Answer("foot(")], has: ALL },
    // WezTerm: docs "Escape Sequences".
    KnownTerminal { signs: &[Term("wezterm"), Program("WezTerm"), Answer("WezTerm ")], has: ALL },
    // Ghostty: docs "VT Reference".
    KnownTerminal {
        signs: &[Term("xterm-ghostty"), Term("ghostty"), Program("ghostty"), Answer("ghostty ")],
        has: ALL,
    },
    // Contour: docs "VT extensions".
    KnownTerminal { signs: &[Term("contour"), Program("contour"), Answer("contour ")], has: ALL },
    // Rio: docs "Escape sequences".
    KnownTerminal { signs: &[Term("rio"), Program("rio")], has: ALL },
    // iTerm2: documentation "Proprietary Escape Codes" and "Feature Reporting" (all of them since 3.5).
    KnownTerminal { signs: &[Term("iterm2"), Program("iTerm.app"), Answer("iTerm2 ")], has: ALL },
    // Windows Terminal: release notes 1.4 (links), 1.20 (underline styles and colours); 38;2 from the first.
    KnownTerminal { signs: &[Variable("WT_SESSION")], has: &[Rgb, Links, Underlines] },
    // VS Code: xterm.js "Supported terminal sequences"; links since 1.72, underline styles since xterm.js 4.
    KnownTerminal { signs: &[Program("vscode")], has: &[Rgb, Links, Underlines] },
    // xterm.js again, in programs that turn on less of it.
    KnownTerminal { signs: &[Program("Hyper"), Program("Tabby"), Program("WarpTerminal")], has: &[Rgb] },
    // Konsole: 38;2 since KDE 4 (2.x), where each of these is set; OSC 8 since 20.12; underlines: KDE bug 387811.
    KnownTerminal {
        signs: &[
            Term("konsole"),
            Variable("KONSOLE_VERSION"),
            Variable("KONSOLE_PROFILE_NAME"),
            Variable("KONSOLE_DBUS_SESSION"),
            Answer("Konsole "),
        ],
        has: &[Rgb],
    },
    KnownTerminal { signs: &[Version("KONSOLE_VERSION", "Konsole ", 201_200)], has: &[Links] },
    KnownTerminal { signs: &[Version("KONSOLE_VERSION", "Konsole ", 221_200)], has: &[Underlines] },
    // VTE (GNOME Terminal, Xfce's, Tilix, …): NEWS 0.36 (38;2), 0.50 (links), 0.51.2 (underlines).
    KnownTerminal { signs: &[Version("VTE_VERSION", "VTE(", 3600)], has: &[Rgb] },
    KnownTerminal { signs: &[Version("VTE_VERSION", "VTE(", 5000)], has: &[Links] },
    KnownTerminal { signs: &[Version("VTE_VERSION", "VTE(", 5102)], has: &[Underlines] },
    // mintty: wiki "CtrlSeqs".
    KnownTerminal {
        signs: &[Term("mintty"), Program("mintty"), Answer("mintty ")],
        has: &[Rgb, Links, Underlines, ModifiedKeys],
    },
    // Termux: its TerminalEmulator knows 38;2 and none of the others.
    KnownTerminal { signs: &[Variable("TERMUX_VERSION")], has: &[Rgb] },
    // xterm: ctlseqs; 38;2 is direct since patch 331, and before that the nearest colour of its table.
    KnownTerminal { signs: &[Variable("XTERM_VERSION"), Answer("XTerm(")], has: &[Repeat, ModifiedKeys] },
    KnownTerminal { signs: &[Version("XTERM_VERSION", "XTerm(", 331)], has: &[Rgb] },
    // XTPUSHCOLORS: xterm's log, patch 357; kitty's changelog, 0.23; foot-ctlseqs(7).
    KnownTerminal { signs: &[Version("XTERM_VERSION", "XTerm(", 357)], has: &[Palette] },
    KnownTerminal {
        signs: &[Term("xterm-kitty"), Answer("kitty("), Term("foot"), Answer("foot(")],
        has: &[Palette],
    },
    // st: config.def.h and its FAQ.
    KnownTerminal { signs: &[Term("st")], has: &[Rgb] },
    // tmux: CHANGES 2.2 (38;2, whatever its own terminal has), 3.0 (underlines), 3.4 (links).
    KnownTerminal {
        signs: &[Term("tmux"), Variable("TMUX"), Program("tmux"), Answer("tmux ")],
        has: &[Rgb, ModifiedKeys],
    },
    KnownTerminal { signs: &[Version("TERM_PROGRAM_VERSION", "tmux ", 300)], has: &[Underlines] },
    KnownTerminal { signs: &[Version("TERM_PROGRAM_VERSION", "tmux ", 304)], has: &[Links] },
    KnownTerminal { signs: &[Term("foot")], has: &[ModifiedKeys] },
];

/// Variables that a multiplexer sets for what runs in it, and so none of an outer terminal's.
const MULTIPLEXERS_OWN: [&str; 2] = ["TMUX", "TERM_PROGRAM_VERSION"];

/// Terminals of our days, each under its own name, that do what xterm does and more.
pub(super) fn is_modern(evidence: &Evidence) -> bool {
    TABLE.iter().filter(|row| row.has.len() == ALL.len()).any(|row| row.tells_of(evidence))
}

/// Whether the table says that the terminal has this.
pub(super) fn has(evidence: &Evidence, ability: Ability) -> bool {
    TABLE.iter().any(|row| row.has.contains(&ability) && row.tells_of(evidence))
}

/// Whether the table knows a terminal that answers so.
pub(super) fn is_name(answer: &str) -> bool {
    let begins = |sign: &Sign| match sign {
        Answer(prefix) | Version(_, prefix, _) => answer.starts_with(prefix),
        Term(_) | Program(_) | Variable(_) => false,
    };
    TABLE.iter().flat_map(|row| row.signs).any(begins)
}

impl KnownTerminal {
    fn tells_of(&self, evidence: &Evidence) -> bool {
        self.signs.iter().any(|sign| sign.is_shown_by(evidence))
    }
}

impl Sign {
    fn is_shown_by(self, evidence: &Evidence) -> bool {
        let answer = evidence.answer.as_deref();
        let multiplexed = evidence.is_multiplexer();
        let inherited = |name: &str| {
            // What runs in tmux may start a terminal with a window of its own.
            let counts = answer.is_none()
                && if multiplexed { MULTIPLEXERS_OWN.contains(&name) } else { name != "TMUX" };
            evidence.variables.get(name).map(String::as_str).filter(|_| counts)
        };
        match self {
            // A name that others give themselves too (xterm) is in no row.
            Term(name) => evidence.family(&[name]),
            Program(name) => answer.is_none() && evidence.program == name && (!multiplexed || name == "tmux"),
            Variable(name) => inherited(name).is_some(),
            Version(_, prefix, least) if answer.is_some() => answer
                .and_then(|answer| answer.strip_prefix(prefix))
                .map(number)
                .is_some_and(|is| is >= least),
            Version("TERM_PROGRAM_VERSION", _, least) => {
                evidence.program == "tmux"
                    && inherited("TERM_PROGRAM_VERSION").map(number).is_some_and(|is| is >= least)
            }
            Version("XTERM_VERSION", prefix, least) => inherited("XTERM_VERSION")
                .and_then(|version| version.strip_prefix(prefix))
                .map(number)
                .is_some_and(|is| is >= least),
            Version(name, _, least) => inherited(name).map(number).is_some_and(|is| is >= least),
            Answer(prefix) => answer.is_some_and(|answer| answer.starts_with(prefix)),
        }
    }
}

/// A version as one number: `7200` and `379` as they are, `3.4a` as 304, `22.12.3` as 221203.
fn number(version: &str) -> u32 {
    let digits = |part: &str| part.chars().take_while(char::is_ascii_digit).collect::<String>();
    let mut parts = version.split('.').map(|part| digits(part).parse::<u32>().unwrap_or(0)).take(3);
    let first = parts.next().unwrap_or(0);
    parts.fold(first, |sum, part| sum.saturating_mul(100).saturating_add(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_their_makers_count() {
        for (version, expected) in [
            ("7200)", 7200),
            ("379)", 379),
            ("3.4a", 304),
            ("3.3", 303),
            ("22.12.3", 221_203),
            ("221203", 221_203),
            ("3", 3),
        ] {
            assert_eq!(number(version), expected, "{version}");
        }
    }
}
