//! What the paths' reports say in words.

use super::{Kinds, PathReport, PathState, Role};
use std::collections::BTreeMap;
use std::time::Duration;

pub use crate::text::stretch::duration;

/// An interface's trouble is told when it has lasted for this long: what is over sooner is no news.
const WORTH_A_WORD: Duration = Duration::from_secs(3);

/// And for so long after it began: the session goes on elsewhere, and the line is wanted back.
const OLD_NEWS: Duration = Duration::from_secs(15);

/// The reason of a path that never answered because this machine drops the answers.
pub const FILTERED: &str = "reverse path filter";

/// The reason of a path on which this machine refuses to send.
pub const REFUSED_HERE: &str = "send refused";

/// What is wrong with the paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// In words, such as `wlan0 lost 3 s, on wwan0`. Empty: nothing is worth a word yet.
    pub text: String,
    /// The same without times, such as `wlan0 lost, on wwan0`.
    pub brief: String,
    /// After how long it will say something else, if nothing happens.
    pub next: Duration,
}

/// An interface that answered once and does not now.
struct Ill<'a> {
    interface: &'a str,
    /// How the least ill of its paths stands.
    state: PathState,
    /// For how long.
    lasts: Duration,
}

impl Trouble {
    /// Of interfaces that the session had to leave, for as long as that is news; `all`: of every one that does not
    /// answer any more, for as long as it does not.
    pub(super) fn of(paths: &[PathReport], all: bool) -> Option<Self> {
        let mut ill = ill(paths, all);
        ill.retain(|one| all || one.lasts < OLD_NEWS);
        let soonest = ill.iter().map(|one| next_second(one.lasts)).min()?;
        let news = |one: &&Ill<'_>| all || one.lasts >= WORTH_A_WORD;
        let carrier = paths.iter().find(|path| path.chosen && path.state == PathState::Answering);
        let carrier = carrier.map(|carrier| match carrier.role {
            Role::Primary => format!("on {}", carrier.interface),
            role => format!("on {} ({})", carrier.interface, role.as_str()),
        });
        let told: Vec<&Ill<'_>> = ill.iter().filter(news).collect();
        let words = |word: fn(&Ill<'_>) -> String| {
            let parts = told.iter().map(|one| word(one)).chain(carrier.clone());
            if told.is_empty() { String::new() } else { parts.collect::<Vec<_>>().join(", ") }
        };
        let text = words(|one| match one.state {
            PathState::Down => format!("{} down", one.interface),
            state => format!("{} {} {}", one.interface, state.as_str(), duration(one.lasts)),
        });
        let brief = words(|one| format!("{} {}", one.interface, one.state.as_str()));
        Some(Self { text, brief, next: soonest })
    }
}

/// The interfaces that answered once and of whose paths none does now, in the order of the paths.
fn ill(paths: &[PathReport], all: bool) -> Vec<Ill<'_>> {
    let mut names: Vec<&str> = Vec::new();
    for path in paths {
        if !names.contains(&path.interface.as_str()) {
            names.push(&path.interface);
        }
    }
    let of_one = |interface| {
        let (answers, others): (Vec<_>, Vec<_>) = paths
            .iter()
            .filter(|path| path.interface == interface && path.received > 0)
            .partition(|path| path.state == PathState::Answering);
        if !answers.is_empty() || !(all || others.iter().any(|path| path.left)) {
            return None;
        }
        // The interface is as ill as the least ill of its paths.
        let silent = others
            .iter()
            .filter_map(|path| path.silent_ms.map(|time| (time, path.state)))
            .min_by_key(|ill| ill.0);
        let down =
            others.iter().filter(|path| path.state == PathState::Down).map(|path| (path.for_ms, path.state));
        let (lasts, state) = silent.or_else(|| down.min_by_key(|ill| ill.0))?;
        Some(Ill { interface, state, lasts: Duration::from_millis(lasts) })
    };
    names.into_iter().filter_map(of_one).collect()
}

fn next_second(lasts: Duration) -> Duration {
    Duration::from_secs(lasts.as_secs() + 1) - lasts
}

/// How a path stands and for how long, such as `lost 3 s`: the same words wherever a person reads of it.
#[must_use]
pub fn standing(path: &PathReport) -> String {
    let lasts = duration(Duration::from_millis(path.silent_ms.unwrap_or(path.for_ms)));
    format!("{} {lasts}", path.state.as_str())
}

/// Percent lost in and out; a dash where that is not known.
#[must_use]
pub fn loss(path: &PathReport) -> String {
    match (path.loss_in, path.loss_out) {
        (Some(into), Some(out)) => format!("{into}/{out} %"),
        _ => "-".into(),
    }
}

/// Why a path stands as it does, for a person. What is not known is given as it came.
#[must_use]
pub fn reason(path: &PathReport) -> &str {
    match (path.state, path.reason.as_str()) {
        (PathState::Answering, _) => "",
        (_, REFUSED_HERE) => "this machine refuses to send",
        (PathState::Untried | PathState::Retired, FILTERED) => "answers dropped here (rp_filter)",
        (PathState::Untried, _) => "no answer yet",
        (PathState::Suspect, "shared fate") => "its interface is in doubt",
        (PathState::Suspect, _) => "an answer is overdue",
        (PathState::Lost, "path usable") => "tried again",
        (PathState::Lost, _) => "no answers",
        (PathState::Refused, _) => "the host says that nobody listens",
        (PathState::Down, "send error") => "cannot be sent on",
        (PathState::Down, _) => "address or route gone",
        (PathState::Retired, "spent") => "used up",
        (PathState::Retired, _) => "never answered",
    }
}

/// This many octets, in two or three digits and the unit that fits (decimal, as networks count).
#[must_use]
fn volume(octets: u64) -> String {
    let scaled = |unit: f64| octets as f64 / unit;
    match octets {
        0..1_000 => format!("{octets} B"),
        1_000..9_950 => format!("{:.1} kB", scaled(1e3)),
        9_950..999_500 => format!("{:.0} kB", scaled(1e3)),
        999_500..9_950_000 => format!("{:.1} MB", scaled(1e6)),
        9_950_000..999_500_000 => format!("{:.0} MB", scaled(1e6)),
        _ => format!("{:.1} GB", scaled(1e9)),
    }
}

/// What these paths took, both ways.
#[must_use]
pub fn spent(paths: &[PathReport]) -> String {
    let octets = |kinds: fn(&PathReport) -> &Kinds| -> u64 {
        paths.iter().flat_map(|path| kinds(path).values()).map(|kind| kind.octets).sum()
    };
    let (sent, received) = (octets(|path| &path.sent_kinds), octets(|path| &path.received_kinds));
    format!("{} sent and {} received", volume(sent), volume(received))
}

/// What the interfaces of these paths were seen to carry, where a queue showed it.
#[must_use]
pub fn capacities(paths: &[PathReport]) -> Vec<String> {
    let mut seen = BTreeMap::new();
    for (path, octets) in paths.iter().filter_map(|path| Some((path, path.capacity?))) {
        let most: &mut u64 = seen.entry(&path.interface).or_default();
        *most = octets.max(*most);
    }
    let told = |(name, octets)| format!("{name} carries {} a second", volume(octets));
    seen.into_iter().map(told).collect()
}

/// Milliseconds, with as many digits as mean something.
#[must_use]
pub fn milliseconds(value: f64) -> String {
    if value < 9.95 { format!("{value:.1}") } else { format!("{value:.0}") }
}

#[cfg(test)]
mod tests {
    use super::super::tests::path;
    use super::*;

    fn left(interface: &str, state: PathState, seconds: u64) -> PathReport {
        PathReport { left: true, ..path(interface, state, seconds) }
    }

    fn carrier(interface: &str, role: Role) -> PathReport {
        PathReport { chosen: true, role, ..path(interface, PathState::Answering, 60) }
    }

    fn told(paths: &[PathReport], all: bool) -> Option<String> {
        Trouble::of(paths, all).map(|trouble| trouble.text)
    }

    #[test]
    fn the_interface_that_was_left_is_told_with_the_one_that_carries() {
        let paths = [left("wlan0", PathState::Lost, 3), carrier("wwan0", Role::Metered)];
        assert_eq!(told(&paths, false).unwrap(), "wlan0 lost 3 s, on wwan0 (metered)");
        let paths = [left("wlan0", PathState::Down, 4), carrier("eth0", Role::Primary)];
        assert_eq!(told(&paths, false).unwrap(), "wlan0 down, on eth0");
    }

    #[test]
    fn what_is_short_or_old_is_no_news_but_is_told_when_everything_is_asked_for() {
        for seconds in [2, 15] {
            let paths = [left("wlan0", PathState::Lost, seconds), carrier("eth0", Role::Primary)];
            assert_eq!(told(&paths, false).unwrap_or_default(), "");
            assert_eq!(told(&paths, true).unwrap(), format!("wlan0 lost {seconds} s, on eth0"));
        }
        let mut paths = [left("wlan0", PathState::Suspect, 2)];
        paths[0].silent_ms = Some(2_400);
        assert_eq!(Trouble::of(&paths, false).unwrap().next, Duration::from_millis(600));
    }

    #[test]
    fn a_standby_that_falls_silent_is_no_notice_and_one_that_never_answered_is_no_trouble() {
        let standby = path("wwan0", PathState::Lost, 5);
        assert_eq!(told(&[standby.clone(), carrier("eth0", Role::Primary)], false), None);
        assert!(told(&[standby.clone(), carrier("eth0", Role::Primary)], true).is_some());
        let never = PathReport { received: 0, ..standby };
        assert_eq!(told(&[never, carrier("eth0", Role::Primary)], true), None);
    }

    #[test]
    fn an_interface_is_well_when_one_of_its_paths_is() {
        let paths = [left("eth0", PathState::Lost, 5), carrier("eth0", Role::Primary)];
        assert_eq!(told(&paths, true), None);
        let paths = [left("eth0", PathState::Lost, 9), left("eth0", PathState::Suspect, 4)];
        assert_eq!(told(&paths, true).unwrap(), "eth0 suspect 4 s", "and nothing carries");
    }

    #[test]
    fn an_interface_that_was_seen_to_carry_little_is_told_once() {
        let seen = |capacity| PathReport { capacity, ..path("ppp0", PathState::Answering, 9) };
        let paths =
            [seen(Some(1_190)), seen(None), seen(Some(1_210)), path("wlan0", PathState::Answering, 9)];
        assert_eq!(capacities(&paths), ["ppp0 carries 1.2 kB a second"]);
        assert_eq!(spent(&paths[..2]), "27 kB sent and 0 B received");
    }

    #[test]
    fn times_have_two_units_at_most() {
        let told = |seconds| duration(Duration::from_secs(seconds));
        assert_eq!([told(59), told(61), told(3700)], ["59 s", "1 min", "1 h 1 min"]);
        assert_eq!(told(86_400 * 3 + 7200), "3 d 2 h");
        assert_eq!([milliseconds(0.42), milliseconds(9.96), milliseconds(40.4)], ["0.4", "10", "40"]);
    }
}
