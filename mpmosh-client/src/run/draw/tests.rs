use super::*;
use terminal::Colors;
use terminfo::Database;

/// A terminal by the machine's own terminfo, which every Debian has for these names.
fn terminal(variables: &[(&str, &str)]) -> Result<UserTerminal, Unusable> {
    let variable =
        |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    UserTerminal::from_evidence(Evidence::new(variable, |term| Database::from_name(term).ok()), false)
}

fn of(variables: &[(&str, &str)]) -> UserTerminal {
    terminal(variables).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn an_xterm_has_what_xterm_has() {
    let xterm = of(&[("TERM", "xterm-256color")]);
    let v = &xterm.vocabulary;
    assert!(
        v.ech
            && v.bce
            && v.absolute
            && v.scroll_region
            && v.insert_line
            && v.insert_char
            && v.title
            && v.input_modes
    );
    assert_eq!(v.colors, Colors::Indexed);
    // Many that call themselves so have not these.
    assert!(!v.rep && !v.keyboard && !v.underlines && !v.links);
    assert!(xterm.enter.starts_with(b"\x1b[?1049h"), "{:?}", String::from_utf8_lossy(&xterm.enter));
    assert!(xterm.leave.windows(8).any(|w| w == b"\x1b[?1049l"));
    assert_eq!(of(&[("TERM", "xterm-256color"), ("COLORTERM", "truecolor")]).vocabulary.colors, Colors::True);
    assert!(of(&[("TERM", "xterm-256color"), ("XTERM_VERSION", "XTerm(379)")]).vocabulary.rep);
    assert!(of(&[("TERM", "xterm-256color"), ("VTE_VERSION", "7200")]).vocabulary.links);
}

#[test]
fn the_console_and_an_old_terminal_get_no_more_than_they_know() {
    let console = of(&[("TERM", "linux")]);
    assert_eq!(console.vocabulary.colors, Colors::Eight);
    assert!(!console.vocabulary.title && !console.vocabulary.input_modes && !console.vocabulary.cursor_style);
    assert_eq!(console.enter, b"\x1b[?1h");
    assert!(!console.leave.windows(2).any(|w| w == b"\x1b]"));
    let vt100 = of(&[("TERM", "vt100")]);
    assert_eq!(vt100.vocabulary.colors, Colors::None);
    assert!(vt100.vocabulary.scroll_region && !vt100.vocabulary.ech && !vt100.vocabulary.insert_line);
}

/// What each says of itself (its own documentation, `infocmp`, or seen in it), and what it shows: colours, links,
/// underline styles. None has COLORTERM, as over ssh.
#[test]
fn a_terminal_that_says_who_it_is_gets_what_it_has() {
    let xterm = ("TERM", "xterm-256color");
    type Case<'a> = (&'a [(&'a str, &'a str)], Colors, bool, bool);
    let cases: &[Case<'_>] = &[
        (&[("TERM", "alacritty")], Colors::True, true, true),
        (&[("TERM", "xterm-kitty")], Colors::True, true, true),
        (&[("TERM", "foot")], Colors::True, true, true),
        (&[("TERM", "xterm-ghostty")], Colors::True, true, true),
        (&[("TERM", "wezterm")], Colors::True, true, true),
        (&[("TERM", "contour")], Colors::True, true, true),
        (&[xterm, ("TERM_PROGRAM", "WezTerm")], Colors::True, true, true),
        (&[xterm, ("TERM_PROGRAM", "iTerm.app")], Colors::True, true, true),
        (&[xterm, ("TERM_PROGRAM", "ghostty")], Colors::True, true, true),
        (&[xterm, ("TERM_PROGRAM", "vscode")], Colors::True, true, true),
        (&[xterm, ("WT_SESSION", "e4b5f6")], Colors::True, true, true),
        (&[xterm, ("KONSOLE_VERSION", "221203")], Colors::True, true, true),
        (&[xterm, ("KONSOLE_VERSION", "201203")], Colors::True, true, false),
        (&[("TERM", "xterm"), ("KONSOLE_PROFILE_NAME", "Shell")], Colors::True, false, false),
        (&[xterm, ("VTE_VERSION", "7200")], Colors::True, true, true),
        (&[xterm, ("VTE_VERSION", "5000")], Colors::True, true, false),
        (&[xterm, ("VTE_VERSION", "3600")], Colors::True, false, false),
        (&[xterm, ("VTE_VERSION", "3409")], Colors::Indexed, false, false),
        (&[xterm, ("TERMUX_VERSION", "0.118")], Colors::True, false, false),
        (&[xterm, ("XTERM_VERSION", "XTerm(379)")], Colors::True, false, false),
        (&[xterm, ("XTERM_VERSION", "XTerm(330)")], Colors::Indexed, false, false),
        (&[("TERM", "tmux-256color")], Colors::True, false, true),
        (
            &[("TERM", "tmux-256color"), ("TERM_PROGRAM", "tmux"), ("TERM_PROGRAM_VERSION", "3.4")],
            Colors::True,
            true,
            true,
        ),
        (&[("TERM", "screen"), ("TMUX", "/tmp/tmux-0/default,1,0")], Colors::True, false, false),
        // GNU screen 4 knows 256 colours, and what its own terminal is counts for nothing.
        (
            &[("TERM", "screen-256color"), ("VTE_VERSION", "7200"), ("WT_SESSION", "e4")],
            Colors::Indexed,
            false,
            false,
        ),
        (&[("TERM", "screen-256color"), ("TERM_PROGRAM", "iTerm.app")], Colors::Indexed, false, false),
        (&[xterm, ("TERM_PROGRAM", "Apple_Terminal")], Colors::Indexed, false, false),
        (
            &[("TERM", "rxvt-unicode-256color"), ("TMUX", "/tmp/tmux-0/default,1,0")],
            Colors::Indexed,
            false,
            false,
        ),
        (&[("TERM", "xterm-direct")], Colors::True, false, false),
        (&[xterm], Colors::Indexed, false, false),
    ];
    for (variables, colors, links, underlines) in cases {
        let found = of(variables).vocabulary;
        let got = (found.colors, found.links, found.underlines);
        assert_eq!(got, (*colors, *links, *underlines), "{variables:?}");
    }
}

/// The words of the terminals are those of XTVERSION in their sources; kitty 0.26 and xterm 379 and tmux 3.3 were asked.
#[test]
fn what_the_terminal_answers_counts_more_than_variables() {
    for (answer, colors, links, underlines) in [
        ("XTerm(379)", Colors::True, false, false),
        ("kitty(0.26.5)", Colors::True, true, true),
        ("tmux 3.3a", Colors::True, false, true),
        ("tmux 3.4", Colors::True, true, true),
        ("VTE(7001)", Colors::True, true, true),
        ("Konsole 22.12.3", Colors::True, true, true),
        ("foot(1.13.1)", Colors::True, true, true),
        // Nobody in the table: what the variables say stays.
        ("something else", Colors::True, true, true),
    ] {
        let terminal = of(&[("TERM", "xterm-256color"), ("VTE_VERSION", "7200")]);
        let found = terminal.named(answer).unwrap_or(terminal).vocabulary;
        assert_eq!((found.colors, found.links, found.underlines), (colors, links, underlines), "{answer}");
    }
}

/// What every xterm has had for decades is there without an entry too, and a screen of its own with it.
#[test]
fn a_modern_terminal_without_an_entry_is_no_dumb_one() {
    for name in
        ["xterm-direct", "xterm-ghostty", "wezterm", "contour", "xterm-new", "foot", "no-such-terminal"]
    {
        let evidence = Evidence::new(|n| (n == "TERM").then(|| name.into()), |_| None);
        let found = UserTerminal::from_evidence(evidence, false).unwrap_or_else(|e| panic!("{e}"));
        let says = |bytes: &[u8], text: &str| String::from_utf8_lossy(bytes).contains(text);
        assert!(says(&found.enter, "\x1b[?1049h") && says(&found.leave, "\x1b[?1049l"), "{name}");
        let v = &found.vocabulary;
        if name != "no-such-terminal" {
            assert!(v.ech && v.bce && v.scroll_region && v.insert_line && v.title && v.input_modes, "{name}");
            let colors = if name == "xterm-new" { Colors::Indexed } else { Colors::True };
            assert_eq!(v.colors, colors, "{name}");
        }
    }
}

/// Their consoles and emulators know DECCKM, as stock mosh takes for granted; smkx in their entries does not say so.
#[test]
fn terminals_whose_entries_hide_application_mode_are_put_into_it() {
    for name in ["rxvt", "rxvt-unicode", "rxvt-unicode-256color", "Eterm", "wsvt25", "cons25"] {
        let Ok(found) = terminal(&[("TERM", name)]) else { panic!("{name}") };
        let enters = found.enter.windows(5).any(|part| part == b"\x1b[?1h");
        let leaves = found.leave.windows(5).any(|part| part == b"\x1b[?1l");
        assert!(enters && leaves, "{name}");
    }
}

#[test]
fn a_multiplexer_speaks_for_itself() {
    let screen = of(&[("TERM", "screen-256color"), ("VTE_VERSION", "7200")]);
    assert!(!screen.vocabulary.bce && !screen.vocabulary.links && screen.vocabulary.title);
}

#[test]
fn a_dumb_terminal_is_refused() {
    assert!(terminal(&[]).is_err());
    assert!(terminal(&[("TERM", "")]).is_err());
    assert_eq!(terminal(&[("TERM", "dumb")]).err(), Some(Unusable { term: "dumb".into() }));
}

#[test]
fn an_unknown_name_is_judged_by_its_family() {
    let kitty = UserTerminal::from_evidence(
        Evidence::new(|n| (n == "TERM").then(|| "xterm-kitty".into()), |_| None),
        false,
    );
    let kitty = kitty.unwrap_or_else(|e| panic!("{e}"));
    assert!(kitty.vocabulary.keyboard && kitty.vocabulary.ech);
    let other = of(&[("TERM", "no-such-terminal")]);
    assert!(!other.vocabulary.ech && !other.vocabulary.title);
    assert_eq!(other.vocabulary.colors, Colors::Eight);
}

#[test]
fn without_initialisation_the_screen_is_not_switched() {
    let evidence =
        Evidence::new(|n| (n == "TERM").then(|| "xterm".into()), |term| Database::from_name(term).ok());
    let plain = UserTerminal::from_evidence(evidence, true).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(plain.enter, b"\x1b[22;0t\x1b[?12s\x1b[?1h");
    assert!(!plain.leave.windows(6).any(|w| w == b"?1049l"));
}

/// XTWINOPS 22 and 23 (xterm's ctlseqs), which kitty, VTE, foot and tmux have too.
#[test]
fn the_users_titles_are_kept_once_where_there_are_titles() {
    for name in ["xterm-256color", "tmux-256color", "screen", "rxvt"] {
        let found = of(&[("TERM", name)]);
        let count = |bytes: &[u8], text: &str| String::from_utf8_lossy(bytes).matches(text).count();
        assert_eq!((count(&found.enter, "\x1b[22;"), count(&found.leave, "\x1b[23;")), (1, 1), "{name}");
    }
    assert!(!contains(&of(&[("TERM", "linux")]).enter, b"t"));
}

#[test]
fn leaving_ends_every_mode_that_may_have_begun() {
    let xterm = of(&[("TERM", "xterm-256color")]);
    let text = String::from_utf8_lossy(&xterm.leave).into_owned();
    for mode in [
        "?1l", "[m", "?25h", "?9l", "?1000l", "?1001l", "?1002l", "?1003l", "?1005l", "?1006l", "?1015l",
        "?1016l", "?2004l", "?1004l", "[0 q", "?5l",
    ] {
        assert!(text.contains(mode), "{mode}: {text:?}");
    }
}

#[test]
fn blank_is_what_a_new_screen_shows() {
    let size = terminal::Size { columns: 20, rows: 3 };
    let mut emulator = terminal::Emulator::new(size);
    let xterm = of(&[("TERM", "xterm-256color")]);
    emulator.feed(b"\x1b[2;3r\x1b[31mtext\r\nmore\x1b[4m");
    emulator.feed(&xterm.blank);
    let (shown, new) = (emulator.screen(), terminal::Screen::new(size));
    assert_eq!(shown.cursor(), new.cursor());
    assert_eq!(format!("{:?}", shown.cell(0, 0)), format!("{:?}", new.cell(0, 0)));
}

/// One control sequence of what was written: private mark, parameters, final.
fn control_sequences(bytes: &[u8]) -> Vec<(String, String, char)> {
    let text = String::from_utf8_lossy(bytes);
    let sequence = |rest: &str| {
        let body = rest.strip_prefix('[')?;
        let end = body.find(|c: char| ('@'..='~').contains(&c))?;
        let mark: String = body[..end].chars().take_while(|c| "<=>?".contains(*c)).collect();
        Some((mark.clone(), body[mark.len()..end].to_owned(), body[end..].chars().next()?))
    };
    text.split('\x1b').skip(1).filter_map(sequence).collect()
}

/// Terminal types that every system with ncurses describes.
const DESCRIBED: [&str; 12] = [
    "ansi",
    "linux",
    "rxvt",
    "screen",
    "screen-256color",
    "tmux",
    "tmux-256color",
    "vt100",
    "vt102",
    "vt220",
    "xterm",
    "xterm-256color",
];

#[test]
fn no_terminal_gets_a_sequence_that_its_entry_does_not_have() {
    let vectors = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/term");
    let cases = [
        "vim-80x24",
        "htop-80x24",
        "tmux-80x24",
        "looks-80x24",
        "editing-80x24",
        "repeat-80x24",
        "emoji-80x24",
    ];
    for name in DESCRIBED {
        let database = Database::from_name(name).unwrap_or_else(|_| panic!("{name} is not described here"));
        let string = |capability: &str| match database.raw(capability) {
            Some(terminfo::Value::String(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
            _ => String::new(),
        };
        let colours = match database.raw("colors") {
            Some(terminfo::Value::Number(colours)) => *colours,
            _ => 0,
        };
        let terminal = of(&[("TERM", name)]);
        let mut written = terminal.enter.clone();
        written.extend(&terminal.blank);
        written.extend(&terminal.leave);
        for case in cases {
            let stream = std::fs::read(vectors.join(case).join("stream")).unwrap();
            let mut emulator = terminal::Emulator::new(terminal::Size { columns: 80, rows: 24 });
            let mut shown = emulator.screen().clone();
            for step in stream.chunks(stream.len() / 40 + 1) {
                emulator.feed(step);
                written.extend(terminal::diff(&shown, emulator.screen(), &terminal.vocabulary));
                shown = emulator.screen().clone();
            }
            written.extend(terminal::repaint(&shown, &terminal.vocabulary));
        }
        for (mark, parameters, action) in control_sequences(&written) {
            let capability = match (mark.as_str(), action) {
                ("", '@') => "ich",
                ("", 'P') => "dch",
                ("", 'L') => "il",
                ("", 'M') => "dl",
                ("", 'X') => "ech",
                ("", 'S') => "indn",
                ("", 'T') => "rin",
                ("", 'r') => "csr",
                ("", 'G') => "hpa",
                ("", 'd') => "vpa",
                ("", 'b') => "rep",
                ("", 'H') => "cup",
                ("", 'A') => "cuu",
                ("", 'B') => "cud",
                ("", 'C') => "cuf",
                ("", 'D') => "cub",
                ("", 'J') => "ed",
                ("", 'K') => "el",
                ("", 'q') => "Ss",
                _ => "",
            };
            let shown = format!("{name}: CSI {mark}{parameters}{action}");
            match (mark.as_str(), action) {
                _ if !capability.is_empty() => assert!(!string(capability).is_empty(), "{shown}"),
                ("", 'm') => {
                    let numbers: Vec<&str> = parameters.split(';').collect();
                    // tmux has them, whatever its entry says, and tells its own terminal the nearest.
                    assert!(
                        !numbers.contains(&"38") && !numbers.contains(&"48")
                            || colours >= 256
                            || name == "tmux",
                        "{shown}"
                    );
                    assert!(!numbers.contains(&"3") || string("sitm") == "\x1b[3m", "{shown}");
                    assert!(!parameters.contains(':') || !string("Smulx").is_empty(), "{shown}");
                    let coloured = numbers
                        .iter()
                        .any(|n| n.len() == 2 && n.starts_with(['3', '4']) && *n != "38" && *n != "48");
                    assert!(!coloured || colours >= 8, "{shown}");
                }
                ("?", 'h' | 'l') if parameters == "25" => {
                    assert!(string("civis").starts_with("\x1b[?25l"), "{shown}")
                }
                ("?", 'h' | 'l') if parameters == "1" => {
                    let silent = ["linux", "rxvt"];
                    assert!(silent.contains(&name) || string("smkx").contains("\x1b[?1h"), "{shown}");
                }
                ("?", 'h' | 'l') if parameters == "5" => {}
                ("?", 'h' | 'l' | 's' | 'r') => {
                    assert!(terminal.vocabulary.title, "a private mode where there is no xterm: {shown}")
                }
                (">" | "", _) => assert!(terminal.vocabulary.title, "{shown}"),
                _ => panic!("{shown}"),
            }
        }
        let has_osc = written.windows(2).any(|pair| pair == b"\x1b]");
        assert!(!has_osc || terminal.vocabulary.title, "{name}");
    }
}
