//! What the user is told of a bootstrap that failed.

use super::{AskError, Denial, Error, Printed};
use crate::bootstrap::announce::Objection;
use crate::bootstrap::attach::numbered;
use crate::bootstrap::connect::Unreached;
use crate::text::messages::Paragraph;
use crate::text::sanitize::one_line;
use platform::words::words;

/// Most of the other side's output that is quoted, in characters.
const QUOTED: usize = 500;
/// Most of the ways that led nowhere that are told one by one.
const MOST_TRIED: usize = 6;

impl From<Error> for Paragraph {
    fn from(error: Error) -> Self {
        match error {
            Error::SshConfig { evidence } => Self::new(
                "The ssh configuration cannot be used.",
                format!("The reason: {evidence}."),
                "Correct the file or the option it names; “ssh -G host” shows what ssh makes of it.",
            ),
            Error::Resolve { host, evidence } => Self::new(
                format!("The host “{}” has no usable address.", one_line(&host, 80)),
                format!("The name service says: {}.", one_line(&evidence, 200)),
                "Check the spelling, the network, and -4, -6 or --family if one was given.",
            ),
            Error::Connect { host, port, tried, left_out } => unreached(&host, port, &tried, &left_out),
            Error::Unkept { host, forbidden, reason } => Self::new(
                format!(
                    "Your own ssh cannot be kept off {} on its way to {host}, so it was not started.",
                    forbidden.join(", ")
                ),
                format!("The reason: {reason}."),
                "Change that for this host, or allow the interface: “mpmosh config show” tells where --never and --metered come \
                 from where they were not typed.",
            ),
            Error::HandOver { host, cause } => Self::new(
                format!("The connection to {host} could not be handed to ssh."),
                format!("The system says: {}.", words(&cause)),
                "“mpmosh --dial” is for ssh alone, as its ProxyCommand with ProxyUseFdpass=yes.",
            ),
            Error::Jump { gate, host, port, evidence } => Self::new(
                format!("{gate} did not pass the connection on to {host}, port {port}."),
                format!("It says: {evidence}."),
                format!(
                    "The name is looked up on {gate}, and the host must be reachable from there; its ssh server must allow \
                     TCP forwarding (AllowTcpForwarding)."
                ),
            ),
            Error::Handshake { host, place, evidence } => Self::new(
                format!("The ssh server of {host} did not complete the handshake."),
                format!("At {place}: {evidence}."),
                "Check that an ssh server listens there; --ssh=ssh tries with your own ssh. A connection that is taken and then \
                 hangs is also what a tunnel or router makes that swallows large packets: “ip link set dev INTERFACE mtu \
                 1280” on this machine tells.",
            ),
            Error::NeedsSsh { reason } | Error::NoSsh { reason } => Self::new(
                "The built-in ssh cannot reach this host, and there is no ssh program to do it.",
                format!("{reason}."),
                "Install OpenSSH's client, or name one with --ssh=COMMAND.",
            ),
            Error::HostKeyChanged { name, kind, fingerprint, file, line } => Self::new(
                format!(
                    "THE HOST KEY OF {name} HAS CHANGED. Someone may be between you and the host, reading and changing all \
                     that passes; or the host was set up anew. Nothing was sent to it."
                ),
                format!(
                    "It shows the {kind} key {fingerprint}; on record is another, in {}, line {line}.",
                    file.display()
                ),
                format!(
                    "Ask the host's administrator for its fingerprint. If the new key is right, remove the old one with \
                     “ssh-keygen -f '{}' -R '{name}'” and try again.",
                    file.display()
                ),
            ),
            Error::HostKeyRevoked { name, kind, fingerprint, file, line } => Self::new(
                format!(
                    "THE HOST KEY OF {name} IS REVOKED: it must not be trusted. Nothing was sent to the host."
                ),
                format!(
                    "The {kind} key {fingerprint} is marked @revoked in {}, line {line}.",
                    file.display()
                ),
                "Ask the host's administrator for its new key.",
            ),
            Error::HostKeyUnknown { name, kind, fingerprint, file } => Self::new(
                format!(
                    "The host key of {name} is not on record, and the configuration forbids to ask about it."
                ),
                format!("It shows the {kind} key {fingerprint}."),
                match file {
                    Some(file) => format!(
                        "If that is right, add it to {}, or set StrictHostKeyChecking to ask.",
                        file.display()
                    ),
                    None => "If that is right, put it on record, or set StrictHostKeyChecking to ask.".into(),
                },
            ),
            Error::KnownHosts { file, cause } => Self::new(
                "The keys of known hosts cannot be read, so that no host can be told from an impostor. Nothing was sent.",
                format!("{}: {}.", file.display(), words(&cause)),
                "Give yourself the right to read that file, or name others with UserKnownHostsFile and \
                 GlobalKnownHostsFile.",
            ),
            Error::HostKeyDeclined { name, fingerprint } => Self::new(
                format!("The host key of {name} was not accepted, so nothing was sent to it."),
                format!("It shows {fingerprint}."),
                "Compare it with what the host's administrator says; nothing was put on record.",
            ),
            Error::Ask { question, cause, refused } => {
                let next = match cause {
                    AskError::NoTerminal => {
                        "Run this from a terminal once; without one, the host must be in known_hosts and the key in an agent \
                         (ssh-add)."
                    }
                    AskError::Cancelled | AskError::Terminal(_) => "Try again when you have the answer.",
                };
                let before = match refused.is_empty() {
                    true => String::new(),
                    false => format!("Refused before: {}.", refused.join(", ")),
                };
                Self::new(format!("{question}, and {cause}."), before, next)
            }
            Error::HungUp { user, host, tried, left } => {
                let left = match left.is_empty() {
                    true => String::new(),
                    false => format!(" Not tried: {}.", left.join(", ")),
                };
                let who = if user.is_empty() { "you" } else { &user };
                let count = match tried.len() {
                    1 => "one key or word".to_owned(),
                    n => format!("{n} keys and words"),
                };
                Self::new(
                    format!("{host} hung up after {count}, before it let {who} in."),
                    format!("Tried: {}.{left}", tried.join(", ")),
                    "A server bears a handful (MaxAuthTries, mostly 6): keep fewer keys in the agent, or name the right one \
                     with -i and -o IdentitiesOnly=yes.",
                )
            }
            Error::Authentication(denial) => denied(&denial),
            Error::NoServer { host, asked, path, output, .. } => {
                let path = match path.is_empty() {
                    true => printed("The other side says", &output),
                    false => format!(
                        "Searched {path}, and ~/.local/bin, /usr/local/bin, /usr/pkg/bin, /opt/homebrew/bin, $PREFIX/bin."
                    ),
                };
                Self::new(
                    format!("ssh to {host} works, but {asked} was not found there."),
                    path,
                    "Install mpmosh on that host (--install-server copies it there), or say where the server is with \
                     --server=COMMAND.",
                )
            }
            // The server itself says why.
            Error::NotStarted { host, output, .. } if own_words(&output.text).is_some() => Self::new(
                format!("The server on {host} did not start."),
                format!("It says: {}", own_words(&output.text).unwrap_or_default()),
                "What is wanting there, its own limits (“ulimit -a”) or its administrator can give.",
            ),
            Error::NotStarted { host, asked, end, output, .. } => {
                let status = match end {
                    Some(end) => format!("“{asked}” {end} and announced nothing."),
                    None => format!("“{asked}” ended without an announcement."),
                };
                Self::new(
                    format!("The server on {host} did not start."),
                    format!("{status} {}", printed("It printed", &output)),
                    "Where nobody is at a terminal a login script must not end the shell, put another one in its place, or \
                     wait for a key; otherwise try the server by hand over ssh.",
                )
            }
            Error::Hangs { host, asked, output } => Self::new(
                format!("The server on {host} was not announced within a minute, though ssh works."),
                format!("“{asked}” has not ended either. {}", printed("It printed", &output)),
                "Look for what waits in that account's login scripts; “ssh HOST true” should end at once.",
            ),
            Error::Noise { host, output } => Self::new(
                format!("{host} printed more than a megabyte instead of the server's announcement."),
                quoted("Its last words", &output),
                "Look for a loop in that account's login scripts.",
            ),
            Error::Version { host, announced } => Self::new(
                format!("The server on {host} speaks another version than this client."),
                format!("It announces “{announced}”; this client knows multipath/1."),
                "Bring both ends to the same release; --dialect=mosh works between any two.",
            ),
            Error::Malformed { host, line } => Self::new(
                format!("The announcement of the server on {host} cannot be read."),
                format!(
                    "It is “{line}”, and should be “MPMOSH CONNECT multipath/1 PORT KEY”, or stock's “MOSH CONNECT PORT KEY”."
                ),
                "Look for what changes that line: a script in the server's place (--server), or a login script that writes \
                 into it.",
            ),
            Error::StockOnly { host } => Self::new(
                format!(
                    "{host} has only a stock mosh-server, which cannot carry a command without a terminal."
                ),
                "Standard input or output here is not a terminal, so the bytes would have to pass unchanged.",
                "Install mpmosh-server there, or run this from a terminal.",
            ),
            Error::StockHere { host } => Self::new(
                format!(
                    "{host} has only a stock mosh-server, whose sessions end with their clients: nobody can list or attach to them."
                ),
                "",
                "Install mpmosh-server there (--install-server copies it): it keeps sessions.",
            ),
            Error::StockDialect => Self::new(
                "A session that speaks stock mosh's dialect ends with its client: it has no name, and nobody can attach to it.",
                "",
                "Leave --dialect, and a --server or --client of stock's, out.",
            ),
            Error::TooOld { host } => Self::new(
                format!(
                    "The mpmosh-server on {host} is too old: it keeps no sessions that outlive their clients."
                ),
                "",
                "Bring it to this release (--install-server copies it there).",
            ),
            Error::Refused { host, way, objection } => refused(&host, &way, &objection),
            Error::Itself { called } => Self::new(
                format!(
                    "The session {called} is the one that this runs in: it would show nothing but itself."
                ),
                "",
                "Attach from a terminal outside of it; Ctrl-^ d leaves it.",
            ),
            Error::LeftAlone { busy: true } => {
                Self::new("The session stays with the client that it has; nothing was changed.", "", "")
            }
            Error::LeftAlone { busy: false } => {
                Self::new("No session was chosen; nothing was changed.", "", "")
            }
            Error::Broken { host, evidence } => Self::new(
                format!("The ssh connection to {host} broke before the server had started."),
                format!("{evidence}."),
                "Try again; if it happens again, “ssh -v” to the same host shows more.",
            ),
            Error::Ssh { command, status, output } => {
                let status = status
                    .map_or_else(|| "was killed".into(), |status| format!("ended with status {status}"));
                // ssh itself writes to standard error, which has passed us.
                let evidence = if output.is_empty() { String::new() } else { quoted("It printed", &output) };
                Self::new(
                    format!("Your ssh ({command}) {status} before the server had started."),
                    evidence,
                    "What it said above is the reason; where it said nothing, the shell there was ended by a signal. The same \
                     ssh command by hand shows the same.",
                )
            }
            Error::NoPackage { host, system, looked } => {
                let looked: Vec<String> = looked.iter().map(|file| file.display().to_string()).collect();
                Self::new(
                    format!("There is no mpmosh-server here that would run on {host}, which is {system}."),
                    format!("Looked for {}.", looked.join(", ")),
                    "Put a static build of it there under one of these names, or give its place with \
                     --install-server=FILE.",
                )
            }
            Error::Install { host, evidence } => Self::new(
                format!("The server could not be installed on {host}; nothing was left there."),
                format!("The reason: {evidence}."),
                "It must be possible to write to ~/.local/bin there and to run programs from it, and the server must be \
                 built for that system: a static build runs on any of the kind.",
            ),
            Error::Panicked => Self::new(
                "The connection could not be set up, by a fault of this program's own.",
                "No server was left behind by it, as far as is known.",
                "Please report it with the line before this one, which begins with “thread”; --ssh=ssh goes round the built-in \
                 ssh.",
            ),
            Error::Spawn { program, cause } => Self::new(
                format!("{} could not be started.", one_line(&program, 120)),
                format!("The system says: {cause}."),
                "Check that it is installed and may be run.",
            ),
        }
    }
}

/// Nothing answered, of what was tried.
fn unreached(host: &str, port: u16, tried: &[Unreached], left_out: &[String]) -> Paragraph {
    let not_tried = match left_out.is_empty() {
        true => String::new(),
        false => format!("Not tried: {}.", left_out.join("; ")),
    };
    if tried.is_empty() {
        return Paragraph::new(
            format!("{host} cannot be reached over any interface that may be used."),
            not_tried,
            "“mpmosh config show” tells where --never and --metered come from where they were not typed; an interface that may \
             be used needs a route to the host.",
        );
    }
    let shown = tried.iter().take(MOST_TRIED).map(ToString::to_string).collect::<Vec<_>>().join("; ");
    let more = match tried.len().saturating_sub(MOST_TRIED) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    let gap = if not_tried.is_empty() { "" } else { " " };
    Paragraph::new(
        format!("{host} cannot be reached on TCP port {port}, where its ssh server should be."),
        format!("Tried {shown}{more}.{gap}{not_tried}"),
        "“Connection refused” means that the host is there and no ssh server listens on that port (--ssh-port gives another); no \
         answer, that the host or the network there is down, or that a firewall is in the way.",
    )
}

/// The server's own reason, and what can be done about it.
fn refused(host: &str, way: &str, objection: &Objection) -> Paragraph {
    let next = match objection.code.as_str() {
        "none" => format!("“mpmosh --session NAME {way}” begins one that can be returned to."),
        "unknown" | "ending" => format!("“mpmosh sessions {way}” shows those that are there."),
        "several" => format!("Say which one: “mpmosh attach {way} ID”."),
        "busy" => "--take takes it over without a question.".to_owned(),
        "stock" | "streams" => format!("“mpmosh kill {way} ID” ends it."),
        _ => String::new(),
    };
    let what = match objection.sentence.is_empty() {
        true => format!("The server on {host} refuses, and says only “{}”.", objection.code),
        false => objection.sentence.clone(),
    };
    let paragraph = Paragraph::new(what, "", next);
    match objection.code.as_str() {
        "several" => paragraph.with_rows(numbered(&objection.sessions.free())),
        _ => paragraph,
    }
}

/// Nothing led in.
fn denied(denial: &Denial) -> Paragraph {
    let Denial { user, host, tried, left, closed, offered } = denial;
    let next = match closed {
        Some(keyword) => format!(
            "{keyword} of your ssh configuration closes a way that the server takes: -o {keyword}=… opens it for once; \
             “ssh -v” to the same host shows the server's view."
        ),
        None => "Check the user name; load the key into your agent with ssh-add, or name it with -i; “ssh -v” to the same \
                 host shows the server's view."
            .into(),
    };
    let who = if user.is_empty() { "you" } else { user };
    Paragraph::new(format!("{host} did not let {who} in."), ways(tried, left, offered), next)
}

/// What was tried to get in, what was not and why, and what the server takes.
fn ways(tried: &[String], left: &[String], offered: &[String]) -> String {
    let tried = if tried.is_empty() { "nothing".into() } else { tried.join(", ") };
    let mut text = format!("Tried: {tried}.");
    if !left.is_empty() {
        text.push_str(&format!(" Not tried: {}.", left.join("; ")));
    }
    if !offered.is_empty() {
        text.push_str(&format!(" The server takes {}.", offered.join(", ")));
    }
    text
}

/// The last sentence of a server of ours.
fn own_words(output: &str) -> Option<String> {
    let line = output.lines().rev().find_map(|line| line.strip_prefix("mpmosh-server: "))?;
    Some(one_line(line, QUOTED))
}

/// The same of what may have gone past us.
fn printed(lead: &str, output: &Printed) -> String {
    match output.elsewhere && output.text.is_empty() {
        true => "What it printed, if anything, stands above.".into(),
        false => quoted(lead, &output.text),
    }
}

/// The other side's words, or that there were none.
fn quoted(lead: &str, output: &str) -> String {
    let text = one_line(output, QUOTED);
    if text.is_empty() { "It printed nothing.".into() } else { format!("{lead}: “{text}”.") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_key_is_told_with_the_place_and_the_way_out() {
        let text = Paragraph::from(Error::HostKeyChanged {
            name: "[h]:22".into(),
            kind: "ssh-ed25519".into(),
            fingerprint: "SHA256:x".into(),
            file: "/k".into(),
            line: 7,
        });
        assert!(
            text.what.contains("HAS CHANGED")
                && text.evidence.contains("/k, line 7")
                && text.next.contains("-R '[h]:22'")
        );
    }
}
