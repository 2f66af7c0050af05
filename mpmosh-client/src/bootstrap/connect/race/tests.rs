use super::*;
use crate::bootstrap::dialogue::Silent;
use std::net::TcpListener;

fn way(remote: SocketAddr, waits: Duration) -> Way {
    Way { remote, from: None, over: Some("lo".into()), waits }
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap_or_else(|e| panic!("{e}"));
    let address = listener.local_addr().unwrap_or_else(|e| panic!("{e}"));
    (listener, address)
}

fn refusing(last: u8) -> SocketAddr {
    SocketAddr::new([127, 0, 0, last].into(), 1)
}

const LONG: Duration = Duration::from_secs(30);

#[test]
fn a_refusing_address_does_not_keep_from_the_next_nor_from_a_spare_one() {
    let (_listener, good) = listener();
    let never = Duration::from_secs(3600);
    for waits in [Duration::ZERO, never] {
        let ways = vec![way(refusing(2), Duration::ZERO), way(good, waits)];
        let stream = first(ways, LONG, &mut Silent).unwrap_or_else(|tried| panic!("{tried:?}"));
        assert_eq!(stream.peer_addr().ok(), Some(good));
    }
}

#[test]
fn while_the_first_answers_nobody_else_hears_of_it() {
    let (_listener, good) = listener();
    let (other, spare) = listener();
    other.set_nonblocking(true).unwrap_or_else(|e| panic!("{e}"));
    let stream = first(vec![way(good, Duration::ZERO), way(spare, Duration::ZERO)], LONG, &mut Silent);
    assert_eq!(stream.ok().and_then(|stream| stream.peer_addr().ok()), Some(good));
    assert_eq!(other.accept().map_err(|error| error.kind()).err(), Some(io::ErrorKind::WouldBlock));
}

#[test]
fn when_all_fail_each_failure_is_told_without_the_systems_numbers() {
    let ways = vec![way(refusing(2), Duration::ZERO), way(refusing(3), Duration::ZERO)];
    let tried = first(ways, LONG, &mut Silent).map(|_| ()).unwrap_err();
    let told: Vec<String> = tried.iter().map(ToString::to_string).collect();
    assert_eq!(told, ["127.0.0.2 over lo: Connection refused", "127.0.0.3 over lo: Connection refused"]);
    assert!(first(Vec::new(), LONG, &mut Silent).is_err_and(|tried| tried.is_empty()));
}

#[test]
fn another_interface_is_news_and_another_address_is_none() {
    let (_listener, good) = listener();
    let over = |name: &str| Way { over: Some(name.into()), ..way(good, Duration::ZERO) };
    let mut race = Race {
        waiting: vec![over("wlan0")],
        trying: Vec::new(),
        failed: Vec::new(),
        began: clock::now(),
        next: clock::now(),
        timeout: LONG,
    };
    assert_eq!(race.news(&over("wlan0")), None, "the first");
    race.begin(&mut Silent);
    assert_eq!(race.trying.len(), 1);
    assert_eq!(race.news(&over("wlan0")), None);
    assert_eq!(race.news(&over("wwan0")).as_deref(), Some("wlan0 does not answer; trying wwan0"));
    // The next one waits for the stagger, a spare one for its own time, and nobody once nothing is being tried.
    let (next, spare) = (over("wwan0"), Way { waits: Duration::from_millis(500), ..over("wwan0") });
    assert_eq!(race.due(&next), race.next);
    assert_eq!(race.due(&spare), race.began + Duration::from_millis(500));
    race.trying.clear();
    assert_eq!(race.due(&spare), race.next);
}

#[test]
fn a_survey_tells_of_every_way() {
    let (_listener, good) = listener();
    let ways = vec![way(refusing(2), Duration::ZERO), way(good, Duration::from_secs(3600))];
    let told = survey(ways, LONG);
    assert_eq!(told.len(), 2);
    for (way, outcome) in told {
        assert_eq!(outcome.is_ok(), way.remote == good, "{way:?}");
    }
    assert!(survey(Vec::new(), LONG).is_empty());
}
