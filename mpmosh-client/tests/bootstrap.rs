//! The bootstrap against a real OpenSSH server.

#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

mod sshd;

use std::fs;
use std::path::Path;

use mpmosh_client::args::{self, Invocation};
use mpmosh_client::bootstrap::{self, Announced, AskError, Dialogue, Error, Request};
use mpmosh_client::config;
use mpmosh_client::messages::Paragraph;
use mpmosh_client::plan::DialectName;
use sshd::{Agent, Allow, Sshd, skipped};
use zeroize::Zeroizing;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// A user whose answers are known beforehand.
#[derive(Default)]
struct Script {
    answers: Vec<&'static str>,
    asked: Vec<String>,
    told: String,
}

impl Script {
    fn answering(answers: &[&'static str]) -> Self {
        Self { answers: answers.iter().rev().copied().collect(), ..Self::default() }
    }

    fn next(&mut self, question: &str) -> Result<String, AskError> {
        self.asked.push(question.to_owned());
        self.answers.pop().map(str::to_owned).ok_or(AskError::NoTerminal)
    }
}

impl Dialogue for Script {
    fn ask(&mut self, question: &str) -> Result<String, AskError> {
        self.next(question)
    }

    fn secret(&mut self, question: &str) -> Result<Zeroizing<String>, AskError> {
        self.next(question).map(Zeroizing::new)
    }

    fn tell(&mut self, text: &str) {
        self.told.push_str(text);
        self.told.push('\n');
    }

    fn stage(&mut self, _stage: Option<&str>) {}
}

/// What `mpmosh` with these words would do.
fn request(words: &[&str], streams: bool) -> Request {
    let line = std::iter::once("mpmosh").chain(words.iter().copied()).map(std::ffi::OsString::from);
    let Ok(Invocation::Session(args)) = args::parse(line) else { panic!("{words:?}") };
    let config = config::load(Some("h"), None, Vec::new(), &args.given).unwrap();
    let locale = |name: &str| (name == "LANG").then(|| "it's.UTF-8".to_owned());
    Request::new(&args, &config, locale, 256, (!streams).then_some((80, 24))).unwrap()
}

/// The words to reach the fixture with a server that announces itself.
fn start(sshd: &Sshd, config: &str, more: &[&str], user: &mut Script) -> Result<Announced, Error> {
    let config = sshd.ssh_config(config);
    let server = sshd.server(&format!(
        "printf '%s\\n' \"$@\" > {}\necho MPMOSH CONNECT multipath/1 60123 {KEY} 192.0.2.7,2001:db8::7",
        sshd.directory.join("arguments").display()
    ));
    let server = format!("--server={}", server.display());
    let mut words = vec!["-F", config.to_str().unwrap(), &server];
    words.extend(more);
    words.push("h");
    bootstrap::run(&request(&words, false), user)
}

fn announced(result: Result<Announced, Error>) -> Announced {
    result.unwrap_or_else(|error| panic!("{}", Paragraph::from(error)))
}

fn identity(key: &Path) -> String {
    format!("  IdentityFile {}", key.display())
}

#[test]
fn a_plain_key_starts_the_server_with_its_arguments() {
    if skipped() {
        return;
    }
    let sshd = Sshd::start(Allow::default());
    sshd.know_host(&["ed25519"]);
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let key = sshd.user_key(&format!("id_{kind}"), kind, "");
        let mut user = Script::default();
        let got = announced(start(&sshd, &identity(&key), &["-p", "60000:60010"], &mut user));
        assert_eq!((got.dialect, got.port, got.key.expose()), (DialectName::Multipath, 60123, KEY), "{kind}");
        assert_eq!(
            got.remotes(),
            ["127.0.0.1:60123", "192.0.2.7:60123", "[2001:db8::7]:60123"].map(|a| a.parse().unwrap())
        );
        assert!(user.asked.is_empty(), "{:?}", user.asked);
    }
    let arguments = fs::read_to_string(sshd.directory.join("arguments")).unwrap();
    assert_eq!(
        arguments,
        "new\n--dialect=multipath\n--size=80x24\n-c\n256\n-p\n60000:60010\n-l\nLANG=it's.UTF-8\n"
    );
}

#[test]
fn the_agents_key_is_used_without_a_question() {
    if skipped() {
        return;
    }
    let sshd = Sshd::start(Allow::default());
    sshd.know_host(&["ed25519"]);
    let key = sshd.user_key("id", "ed25519", "");
    let agent = Agent::with_key(&sshd.directory, &key);
    fs::remove_file(&key).unwrap();
    let config = format!("  IdentityAgent {}", agent.socket.display());
    let got = announced(start(&sshd, &config, &[], &mut Script::default()));
    assert_eq!(got.port, 60123);
    // With IdentitiesOnly a key that no IdentityFile names is not offered.
    let config = format!("{config}\n  IdentitiesOnly yes");
    assert!(matches!(start(&sshd, &config, &[], &mut Script::default()), Err(Error::Authentication { .. })));
}

#[test]
fn a_passphrase_is_asked_and_a_wrong_one_asked_again() {
    if skipped() {
        return;
    }
    let sshd = Sshd::start(Allow::default());
    sshd.know_host(&["ed25519"]);
    let key = sshd.user_key("id", "ed25519", "open sesame");
    let mut user = Script::answering(&["wrong", "open sesame"]);
    announced(start(&sshd, &identity(&key), &[], &mut user));
    assert_eq!(user.asked.len(), 2);
    assert!(user.asked[0].contains("Passphrase") && user.told.contains("does not open"), "{:?}", user.asked);

    let mut user = Script::default();
    let Err(error) = start(&sshd, &identity(&key), &[], &mut user) else { panic!() };
    let text = Paragraph::from(error).to_string();
    assert!(text.contains("no terminal") && text.contains("ssh-add"), "{text}");
}

#[test]
fn a_key_the_server_does_not_know_is_refused_with_what_was_tried() {
    if skipped() {
        return;
    }
    let sshd = Sshd::start(Allow::default());
    sshd.know_host(&["ed25519"]);
    let key = sshd.stranger_key("stranger", "ed25519", "");
    let Err(error) = start(&sshd, &identity(&key), &[], &mut Script::default()) else { panic!() };
    let text = Paragraph::from(error).to_string();
    assert!(text.contains("stranger") && text.contains("publickey") && text.contains("-i"), "{text}");
}

#[test]
fn a_key_that_is_half_of_what_is_wanted_ends_the_trying_of_keys() {
    if skipped() {
        return;
    }
    let lines = "PasswordAuthentication yes\nAuthenticationMethods publickey,password";
    let sshd = Sshd::start(Allow { lines, ..Allow::default() });
    sshd.know_host(&["ed25519"]);
    let key = sshd.user_key("id", "ed25519", "");
    let stranger = sshd.stranger_key("stranger", "ed25519", "");
    let agent = Agent::with_key(&sshd.directory, &key);
    agent.add(&stranger);
    let by_files = format!("{}\n{}", identity(&key), identity(&stranger));
    let by_agent = format!("  IdentityAgent {}", agent.socket.display());
    for config in [by_files, by_agent] {
        let mut user = Script::default();
        assert!(matches!(start(&sshd, &config, &[], &mut user), Err(Error::Ask { .. })));
        assert!(user.asked.len() == 1 && user.asked[0].starts_with("Password of"), "{:?}", user.asked);
    }
    let log = sshd.log();
    assert_eq!(
        (log.matches("Partial publickey").count(), log.contains("Failed publickey")),
        (2, false),
        "{log}"
    );
}

#[test]
fn a_key_that_others_can_read_is_not_used() {
    use std::os::unix::fs::PermissionsExt;
    if skipped() {
        return;
    }
    let sshd = Sshd::start(Allow::default());
    sshd.know_host(&["ed25519"]);
    let key = sshd.user_key("id", "ed25519", "");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let mut user = Script::default();
    assert!(matches!(start(&sshd, &identity(&key), &[], &mut user), Err(Error::Authentication { .. })));
    assert!(user.told.contains("chmod 600"), "{}", user.told);
}

#[test]
fn an_unknown_host_is_asked_about_and_put_on_record() {
    if skipped() {
        return;
    }
    let sshd = Sshd::start(Allow::default());
    let key = sshd.user_key("id", "ed25519", "");
    let mut user = Script::answering(&["no"]);
    assert!(matches!(start(&sshd, &identity(&key), &[], &mut user), Err(Error::HostKeyDeclined { .. })));
    assert!(!sshd.known_hosts().exists());

    let mut user = Script::answering(&["perhaps", "yes"]);
    announced(start(&sshd, &identity(&key), &[], &mut user));
    let expected = std::process::Command::new("ssh-keygen")
        .arg("-lf")
        .arg(sshd.directory.join("host_ed25519.pub"))
        .output()
        .unwrap();
    let expected = String::from_utf8_lossy(&expected.stdout).split(' ').nth(1).unwrap().to_owned();
    assert!(user.told.contains(&expected), "{} {expected}", user.told);
    assert_eq!(user.asked.len(), 2);

    // Now it is known, to us and to ssh-keygen.
    let mut user = Script::default();
    announced(start(&sshd, &identity(&key), &[], &mut user));
    assert!(user.asked.is_empty());
    let found = std::process::Command::new("ssh-keygen")
        .args(["-F", &format!("[127.0.0.1]:{}", sshd.port), "-f"])
        .arg(sshd.known_hosts())
        .output()
        .unwrap();
    assert!(found.status.success());
}

#[test]
fn a_fingerprint_typed_wrong_declines_and_typed_right_accepts() {
    if skipped() {
        return;
    }
    let sshd = Sshd::start(Allow::default());
    let key = sshd.user_key("id", "ed25519", "");
    let mut user = Script::answering(&["SHA256:AAAA"]);
    assert!(matches!(start(&sshd, &identity(&key), &[], &mut user), Err(Error::HostKeyDeclined { .. })));
    let Err(Error::HostKeyDeclined { fingerprint, .. }) =
        start(&sshd, &identity(&key), &[], &mut Script::answering(&["no"]))
    else {
        panic!()
    };
    let mut user = Script::answering(&[Box::leak(fingerprint.into_boxed_str())]);
    announced(start(&sshd, &identity(&key), &[], &mut user));
}

#[test]
fn strict_checking_never_asks() {
    if skipped() {
        return;
    }
    let sshd = Sshd::start(Allow::default());
    let key = sshd.user_key("id", "ed25519", "");
    let config = format!("{}\n  StrictHostKeyChecking yes", identity(&key));
    assert!(matches!(start(&sshd, &config, &[], &mut Script::default()), Err(Error::HostKeyUnknown { .. })));
    let config = format!("{}\n  StrictHostKeyChecking accept-new", identity(&key));
    announced(start(&sshd, &config, &[], &mut Script::default()));
    assert!(sshd.known_hosts().exists());
}

#[test]
fn a_changed_host_key_is_refused_before_anything_is_said() {
    if skipped() {
        return;
    }
    let sshd = Sshd::start(Allow::default());
    let key = sshd.user_key("id", "ed25519", "");
    let other = sshd.stranger_key("other_host", "ed25519", "");
    let public = fs::read_to_string(other.with_extension("pub")).unwrap();
    fs::write(sshd.known_hosts(), format!("# old\n[127.0.0.1]:{} {public}", sshd.port)).unwrap();
    let mut user = Script::answering(&["yes"]);
    let Err(error) = start(&sshd, &identity(&key), &[], &mut user) else { panic!() };
    assert!(matches!(error, Error::HostKeyChanged { line: 2, .. }), "{error:?}");
    assert!(user.asked.is_empty());
    assert!(!sshd.log().contains("Accepted") && !sshd.log().contains("Failed"), "{}", sshd.log());
    // -o StrictHostKeyChecking=no adds new hosts; it does not excuse a changed one.
    let result = start(&sshd, &identity(&key), &["-o", "StrictHostKeyChecking=no"], &mut user);
    assert!(matches!(result, Err(Error::HostKeyChanged { .. })));
}

#[test]
fn a_revoked_host_key_is_refused_though_it_is_known() {
    if skipped() {
        return;
    }
    let sshd = Sshd::start(Allow::default());
    sshd.know_host(&["ed25519"]);
    let known = fs::read_to_string(sshd.known_hosts()).unwrap();
    fs::write(sshd.known_hosts(), format!("{known}@revoked * {}", sshd.host_public("ed25519"))).unwrap();
    let key = sshd.user_key("id", "ed25519", "");
    assert!(matches!(
        start(&sshd, &identity(&key), &[], &mut Script::default()),
        Err(Error::HostKeyRevoked { .. })
    ));
}

#[test]
fn the_host_is_asked_for_the_kind_of_key_on_record() {
    if skipped() {
        return;
    }
    let sshd = Sshd::start(Allow { host_keys: &["ed25519", "ecdsa", "rsa"], ..Allow::default() });
    let key = sshd.user_key("id", "ed25519", "");
    for kind in ["rsa", "ecdsa", "ed25519"] {
        sshd.know_host(&[kind]);
        let mut user = Script::default();
        announced(start(&sshd, &identity(&key), &[], &mut user));
        assert!(user.asked.is_empty(), "{kind}");
    }
}

#[test]
fn hashed_records_are_read_and_written() {
    if skipped() {
        return;
    }
    let sshd = Sshd::start(Allow::default());
    sshd.know_host(&["ed25519"]);
    let hashed =
        std::process::Command::new("ssh-keygen").args(["-H", "-f"]).arg(sshd.known_hosts()).output().unwrap();
    assert!(hashed.status.success());
    assert!(fs::read_to_string(sshd.known_hosts()).unwrap().starts_with("|1|"));
    let key = sshd.user_key("id", "ed25519", "");
    announced(start(&sshd, &identity(&key), &[], &mut Script::default()));

    fs::remove_file(sshd.known_hosts()).unwrap();
    let config = format!("{}\n  HashKnownHosts yes", identity(&key));
    announced(start(&sshd, &config, &[], &mut Script::answering(&["yes"])));
    assert!(fs::read_to_string(sshd.known_hosts()).unwrap().starts_with("|1|"));
    announced(start(&sshd, &config, &[], &mut Script::default()));
}

#[test]
fn a_host_is_looked_up_by_its_alias_and_in_the_file_of_all_users() {
    if skipped() {
        return;
    }
    let sshd = Sshd::start(Allow::default());
    let key = sshd.user_key("id", "ed25519", "");
    let all = sshd.directory.join("all_known_hosts");
    let strict = format!("{}\n  StrictHostKeyChecking yes", identity(&key));
    let with = |more: &str| start(&sshd, &format!("{strict}\n{more}"), &[], &mut Script::default());
    let global = format!("  GlobalKnownHostsFile {}", all.display());
    for (name, config) in [
        (format!("[127.0.0.1]:{}", sshd.port), global.clone()),
        ("Alias".into(), format!("{global}\n  HostKeyAlias aliaS")),
    ] {
        fs::write(&all, format!("someone-else,{name} {}", sshd.host_public("ed25519"))).unwrap();
        announced(with(&config));
        // Neither without the file, nor under the other name.
        assert!(matches!(with("  HostKeyAlias other"), Err(Error::HostKeyUnknown { .. })));
        assert!(matches!(
            with(&format!("{global}\n  HostKeyAlias other")),
            Err(Error::HostKeyUnknown { name, .. }) if name == "other"
        ));
    }
    assert!(!sshd.known_hosts().exists(), "nothing was put on record");
}

/// The program itself with words and variables of its own, and a server that notes its environment and then gives up: what
/// was noted, and what the user reads.
fn program(sshd: &Sshd, config: &str, words: &[&str], variables: &[(&str, &str)]) -> (String, String) {
    let config = sshd.ssh_config(config);
    let note = sshd.directory.join("environment");
    let server = sshd.server(&format!("env > {}; echo gave up; exit 3", note.display()));
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_mpmosh"))
        .arg("-F")
        .arg(config)
        .arg(format!("--server={}", server.display()))
        .args(words)
        .args(["h", "--", "true"])
        .envs(variables.iter().copied())
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(255) && said.contains("gave up"), "{said}\n{}", sshd.log());
    (fs::read_to_string(note).unwrap(), said)
}

#[test]
fn variables_name_the_agent_and_are_passed_on() {
    if skipped() {
        return;
    }
    let sshd = Sshd::start(Allow { lines: "AcceptEnv MPM_*", ..Allow::default() });
    sshd.know_host(&["ed25519"]);
    let key = sshd.user_key("id", "ed25519", "");
    let agent = Agent::with_key(&sshd.directory, &key);
    fs::remove_file(&key).unwrap();
    let socket = agent.socket.to_str().unwrap();
    let config =
        "  IdentityAgent $MPM_AGENT\n  SendEnv MPM_SENT_? OTHER\n  SetEnv MPM_SET=\"two words\" OTHER_SET=x";
    let variables = [("MPM_AGENT", socket), ("MPM_SENT_A", "sent"), ("MPM_SENT_AB", "not"), ("OTHER", "not")];
    // The fixture's own line for the agent comes after these.
    let (environment, _) = program(&sshd, config, &[], &variables);
    let given: Vec<&str> =
        environment.lines().filter(|line| line.starts_with("MPM_") || line.starts_with("OTHER")).collect();
    let mut sorted = given.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, ["MPM_SENT_A=sent", "MPM_SET=two words"]);
}

#[test]
fn each_stage_is_told_to_whoever_asks_and_to_nobody_else() {
    if skipped() {
        return;
    }
    let sshd = Sshd::start(Allow::default());
    sshd.know_host(&["ed25519"]);
    let key = sshd.user_key("id", "ed25519", "");
    let told = |words: &[&str]| {
        let (_, said) = program(&sshd, &identity(&key), words, &[]);
        let stages = said.lines().filter_map(|line| line.strip_prefix("mpmosh: "));
        stages.map(|stage| stage.split([' ', ',']).next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        told(&["-v"])[..5],
        ["resolving", "connecting", "authentication", "authentication", "starting"]
    );
    let quiet = told(&[]);
    assert!(
        !quiet.iter().any(|word| ["resolving", "connecting", "starting"].contains(&word.as_str())),
        "{quiet:?}"
    );
}

#[test]
fn the_algorithms_are_those_that_the_configuration_names() {
    if skipped() {
        return;
    }
    let sshd = Sshd::start(Allow { lines: "LogLevel DEBUG", ..Allow::default() });
    sshd.know_host(&["ed25519"]);
    let key = sshd.user_key("id", "ed25519", "");
    let lists = "  KexAlgorithms sntrup761x25519-sha512@openssh.com,ecdh-sha2-nistp384\n  Ciphers aes192-ctr\n  \
                 MACs umac-64@openssh.com,hmac-sha2-512";
    let mut user = Script::default();
    announced(start(&sshd, &format!("{}\n{lists}", identity(&key)), &[], &mut user));
    let log = sshd.log();
    assert!(log.contains("kex: algorithm: ecdh-sha2-nistp384"), "{log}");
    let both = ["client->server", "server->client"];
    for way in both {
        let line = format!("kex: {way} cipher: aes192-ctr MAC: hmac-sha2-512");
        assert!(log.contains(&line), "{line}: {log}");
    }
    assert_eq!(user.told, "");
    let list = "  MACs umac-64@openssh.com";
    announced(start(&sshd, &format!("{}\n{list}", identity(&key)), &[], &mut user));
    assert_eq!(user.told, "mpmosh: using your own ssh: MACs names nothing that the built-in ssh has\n");
}

#[test]
fn a_host_that_is_slow_to_start_the_server_is_asked_whether_it_lives() {
    if skipped() {
        return;
    }
    let sshd = Sshd::start(Allow { lines: "LogLevel DEBUG", ..Allow::default() });
    sshd.know_host(&["ed25519"]);
    let key = sshd.user_key("id", "ed25519", "");
    let config = sshd.ssh_config(&format!("{}\n  ServerAliveInterval 1", identity(&key)));
    let server = sshd.server(&format!(
        "until grep -q rtype.keepalive@ {}; do sleep 0.1; done; echo MPMOSH CONNECT multipath/1 60123 {KEY}",
        sshd.directory.join("sshd.log").display()
    ));
    let server = format!("--server={}", server.display());
    let words = ["-F", config.to_str().unwrap(), &server, "h"];
    announced(bootstrap::run(&request(&words, false), &mut Script::default()));
}

#[test]
fn a_version_that_is_not_ours_is_told_and_its_key_is_not() {
    if skipped() {
        return;
    }
    let sshd = Sshd::start(Allow::default());
    sshd.know_host(&["ed25519"]);
    let key = sshd.user_key("id", "ed25519", "");
    let config = sshd.ssh_config(&identity(&key));
    let server = sshd.server(&format!("echo MPMOSH CONNECT multipath/2 60123 {KEY}"));
    let server = format!("--server={}", server.display());
    for more in [&["h"][..], &["--ssh=ssh", "h"]] {
        let words = [&["-F", config.to_str().unwrap(), &server][..], more].concat();
        let mut user = Script::default();
        let Err(error) = bootstrap::run(&request(&words, false), &mut user) else { panic!() };
        let raw = format!("{error:?}");
        let text = format!("{raw}\n{}\n{}", user.told, Paragraph::from(error));
        assert!(text.contains("multipath/2") && !text.contains(&KEY[..8]), "{text}");
    }
}

#[test]
fn a_missing_server_is_told_with_the_path_that_was_searched() {
    if skipped() {
        return;
    }
    let sshd =
        Sshd::start(Allow { lines: "SetEnv PATH=/nonexistent:/bin HOME=/nonexistent", ..Allow::default() });
    sshd.know_host(&["ed25519"]);
    let key = sshd.user_key("id", "ed25519", "");
    let config = sshd.ssh_config(&identity(&key));
    let words = ["-F", config.to_str().unwrap(), "--dialect=multipath", "h"];
    match bootstrap::run(&request(&words, false), &mut Script::default()) {
        Err(Error::NoServer { path, .. }) => assert!(path.contains("/bin"), "{path}"),
        // A machine on which mpmosh is installed.
        other => assert!(
            std::process::Command::new("mpmosh-server").arg("--version").output().is_ok(),
            "{other:?}"
        ),
    }
    let words = ["-F", config.to_str().unwrap(), "--server=/no/such/server", "h"];
    let Err(error) = bootstrap::run(&request(&words, false), &mut Script::default()) else { panic!() };
    let text = Paragraph::from(error).to_string();
    assert!(text.contains("/no/such/server was not found") && text.contains("--server"), "{text}");
}

#[test]
fn a_stock_server_will_do_where_ours_is_not() {
    if skipped() {
        return;
    }
    let places = ["/usr/bin", "/bin", "/usr/local/bin", "/usr/pkg/bin", "/opt/homebrew/bin"];
    if places.iter().any(|place| Path::new(place).join("mpmosh-server").exists()) {
        sshd::count_skipped("this machine has an mpmosh-server, which is found first");
        return;
    }
    let lines = "SetEnv PATH=@DIRECTORY@:/usr/bin:/bin HOME=@DIRECTORY@ PREFIX=@DIRECTORY@/usr";
    let sshd = Sshd::start(Allow { lines, ..Allow::default() });
    sshd.know_host(&["ed25519"]);
    let key = sshd.user_key("id", "ed25519", "");
    let config = sshd.ssh_config(&identity(&key));
    let stock =
        sshd.server("test \"$1 $2\" = 'new -c' && echo && echo MOSH CONNECT 60001 AAECAwQFBgcICQoLDA0ODw");
    fs::rename(&stock, sshd.directory.join("mosh-server")).unwrap();
    let run = |words: &[&str], streams| {
        let words: Vec<&str> = ["-F", config.to_str().unwrap()].iter().chain(words).copied().collect();
        bootstrap::run(&request(&words, streams), &mut Script::default())
    };
    let mut user = Script::default();
    let words = ["-F", config.to_str().unwrap(), "h"];
    let got = announced(bootstrap::run(&request(&words, false), &mut user));
    assert_eq!((got.dialect, got.port), (DialectName::Mosh, 60001));
    assert!(user.told.contains("only a stock mosh-server"), "{}", user.told);
    assert_eq!(announced(run(&["--dialect=mp-mosh", "h"], false)).dialect, DialectName::MpMosh);
    assert!(matches!(run(&["--dialect=multipath", "h"], false), Err(Error::NoServer { .. })));
    assert!(matches!(run(&["h", "--", "true"], true), Err(Error::NoServer { .. })));

    // In Termux's tree, then in ~/.local/bin, which a non-interactive shell has not on its PATH.
    for (folder, port) in [("usr/bin", 60_122), (".local/bin", 60_123)] {
        let folder = sshd.directory.join(folder);
        fs::create_dir_all(&folder).unwrap();
        let ours = sshd.server(&format!("echo MPMOSH CONNECT multipath/1 {port} {KEY}"));
        fs::rename(ours, folder.join("mpmosh-server")).unwrap();
        let got = announced(run(&["h"], false));
        assert_eq!((got.dialect, got.port), (DialectName::Multipath, port));
    }
}

#[test]
fn noise_is_skipped_and_shown_when_no_announcement_follows() {
    if skipped() {
        return;
    }
    // What an rc file does: it speaks before the command does, here without a newline and with colours.
    let sshd = Sshd::start(Allow::default());
    sshd.know_host(&["ed25519"]);
    let key = sshd.user_key("id", "ed25519", "");
    let public = fs::read_to_string(key.with_extension("pub")).unwrap();
    let noisy =
        "command=\"printf 'Welcome\\033[31m to\\033[0m h\\nPrompt>'; eval \\\"$SSH_ORIGINAL_COMMAND\\\"\"";
    fs::write(sshd.directory.join("authorized_keys"), format!("{noisy} {public}")).unwrap();
    announced(start(&sshd, &identity(&key), &[], &mut Script::default()));

    let config = sshd.ssh_config(&identity(&key));
    let server = sshd.server("echo 'cannot allocate' >&2; exit 3");
    let server = format!("--server={}", server.display());
    let words = ["-F", config.to_str().unwrap(), &server, "h"];
    let Err(error) = bootstrap::run(&request(&words, false), &mut Script::default()) else { panic!() };
    let text = Paragraph::from(error).to_string();
    assert!(
        text.contains("Welcome to h") && text.contains("cannot allocate") && text.contains("status 3"),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'));
}

#[test]
fn what_the_server_says_of_itself_reaches_the_user() {
    if skipped() {
        return;
    }
    let sshd = Sshd::start(Allow::default());
    sshd.know_host(&["ed25519"]);
    let key = sshd.user_key("id", "ed25519", "");
    let config = sshd.ssh_config(&identity(&key));
    let server = sshd.server(&format!(
        "echo welcome; printf 'mpmosh-server: it will \\033[2Jend.\\n'; echo MPMOSH CONNECT multipath/1 60123 {KEY}"
    ));
    let server = format!("--server={}", server.display());
    for more in [&["h"][..], &["--ssh=ssh", "h"]] {
        let words: Vec<&str> =
            ["-F", config.to_str().unwrap(), &server].into_iter().chain(more.iter().copied()).collect();
        let mut user = Script::default();
        announced(bootstrap::run(&request(&words, false), &mut user));
        assert_eq!(user.told, "mpmosh-server: it will end.\n");
    }
}

#[test]
fn a_closed_port_and_a_silent_server_are_told_apart() {
    if skipped() {
        return;
    }
    let sshd = Sshd::start(Allow::default());
    let user = &mut Script::default();
    assert!(matches!(start(&sshd, "  Port 1", &[], user), Err(Error::Connect { .. })));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = format!("  Port {}\n  ConnectTimeout 1", listener.local_addr().unwrap().port());
    assert!(matches!(start(&sshd, &port, &[], user), Err(Error::Handshake { .. })));
}

#[test]
fn streams_ask_for_streams_and_do_not_take_a_stock_server() {
    if skipped() {
        return;
    }
    let sshd = Sshd::start(Allow::default());
    sshd.know_host(&["ed25519"]);
    let key = sshd.user_key("id", "ed25519", "");
    let config = sshd.ssh_config(&identity(&key));
    let stock = sshd.server(
        "case $* in *--streams*) ;; *) exit 9 ;; esac; echo; echo MOSH CONNECT 60001 AAECAwQFBgcICQoLDA0ODw",
    );
    let stock = format!("--server={}", stock.display());
    let words = ["-F", config.to_str().unwrap(), &stock, "h", "--", "true"];
    assert!(matches!(
        bootstrap::run(&request(&words, true), &mut Script::default()),
        Err(Error::StockOnly { .. })
    ));
}

#[test]
fn the_users_own_ssh_brings_the_same() {
    if skipped() {
        return;
    }
    let sshd = Sshd::start(Allow::default());
    sshd.know_host(&["ed25519"]);
    let key = sshd.user_key("id", "ed25519", "");
    let got = announced(start(&sshd, &identity(&key), &["--ssh=ssh"], &mut Script::default()));
    assert_eq!(
        (got.port, got.key.expose(), got.reached.to_string().as_str()),
        (60123, KEY, "127.0.0.1:60123")
    );

    let config = format!("{}\n  ProxyCommand nc -q0 127.0.0.1 %p", identity(&key));
    let bash = std::process::Command::new("bash").arg("-c").arg("true").status().is_ok();
    let config = if bash {
        config.replace(
            "nc -q0 127.0.0.1 %p",
            "bash -c 'exec 3<>/dev/tcp/127.0.0.1/%p; cat <&3 & cat >&3; kill $!'",
        )
    } else {
        config
    };
    let mut user = Script::default();
    let got = announced(start(&sshd, &config, &[], &mut user));
    assert_eq!(got.port, 60123);
    assert!(user.told.contains("ProxyCommand"), "{}", user.told);
}

#[test]
fn where_only_a_certificate_is_accepted_the_users_own_ssh_shows_it() {
    if skipped() {
        return;
    }
    let sshd =
        Sshd::start(Allow { lines: "TrustedUserCAKeys @DIRECTORY@/authority.pub", ..Allow::default() });
    sshd.know_host(&["ed25519"]);
    let authority = sshd.stranger_key("authority", "ed25519", "");
    let key = sshd.stranger_key("id", "ed25519", "");
    // Until it has a certificate, the key is a stranger's.
    assert!(matches!(
        start(&sshd, &identity(&key), &[], &mut Script::default()),
        Err(Error::Authentication { .. })
    ));
    let signed = std::process::Command::new("ssh-keygen")
        .args(["-q", "-I", "test", "-n", &sshd::user(), "-s"])
        .args([&authority, &key.with_extension("pub")])
        .status()
        .unwrap();
    assert!(signed.success());
    let mut user = Script::default();
    assert_eq!(announced(start(&sshd, &identity(&key), &[], &mut user)).port, 60123);
    assert!(
        user.told.contains("using your own ssh") && user.told.contains("has a certificate"),
        "{}",
        user.told
    );
    assert!(sshd.log().contains("Accepted certificate ID"), "{}", sshd.log());
}

/// The file of a key in a hardware token: its handle, and no secret.
fn token_key(file: &Path) {
    use base64::Engine;
    use std::os::unix::fs::PermissionsExt;
    let string = |text: &[u8]| [&(text.len() as u32).to_be_bytes()[..], text].concat();
    let public = [string(b"sk-ssh-ed25519@openssh.com"), string(&[7; 32]), string(b"ssh:")].concat();
    let secret =
        [&[1, 2, 3, 4, 1, 2, 3, 4][..], &public, &[1], &string(&[9; 64]), &string(b""), &string(b"test key")];
    let mut secret = secret.concat();
    secret.extend((1..).take((8 - secret.len() % 8) % 8));
    let head = [string(b"none"), string(b"none"), string(b""), 1_u32.to_be_bytes().to_vec()].concat();
    let whole = [&b"openssh-key-v1\0"[..], &head, &string(&public), &string(&secret)].concat();
    let text = base64::engine::general_purpose::STANDARD.encode(whole);
    fs::write(
        file,
        format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{text}\n-----END OPENSSH PRIVATE KEY-----\n"),
    )
    .unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn a_key_in_a_hardware_token_is_left_to_the_users_own_ssh() {
    if skipped() {
        return;
    }
    let sshd = Sshd::start(Allow::default());
    sshd.know_host(&["ed25519"]);
    let token = sshd.directory.join("id_ed25519_sk");
    token_key(&token);
    // ssh-keygen's own reading of the file says that it is such a key.
    let told = std::process::Command::new("ssh-keygen").arg("-yf").arg(&token).output().unwrap();
    assert!(String::from_utf8_lossy(&told.stdout).starts_with("sk-ssh-ed25519@openssh.com "), "{told:?}");
    let mut user = Script::default();
    // No token is here, so that ssh fails as well; what counts is that it was asked.
    let outcome = start(&sshd, &identity(&token), &[], &mut user);
    assert!(matches!(outcome, Err(Error::Ssh { status: Some(255), .. })), "{outcome:?}");
    assert!(
        user.told.contains("using your own ssh") && user.told.contains("is in a hardware token"),
        "{}",
        user.told
    );
    // Another key that is accepted needs no token.
    let plain = sshd.user_key("id", "ed25519", "");
    let mut user = Script::default();
    announced(start(&sshd, &format!("{}\n{}", identity(&token), identity(&plain)), &[], &mut user));
    assert_eq!(user.told, "");
}

#[test]
fn a_shared_connection_of_the_users_own_is_used() {
    if skipped() {
        return;
    }
    let sshd = Sshd::start(Allow::default());
    sshd.know_host(&["ed25519"]);
    let key = sshd.user_key("id", "ed25519", "");
    let sharing = format!("{}\n  ControlPath {}\n", identity(&key), sshd.directory.join("control").display());
    let config = sshd.ssh_config(&sharing);
    let ssh = |words: &[&str]| {
        std::process::Command::new("ssh")
            .arg("-F")
            .arg(&config)
            .args(words)
            .arg("h")
            .status()
            .unwrap()
            .success()
    };
    assert!(ssh(&["-fNM"]));
    let mut user = Script::default();
    announced(start(&sshd, &sharing, &[], &mut user));
    assert!(user.told.contains("ControlPath is set for h"), "{}", user.told);
    assert_eq!(sshd.log().matches("Accepted publickey").count(), 1, "{}", sshd.log());
    assert!(ssh(&["-O", "exit"]), "it is still there");
}

/// Two hosts on the way and the one that is meant, each a server of its own, and the configuration that leads there.
struct Way {
    hosts: [Sshd; 3],
    config: std::path::PathBuf,
}

impl Way {
    fn new(gate: Allow, jumps: &str) -> Self {
        let hosts = [Sshd::start(gate), Sshd::start(Allow::default()), Sshd::start(Allow::default())];
        let mut text = String::new();
        for (host, sshd) in ["gate", "middle", "h"].into_iter().zip(&hosts) {
            sshd.know_host(&["ed25519"]);
            let key = sshd.user_key("id", "ed25519", "");
            text.push_str(&format!(
                "Host {host}\n  Port {}\n  UserKnownHostsFile {}\n  IdentityFile {}\n",
                sshd.port,
                sshd.known_hosts().display(),
                key.display()
            ));
        }
        text.push_str(&format!(
            "Host h\n  ProxyJump {jumps}\nHost *\n  HostName 127.0.0.1\n  User {}\n  GlobalKnownHostsFile /dev/null\n  \
             IdentityAgent none\n  IdentitiesOnly yes\n",
            sshd::user()
        ));
        let config = hosts[0].directory.join("way");
        fs::write(&config, text).unwrap();
        Self { hosts, config }
    }

    fn start(&self, user: &mut Script) -> Result<Announced, Error> {
        let noise = "head -c 200000 /dev/zero | tr '\\0' x; echo";
        let server = self.hosts[2].server(&format!("{noise}; echo MPMOSH CONNECT multipath/1 60123 {KEY}"));
        let server = format!("--server={}", server.display());
        bootstrap::run(&request(&["-F", self.config.to_str().unwrap(), &server, "h"], false), user)
    }

    fn entered(&self) -> [bool; 3] {
        [0, 1, 2].map(|host: usize| self.hosts[host].log().contains("Accepted publickey"))
    }
}

#[test]
fn a_host_behind_others_is_reached_through_them() {
    if skipped() {
        return;
    }
    for (jumps, entered, last) in
        [("gate", [true, false, true], "gate"), ("gate,middle", [true, true, true], "middle")]
    {
        let way = Way::new(Allow::default(), jumps);
        let mut user = Script::default();
        let got = announced(way.start(&mut user));
        assert_eq!((got.port, got.key.expose()), (60123, KEY));
        assert_eq!((way.entered(), got.through.as_deref()), (entered, Some(last)));
        // Where the server is, the host itself tells.
        assert_eq!(got.reached.to_string(), "127.0.0.1:60123");
        assert!(user.told.is_empty() && user.asked.is_empty(), "{} {:?}", user.told, user.asked);
    }
}

#[test]
fn every_host_on_the_way_shows_its_key() {
    if skipped() {
        return;
    }
    let way = Way::new(Allow::default(), "gate,middle");
    fs::write(way.hosts[1].known_hosts(), "").unwrap();
    let mut user = Script::answering(&["no"]);
    assert!(matches!(way.start(&mut user), Err(Error::HostKeyDeclined { .. })));
    assert!(user.told.contains("reached through gate"), "{}", user.told);
    assert_eq!(way.entered(), [true, false, false]);
}

#[test]
fn a_host_that_passes_nothing_on_is_told() {
    if skipped() {
        return;
    }
    let way = Way::new(Allow { lines: "AllowTcpForwarding no", ..Allow::default() }, "gate");
    let Err(error) = way.start(&mut Script::default()) else { panic!() };
    let text = Paragraph::from(error).to_string();
    assert!(text.contains("did not pass the connection on") && text.contains("AllowTcpForwarding"), "{text}");
}

#[test]
fn a_way_that_leads_back_is_refused() {
    if skipped() {
        return;
    }
    let way = Way::new(Allow::default(), "gate,h");
    let Err(error) = way.start(&mut Script::default()) else { panic!() };
    assert!(
        matches!(&error, Error::SshConfig { evidence } if evidence.contains("leads to h again")),
        "{error}"
    );
}

#[test]
fn a_server_is_installed_where_none_is() {
    if skipped() {
        return;
    }
    // The fixture's user is the one that runs the tests: another home keeps theirs as it is.
    let sshd = Sshd::start(Allow { lines: "SetEnv HOME=@DIRECTORY@/home", ..Allow::default() });
    sshd.know_host(&["ed25519"]);
    let key = sshd.user_key("id", "ed25519", "");
    let home = sshd.directory.join("home");
    let config = sshd.ssh_config(&identity(&key));
    let packages = sshd.directory.join("packages");
    fs::create_dir_all(&packages).unwrap();
    fs::create_dir_all(&home).unwrap();
    let uname = |what: &str| {
        let output = std::process::Command::new("uname").arg(what).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let uname = format!("{}-{}", uname("-m"), uname("-s").to_lowercase());
    let package = packages.join(format!("mpmosh-server-{uname}"));
    let program = format!(
        "#!/bin/sh\n[ \"$1\" = --version ] && echo mpmosh-server 9.8.7 && exit\necho MPMOSH CONNECT multipath/1 60123 {KEY}\n"
    );
    let attempt = |how: &str, user: &mut Script| {
        let words = ["-F", config.to_str().unwrap(), how, "h"];
        bootstrap::run(&request(&words, false), user)
    };
    let from = format!("--install-server={}", packages.display());

    let Err(error) = attempt(&from, &mut Script::default()) else { panic!() };
    let text = Paragraph::from(error).to_string().replace('\n', " ");
    assert!(text.contains("There is no mpmosh-server here") && text.contains(&uname), "{text}");

    fs::write(&package, "#!/bin/sh\necho wrong architecture\nexit 126\n").unwrap();
    let Err(error) = attempt(&from, &mut Script::default()) else { panic!() };
    let text = Paragraph::from(error).to_string();
    assert!(text.contains("wrong architecture"), "{text}");
    let bin = home.join(".local/bin");
    assert_eq!(fs::read_dir(&bin).unwrap().count(), 0, "nothing is left");

    for words in [&[from.as_str()][..], &[from.as_str(), "--ssh=ssh"]] {
        fs::write(&package, &program).unwrap();
        let before = sshd.log().matches("Accepted publickey").count();
        let mut all = vec!["-F", config.to_str().unwrap()];
        all.extend(words);
        all.push("h");
        let mut user = Script::default();
        let got = announced(bootstrap::run(&request(&all, false), &mut user));
        assert_eq!(got.port, 60123);
        assert!(user.told.contains("mpmosh-server 9.8.7 is now in ~/.local/bin"), "{}", user.told);
        // However much there was to ask and to copy.
        let logins = sshd.log().matches("Accepted publickey").count();
        assert_eq!(logins - before, 1, "{}", sshd.log());
        assert_eq!(fs::read_to_string(bin.join("mpmosh-server")).unwrap(), program);
    }
}

#[test]
fn a_password_is_asked_and_checked() {
    if skipped() {
        return;
    }
    if !sshd::is_root() {
        sshd::count_skipped("only root's sshd can check passwords");
        return;
    }
    let Some(person) = Person::new(format!("mpmosh-t{}", std::process::id()), "correct horse") else {
        panic!("useradd is needed for this test (Debian: apt-get install passwd)");
    };
    for (lines, question) in [
        ("PasswordAuthentication yes\nPubkeyAuthentication no\nBanner /etc/passwd", "Password of"),
        ("PasswordAuthentication yes\nAuthenticationMethods password", "Password of"),
        (
            "UsePAM yes\nKbdInteractiveAuthentication yes\nAuthenticationMethods keyboard-interactive",
            "@127.0.0.1) Password",
        ),
    ] {
        let sshd = Sshd::start(Allow { lines, ..Allow::default() });
        sshd.know_host(&["ed25519"]);
        let mut user = Script::answering(&["wrong", "correct horse"]);
        let server = sshd.server(&format!("echo MPMOSH CONNECT multipath/1 60123 {KEY}"));
        let server = format!("--server={}", server.display());
        let config = sshd.ssh_config("");
        let words = ["-F", config.to_str().unwrap(), &server, "-l", &person.name, "h"];
        let got = announced(bootstrap::run(&request(&words, false), &mut user));
        assert_eq!(got.port, 60123);
        assert!(user.asked.len() == 2 && user.asked[0].contains(question), "{:?}", user.asked);
        assert_eq!(user.told.contains("root:"), lines.contains("Banner"), "{}", user.told);

        let mut user = Script::answering(&["a", "b", "c"]);
        let result = bootstrap::run(&request(&words, false), &mut user);
        let Err(error) = result else { panic!("{result:?}") };
        let text = Paragraph::from(error).to_string();
        assert!(text.contains("did not let mpmosh-t") && user.asked.len() == 3, "{text}");

        let mut user = Script::default();
        let Err(error) = bootstrap::run(&request(&words, false), &mut user) else { panic!() };
        let text = Paragraph::from(error).to_string();
        assert!(text.contains("there is no terminal to ask on"), "{text}");
    }
}

/// A user of the system for the length of a test, in which no lab runs: to add a user renames files over /etc/passwd and its
/// like, which undoes the mounts by which a lab's own users stand there.
struct Person {
    name: String,
    _no_lab: fs::File,
}

impl Person {
    fn new(name: String, password: &str) -> Option<Self> {
        use std::io::Write;
        use std::process::{Command, Stdio};
        let no_lab = fs::File::create("/run/mpmosh-lab.lock").unwrap();
        no_lab.lock().unwrap();
        let _ = Command::new("userdel").arg(&name).stderr(Stdio::null()).status();
        let made = Command::new("useradd")
            .args(["--no-create-home", "--home-dir", "/nonexistent", "--shell", "/bin/sh", &name])
            .status();
        let person = made
            .ok()
            .filter(std::process::ExitStatus::success)
            .map(|_| Self { name: name.clone(), _no_lab: no_lab })?;
        let mut child = Command::new("chpasswd").stdin(Stdio::piped()).spawn().ok()?;
        writeln!(child.stdin.take()?, "{name}:{password}").ok()?;
        child.wait().ok()?.success().then_some(person)
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        let _ = std::process::Command::new("userdel")
            .arg(&self.name)
            .stderr(std::process::Stdio::null())
            .status();
    }
}
