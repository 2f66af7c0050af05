//! Sessions that are there already: attaching with its questions, listing, detaching, ending; against a server whose words are
//! the test's.

use super::*;
use mpmosh_client::bootstrap::{Answer, Question};
use mpmosh_client::cli::args::Target;

/// Both ways to log in.
const WAYS: [&[&str]; 2] = [&[], &["--ssh=ssh"]];

const LIST: &str = r#"{"version":1,"release":"1","sessions":[{"id":"kq3f8a","name":"work","command":"vim notes","client":null,"attachable":true},{"id":"b00000","title":"\u001b[2Jtop","client":{"address":"192.0.2.7:51000","heard":90},"attachable":true},{"id":"c00000","client":null,"attachable":false,"dialect":"mosh"}]}"#;

/// A server that knows some sessions: `work`, which has no client, `busy`, which has one, and what it says of all others.
fn server(sshd: &Sshd) -> String {
    let connect = format!("MPMOSH CONNECT multipath/1 60123 {KEY} -");
    let body = format!(
        "echo \"$@\" >>'{at}/asked'\n\
         case \"$*\" in\n\
         'attach --size'*) echo 'rc MPMOSH SESSIONS {LIST}'; echo 'MPMOSH REFUSED several Which one of them?'; exit 1;;\n\
         'attach kq3f8a '*|'attach work '*) echo '{connect} session=kq3f8a name=work attached';;\n\
         'attach b00000 '*) echo '{connect} session=b00000 attached';;\n\
         'attach busy --take '*|*--session=busy\\ --take*) echo '{connect} session=d00000 name=busy attached';;\n\
         'attach busy '*|*--session=busy*) echo 'MPMOSH REFUSED busy Its client 192.0.2.9 was heard 3 s ago.'; exit 1;;\n\
         'attach ending '*) echo 'MPMOSH REFUSED ending Its program has ended.'; exit 1;;\n\
         'attach newer '*) echo 'MPMOSH REFUSED moon It is \\033[2Jfull.'; exit 1;;\n\
         'attach '*) echo 'MPMOSH REFUSED unknown No session of yours is called so.'; exit 1;;\n\
         *--session=fresh*) echo '{connect} session=e00000 name=fresh';;\n\
         'sessions --json') echo '{LIST}';;\n\
         'kill work'|'detach work') echo \"$1: done.\";;\n\
         'kill '*|'detach '*) echo 'mpmosh-server: no session of yours is called so.' >&2; exit 1;;\n\
         *) exit 9;;\n\
         esac",
        at = sshd.directory.display()
    );
    format!("--server={}", sshd.server(&body).display())
}

/// What the server was asked, one line for each time.
fn asked(sshd: &Sshd) -> Vec<String> {
    let file = sshd.directory.join("asked");
    let text = fs::read_to_string(&file).unwrap_or_default();
    let _ = fs::remove_file(&file);
    text.lines().map(str::to_owned).collect()
}

fn logins(sshd: &Sshd) -> usize {
    sshd.log().matches("Accepted publickey").count()
}

/// `mpmosh` with these words, at a host with that server.
fn with(sshd: &Sshd, key: &Path, server: &str, words: &[&str]) -> Request {
    let config = sshd.ssh_config(&identity(key));
    let config = config.to_str().unwrap();
    let (verb, rest): (&[&str], &[&str]) = match words {
        ["attach", rest @ ..] => (&["attach"], rest),
        rest => (&[], rest),
    };
    let words: Vec<&str> = verb.iter().chain(&["-F", config, server]).chain(rest).copied().collect();
    request(&words, false)
}

fn told(error: Error) -> String {
    Paragraph::from(error).to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn one_of_several_is_chosen_over_the_same_login() {
    let Some((sshd, key)) = known_host("") else { return };
    let server = server(&sshd);
    for way in WAYS {
        asked(&sshd);
        for (answers, id) in
            [(&["2"][..], "b00000"), (&["0", "4", "x", "work"], "kq3f8a"), (&["kq3f8a"], "kq3f8a")]
        {
            let before = logins(&sshd);
            let mut user = Script::answering(answers);
            let words = [&["attach"], way, &["h"]].concat();
            let got = announced(run(&with(&sshd, &key, &server, &words), &mut user));
            let session = got.session.unwrap();
            assert!((session.id.as_str(), session.attached) == (id, true), "{session:?}");
            assert_eq!(logins(&sshd) - before, 1, "{way:?} {}", sshd.log());
            let list = &user.asked[0];
            assert!(list.contains("1  work    vim notes, no client"), "{list}");
            assert!(
                list.contains("2  b00000  top, client silent for 1 min") && list.contains("(1 to 2)"),
                "{list}"
            );
            assert!(!list.contains("c00000") && !list.contains('\u{1b}'), "{list}");
            assert_eq!(user.asked.len(), answers.len());
            let asked = asked(&sshd);
            assert_eq!(asked[0], "attach --size=80x24 -c 256 -l LANG=it's.UTF-8");
            assert_eq!(asked[1], format!("attach {id} --size=80x24 -c 256 -l LANG=it's.UTF-8"));
        }
        let at = format!("{}@h", sshd::user());
        let Err(error) = run(
            &with(&sshd, &key, &server, &[&["attach"], way, &[at.as_str()]].concat()),
            &mut Script::default(),
        ) else {
            panic!()
        };
        let text = told(error);
        assert!(text.contains("Which one of them?") && text.contains("2 b00000 top"), "{text}");
        assert!(text.contains("“mpmosh attach ") && text.contains(&format!(" {at} ID”")), "{text}");
    }
}

#[test]
fn a_session_with_a_client_is_taken_over_when_the_user_says_so() {
    let Some((sshd, key)) = known_host("") else { return };
    let server = server(&sshd);
    for way in WAYS {
        for words in [&["attach", "h", "busy"][..], &["--session=busy", "h"]] {
            let words = [words, way].concat();
            let request = with(&sshd, &key, &server, &words);
            let before = logins(&sshd);
            let mut user = Script::answering(&["what?", "yes"]);
            let got = announced(run(&request, &mut user));
            assert!(got.session.is_some_and(|session| session.attached));
            assert!(
                user.asked[0].starts_with("Its client 192.0.2.9 was heard 3 s ago.\n"),
                "{:?}",
                user.asked
            );
            assert_eq!(logins(&sshd) - before, 1, "{way:?}");
            assert!(asked(&sshd)[1].contains("--take"));

            let Err(error) = run(&request, &mut Script::answering(&["no"])) else { panic!() };
            assert_eq!(
                told(error),
                "mpmosh: The session stays with the client that it has; nothing was changed."
            );
            let Err(error) = run(&request, &mut Script::default()) else { panic!() };
            let text = told(error);
            assert!(text.contains("heard 3 s ago. --take takes it over"), "{text}");
            assert!(asked(&sshd).iter().all(|line| !line.contains("--take")));
        }
        let words = [&["attach", "h", "busy", "--take"], way].concat();
        announced(run(&with(&sshd, &key, &server, &words), &mut Script::default()));
        assert_eq!(asked(&sshd).len(), 1);
    }
}

#[test]
fn a_name_attaches_or_creates_and_an_existing_session_runs_no_other_command() {
    let Some((sshd, key)) = known_host("") else { return };
    let server = server(&sshd);
    let mut user = Script::default();
    let got = announced(run(&with(&sshd, &key, &server, &["--session=fresh", "h", "--", "top"]), &mut user));
    let session = got.session.unwrap();
    assert_eq!((session.called(), session.attached, user.told.as_str()), ("fresh", false, ""));
    let words = ["--session=busy", "--take", "h", "--", "top"];
    announced(run(&with(&sshd, &key, &server, &words), &mut user));
    assert!(user.told.contains("busy was there already: the command was not started"), "{}", user.told);
}

#[test]
fn a_session_does_not_show_itself() {
    let Some((sshd, key)) = known_host("") else { return };
    let server = server(&sshd);
    let mut request = with(&sshd, &key, &server, &["attach", "h", "work"]);
    request.within = Some("kq3f8a".into());
    let Err(error) = run(&request, &mut Script::default()) else { panic!() };
    assert!(told(error).contains("The session work is the one that this runs in"));
    request.within = Some("b00000".into());
    announced(run(&request, &mut Script::default()));
}

#[test]
fn what_the_server_refuses_is_one_sentence_and_a_next_step() {
    let Some((sshd, key)) = known_host("") else { return };
    let server = server(&sshd);
    for way in WAYS {
        for (which, says) in [
            ("nosuch", "No session of yours is called so. “mpmosh sessions"),
            ("ending", "Its program has ended. “mpmosh sessions"),
            ("newer", "mpmosh: It is full."),
        ] {
            let words = [&["attach", "h", which], way].concat();
            let Err(error) = run(&with(&sshd, &key, &server, &words), &mut Script::default()) else {
                panic!()
            };
            let text = told(error);
            assert!(text.contains(says) && !text.contains('\u{1b}'), "{text}");
        }
    }
}

/// A server of before there were sessions that outlive their client: it ignores options that it does not know, and knows no
/// word but `new`.
fn old(sshd: &Sshd) -> String {
    let body = format!(
        "case $1 in new) ;; *) echo \"error: invalid value '$1' for '[VERB]'\n  [possible values: new]\" >&2; exit 1;; esac\n\
         sleep 1000 >/dev/null 2>&1 </dev/null &\n\
         echo $! >'{}/process'\n\
         echo 'mpmosh-server: the option --session=work is not known here; ignored.'\n\
         echo 'MPMOSH CONNECT multipath/1 60123 {KEY} 192.0.2.7'\n\
         echo \"[mosh-server detached, pid = $!]\"",
        sshd.directory.display()
    );
    format!("--server={}", sshd.server(&body).display())
}

#[test]
fn an_old_server_is_told_as_that_and_nothing_of_it_is_left() {
    let Some((sshd, key)) = known_host("") else { return };
    let server = old(&sshd);
    for way in WAYS {
        for words in [&["attach", "h", "work"][..], &["--session=work", "h"]] {
            let request = with(&sshd, &key, &server, &[words, way].concat());
            let Err(error) = run(&request, &mut Script::default()) else { panic!("{words:?}") };
            let text = told(error);
            assert!(text.contains(" is too old: it keeps no sessions"), "{text}");
        }
        let process = fs::read_to_string(sshd.directory.join("process")).unwrap();
        let alive = || {
            std::process::Command::new("kill").args(["-0", process.trim()]).output().unwrap().status.success()
        };
        let until = platform::clock::now() + std::time::Duration::from_secs(20);
        while alive() {
            assert!(platform::clock::now() < until, "process {process} is left");
            std::thread::yield_now();
        }
        assert!(matches!(ask(&sshd, &key, &server, way, &Question::Sessions), Err(Error::TooOld { .. })));
        assert!(matches!(
            ask(&sshd, &key, &server, way, &Question::Kill("work".into())),
            Err(Error::TooOld { .. })
        ));
    }
}

#[test]
fn where_only_a_stock_server_is_its_sessions_are_said_to_end_with_their_clients() {
    let lines = "SetEnv PATH=@DIRECTORY@:/usr/bin:/bin HOME=@DIRECTORY@ PREFIX=@DIRECTORY@";
    let Some((sshd, key)) = known_host(lines) else { return };
    let places = ["/usr/bin", "/bin", "/usr/local/bin", "/usr/pkg/bin", "/opt/homebrew/bin"];
    if places.iter().any(|place| Path::new(place).join("mpmosh-server").exists()) {
        sshd::count_skipped("this machine has an mpmosh-server, which is found first");
        return;
    }
    fs::rename(sshd.server("exit 9"), sshd.directory.join("mosh-server")).unwrap();
    for way in WAYS {
        // An option without a meaning here, in the place of the server's.
        for words in [&["attach", "h"][..], &["attach", "h", "work"], &["--session=work", "h"]] {
            let request = with(&sshd, &key, "--no-init", &[words, way].concat());
            let outcome = run(&request, &mut Script::default());
            assert!(matches!(outcome, Err(Error::StockHere { .. })), "{words:?}: {outcome:?}");
        }
        let outcome = ask(&sshd, &key, "--no-init", way, &Question::Sessions);
        assert!(matches!(outcome, Err(Error::StockHere { .. })), "{outcome:?}");
    }
    fs::remove_file(sshd.directory.join("mosh-server")).unwrap();
    if std::process::Command::new("mosh-server").arg("--version").output().is_err() {
        let outcome = ask(&sshd, &key, "--no-init", &[], &Question::Sessions);
        assert!(matches!(outcome, Err(Error::NoServer { .. })), "{outcome:?}");
    }
    let none = ask(&sshd, &key, "--server=/no/such/server", &[], &Question::Sessions);
    assert!(matches!(none, Err(Error::NoServer { .. })), "{none:?}");
}

fn ask(sshd: &Sshd, key: &Path, server: &str, way: &[&str], question: &Question) -> Result<Answer, Error> {
    let request = with(sshd, key, server, &[way, &["h"]].concat());
    assert!(matches!(request.target, Target::Remote(_)));
    bootstrap::ask(&request, question, &mut Script::default())
}

#[test]
fn the_sessions_are_listed_and_ended_behind_the_noise_of_login_scripts() {
    let Some((sshd, key)) = known_host("") else { return };
    let server = server(&sshd);
    let public = fs::read_to_string(key.with_extension("pub")).unwrap();
    let noisy = "command=\"printf 'Welcome to {h}\\n{Prompt>'; eval \\\"$SSH_ORIGINAL_COMMAND\\\"\"";
    fs::write(sshd.directory.join("authorized_keys"), format!("{noisy} {public}")).unwrap();
    for way in WAYS {
        let ask = |question| ask(&sshd, &key, &server, way, &question).unwrap();
        let list = ask(Question::Sessions);
        assert_eq!((list.json(), list.done), (Some(LIST), true));
        for question in [Question::Kill("work".into()), Question::Detach("work".into())] {
            let got = ask(question);
            assert!(got.done && got.sentence().ends_with(": done."), "{got:?}");
        }
        let got = ask(Question::Kill("nosuch".into()));
        assert_eq!((got.sentence().as_str(), got.done), ("No session of yours is called so.", false));
    }
}

#[test]
fn an_account_that_runs_no_scripts_is_asked_in_plain_words() {
    let Some((sshd, key)) = known_host("") else { return };
    let server = server(&sshd);
    let program = server.strip_prefix("--server=").unwrap();
    let public = fs::read_to_string(key.with_extension("pub")).unwrap();
    // A list of allowed commands, as people write one.
    let list = format!(
        "#!/bin/sh\ncase $SSH_ORIGINAL_COMMAND in '{program} '*) exec $SSH_ORIGINAL_COMMAND;; *) echo no such command; exit 1;; esac\n"
    );
    let allowed = sshd.directory.join("allowed");
    fs::write(&allowed, list).unwrap();
    let line = format!("command=\"sh {}\" {public}", allowed.display());
    fs::write(sshd.directory.join("authorized_keys"), line).unwrap();
    for way in WAYS {
        let list = ask(&sshd, &key, &server, way, &Question::Sessions).unwrap();
        assert_eq!((list.json(), list.done), (Some(LIST), true));
        let got = ask(&sshd, &key, &server, way, &Question::Kill("nosuch".into())).unwrap();
        assert!(!got.done && (!way.is_empty() || got.sentence().starts_with("No session")), "{got:?}");
        asked(&sshd);
        let request = with(&sshd, &key, &server, &[&["attach", "h", "work"], way].concat());
        assert!(announced(run(&request, &mut Script::default())).session.is_some());
        let request = with(&sshd, &key, &server, &[&["attach", "h", "nosuch"], way].concat());
        let outcome = run(&request, &mut Script::default());
        assert!(matches!(outcome, Err(Error::Refused { .. })), "{outcome:?}");
    }
}

#[test]
fn sessions_of_stock_s_dialect_are_refused_before_any_login() {
    let request = |words: &[&str]| request(words, false);
    for words in [
        &["attach", "h", "--dialect=mosh"][..],
        &["attach", "h", "--server=mosh-server"],
        &["--session=work", "--dialect=mp-mosh", "h"],
    ] {
        let outcome = run(&request(words), &mut Script::default());
        assert!(matches!(outcome, Err(Error::StockDialect)), "{words:?}: {outcome:?}");
    }
}
