use super::*;

fn destination(text: &str) -> Destination {
    Destination::parse(text).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn the_dump_of_ssh_is_read() {
    let dump = "host h\nuser me\nhostname h.example.org\nport 2222\nidentityfile /k1\nidentityfile /k2\n\
                userknownhostsfile /a \"/b c\"\nglobalknownhostsfile /g\nstricthostkeychecking accept-new\n\
                connecttimeout 5\nproxycommand none\nidentitiesonly yes\nhashknownhosts yes\nbatchmode no\n\
                passwordauthentication no\npreferredauthentications publickey,password\nidentityagent none\n";
    let config = SshConfig::from_dump(dump, &destination("h"));
    assert_eq!((config.host_name.as_str(), config.user.as_str(), config.port), ("h.example.org", "me", 2222));
    assert_eq!(config.identities, [PathBuf::from("/k1"), "/k2".into()]);
    assert_eq!(config.user_known_hosts, [PathBuf::from("/a"), "/b c".into()]);
    assert_eq!(config.strict, Strict::AcceptNew);
    assert_eq!(config.connect_timeout, Some(Duration::from_secs(5)));
    assert!(config.identities_only && config.hash_known_hosts && !config.batch);
    assert_eq!(
        [config.public_key, config.password, config.keyboard_interactive],
        [
            Permit::Given,
            Permit::Refused("PasswordAuthentication"),
            Permit::Refused("PreferredAuthentications")
        ]
    );
    assert_eq!(config.identity_agent, Some(PathBuf::new()));
    assert_eq!(config.needs_ssh(), None);
}

#[test]
fn what_libssh2_cannot_do_is_named() {
    let config = SshConfig::from_dump("proxycommand nc %h %p\n", &destination("h"));
    assert_eq!(config.needs_ssh().as_deref(), Some("ProxyCommand is set for h"));
    for (line, expected) in [
        ("verifyhostkeydns true", Some("VerifyHostKeyDNS is set for h")),
        ("hostbasedauthentication yes", Some("HostbasedAuthentication is set for h")),
        ("hostbasedauthentication no", None),
        ("verifyhostkeydns ask", Some("VerifyHostKeyDNS is set for h")),
        ("certificatefile /c", Some("CertificateFile is set for h")),
        ("knownhostscommand /k", Some("KnownHostsCommand is set for h")),
        ("revokedhostkeys /r", Some("RevokedHostKeys is set for h")),
        ("pkcs11provider /p", Some("PKCS11Provider is set for h")),
        ("bindaddress ::1", Some("BindAddress is set for h")),
        ("bindinterface lo", Some("BindInterface is set for h")),
        ("refuseconnection gone", Some("RefuseConnection is set for h")),
        ("nohostauthenticationforlocalhost yes", Some("NoHostAuthenticationForLocalhost is set for h")),
        ("gssapikeyexchange yes", Some("GSSAPIKeyExchange is set for h")),
        ("connectionattempts 2", Some("ConnectionAttempts is set for h")),
        ("connectionattempts 1", None),
        ("requiredrsasize 2048", Some("RequiredRSASize is set for h")),
        ("requiredrsasize 1024", None),
        ("permitlocalcommand yes\nlocalcommand true", Some("LocalCommand is set for h")),
        ("permitlocalcommand no\nlocalcommand true", None),
        ("preferredauthentications password,publickey", Some("PreferredAuthentications is set for h")),
        ("preferredauthentications publickey,gssapi-with-mic,password", None),
    ] {
        let config = SshConfig::from_dump(&format!("{line}\n"), &destination("h"));
        assert_eq!(config.needs_ssh().as_deref(), expected, "{line}");
    }
    let config = SshConfig::from_dump("proxyjump gate,u@inner:2222\n", &destination("h"));
    assert_eq!((config.needs_ssh(), config.jumps), (None, vec!["gate".into(), "u@inner:2222".into()]));
}

#[test]
fn tokens_of_key_files_are_expanded_and_one_without_a_meaning_is_left_to_ssh() {
    let lines = "hostname h.example.org\nuser me\nport 7\nproxyjump a,u@gate:22\nhostkeyalias alias\n";
    let files = "identityfile %d/.ssh/%r@%h-%n-%p%%x-%k-%j$\nidentityfile /é\n";
    let config = SshConfig::from_dump(&format!("{lines}{files}"), &destination("h"));
    let home = home().unwrap_or_default();
    assert_eq!(
        config.identities,
        [home.join(".ssh/me@h.example.org-h-7%x-alias-gate$"), PathBuf::from("/é")]
    );
    let by_address = "proxyjump u@[2001:db8::1]:22\nidentityfile /%j\n";
    let config = SshConfig::from_dump(by_address, &destination("h"));
    assert_eq!(config.identities, [PathBuf::from("/2001:db8::1")]);
    assert_eq!(config.needs_ssh(), None);
    for file in ["/k%Z", "/k%", "/k${MPMOSH_NO_SUCH_VARIABLE}", "/k${", "~somebody/k"] {
        let config = SshConfig::from_dump(&format!("identityfile {file}\n"), &destination("h"));
        let expected = format!("IdentityFile {file} means nothing to the built-in ssh");
        assert_eq!(config.needs_ssh(), Some(expected));
    }
}

#[test]
fn times_are_seconds_or_have_units() {
    let seconds = |text| time(text).map(|time| time.as_secs());
    for (text, expected) in
        [("90", Some(90)), ("1m30s", Some(90)), ("2H", Some(7200)), ("0", None), ("m", None)]
    {
        assert_eq!(seconds(text), expected, "{text}");
    }
}

#[test]
fn ssh_is_told_what_the_command_line_says() {
    let args = SshArgs {
        identities: vec!["k".into()],
        config: Some("c".into()),
        options: vec!["A=b".into()],
        jump: Some("j".into()),
    };
    let words = ssh_options(&destination("u@h:7"), &args);
    assert_eq!(
        words,
        ["-F", "c", "-l", "u", "-p", "7", "-J", "j", "-i", "k", "-o", "A=b"].map(OsString::from)
    );
}

#[test]
fn none_is_nothing_where_ssh_takes_it_so_and_a_name_elsewhere() {
    for none in ["none", "NONE"] {
        let dump = [
            "certificatefile",
            "connecttimeout",
            "controlpath",
            "globalknownhostsfile",
            "identityagent",
            "identityfile",
            "knownhostscommand",
            "pkcs11provider",
            "proxycommand",
            "proxyjump",
            "revokedhostkeys",
            "userknownhostsfile",
        ]
        .map(|keyword| format!("{keyword} {none}\n"))
        .concat();
        let config = SshConfig::from_dump(&dump, &destination("h"));
        let empty =
            SshConfig { identity_agent: Some(PathBuf::new()), ..SshConfig::from_dump("", &destination("h")) };
        assert_eq!(config, empty);
    }
    let dump = "user none\nhostname none\nhostkeyalias none\npreferredauthentications none\n";
    let config = SshConfig::from_dump(dump, &destination("u@h"));
    assert_eq!((config.user.as_str(), config.host_name.as_str()), ("none", "none"));
    assert_eq!(config.host_key_alias.as_deref(), Some("none"));
    assert!(
        [config.public_key, config.password, config.keyboard_interactive]
            .iter()
            .all(|permit| !permit.given())
    );
}

#[test]
fn records_of_keys_in_the_current_folder_are_left_to_ssh() {
    // As `ssh -G` prints "/b c", the name of one file.
    for (line, told) in [
        ("userknownhostsfile /b c", "UserKnownHostsFile names c"),
        ("globalknownhostsfile k", "GlobalKnownHostsFile names k"),
    ] {
        let config = SshConfig::from_dump(&format!("{line}\n"), &destination("h"));
        assert_eq!(config.needs_ssh(), Some(format!("{told}, which is no whole path")));
    }
}

/// The rows of the table: what stands in each cell.
fn table() -> Vec<Vec<&'static str>> {
    let text = include_str!("KEYWORDS.md");
    let rows = text.lines().filter(|line| line.starts_with("| ")).skip(2);
    rows.map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

#[test]
fn the_table_of_keywords_is_that_of_ssh_and_of_the_code() {
    let keywords: Vec<String> = table().iter().map(|row| row[0].to_lowercase()).collect();
    assert!(keywords.len() > 90 && table().iter().all(|row| row.len() == 4));
    let handed = |keyword: &str| {
        table()
            .into_iter()
            .find(|row| row[0].eq_ignore_ascii_case(keyword))
            .is_some_and(|row| row[1].starts_with("hands"))
    };
    let named = HANDED_WHEN_SET.iter().chain(&HANDED_WHEN_ON).map(|(keyword, _)| *keyword);
    for keyword in named.chain(HANDED_ABOVE.map(|(keyword, ..)| keyword)) {
        assert!(handed(keyword), "{keyword} is handed over");
    }
    // Each test that is named is one.
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut code = String::new();
    let mut folders = vec![here.join("src/bootstrap"), here.join("tests"), here.join("../tests/tests")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{e}")).flatten() {
            match entry.path() {
                path if path.is_dir() => folders.push(path),
                path => code.push_str(&std::fs::read_to_string(path).unwrap_or_default()),
            }
        }
    }
    for row in table() {
        assert!(
            row[3].is_empty() || code.contains(&format!("fn {}()", row[3])),
            "{}: no test {}",
            row[0],
            row[3]
        );
    }
    // Whatever this machine's ssh lists has a row.
    let args = SshArgs { config: Some("none".into()), ..SshArgs::default() };
    let Ok(dump) = ask_ssh(&destination("h"), &args) else {
        assert!(!ssh_exists());
        return;
    };
    for line in dump.lines() {
        let keyword = line.split(' ').next().unwrap_or_default().to_lowercase();
        assert!(keyword == "host" || keywords.contains(&keyword), "{keyword} has no row");
    }
    // So has whatever its manual knows, which lists what is not set, too; not every machine has manuals.
    let page = std::path::Path::new("/usr/share/man/man5/ssh_config.5.gz");
    let manual = Command::new("gzip").arg("-dc").arg(page).output();
    let Some(manual) = manual.ok().filter(|output| output.status.success()) else {
        println!("{} is not here: what is not set was not looked for", page.display());
        return;
    };
    let manual = String::from_utf8_lossy(&manual.stdout).into_owned();
    // Their values have entries as well, which begin with a small letter.
    let entries = manual.lines().filter_map(|line| line.strip_prefix(".It Cm "));
    let known: Vec<&str> =
        entries.filter(|entry| entry.starts_with(char::is_uppercase)).map(str::trim).collect();
    assert!(known.len() > 80, "{known:?}");
    for keyword in known {
        let name = keyword.to_lowercase();
        assert!(matches!(&name[..], "host" | "match") || keywords.contains(&name), "{keyword} has no row");
    }
}
