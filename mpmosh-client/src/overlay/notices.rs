//! The line at the top of the screen: how long nothing has been heard, what is wrong with which path, and short
//! messages. Contract: shown only while there is something to say, drawn over the first row of a copy, never taking a
//! key.

use crate::report::Trouble;
use net::Instant;
use std::time::Duration;
use terminal::{Attributes, Color, Flags, Pen, Screen};

/// Nothing from the server for longer than this is worth a word: two heartbeats and some.
const CONTACT_LATE: Duration = Duration::from_millis(6500);
/// Nothing acknowledged by the server for longer than this is, too.
const REPLY_LATE: Duration = Duration::from_secs(10);
/// How long a message stays that has no term of its own.
pub const MESSAGE_TERM: Duration = Duration::from_secs(1);
/// How long an error of the local network stays: until the next heartbeat would have failed too.
pub const ERROR_TERM: Duration = Duration::from_millis(3100);
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

/// The line at the top of the screen.
#[derive(Clone, Debug)]
pub struct Notices {
    /// `None` while all is well.
    contact: Option<Contact>,
    message: Option<(String, Option<Instant>)>,
    /// What is wrong with the paths, and when it will be something else.
    trouble: Option<(String, Instant)>,
    quit_hint: String,
}

impl Notices {
    /// Nothing to say yet: the silence is counted from `now`.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        let contact = Some(Contact { heard: now, replied: now });
        Self { contact, message: None, trouble: None, quit_hint: String::new() }
    }

    /// How to quit, said while nothing is heard: for instance `Ctrl-^ .`. Empty: not said.
    pub fn set_quit_hint(&mut self, keys: &str) {
        keys.clone_into(&mut self.quit_hint);
    }

    /// When the server was last there; `None`: nothing is amiss, and no silence is counted.
    pub fn set_contact(&mut self, contact: Option<Contact>) {
        self.contact = contact;
    }

    /// What is wrong with the paths, now.
    pub fn set_trouble(&mut self, trouble: Option<Trouble>, now: Instant) {
        self.trouble = trouble.map(|trouble| (trouble.text, now + trouble.next));
    }

    /// Shows a message, until a time or until another takes its place.
    pub fn set_message(&mut self, text: &str, until: Option<Instant>) {
        self.message = Some((text.to_owned(), until));
    }

    /// Takes the message away.
    pub fn clear_message(&mut self) {
        self.message = None;
    }

    /// Whether the message goes by itself.
    #[must_use]
    pub fn is_timed(&self) -> bool {
        matches!(self.message, Some((_, Some(_))))
    }

    /// Takes the message away when its time is over.
    pub fn expire(&mut self, now: Instant) {
        if self.message.as_ref().is_some_and(|(_, until)| until.is_some_and(|until| now >= until)) {
            self.message = None;
        }
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

    /// What the line says; `None` while it is not shown.
    #[must_use]
    pub fn text(&self, now: Instant) -> Option<String> {
        let message = self.message.as_ref().filter(|(_, until)| until.is_none_or(|until| now < until));
        let trouble = self.trouble.as_ref().map(|(text, _)| text.as_str()).filter(|text| !text.is_empty());
        match (message, self.silence(now), trouble) {
            (None, None, None) => None,
            (Some((text, _)), None, _) => Some(format!("mpmosh: {text}")),
            (Some((text, _)), Some((time, what)), _) => {
                Some(format!("mpmosh: {text} ({} without {what}.)", duration(time)))
            }
            (None, None, Some(trouble)) => Some(format!("mpmosh: {trouble}")),
            (None, Some((time, what)), trouble) => {
                // Last: a narrow terminal cuts it off, and not how to quit.
                let trouble = trouble.map(|trouble| format!(" {trouble}")).unwrap_or_default();
                let quit = match self.quit_hint.as_str() {
                    "" => String::new(),
                    keys => format!(" [To quit: {keys}]"),
                };
                Some(format!("mpmosh: Last {what} {} ago.{quit}{trouble}", duration(time)))
            }
        }
    }

    /// Draws the line over the first row.
    pub fn apply(&self, screen: &mut Screen, now: Instant) {
        let Some(text) = self.text(now) else { return };
        let attributes = Attributes {
            foreground: Color::Indexed(7),
            background: Color::Indexed(4),
            flags: Flags::BOLD,
            ..Attributes::default()
        };
        let pen = Pen::new(attributes);
        let columns = screen.size().columns;
        screen.put_text(0, 0, &" ".repeat(usize::from(columns)), &pen);
        screen.put_text(0, 0, &text, &pen);
        if screen.cursor().row == 0 {
            screen.set_cursor_visible(false);
        }
    }

    /// When the line will say something else than it said at `drawn`.
    #[must_use]
    pub fn poll_timeout(&self, drawn: Instant) -> Option<Instant> {
        let expiry = self.message.as_ref().and_then(|(_, until)| *until);
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
        let trouble = self.trouble.as_ref().map(|(_, next)| *next);
        [expiry, count, trouble].into_iter().flatten().min()
    }
}

/// The help shown after the escape key, `key` being its name and `literal` the key that gives it literally.
#[must_use]
pub fn escape_help(key: &str, literal: char) -> String {
    format!(
        "Commands: \".\" quits, Ctrl-Z suspends, \"p\" shows the paths, \"{literal}\" gives literal {key}"
    )
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

    #[test]
    fn a_silence_is_told_after_six_and_a_half_seconds() {
        let mut notices = Notices::new(START);
        notices.set_quit_hint("Ctrl-^ .");
        assert_eq!(notices.text(START + CONTACT_LATE), None);
        let due = notices.poll_timeout(START).unwrap();
        assert_eq!(due, START + CONTACT_LATE + Duration::from_millis(1));
        let told = |seconds| notices.text(after(seconds)).unwrap();
        assert_eq!(told(7), "mpmosh: Last contact 7 seconds ago. [To quit: Ctrl-^ .]");
        assert_eq!(told(65), "mpmosh: Last contact 1:05 ago. [To quit: Ctrl-^ .]");
        assert_eq!(told(3600 + 62), "mpmosh: Last contact 1:01:02 ago. [To quit: Ctrl-^ .]");
    }

    #[test]
    fn a_reply_is_missed_only_when_contact_is_not() {
        let mut notices = Notices::new(START);
        notices.set_contact(Some(Contact { heard: after(11), replied: START }));
        assert_eq!(notices.text(after(11)).unwrap(), "mpmosh: Last reply 11 seconds ago.");
        assert_eq!(notices.text(after(18)).unwrap(), "mpmosh: Last contact 7 seconds ago.");
    }

    #[test]
    fn a_message_is_shown_for_its_time_and_says_the_silence_too() {
        let mut notices = Notices::new(START);
        notices.set_message("wlan0 is gone", Some(after(8)));
        assert_eq!(notices.text(after(1)).unwrap(), "mpmosh: wlan0 is gone");
        assert_eq!(notices.text(after(7)).unwrap(), "mpmosh: wlan0 is gone (7 seconds without contact.)");
        assert_eq!(notices.text(after(8)).unwrap(), "mpmosh: Last contact 8 seconds ago.");
        notices.expire(after(8));
        notices.set_contact(Some(Contact { heard: after(8), replied: after(8) }));
        assert_eq!(notices.text(after(8)), None);
    }

    #[test]
    fn what_is_wrong_with_a_path_is_told_alone_and_beside_a_silence_but_not_before_it_is_worth_it() {
        let told = |text: &str| {
            let mut notices = Notices::new(START);
            let trouble = Trouble { text: text.into(), next: Duration::from_millis(400) };
            notices.set_trouble(Some(trouble), START);
            assert_eq!(notices.poll_timeout(START), Some(START + Duration::from_millis(400)));
            (notices.text(START), notices.text(after(7)))
        };
        let (alone, beside) = told("wlan0 silent 3 s, on wwan0");
        assert_eq!(alone.unwrap(), "mpmosh: wlan0 silent 3 s, on wwan0");
        assert_eq!(beside.unwrap(), "mpmosh: Last contact 7 seconds ago. wlan0 silent 3 s, on wwan0");
        assert_eq!(told("").0, None);
    }

    #[test]
    fn the_count_goes_by_seconds_and_later_by_threes() {
        let notices = Notices::new(START);
        let half = Duration::from_millis(500);
        assert_eq!(notices.poll_timeout(after(7) + half), Some(after(8)));
        assert_eq!(notices.poll_timeout(after(61)), Some(after(63)));
    }

    #[test]
    fn the_line_covers_the_row_and_hides_the_cursor_on_it() {
        let mut emulator = Emulator::new(Size { columns: 30, rows: 3 });
        emulator.feed("多多 many words in the first row\x1b[1;5H".as_bytes());
        let mut screen = emulator.screen().clone();
        let mut notices = Notices::new(START);
        notices.apply(&mut screen, START);
        assert_eq!(screen, *emulator.screen());
        notices.set_message("a\x1b[31m message", None);
        notices.apply(&mut screen, START);
        let text: String = screen.row(0).unwrap().cells().iter().map(terminal::Cell::text).collect();
        assert_eq!(text.trim_end(), "mpmosh: a[31m message");
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
    fn the_help_names_the_keys() {
        assert_eq!(
            escape_help("Ctrl-^", '^'),
            "Commands: \".\" quits, Ctrl-Z suspends, \"p\" shows the paths, \"^\" gives literal Ctrl-^"
        );
    }
}
