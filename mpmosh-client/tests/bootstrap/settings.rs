//! What the ssh configuration and the environment say, seen at a host.

use super::*;

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
    let Some((sshd, key)) = known_host("AcceptEnv MPM_*") else { return };
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
    let Some((sshd, key)) = known_host("") else { return };
    let told = |words: &[&str]| {
        let (_, said) = program(&sshd, &identity(&key), words, &[]);
        let stages = said.lines().filter_map(|line| line.strip_prefix("mpmosh: "));
        stages.map(|stage| stage.split([' ', ',']).next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        told(&["-v"])[..6],
        ["resolving", "connecting", "key", "authentication", "authentication", "starting"]
    );
    let quiet = told(&[]);
    assert!(
        !quiet.iter().any(|word| ["resolving", "connecting", "key", "starting"].contains(&word.as_str())),
        "{quiet:?}"
    );
}

#[test]
fn the_algorithms_are_those_that_the_configuration_names() {
    let Some((sshd, key)) = known_host("LogLevel DEBUG") else { return };
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
    let Some((sshd, key)) = known_host("LogLevel DEBUG") else { return };
    let config = sshd.ssh_config(&format!("{}\n  ServerAliveInterval 1", identity(&key)));
    let server = sshd.server(&format!(
        "until grep -q rtype.keepalive@ {}; do sleep 0.1; done; echo MPMOSH CONNECT multipath/1 60123 {KEY}",
        sshd.directory.join("sshd.log").display()
    ));
    let server = format!("--server={}", server.display());
    let words = ["-F", config.to_str().unwrap(), &server, "h"];
    announced(run(&request(&words, false), &mut Script::default()));
}
