//! Finding the server's announcement in what the other side prints.
//!
//! Contract: [`Scanner`] takes octets as they come, holds a bounded amount of them, and wipes every line that may have
//! held a key. What is not the announcement is noise (rc files, motd): its last part is kept, sanitized, for the message
//! when no announcement comes. The server's own notices are kept apart, sanitized, for the user.

use core::net::IpAddr;

use zeroize::{Zeroize, Zeroizing};

use super::listing::Listing;
use crate::cli::named;
use crate::cli::plan::{KeyText, KnownSession};
use crate::text::sanitize::{one_line, printable_bytes};
use net::DialectName;

/// Longest line looked at, in octets.
const LINE_LIMIT: usize = 8 * 1024;
/// Most octets before the announcement.
pub(super) const NOISE_LIMIT: usize = 1024 * 1024;
/// How much noise is kept for the message.
const NOISE_KEPT: usize = 2 * 1024;
/// Most notices of the server that are kept, and their length in characters.
const NOTICES: usize = 4;
const NOTICE_LIMIT: usize = 400;
/// Longest word that is told of an announcement that cannot be read; the shortest key has 22 characters.
const TOLD_WORD: usize = 15;
/// Most addresses taken from one announcement: as many as there can be flows.
const ADDRESS_LIMIT: usize = 64;

/// Before the server's list of sessions, whose first character is part of the mark.
const SESSIONS: &str = "MPMOSH SESSIONS {";
/// Before the server's reason for connecting nobody.
const REFUSED: &str = "MPMOSH REFUSED ";
/// What our script says first.
const BEGINS: &[u8] = b"MPMOSH SSH_CONNECTION";

/// A server's announcement.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Announcement {
    pub(super) dialect: DialectName,
    pub(super) port: u16,
    pub(super) key: KeyText,
    pub(super) addresses: Vec<IpAddr>,
    /// The session, where the server keeps sessions.
    pub(super) session: Option<KnownSession>,
}

/// What a line can end the search with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// The announcement.
    Announcement(Announcement),
    /// An announcement of another version than ours.
    Version(String),
    /// An announcement that lacks something or holds something else, without what may be its key.
    Malformed(String),
    /// Our search on the other side found nothing; the `PATH` it searched.
    NoServer(String),
    /// A stock server alone is there, which does not do what is asked for.
    OnlyStock,
    /// The server says in its own words why it does not connect us.
    Refused(Objection),
    /// More noise than is bearable.
    Noise,
}

/// Why a server does not connect us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objection {
    /// Which kind it is.
    pub code: String,
    /// What the server says of it, fit for printing.
    pub sentence: String,
    /// The sessions that are there, where it told them.
    pub sessions: Listing,
}

/// Looks for the announcement.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    line: Zeroizing<Vec<u8>>,
    /// The line is a list of sessions, which may be longer than any other and holds no key.
    long: bool,
    /// What such a line has besides.
    more: Vec<u8>,
    sessions: Listing,
    seen: usize,
    noise: Vec<u8>,
    notices: Vec<String>,
    connection: Option<IpAddr>,
    began: bool,
    /// What may be stock's announcement, and may be somebody else's words.
    malformed: Option<String>,
    /// What came in one piece with what was found, after it.
    rest: Vec<u8>,
}

impl Scanner {
    pub(super) fn new() -> Self {
        // Reserved in full, so that a growing vector leaves no copy of a key behind.
        Self { line: Zeroizing::new(Vec::with_capacity(LINE_LIMIT)), ..Self::default() }
    }

    /// Takes what arrived.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Option<Finding> {
        for (index, &byte) in bytes.iter().enumerate() {
            self.seen += 1;
            if byte == b'\n' {
                if let Some(found) = self.end_of_line() {
                    self.rest = bytes.get(index + 1..).unwrap_or_default().to_vec();
                    return Some(found);
                }
            } else if self.line.len() < LINE_LIMIT {
                self.line.push(byte);
                self.long = self.line.len() == LINE_LIMIT && mark_of(&self.line) == Some(SESSIONS);
            } else if self.long {
                self.more.push(byte);
            }
            if self.seen > NOISE_LIMIT {
                return Some(Finding::Noise);
            }
        }
        None
    }

    /// The other side has closed: an unfinished line counts.
    pub(super) fn finish(&mut self) -> Option<Finding> {
        self.end_of_line().or_else(|| self.malformed.take().map(Finding::Malformed))
    }

    /// What came in one piece with the announcement, after it: the server's process may be told there.
    pub(super) fn take_rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.rest)
    }

    /// The server's own address in the ssh connection, as the other side told it.
    pub(super) fn connection(&self) -> Option<IpAddr> {
        self.connection
    }

    /// Whether our script has begun on the other side.
    pub(super) fn began(&self) -> bool {
        self.began
    }

    /// The last of the noise, fit for printing.
    pub(super) fn noise(&self) -> String {
        printable_bytes(&self.noise).trim().to_owned()
    }

    /// What the server said to the user before its announcement, fit for printing.
    pub(super) fn notices(&self) -> &[String] {
        &self.notices
    }

    /// Keeps the beginning of the line as noise.
    fn keep(&mut self, length: usize) {
        if length > 0 {
            self.noise.extend_from_slice(&self.line[..length]);
            self.noise.push(b'\n');
        }
        let excess = self.noise.len().saturating_sub(NOISE_KEPT);
        self.noise.drain(..excess);
    }

    fn end_of_line(&mut self) -> Option<Finding> {
        let found = match self.more.is_empty() {
            true => read_line(&self.line),
            false => read_line(&[&self.line[..], &std::mem::take(&mut self.more)].concat()),
        };
        self.began |= self.line.windows(BEGINS.len()).any(|window| window == BEGINS);
        match found {
            Said::Noise => self.keep(self.line.len()),
            Said::Notice(ref text) => {
                self.keep(self.line.len());
                if self.notices.len() < NOTICES {
                    self.notices.push(text.clone());
                }
            }
            Said::Connection(ip, before) => {
                self.keep(before);
                self.connection = Some(ip);
            }
            Said::Malformed(ref text) => {
                self.noise.extend_from_slice(text.as_bytes());
                self.keep(0);
                self.malformed.get_or_insert_with(|| text.clone());
            }
            Said::Sessions(ref sessions) => self.sessions = sessions.clone(),
            Said::Found(_) => {}
        }
        self.line.zeroize();
        self.line.clear();
        match found {
            Said::Found(Finding::Refused(objection)) => {
                let sessions = std::mem::take(&mut self.sessions);
                Some(Finding::Refused(Objection { sessions, ..objection }))
            }
            Said::Found(found) => Some(found),
            _ => None,
        }
    }
}

/// The process in what a server says once it has detached, in mosh-server's words, which ours says too.
pub(super) fn detached(line: &str) -> Option<u32> {
    let (_, rest) = line.split_once("[mosh-server detached, pid = ")?;
    rest.split_once(']')?.0.parse().ok()
}

enum Said {
    Found(Finding),
    /// An address, and how many octets of something else stand before its mark.
    Connection(IpAddr, usize),
    /// The sessions that are there.
    Sessions(Listing),
    /// Our server's word to the user.
    Notice(String),
    /// Perhaps an announcement of stock's that is none, without what may be its key.
    Malformed(String),
    Noise,
}

fn read_line(line: &[u8]) -> Said {
    let Ok(line) = core::str::from_utf8(line) else { return Said::Noise };
    let line = line.trim_end_matches(['\r', ' ']);
    // An rc file may have printed something without a newline just before.
    let after = |mark: &str| line.rfind(mark).map(|at| &line[at + mark.len()..]);
    // What these lines quote, a program's title for one, may look like any other line: what comes first is what it is.
    let first = |mark: &str| line.split_once(mark).map(|(_, rest)| rest).unwrap_or_default();
    match mark_of(line.as_bytes()) {
        Some(SESSIONS) => {
            return match Listing::parse(&format!("{{{}", first(SESSIONS))) {
                Ok(sessions) => Said::Sessions(sessions),
                Err(error) => {
                    log::info!("the server's list of sessions cannot be read: {error}");
                    Said::Noise
                }
            };
        }
        Some(REFUSED) => return Said::Found(refused(first(REFUSED))),
        _ => {}
    }
    if let Some(rest) = after("MPMOSH CONNECT ") {
        return Said::Found(ours(rest));
    }
    if let Some(rest) = after("MPMOSH SSH_CONNECTION ") {
        let server = rest.split(' ').nth(2).map(|ip| ip.strip_prefix("::ffff:").unwrap_or(ip));
        let before = line.rfind("MPMOSH SSH_CONNECTION ").unwrap_or(0);
        return server.and_then(|ip| ip.parse().ok()).map_or(Said::Noise, |ip| Said::Connection(ip, before));
    }
    if line.ends_with("MPMOSH ONLY-STOCK") {
        return Said::Found(Finding::OnlyStock);
    }
    if let Some(rest) = after("MPMOSH NO-SERVER") {
        return Said::Found(Finding::NoServer(one_line(rest, 400)));
    }
    match after("MOSH CONNECT ").map(|rest| stock(rest).ok_or(rest)) {
        Some(Ok(announcement)) => Said::Found(Finding::Announcement(announcement)),
        Some(Err(rest)) => Said::Malformed(without_key("MOSH CONNECT", rest)),
        None if line.starts_with("mpmosh-server: ") => Said::Notice(one_line(line, NOTICE_LIMIT)),
        None => Said::Noise,
    }
}

/// Which of the marks that a server's line may have comes first in it.
fn mark_of(line: &[u8]) -> Option<&'static str> {
    let at = |mark: &str| line.windows(mark.len()).position(|window| window == mark.as_bytes());
    let marks = [SESSIONS, REFUSED, "MPMOSH CONNECT ", "MPMOSH SSH_CONNECTION ", "MPMOSH NO-SERVER"];
    marks.into_iter().filter_map(|mark| Some((at(mark)?, mark))).min().map(|(_, mark)| mark)
}

/// `<code> <sentence>`.
fn refused(rest: &str) -> Finding {
    let (code, sentence) = rest.split_once(' ').unwrap_or((rest, ""));
    Finding::Refused(Objection {
        code: one_line(code, TOLD_WORD),
        sentence: super::sentence(sentence),
        sessions: Listing::default(),
    })
}

/// A line that cannot be read, for a message: a word as long as a part of a key that is of use to anybody is not told.
fn without_key(mark: &str, rest: &str) -> String {
    let told = |word: &str| match word.chars().count() {
        ..=TOLD_WORD => word.to_owned(),
        length => format!("({length} characters)"),
    };
    let words: Vec<String> = rest.split(' ').filter(|word| !word.is_empty()).map(told).collect();
    one_line(&format!("{mark} {}", words.join(" ")), 200)
}

/// `multipath/1 <port> <key> [<addresses>|-] [session=<id> [name=<name>] [attached]]`.
fn ours(rest: &str) -> Finding {
    let mut words = rest.split(' ').filter(|word| !word.is_empty());
    let version = words.next().unwrap_or_default();
    let malformed = || Finding::Malformed(without_key("MPMOSH CONNECT", rest));
    if version != "multipath/1" {
        return if names_version(version) { Finding::Version(version.to_owned()) } else { malformed() };
    }
    let dialect = DialectName::Multipath;
    let (Some(port), Some(key)) =
        (words.next().and_then(port), words.next().and_then(|word| key(word, dialect)))
    else {
        return malformed();
    };
    // An older server has nothing behind the addresses.
    let addresses = words
        .next()
        .unwrap_or_default()
        .trim_matches(['[', ']'])
        .split(',')
        .filter_map(|word| word.parse().ok())
        .take(ADDRESS_LIMIT)
        .collect();
    let session = session(words);
    Finding::Announcement(Announcement { dialect, port, key, addresses, session })
}

/// The further words, of which those that are not known are a newer server's own affair.
fn session<'a>(words: impl Iterator<Item = &'a str>) -> Option<KnownSession> {
    let (mut id, mut name, mut attached) = (None, None, false);
    for word in words {
        match word.split_once('=') {
            Some(("session", word)) => id = Some(word),
            Some(("name", word)) => name = Some(word),
            None if word == "attached" => attached = true,
            _ => {}
        }
    }
    let plain = |word: &&str| named::check(word).is_ok();
    let id = id.filter(plain)?.to_owned();
    Some(KnownSession { id, name: name.filter(plain).map(str::to_owned), attached })
}

/// `name/number`, no longer than any that will be.
fn names_version(word: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let name = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    word.len() <= TOLD_WORD
        && word.split_once('/').is_some_and(|(n, d)| !n.is_empty() && name(n) && digits(d))
}

/// `<port> <key>`.
fn stock(rest: &str) -> Option<Announcement> {
    let mut words = rest.split(' ').filter(|word| !word.is_empty());
    let dialect = DialectName::Mosh;
    let port = words.next().and_then(port)?;
    let key = words.next().and_then(|word| key(word, dialect))?;
    Some(Announcement { dialect, port, key, addresses: Vec::new(), session: None })
}

fn port(word: &str) -> Option<u16> {
    word.parse().ok().filter(|port| *port != 0)
}

fn key(word: &str, dialect: DialectName) -> Option<KeyText> {
    let fits = word.len() == dialect.key_length()
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'));
    fits.then(|| KeyText::new(Zeroizing::new(word.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    const STOCK: &str = "AAECAwQFBgcICQoLDA0ODw";

    fn scan(text: &str) -> (Option<Finding>, Scanner) {
        let mut scanner = Scanner::new();
        let found = scanner.push(text.as_bytes()).or_else(|| scanner.finish());
        (found, scanner)
    }

    fn announcement(text: &str) -> Announcement {
        match scan(text).0 {
            Some(Finding::Announcement(announcement)) => announcement,
            other => panic!("{text:?}: {other:?}"),
        }
    }

    #[test]
    fn our_announcement_is_read_with_its_addresses() {
        let got = announcement(&format!(
            "MPMOSH CONNECT multipath/1 60001 {KEY} 192.0.2.1,2001:db8::1,nonsense\r\n"
        ));
        assert_eq!((got.dialect, got.port, got.key.expose()), (DialectName::Multipath, 60001, KEY));
        assert_eq!(
            got.addresses,
            ["192.0.2.1".parse::<IpAddr>().ok(), "2001:db8::1".parse().ok()]
                .map(|ip| ip.unwrap_or_else(|| panic!()))
        );
        assert!(announcement(&format!("MPMOSH CONNECT multipath/1 1 {KEY}")).addresses.is_empty());
        // A newer server's further words are its own affair.
        let newer = announcement(&format!("MPMOSH CONNECT multipath/1 1 {KEY} ::1 newer=words 2\n"));
        assert_eq!((newer.port, newer.addresses.len()), (1, 1));
        assert_eq!(
            announcement(&format!("MPMOSH CONNECT multipath/1 1 {KEY} [::1,::2]\n")).addresses.len(),
            2
        );
    }

    #[test]
    fn a_session_is_read_from_the_words_behind_the_addresses() {
        let session = |words: &str| {
            let got = announcement(&format!("rc: MPMOSH CONNECT multipath/1 60001 {KEY} {words}\r\n"));
            assert!(got.addresses.len() <= 1);
            got.session
        };
        let known = |name: Option<&str>, attached| {
            Some(KnownSession { id: "kq3f8a".into(), name: name.map(str::to_owned), attached })
        };
        assert_eq!(session("- session=kq3f8a"), known(None, false));
        assert_eq!(session("::1 session=kq3f8a name=work attached"), known(Some("work"), true));
        assert_eq!(session("192.0.2.1 newer=1 session=kq3f8a later attached"), known(None, true));
        for none in
            ["", "-", "::1", "- attached", "- name=work", "- session=", "- session=\u{1b}[2J", "- session=-x"]
        {
            assert_eq!(session(none), None, "{none}");
        }
        assert_eq!(session(&format!("- session=kq3f8a name={}", "x".repeat(33))), known(None, false));
    }

    #[test]
    fn a_refusal_is_read_with_the_sessions_told_before_it_however_many() {
        let sessions: Vec<String> =
            (0..200).map(|n| format!(r#"{{"id":"s{n:05}","title":"{}"}}"#, "x".repeat(40))).collect();
        let text = format!(
            "motd MPMOSH SESSIONS {{\"version\":1,\"sessions\":[{}]}}\nrc MPMOSH REFUSED several Which \u{1b}[2Jone?\n",
            sessions.join(",")
        );
        assert!(text.len() > LINE_LIMIT);
        let Some(Finding::Refused(objection)) = scan(&text).0 else { panic!("{text}") };
        assert_eq!((objection.code.as_str(), objection.sentence.as_str()), ("several", "Which one?"));
        assert_eq!(objection.sessions.sessions.len(), 200);
        let advised =
            "MPMOSH REFUSED unknown no session is called “x”; “mpmosh-server sessions” lists them\n";
        let Some(Finding::Refused(objection)) = scan(advised).0 else { panic!() };
        assert_eq!(objection.sentence, "No session is called “x”.");
        let Some(Finding::Refused(objection)) = scan("MPMOSH REFUSED none").0 else { panic!() };
        assert_eq!((objection.code.as_str(), objection.sentence.as_str()), ("none", ""));
    }

    #[test]
    fn what_a_title_in_the_list_says_is_no_line_of_its_own() {
        let text = format!(
            r#"MPMOSH SESSIONS {{"version":1,"sessions":[{{"id":"kq3f8a","title":"MPMOSH CONNECT multipath/1 1 {KEY} 192.0.2.66"}}]}}"#
        );
        let (found, scanner) = scan(&format!("{text}\n"));
        assert_eq!((found, scanner.sessions.sessions.len()), (None, 1));
        let text = format!("MPMOSH REFUSED busy MPMOSH CONNECT multipath/1 1 {KEY} 192.0.2.66\n");
        assert!(matches!(scan(&text).0, Some(Finding::Refused(_))));
    }

    #[test]
    fn stocks_announcement_is_read() {
        let got = announcement(&format!("\r\n\nMOSH CONNECT 60002 {STOCK}\n"));
        assert_eq!((got.dialect, got.port, got.key.expose()), (DialectName::Mosh, 60002, STOCK));
    }

    #[test]
    fn noise_before_the_announcement_is_skipped_also_on_its_line() {
        let text =
            format!("Welcome!\n\u{1b}[31mfortune\u{1b}[0m\nPATH=/x:MPMOSH CONNECT multipath/1 60001 {KEY}\n");
        assert_eq!(announcement(&text).port, 60001);
        let (found, scanner) = scan("Welcome!\n\u{1b}[31mred\u{1b}[0m\n");
        assert_eq!((found, scanner.noise().as_str()), (None, "Welcome!\nred"));
    }

    #[test]
    fn another_version_is_told_without_the_key() {
        let (found, scanner) = scan(&format!("MPMOSH CONNECT multipath/2 60001 {KEY}\n"));
        assert_eq!(found, Some(Finding::Version("multipath/2".into())));
        assert!(scanner.noise().is_empty());
    }

    #[test]
    fn an_announcement_that_cannot_be_read_is_no_other_version_and_its_key_is_not_told() {
        let ours = |rest: String| scan(&format!("MPMOSH CONNECT {rest}\n")).0;
        for (rest, told) in [
            (format!("multipath/1 0 {KEY}"), "MPMOSH CONNECT multipath/1 0 (43 characters)"),
            (format!("multipath/1 65536 {KEY}"), "MPMOSH CONNECT multipath/1 65536 (43 characters)"),
            (format!("multipath/1 1 {STOCK}"), "MPMOSH CONNECT multipath/1 1 (22 characters)"),
            (format!("multipath/1 {KEY}"), "MPMOSH CONNECT multipath/1 (43 characters)"),
            (format!("60001 {KEY}"), "MPMOSH CONNECT 60001 (43 characters)"),
            (format!("{KEY}/1"), "MPMOSH CONNECT (45 characters)"),
            ("multipath/1 60001".into(), "MPMOSH CONNECT multipath/1 60001"),
            ("multipath/x".into(), "MPMOSH CONNECT multipath/x"),
            (" \u{1b}[2Jnonsense".into(), "MPMOSH CONNECT nonsense"),
        ] {
            assert_eq!(ours(rest), Some(Finding::Malformed(told.into())));
        }
        // What looks like stock's may be somebody's words, and the announcement still to come.
        let text = format!("MOSH CONNECT with us!\nMOSH CONNECT 60002 {STOCK}\n");
        assert_eq!(announcement(&text).port, 60002);
        let (found, scanner) = scan(&format!("MOSH CONNECT 0 {STOCK}\nbye\n"));
        assert_eq!(found, Some(Finding::Malformed("MOSH CONNECT 0 (22 characters)".into())));
        assert!(!scanner.noise().contains(STOCK), "{}", scanner.noise());
    }

    #[test]
    fn the_other_sides_own_address_is_learnt() {
        let (found, scanner) =
            scan("MPMOSH SSH_CONNECTION 192.0.2.9 40000 ::ffff:192.0.2.1 22\nMPMOSH NO-SERVER /bin\n");
        assert_eq!(found, Some(Finding::NoServer("/bin".into())));
        assert_eq!(scanner.connection(), Some([192, 0, 2, 1].into()));
        assert!(scanner.began() && !scan("MPMOSH\n").1.began());
        // As where sshd tells nothing.
        assert!(scan("rc: MPMOSH SSH_CONNECTION \n").1.began());
    }

    #[test]
    fn the_servers_notices_are_kept_for_the_user_and_no_more_than_a_few() {
        let notice = "mpmosh-server: systemd ends \u{1b}[31mit\u{7}.\r\n";
        let text = format!(
            "motd\n  mpmosh-server: not at the beginning\n{}MPMOSH CONNECT multipath/1 60001 {KEY}\n",
            notice.repeat(9)
        );
        let (found, scanner) = scan(&text);
        assert!(matches!(found, Some(Finding::Announcement(_))));
        assert_eq!(scanner.notices(), ["mpmosh-server: systemd ends it."; NOTICES]);
        // They also tell why nothing was announced.
        assert!(scan(notice).1.noise().contains("systemd ends it"));
        assert!(scan(&format!("mpmosh-server: {}\n", "x".repeat(5000))).1.notices()[0].len() < 500);
    }

    #[test]
    fn a_detached_server_tells_its_process() {
        assert_eq!(detached("[mosh-server detached, pid = 4711]\r\n"), Some(4711));
        for other in ["[mosh-server detached, pid = 47", "[mosh-server detached, pid = -1]", "pid = 4711]"] {
            assert_eq!(detached(other), None, "{other}");
        }
    }

    #[test]
    fn endless_noise_ends() {
        let mut scanner = Scanner::new();
        let chunk = [b'x'; 4096];
        let rounds = (0..1000).take_while(|_| scanner.push(&chunk).is_none()).count();
        assert!(rounds < 300, "{rounds}");
        assert!(scanner.line.len() <= LINE_LIMIT && scanner.noise.len() <= NOISE_KEPT);
    }

    proptest! {
        #[test]
        fn any_octets_are_noise_at_worst(bytes in any::<Vec<u8>>()) {
            let mut scanner = Scanner::new();
            let _ = scanner.push(&bytes).or_else(|| scanner.finish());
        }
    }
}
