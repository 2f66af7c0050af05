//! From evidence to what may be sent.

use terminal::{Colors, Vocabulary};
use termwiz::caps::ColorLevel;

use super::evidence::Evidence;

/// Terminals of our days that do what xterm does and more, each under its own name.
const MODERN: [&str; 8] =
    ["alacritty", "foot", "xterm-kitty", "kitty", "wezterm", "xterm-ghostty", "ghostty", "contour"];
/// Types whose programs take xterm's sequences: titles, mouse, bracketed paste.
const XTERMS: [&str; 12] = [
    "xterm", "rxvt", "kterm", "Eterm", "screen", "tmux", "konsole", "gnome", "vte", "st", "mintty", "iterm2",
];

pub(super) fn of(evidence: &Evidence) -> Vocabulary {
    let modern =
        evidence.family(&MODERN) || matches!(evidence.program.as_str(), "WezTerm" | "ghostty" | "iTerm.app");
    let xterm = modern || evidence.family(&XTERMS);
    // Without an entry in terminfo, an xterm by name is taken for what every xterm has had for decades.
    let guess = !evidence.known() && xterm;
    let is = |name: &str, sequence: &str| guess || evidence.is(name, sequence);
    // Inside a multiplexer the outer terminal's word does not count.
    let inside = evidence.family(&["screen", "tmux"]);
    let vte = if inside { 0 } else { evidence.vte };
    Vocabulary {
        ech: is("ech", "\x1b[%p1%dX"),
        bce: evidence.bce() && !evidence.family(&["screen"]),
        // “xterm-256color” is claimed by many that never learnt REP.
        rep: (modern || evidence.real_xterm)
            && evidence.string("rep").is_some_and(|rep| rep.ends_with(b"%db")),
        absolute: is("hpa", "\x1b[%i%p1%dG") && is("vpa", "\x1b[%i%p1%dd"),
        scroll_region: is("csr", "\x1b[%i%p1%d;%p2%dr"),
        scroll: is("indn", "\x1b[%p1%dS") && is("rin", "\x1b[%p1%dT"),
        insert_line: is("il", "\x1b[%p1%dL") && is("dl", "\x1b[%p1%dM"),
        insert_char: is("ich", "\x1b[%p1%d@") && is("dch", "\x1b[%p1%dP"),
        title: xterm,
        clipboard: evidence.has("Ms") || modern || evidence.family(&["xterm", "screen", "tmux"]),
        colors: colors(evidence),
        italic: evidence.is("sitm", "\x1b[3m") || guess,
        faint_strike: evidence.has("smxx") || modern || vte > 0,
        underlines: evidence.has("Smulx") || modern || vte >= 5102,
        links: modern || vte >= 5000,
        cursor_style: evidence.has("Ss") || modern || guess,
        reverse_video: xterm || evidence.family(&["linux", "vt100", "vt102", "vt220"]),
        input_modes: xterm,
        inner_modes: false,
        keypad: evidence.string("smkx").is_some_and(|smkx| smkx.contains(&b'=')) || modern,
        modify_other_keys: evidence.real_xterm || evidence.family(&["mintty", "foot", "tmux"]),
        keyboard: modern,
        synchronized: modern || evidence.has("Sync"),
        soft_wrap: guess || (evidence.has("am") && evidence.has("xenl")),
        cursor_visibility: guess
            || modern
            || evidence.string("civis").is_some_and(|civis| civis.starts_with(b"\x1b[?25l")),
        hide_cursor: true,
        ..Vocabulary::BASIC
    }
}

fn colors(evidence: &Evidence) -> Colors {
    if evidence.true_colour || evidence.color_level() == ColorLevel::TrueColor {
        return Colors::True;
    }
    // termwiz calls everything below 256 sixteen; the entry knows better.
    match evidence.number("colors") {
        Some(256..) => Colors::Indexed,
        Some(16..) => Colors::Sixteen,
        Some(8..) => Colors::Eight,
        Some(_) => Colors::None,
        None if evidence.known() => Colors::None,
        None if evidence.color_level() == ColorLevel::TwoFiftySix => Colors::Indexed,
        None => Colors::Eight,
    }
}
