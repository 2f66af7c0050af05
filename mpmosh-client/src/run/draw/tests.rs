use super::*;
use terminal::Colors;
use terminfo::Database;

/// A terminal by the machine's own terminfo, which every Debian has for these names.
fn terminal(variables: &[(&str, &str)]) -> Result<UserTerminal, Unusable> {
    let variable =
        |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    UserTerminal::from_evidence(&Evidence::new(variable, |term| Database::from_name(term).ok()), false)
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
    assert_eq!(terminal(&[("TERM", "dumb")]), Err(Unusable { term: "dumb".into() }));
}

#[test]
fn an_unknown_name_is_judged_by_its_family() {
    let kitty = UserTerminal::from_evidence(
        &Evidence::new(|n| (n == "TERM").then(|| "xterm-kitty".into()), |_| None),
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
    let plain = UserTerminal::from_evidence(&evidence, true).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(plain.enter, b"\x1b[?1h");
    assert!(!plain.leave.windows(6).any(|w| w == b"?1049l"));
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
                    assert!(
                        !numbers.contains(&"38") && !numbers.contains(&"48") || colours >= 256,
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
                ("?", 'h' | 'l') => {
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
