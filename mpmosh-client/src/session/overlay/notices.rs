//! The line at the top of the screen: how long nothing has been heard, what is wrong with which path, and short
//! messages. Contract: shown only while there is something to say, drawn over the first row of a copy, never taking a
//! key.

use crate::session::report::Trouble;
use net::Instant;
use std::time::Duration;
use terminal::{Attributes, Color, Flags, Pen, Screen};

/// Nothing from the server for longer than this is worth a word: two heartbeats and some.
const CONTACT_LATE: Duration = Duration::from_millis(6500);
/// Nothing acknowledged by the server for longer than this is, too.
const REPLY_LATE: Duration = Duration::from_secs(10);
/// After this the seconds are no longer counted one by one.
const SLOW_COUNT: Duration = Duration::from_secs(60);

/// When the server was last known to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contact {
    /// When something last came from it. Where silence is agreed on and nothing is owed, this is now.
    pub heard: Instant,
    /// When the newest of this end's states that it has acknowledged was sent. Where nothing waits for an
    /// acknowledgement, this is now.
    pub replied: Instant,
}

/// What is told besides, at the right of the top line, for a moment: nothing that has to be read.
#[derive(Clone, Debug)]
struct Aside {
    text: String,
    until: Instant,
}

/// A message, from its longest wording to its shortest.
#[derive(Clone, Debug)]
struct Message {
    wordings: Vec<String>,
    until: Option<Instant>,
}

/// The line at the top of the screen.
#[derive(Clone, Debug)]
pub struct Notices {
    /// `None` while all is well.
    contact: Option<Contact>,
    message: Option<Message>,
    /// The first word is awaited, from so many paths.
    awaited: Option<(u16, usize)>,
    /// The host that says that nobody listens at the session's port any more.
    gone: Option<String>,
    /// This machine refuses to send anything: why nothing is heard.
    refused_here: bool,
    /// What is wrong with the paths, and when it will be something else: told beside a silence.
    trouble: Option<(String, Instant)>,
    aside: Option<Aside>,
    quit_keys: String,
}

impl Notices {
    /// Nothing to say yet: the silence is counted from `now`.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            contact: Some(Contact { heard: now, replied: now }),
            message: None,
            awaited: None,
            gone: None,
            refused_here: false,
            trouble: None,
            aside: None,
            quit_keys: String::new(),
        }
    }

    /// How to quit, said while nothing is heard: for instance `Ctrl-^ .`. Empty: not said.
    pub fn set_quit_hint(&mut self, keys: &str) {
        keys.clone_into(&mut self.quit_keys);
    }

    /// When the server was last there; `None`: nothing is amiss, and no silence is counted.
    pub fn set_contact(&mut self, contact: Option<Contact>) {
        self.contact = contact;
    }

    /// The server's first word is awaited on its UDP port, over so many paths.
    pub fn set_awaited(&mut self, awaited: Option<(u16, usize)>) {
        self.awaited = awaited;
    }

    /// The host says that nobody listens at the session's port; `None`: it does not, or the server was heard since.
    pub fn set_gone(&mut self, host: Option<&str>) {
        self.gone = host.map(str::to_owned);
    }

    /// This machine itself refuses to send: told in place of a silence that is no wonder.
    pub fn set_refused_here(&mut self, refused: bool) {
        self.refused_here = refused;
    }

    /// What is wrong with the paths, now; told while contact is lost.
    pub fn set_trouble(&mut self, trouble: Option<Trouble>, now: Instant) {
        self.trouble = trouble.map(|trouble| (trouble.text, now + trouble.next));
    }

    /// Shows a message, until a time or until another takes its place. Of its wordings, from the longest to the shortest,
    /// the first that the screen has room for.
    pub fn set_message(&mut self, wordings: &[&str], until: Option<Instant>) {
        self.message =
            Some(Message { wordings: wordings.iter().map(|&text| text.to_owned()).collect(), until });
    }

    /// Takes the message away.
    pub fn clear_message(&mut self) {
        self.message = None;
    }

    /// Tells something at the right of the line, over no more of it than its own cells.
    pub fn set_aside(&mut self, text: &str, until: Instant) {
        self.aside = Some(Aside { text: text.to_owned(), until });
    }

    /// Whether the message goes by itself.
    #[must_use]
    pub fn is_timed(&self) -> bool {
        self.message.as_ref().is_some_and(|message| message.until.is_some())
    }

    /// Takes away what has been shown for its time.
    pub fn expire(&mut self, now: Instant) {
        let is_over = |until: Option<Instant>| until.is_some_and(|until| now >= until);
        self.message = self.message.take().filter(|message| !is_over(message.until));
        self.aside = self.aside.take().filter(|aside| !is_over(Some(aside.until)));
    }

    /// Whether contact has been lost for so long that the line says so.
    #[must_use]
    pub fn tells_silence(&self, now: Instant) -> bool {
        self.silence(now).is_some()
    }

    /// The silence worth a word, and whose it is.
    fn silence(&self, now: Instant) -> Option<(Duration, &'static str)> {
        let contact = self.contact?;
        let (heard, replied) = (now.since(contact.heard), now.since(contact.replied));
        if heard > CONTACT_LATE {
            Some((heard, "contact"))
        } else if replied > REPLY_LATE {
            Some((replied, "reply"))
        } else {
            None
        }
    }

    /// What has been lost, if anything: the essential, from its longest wording to its shortest, and how to quit alike.
    fn lost(&self, now: Instant) -> Option<(Vec<String>, Vec<String>)> {
        let short = format!("{} quits.", self.quit_keys);
        let asks = format!("[To quit: {}]", self.quit_keys);
        if let Some(host) = &self.gone {
            let told = format!("{host} answers, but this session's server is gone.");
            let told = vec![told, "This session's server is gone.".into(), "The server is gone.".into()];
            return Some((told, vec![short]));
        }
        if self.refused_here && (self.awaited.is_some() || self.tells_silence(now)) {
            let told = "This machine refuses to send (its own firewall?).".to_owned();
            return Some((
                vec![told, "This machine refuses to send.".into(), "Refused by this machine.".into()],
                vec![asks, short],
            ));
        }
        if let Some((port, paths)) = self.awaited {
            let told = format!("Nothing received from server on UDP port {port}");
            let over = if paths > 1 { format!("{told} over {paths} paths.") } else { format!("{told}.") };
            return Some((vec![over, told + ".", "Nothing received yet.".into()], vec![asks, short]));
        }
        let (time, what) = self.silence(now)?;
        let (long, brief) = (duration(time), brief(time));
        let told = vec![
            format!("Last {what} {long} ago."),
            format!("Last {what} {brief} ago."),
            format!("No {what}: {brief}."),
        ];
        Some((told, vec![asks, short]))
    }

    /// What the line says on a screen of so many columns; `None` while it is not shown.
    #[must_use]
    pub fn text(&self, columns: usize, now: Instant) -> Option<String> {
        let message = self.message.as_ref().filter(|message| message.until.is_none_or(|until| now < until));
        if let Some(message) = message {
            let silence =
                self.silence(now).map(|(time, what)| format!(" ({} without {what}.)", duration(time)));
            let told = message.wordings.iter().map(String::as_str);
            return Some(fitting(told, &[silence.as_deref().unwrap_or_default(), ""], columns));
        }
        let (told, mut quit) = self.lost(now)?;
        if self.quit_keys.is_empty() {
            quit = vec![String::new()];
        } else {
            quit.iter_mut().for_each(|hint| hint.insert(0, ' '));
        }
        let quit: Vec<&str> = quit.iter().map(String::as_str).collect();
        let mut line = fitting(told.iter().map(String::as_str), &quit, columns);
        // Last, and whole or not at all.
        let trouble = self.trouble.as_ref().map(|(text, _)| text.as_str()).filter(|text| !text.is_empty());
        if let Some(trouble) = trouble
            && line.chars().count() + 1 + trouble.chars().count() <= columns
        {
            line = format!("{line} {trouble}");
        }
        Some(line)
    }

    /// Draws the line over the first row.
    pub fn apply(&self, screen: &mut Screen, now: Instant) {
        let attributes = Attributes {
            foreground: Color::Indexed(7),
            background: Color::Indexed(4),
            flags: Flags::BOLD,
            ..Attributes::default()
        };
        let pen = Pen::new(attributes);
        let columns = screen.size().columns;
        let Some(text) = self.text(usize::from(columns), now) else {
            let aside = self.aside.as_ref().filter(|aside| now < aside.until);
            let width = aside.and_then(|aside| u16::try_from(aside.text.chars().count()).ok());
            if let (Some(aside), Some(from)) = (aside, width.and_then(|width| columns.checked_sub(width))) {
                screen.put_text(0, from, &aside.text, &pen);
            }
            return;
        };
        screen.put_text(0, 0, &" ".repeat(usize::from(columns)), &pen);
        screen.put_text(0, 0, &text, &pen);
        if screen.cursor().row == 0 {
            screen.set_cursor_visible(false);
        }
    }

    /// When the line will say something else than it said at `drawn`.
    #[must_use]
    pub fn poll_timeout(&self, drawn: Instant) -> Option<Instant> {
        let expiry = self.message.as_ref().and_then(|message| message.until);
        let aside = self.aside.as_ref().map(|aside| aside.until);
        let count = self.contact.map(|contact| match self.silence(drawn) {
            Some((time, _)) => {
                let step = if time > SLOW_COUNT { 3 } else { 1 };
                let next = Duration::from_secs((time.as_secs() / step + 1) * step);
                drawn + (next - time)
            }
            None => {
                let first = (contact.heard + CONTACT_LATE).min(contact.replied + REPLY_LATE);
                first + Duration::from_millis(1)
            }
        });
        let trouble = self.trouble.as_ref().filter(|_| self.tells_silence(drawn)).map(|(_, next)| *next);
        [expiry, aside, count, trouble].into_iter().flatten().min()
    }
}

/// The first of the wordings that fits, with our name before it where there is room, and with the first of the ends that
/// fits: the essential gives way before its end is cut, and our name before either.
fn fitting<'a>(wordings: impl Iterator<Item = &'a str>, ends: &[&str], columns: usize) -> String {
    let mut line = String::new();
    for wording in wordings {
        for name in ["mpmosh: ", ""] {
            for end in ends {
                line = format!("{name}{wording}{end}");
                if line.chars().count() <= columns {
                    return line;
                }
            }
        }
    }
    line
}

/// The help shown after the escape key, `key` being its name and `literal` the key that gives it literally: in 62 columns,
/// and in 40. With `detaches` the session can be left and goes on.
#[must_use]
pub fn escape_help(key: &str, literal: char, detaches: bool) -> Vec<String> {
    if detaches {
        return vec![
            format!("\".\" quits, \"d\" detaches, Ctrl-Z suspends, \"p\" paths, \"{literal}\" literal {key}"),
            format!(". quits, d detaches, ^Z suspends, p paths, {literal} literal {key}"),
            ". quits, d detaches, ^Z stops, p paths".into(),
        ];
    }
    vec![
        format!("\".\" quits, Ctrl-Z suspends, \"p\" paths, \"{literal}\" literal {key}"),
        format!(". quits, ^Z suspends, p paths, {literal} literal"),
    ]
}

/// `N s`, `M:SS` or `H:MM:SS`.
fn brief(time: Duration) -> String {
    if time < Duration::from_secs(60) { format!("{} s", time.as_secs()) } else { duration(time) }
}

/// `N seconds`, `M:SS` or `H:MM:SS`.
fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} seconds"),
        (0, minutes, seconds) => format!("{minutes}:{seconds:02}"),
        (hours, minutes, seconds) => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use terminal::{Emulator, Mode, Size};

    const START: Instant = Instant::from_micros(100_000_000);

    fn after(seconds: u64) -> Instant {
        START + Duration::from_secs(seconds)
    }

    fn notices() -> Notices {
        let mut notices = Notices::new(START);
        notices.set_quit_hint("Ctrl-^ .");
        notices
    }

    #[test]
    fn a_silence_is_told_after_six_and_a_half_seconds_and_how_to_quit_on_every_terminal() {
        let notices = notices();
        assert_eq!(notices.text(80, START + CONTACT_LATE), None);
        let due = notices.poll_timeout(START).unwrap();
        assert_eq!(due, START + CONTACT_LATE + Duration::from_millis(1));
        let told = |columns, seconds| notices.text(columns, after(seconds)).unwrap();
        assert_eq!(told(80, 7), "mpmosh: Last contact 7 seconds ago. [To quit: Ctrl-^ .]");
        assert_eq!(told(80, 65), "mpmosh: Last contact 1:05 ago. [To quit: Ctrl-^ .]");
        assert_eq!(told(80, 3600 + 62), "mpmosh: Last contact 1:01:02 ago. [To quit: Ctrl-^ .]");
        assert_eq!(told(40, 17), "Last contact 17 s ago. Ctrl-^ . quits.");
        assert_eq!(told(40, 36_000 + 62), "No contact: 10:01:02. Ctrl-^ . quits.");
    }

    #[test]
    fn a_reply_is_missed_only_when_contact_is_not() {
        let mut notices = Notices::new(START);
        notices.set_contact(Some(Contact { heard: after(11), replied: START }));
        assert_eq!(notices.text(80, after(11)).unwrap(), "mpmosh: Last reply 11 seconds ago.");
        assert_eq!(notices.text(80, after(18)).unwrap(), "mpmosh: Last contact 7 seconds ago.");
    }

    #[test]
    fn a_server_that_is_gone_is_told_at_once_and_not_when_it_is_heard() {
        let mut notices = notices();
        notices.set_gone(Some("host.example"));
        let told = |columns| notices.text(columns, START).unwrap();
        assert_eq!(told(79), "host.example answers, but this session's server is gone. Ctrl-^ . quits.");
        assert_eq!(told(80), format!("mpmosh: {}", told(79)));
        assert_eq!(told(40), "The server is gone. Ctrl-^ . quits.");
        notices.set_gone(None);
        assert_eq!(notices.text(80, START), None);
    }

    #[test]
    fn a_machine_that_refuses_to_send_is_told_in_place_of_a_silence() {
        let mut notices = notices();
        notices.set_refused_here(true);
        assert_eq!(notices.text(80, START), None);
        let told = |columns| notices.text(columns, after(7)).unwrap();
        assert_eq!(told(80), "mpmosh: This machine refuses to send (its own firewall?). [To quit: Ctrl-^ .]");
        assert_eq!(told(40), "Refused by this machine. Ctrl-^ . quits.");
    }

    #[test]
    fn who_waits_for_the_first_word_is_told_how_to_leave() {
        let mut notices = notices();
        notices.set_contact(None);
        notices.set_awaited(Some((60_001, 4)));
        let told = |columns| notices.text(columns, START).unwrap();
        assert_eq!(
            told(100),
            "mpmosh: Nothing received from server on UDP port 60001 over 4 paths. [To quit: Ctrl-^ .]"
        );
        assert_eq!(
            told(80),
            "Nothing received from server on UDP port 60001 over 4 paths. [To quit: Ctrl-^ .]"
        );
        assert_eq!(told(40), "Nothing received yet. Ctrl-^ . quits.");
        notices.set_awaited(None);
        assert_eq!(notices.text(80, START), None);
    }

    #[test]
    fn a_message_is_shown_for_its_time_and_says_the_silence_too() {
        let mut notices = Notices::new(START);
        notices.set_message(&["a long message", "short"], Some(after(8)));
        assert_eq!(notices.text(80, after(1)).unwrap(), "mpmosh: a long message");
        assert_eq!(
            notices.text(80, after(7)).unwrap(),
            "mpmosh: a long message (7 seconds without contact.)"
        );
        assert_eq!(notices.text(20, after(7)).unwrap(), "a long message");
        assert_eq!(notices.text(10, after(7)).unwrap(), "short");
        assert_eq!(notices.text(80, after(8)).unwrap(), "mpmosh: Last contact 8 seconds ago.");
        notices.expire(after(8));
        notices.set_contact(Some(Contact { heard: after(8), replied: after(8) }));
        assert_eq!(notices.text(80, after(8)), None);
    }

    #[test]
    fn what_is_wrong_with_a_path_is_told_beside_a_silence_alone_and_never_in_part() {
        let mut notices = notices();
        let trouble =
            Trouble { text: "wlan0 lost".into(), brief: String::new(), next: Duration::from_millis(400) };
        notices.set_trouble(Some(trouble), START);
        assert_eq!(notices.text(80, START), None, "another path carries the session");
        let told = |columns| notices.text(columns, after(7)).unwrap();
        assert_eq!(told(80), "mpmosh: Last contact 7 seconds ago. [To quit: Ctrl-^ .] wlan0 lost");
        assert_eq!(told(60), "mpmosh: Last contact 7 seconds ago. [To quit: Ctrl-^ .]");
    }

    #[test]
    fn the_count_goes_by_seconds_and_later_by_threes() {
        let notices = Notices::new(START);
        let half = Duration::from_millis(500);
        assert_eq!(notices.poll_timeout(after(7) + half), Some(after(8)));
        assert_eq!(notices.poll_timeout(after(61)), Some(after(63)));
    }

    fn first_row(screen: &Screen) -> String {
        screen.row(0).unwrap().cells().iter().map(terminal::Cell::text).collect()
    }

    #[test]
    fn the_line_covers_the_row_and_hides_the_cursor_on_it() {
        let mut emulator = Emulator::new(Size { columns: 30, rows: 3 });
        emulator.feed("多多 many words in the first row\x1b[1;5H".as_bytes());
        let mut screen = emulator.screen().clone();
        let mut notices = Notices::new(START);
        notices.apply(&mut screen, START);
        assert_eq!(screen, *emulator.screen());
        notices.set_message(&["a\x1b[31m message"], None);
        notices.apply(&mut screen, START);
        assert_eq!(first_row(&screen).trim_end(), "mpmosh: a[31m message");
        assert!(
            screen
                .row(0)
                .unwrap()
                .cells()
                .iter()
                .all(|cell| { cell.attributes().background == Color::Indexed(4) && cell.width() == 1 })
        );
        assert!(!screen.modes().get(Mode::CursorVisible));
        emulator.feed(b"\x1b[2;1H");
        let mut screen = emulator.screen().clone();
        notices.apply(&mut screen, START);
        assert!(screen.modes().get(Mode::CursorVisible));
    }

    #[test]
    fn an_aside_covers_its_own_cells_at_the_right_and_goes() {
        let mut emulator = Emulator::new(Size { columns: 30, rows: 3 });
        emulator.feed(b"the program's own first row --\x1b[1;5H");
        let mut notices = Notices::new(START);
        notices.set_aside("on wwan0", after(2));
        let drawn = |now| {
            let mut screen = emulator.screen().clone();
            notices.apply(&mut screen, now);
            assert!(screen.modes().get(Mode::CursorVisible));
            first_row(&screen)
        };
        assert_eq!(drawn(START), "the program's own firson wwan0");
        assert_eq!(notices.poll_timeout(START), Some(after(2)));
        assert_eq!(drawn(after(2)), "the program's own first row --");
    }

    #[test]
    fn the_help_fits_where_mosh_s_does_and_on_forty_columns() {
        let mut notices = Notices::new(START);
        let set = |notices: &mut Notices, detaches| {
            let help = escape_help("Ctrl-^", '^', detaches);
            notices.set_message(&help.iter().map(String::as_str).collect::<Vec<_>>(), None);
        };
        set(&mut notices, true);
        for (columns, key) in [(80, "\"d\" detaches"), (62, "^ literal"), (40, "p paths")] {
            let text = notices.text(columns, START).unwrap();
            assert!(text.chars().count() <= columns && text.contains(key), "{text}");
            assert!(text.contains("quits") && text.contains("detaches") || columns == 80, "{text}");
        }
        set(&mut notices, false);
        for (columns, key) in [(62, "\"p\" paths"), (40, "p paths")] {
            let text = notices.text(columns, START).unwrap();
            assert!(
                text.chars().count() <= columns && text.contains(key) && text.contains("quits"),
                "{text}"
            );
            assert!(text.contains("suspends") && text.contains("literal"), "{text}");
        }
    }
}
