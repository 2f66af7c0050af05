use super::*;
use crate::bootstrap::ssh::ssh_config::{SshConfig, ask_ssh, local_user, ssh_exists};

struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("mpmosh-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap_or_else(|e| panic!("{e}"));
        Self(path)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap_or_else(|e| panic!("{e}"));
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn destination(text: &str) -> Destination {
    Destination::parse(text).unwrap_or_else(|e| panic!("{e}"))
}

fn settings(to: &str, file: PathBuf, options: &[&str]) -> Result<SshConfig, Error> {
    let destination = destination(to);
    let args = SshArgs {
        config: Some(file),
        options: options.iter().map(|option| (*option).to_owned()).collect(),
        ..SshArgs::default()
    };
    let dump = read(&destination, &args, "me")?;
    Ok(SshConfig::from_dump(&dump, &destination))
}

#[test]
fn the_first_value_found_holds() {
    let directory = Directory::new("first");
    let text = "Host h\n  HostName %h.example.org\n  Port=2200\nHost other !h\n  User wrong\nHost *\n  Port 1\n  User me\n";
    let file = directory.file("config", text);
    let config = settings("h", file.clone(), &[]).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!((config.host_name.as_str(), config.user.as_str(), config.port), ("h.example.org", "me", 2200));
    let config = settings("u@h", file, &["Port=9"]).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!((config.user.as_str(), config.port), ("u", 9));
}

#[test]
fn match_looks_at_the_host_as_it_is_known_so_far() {
    let directory = Directory::new("match");
    let text = "Host short\n  HostName long.example.org\nMatch host *.example.org user me\n  Port 2200\n\
                Match originalhost short !localuser you\n  HostKeyAlias alias\nMatch final\n  ConnectTimeout 7\n\
                Match host short\n  User never\nMatch all\n  ConnectTimeout 9\n";
    let config = settings("short", directory.file("config", text), &[]).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!((config.port, config.host_key_alias.as_deref()), (2200, Some("alias")));
    assert_eq!(config.user, "me");
    // `Match final` comes in the second reading, when `Match all` has spoken.
    assert_eq!(config.connect_timeout, Some(core::time::Duration::from_secs(9)));
}

#[test]
fn included_files_hold_where_the_include_stands() {
    let directory = Directory::new("include");
    directory.file("a.conf", "Host h\n  Port 2201\n");
    directory.file("b.conf", "User from-b\n");
    let at = directory.0.display();
    let file = directory.file(
        "config",
        &format!("Host other\n  Include {at}/a.conf\nHost *\n  Include {at}/*.conf\n  Port 1\n"),
    );
    let config = settings("h", file.clone(), &[]).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!((config.port, config.user.as_str()), (2201, "from-b"));
    let config = settings("x", file, &[]).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!((config.port, config.user.as_str()), (1, "from-b"));
}

#[test]
fn a_file_that_includes_itself_and_what_only_ssh_knows_are_refused() {
    let directory = Directory::new("refused");
    let at = directory.0.display();
    for text in [
        format!("Include {at}/config\n"),
        "Match exec \"test -f x\"\n".into(),
        "Match host\n".into(),
        "Match tagged x\n".into(),
    ] {
        let file = directory.file("config", &text);
        assert!(matches!(settings("h", file, &[]), Err(Error::NoSsh { .. })), "{text}");
    }
}

#[test]
fn canonical_names_are_left_to_ssh() {
    let directory = Directory::new("canonical");
    for (value, refused) in [("yes", true), ("always", true), ("no", false), ("None", false)] {
        let text = format!("Host h\n  CanonicalizeHostname {value}\n  CanonicalDomains example.org\n");
        let outcome = settings("h", directory.file("config", &text), &[]);
        assert_eq!(matches!(outcome, Err(Error::NoSsh { .. })), refused, "{value}");
    }
}

/// What ssh makes of the same file, and we.
fn both(host: &str, file: PathBuf, options: &[&str]) -> [SshConfig; 2] {
    let args = SshArgs {
        config: Some(file),
        options: options.iter().map(|option| (*option).to_owned()).collect(),
        ..SshArgs::default()
    };
    let destination = Destination::parse(host).unwrap_or_else(|e| panic!("{e}"));
    let theirs = ask_ssh(&destination, &args).unwrap_or_else(|e| panic!("{e}"));
    let ours = read(&destination, &args, &local_user()).unwrap_or_else(|e| panic!("{e}"));
    let mut both = [theirs, ours].map(|dump| SshConfig::from_dump(&dump, &destination));
    // What a file does not say, ssh lists as it has it compiled in.
    let [theirs, ours] = &mut both;
    for (list, default) in [
        (&ours.host_key_algorithms, &mut theirs.host_key_algorithms),
        (&ours.kex_algorithms, &mut theirs.kex_algorithms),
        (&ours.ciphers, &mut theirs.ciphers),
        (&ours.macs, &mut theirs.macs),
        (&ours.key_algorithms, &mut theirs.key_algorithms),
    ] {
        if list.is_none() {
            *default = None;
        }
    }
    both
}

#[test]
fn a_file_means_the_same_to_ssh() {
    if !ssh_exists() {
        let skipped = std::env::var_os("MPMOSH_SKIP_LAB").is_some_and(|value| value == "1");
        assert!(skipped, "ssh is needed for this test (Debian: apt-get install openssh-client)");
        return;
    }
    let directory = Directory::new("same");
    let at = directory.0.display();
    directory.file("more.conf", "SendEnv MORE_*\nHost *.example.org\n  Port 2201\n");
    let texts = [
        "Host h\n  HostName %h.example.org\n  User me\n  Port 2200\nHost *\n  Port 1\n  IdentityFile /a\n  IdentityFile /b\n".into(),
        format!("Host a !h *\n  Port 3\nHost h\n  Include {at}/*.conf\nMatch host h user me\n  Port 5\n"),
        "Match originalhost h\n  HostName long.example.org\n  User you\nMatch host *.example.org user you\n  \
         HostKeyAlias alias\nMatch final host long*\n  ConnectTimeout 7\n"
            .into(),
        "UserKnownHostsFile /u/%C-%h-%k-%L-%l-%n-%p-%r-%u-%i ~/other\nGlobalKnownHostsFile /g1 /g2\n\
         HostKeyAlias alias\nIdentityFile none\n"
            .into(),
        "ProxyJump a,u@b:22\nProxyCommand none\nStrictHostKeyChecking accept-new\nBatchMode yes\nServerAliveInterval 0\n\
         NumberOfPasswordPrompts 1\nIdentitiesOnly yes\nIdentityAgent \"/run/an agent\"\n"
            .into(),
        "SendEnv A B_*\nSendEnv C -B_*\nSetEnv X=1 \"Y=two words\"\nSetEnv Z=3\nServerAliveInterval 1m\n\
         ConnectTimeout = 1m30s\nCiphers aes256-ctr\nMACs=hmac-sha2-256\nKexAlgorithms curve25519-sha256\n\
         HostKeyAlgorithms ssh-ed25519\nAddressFamily inet6\nHashKnownHosts yes\n\
         PreferredAuthentications publickey,password\nPubkeyAuthentication no\nControlPath /c\n"
            .into(),
    ];
    let mut wrong = Vec::new();
    for text in texts {
        let file = directory.file("config", &text);
        for (host, options) in [("h", &[][..]), ("me@h", &["Port=9"]), ("x.example.org", &["SetEnv=O=p"])] {
            let [mut theirs, ours] = both(host, file.clone(), options);
            if !text.contains("IdentityFile") {
                theirs.identities.clone_from(&ours.identities);
            }
            if ours != theirs {
                wrong.push(format!("{host} {options:?}\n{text}\n{ours:?}\n{theirs:?}\n"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.concat());
}

#[test]
fn of_a_jump_and_a_command_the_first_holds() {
    let directory = Directory::new("jump");
    let file = directory.file("config", "ProxyJump a,b\nProxyCommand nc %h %p\n");
    let config = settings("h", file, &[]).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!((config.jumps.as_slice(), config.needs_ssh()), (["a".into(), "b".into()].as_slice(), None));
}

#[test]
fn a_file_that_cannot_be_read_is_never_taken_for_an_absent_one() {
    use std::os::unix::fs::PermissionsExt;
    let directory = Directory::new("unreadable");
    let told = |file: PathBuf| match settings("h", file, &[]) {
        Err(Error::SshConfig { evidence }) => evidence,
        other => panic!("{other:?}"),
    };
    assert!(told(directory.0.join("absent")).contains("No such file"));
    assert!(told(directory.0.clone()).contains("Is a directory"));
    let latin = directory.file("latin", "");
    fs::write(&latin, b"# B\xfcro\nHost h\n  Port 7\n").unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(settings("h", latin.clone(), &[]).map(|config| config.port).ok(), Some(7));
    fs::write(&latin, b"Host h\n  StrictHostKeyChecking yes\n  IdentityFile /B\xfcro\n")
        .unwrap_or_else(|e| panic!("{e}"));
    assert!(told(latin).contains("line 3 is not UTF-8"));

    // What is included must be nobody else's to write; what -F names is the user's choice. So it is with ssh.
    let open = directory.file("open", "Host h\n  Port 8\n");
    fs::set_permissions(&open, fs::Permissions::from_mode(0o666)).unwrap_or_else(|e| panic!("{e}"));
    let including = directory.file("including", &format!("Include {}\n", open.display()));
    assert!(told(including.clone()).contains("mode 666"));
    assert_eq!(settings("h", open.clone(), &[]).map(|config| config.port).ok(), Some(8));
    if ssh_exists() {
        let args = |file| SshArgs { config: Some(file), ..SshArgs::default() };
        assert!(
            matches!(ask_ssh(&destination("h"), &args(including)), Err(Error::SshConfig { evidence }) if evidence.contains("permissions"))
        );
        assert!(ask_ssh(&destination("h"), &args(open)).is_ok());
    }
}

#[test]
fn what_ssh_refuses_is_refused_and_comments_after_values_are_none_of_them() {
    let directory = Directory::new("values");
    for (text, right) in [
        ("Port 2222 # comment", true),
        ("IdentityFile \"/a b\" # x", true),
        ("IdentityFile '/a b'", true),
        ("IdentityFile /a\\ b", true),
        ("User x#y", true),
        ("UserKnownHostsFile /a /b # c", true),
        ("ProxyCommand x # y", true),
        ("ConnectTimeout none", true),
        ("PubkeyAuthentication host-bound", true),
        ("IgnoreUnknown Frob*\nFrobnicate 1", true),
        ("Port 22x", false),
        ("Port 0", false),
        ("Port", false),
        ("HostName a b", false),
        ("User \"x", false),
        ("BatchMode maybe", false),
        ("StrictHostKeyChecking maybe", false),
        ("ConnectTimeout x", false),
        ("ServerAliveInterval 1x", false),
        ("NumberOfPasswordPrompts x", false),
        ("AddressFamily x", false),
        ("Frobnicate 1", false),
    ] {
        let file = directory.file("config", &format!("{text}\n"));
        let ours = settings("h", file.clone(), &[]);
        assert_eq!(ours.is_ok(), right, "{text}: {ours:?}");
        if let Err(Error::SshConfig { evidence }) = &ours {
            assert!(evidence.contains("config, line 1: "), "{evidence}");
        }
        if ssh_exists() {
            let args = SshArgs { config: Some(file), ..SshArgs::default() };
            assert_eq!(ask_ssh(&destination("h"), &args).is_ok(), right, "{text}");
        }
    }
    let file = directory.file("config", "Port 2222 # comment\nIdentityFile \"/a b\" # x\n");
    let config = settings("h", file, &[]).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!((config.port, config.identities), (2222, vec![PathBuf::from("/a b")]));
}
