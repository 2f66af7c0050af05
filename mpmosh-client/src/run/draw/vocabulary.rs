//! From evidence to what may be sent.

use terminal::{Colors, Vocabulary};
use termwiz::caps::ColorLevel;

use super::evidence::Evidence;
use super::known::{self, Ability};

/// Types whose programs take xterm's sequences: titles, mouse, bracketed paste.
const XTERMS: [&str; 12] = [
    "xterm", "rxvt", "kterm", "Eterm", "screen", "tmux", "konsole", "gnome", "vte", "st", "mintty", "iterm2",
];

pub(super) fn of(evidence: &Evidence) -> Vocabulary {
    let modern = known::is_modern(evidence);
    let has = |ability| known::has(evidence, ability);
    let xterm = modern || evidence.family(&XTERMS);
    // Without an entry in terminfo, an xterm by name is taken for what every xterm has had for decades.
    let guess = !evidence.known() && xterm;
    let is = |name: &str, sequence: &str| guess || evidence.is(name, sequence);
    Vocabulary {
        ech: is("ech", "\x1b[%p1%dX"),
        bce: (evidence.bce() || guess) && !evidence.family(&["screen"]),
        // “xterm-256color” is claimed by many that never learnt REP.
        rep: has(Ability::Repeat) && evidence.string("rep").is_some_and(|rep| rep.ends_with(b"%db")),
        absolute: is("hpa", "\x1b[%i%p1%dG") && is("vpa", "\x1b[%i%p1%dd"),
        scroll_region: is("csr", "\x1b[%i%p1%d;%p2%dr"),
        scroll: is("indn", "\x1b[%p1%dS") && is("rin", "\x1b[%p1%dT"),
        insert_line: is("il", "\x1b[%p1%dL") && is("dl", "\x1b[%p1%dM"),
        insert_char: is("ich", "\x1b[%p1%d@") && is("dch", "\x1b[%p1%dP"),
        title: xterm,
        palette: has(Ability::Palette),
        clipboard: evidence.has("Ms") || modern || evidence.family(&["xterm", "screen", "tmux"]),
        colors: colors(evidence, guess),
        italic: evidence.is("sitm", "\x1b[3m") || guess,
        faint_strike: evidence.has("smxx") || has(Ability::Rgb),
        underlines: evidence.has("Smulx") || has(Ability::Underlines),
        links: has(Ability::Links),
        cursor_style: evidence.has("Ss") || modern || guess,
        reverse_video: xterm || evidence.family(&["linux", "vt100", "vt102", "vt220"]),
        input_modes: xterm,
        inner_modes: false,
        keypad: evidence.string("smkx").is_some_and(|smkx| smkx.contains(&b'=')) || modern,
        modify_other_keys: has(Ability::ModifiedKeys),
        keyboard: has(Ability::Keyboard),
        synchronized: has(Ability::Synchronized) || evidence.has("Sync"),
        soft_wrap: guess || (evidence.has("am") && evidence.has("xenl")),
        cursor_visibility: guess
            || modern
            || evidence.string("civis").is_some_and(|civis| civis.starts_with(b"\x1b[?25l")),
        hide_cursor: true,
        ..Vocabulary::BASIC
    }
}

fn colors(evidence: &Evidence, guess: bool) -> Colors {
    // Types of direct colours say so by their names, and by how many they have.
    let direct = evidence.term.ends_with("-direct") || evidence.number("colors").is_some_and(|n| n > 256);
    if evidence.true_colour
        || direct
        || evidence.color_level() == ColorLevel::TrueColor
        || known::has(evidence, Ability::Rgb)
    {
        return Colors::True;
    }
    // termwiz calls everything below 256 sixteen; the entry knows better.
    match evidence.number("colors") {
        Some(256..) => Colors::Indexed,
        Some(16..) => Colors::Sixteen,
        Some(8..) => Colors::Eight,
        Some(_) => Colors::None,
        None if evidence.known() => Colors::None,
        None if guess || evidence.term.contains("256color") => Colors::Indexed,
        None if evidence.color_level() == ColorLevel::TwoFiftySix => Colors::Indexed,
        None => Colors::Eight,
    }
}
