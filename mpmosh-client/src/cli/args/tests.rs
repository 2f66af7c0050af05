use super::*;

fn session(line: &[&str]) -> SessionArgs {
    let words = core::iter::once("mpmosh").chain(line.iter().copied()).map(OsString::from);
    match parse(words) {
        Ok(Invocation::Session(args)) => *args,
        other => panic!("{line:?}: {other:?}"),
    }
}

fn refused(line: &[&str]) -> String {
    let words = core::iter::once("mpmosh").chain(line.iter().copied()).map(OsString::from);
    match parse(words) {
        Err(error) => error.to_string(),
        other => panic!("{line:?}: {other:?}"),
    }
}

fn remote(args: &SessionArgs) -> &Destination {
    match &args.target {
        Target::Remote(destination) => destination,
        Target::Local => panic!("local"),
    }
}

#[test]
fn clap_finds_the_definitions_sound() {
    session_command().debug_assert();
    client_command().debug_assert();
    PlotCli::command().debug_assert();
    PathsCli::command().debug_assert();
}

#[test]
fn a_command_is_the_first_word_and_a_host_of_its_name_is_reached_otherwise() {
    let paths = |line: &[&str]| {
        let words = ["mpmosh", "paths"].iter().chain(line).map(OsString::from);
        match parse(words) {
            Ok(Invocation::Paths(request)) => (request.form, request.which),
            other => panic!("{line:?}: {other:?}"),
        }
    };
    assert_eq!(paths(&[]), (Form::Table, None));
    assert_eq!(paths(&["--watch", "host"]), (Form::Watch, Some("host".into())));
    assert_eq!(paths(&["4711", "--json"]), (Form::Json, Some("4711".into())));
    assert!(refused(&["paths", "--json", "--watch"]).contains("cannot be used with"));
    assert!(refused(&["paths", "a", "b"]).contains("unexpected argument"));
    assert!(refused(&["paths", "--jsn"]).contains("--json"));
    for line in [&["--", "paths"][..], &["-v", "paths"][..]] {
        assert_eq!(remote(&session(line)).host, "paths");
    }
    assert_eq!(remote(&session(&["me@paths", "plot"])).host, "paths");
}

#[test]
fn a_destination_has_a_user_a_host_and_a_port() {
    let parse = |text: &str| Destination::parse(text).map(|d| (d.user, d.host, d.port));
    assert_eq!(parse("h"), Ok((None, "h".into(), None)));
    assert_eq!(parse("u@h:22"), Ok((Some("u".into()), "h".into(), Some(22))));
    assert_eq!(parse("a@b@h"), Ok((Some("a@b".into()), "h".into(), None)));
    assert_eq!(parse("2001:db8::1"), Ok((None, "2001:db8::1".into(), None)));
    assert_eq!(parse("u@[fe80::1%eth0]:2222"), Ok((Some("u".into()), "fe80::1%eth0".into(), Some(2222))));
    for bad in [
        "",
        "@h",
        "u@",
        "-h",
        "-oProxyCommand=x@h",
        "u@-h",
        "h:0",
        "h:x",
        "h:",
        "[::1",
        "h\nx",
        "h x",
        "h\u{1b}[m",
    ] {
        assert!(Destination::parse(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn everything_after_the_host_belongs_to_the_command() {
    let args = session(&["-v", "host", "--", "ls", "-l", "--help"]);
    assert_eq!(args.command, ["ls", "-l", "--help"]);
    assert_eq!(args.verbose, 1);
    assert_eq!(session(&["host", "ls", "-l", "--", "x"]).command, ["ls", "-l", "--", "x"]);
    assert_eq!(session(&["--", "host", "ls"]).command, ["ls"]);
    assert_eq!(session(&["host", "--", "-x"]).command, ["-x"]);
}

#[test]
fn doctor_takes_a_sessions_words_and_config_show_a_host_or_none() {
    let parse = |line: &[&str]| parse(line.iter().map(OsString::from));
    match parse(&["mpmosh", "doctor", "-4", "-oPort=7", "u@h:22"]) {
        Ok(Invocation::Doctor(args)) => {
            assert_eq!((remote(&args).port, args.ssh.options.len()), (Some(22), 1));
            assert!(args.given.contains_key("family"));
        }
        other => panic!("{other:?}"),
    }
    match parse(&["mpmosh", "config", "show", "--predict=never", "u@h"]) {
        Ok(Invocation::ConfigShow { host, given }) => {
            assert_eq!((host.as_deref(), given.len()), (Some("h"), 1));
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(parse(&["mpmosh", "config", "show"]), Ok(Invocation::ConfigShow { host: None, .. })));
    assert!(parse(&["mpmosh", "config"]).is_err() && parse(&["mpmosh", "config", "show", "a", "b"]).is_err());
    // A host of such a name stands behind a dash or two.
    assert!(matches!(parse(&["mpmosh", "--", "doctor"]), Ok(Invocation::Session(_))));
}

#[test]
fn a_server_to_install_may_be_named() {
    assert_eq!(session(&["--install-server", "h"]).install_server, Some(PathBuf::new()));
    let args = session(&["--install-server=/x", "h", "--", "-o", "a=b"]);
    assert_eq!((args.install_server, args.command.len()), (Some("/x".into()), 2));
    assert!(refused(&["--install-server", "--server=x", "h"]).contains("--server"));
}

#[test]
fn local_sessions_have_no_host() {
    let args = session(&["--local", "--", "sh", "-c", "exit 7"]);
    assert_eq!(args.target, Target::Local);
    assert_eq!(args.command, ["sh", "-c", "exit 7"]);
    assert_eq!(session(&["--local"]).command, Vec::<OsString>::new());
}

#[test]
fn a_bare_o_is_moshs_and_one_with_an_assignment_is_sshs() {
    let args = session(&["-o", "host"]);
    assert_eq!(args.given.get("predict-overwrite"), Some(&true.into()));
    assert!(args.ssh.options.is_empty());

    let args =
        session(&["-p", "60001", "-o", "StrictHostKeyChecking=no", "-oUser=x", "host", "--", "-o", "a=b"]);
    assert_eq!(args.ssh.options, ["StrictHostKeyChecking=no", "User=x"]);
    assert_eq!(args.command, ["-o", "a=b"]);
    assert!(!args.given.contains_key("predict-overwrite"));
}

#[test]
fn moshs_options_keep_their_meaning() {
    let args = session(&["-a", "-4", "--no-init", "-p", "60000:60010", "--server=x y", "u@h"]);
    let text = |key: &str| args.given.get(key).and_then(|v| v.as_str()).map(str::to_owned);
    assert_eq!(text("predict").as_deref(), Some("always"));
    assert_eq!(text("family").as_deref(), Some("inet"));
    assert_eq!(text("port").as_deref(), Some("60000:60010"));
    assert_eq!(text("server").as_deref(), Some("x y"));
    assert_eq!(args.given.get("no-init"), Some(&true.into()));
}

#[test]
fn sshs_options_reach_the_destination() {
    let args = session(&["-l", "me", "--ssh-port", "2222", "-i", "k", "-F", "c", "-J", "j", "host"]);
    assert_eq!(
        remote(&args),
        &Destination { user: Some("me".into()), host: "host".into(), port: Some(2222) }
    );
    assert_eq!(args.ssh.jump.as_deref(), Some("j"));
    assert_eq!(args.ssh.identities, [PathBuf::from("k")]);
}

#[test]
fn wrong_words_are_errors_that_say_so() {
    assert!(refused(&[]).contains("no host"));
    assert!(refused(&["--predikt=x", "h"]).contains("--predict"));
    assert!(refused(&["--", "-oProxyCommand=x"]).contains("begins with"));
    assert!(refused(&["-l", "-x", "h"]).contains("-x"));
}

#[test]
fn the_wrappers_client_line_is_understood() {
    let parse = |words: &[&str]| parse_client(words.iter().map(OsString::from));
    let joined =
        parse(&["mpmosh-client", "-# -a host |", "192.0.2.1", "60001"]).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(
        joined,
        ClientInvocation::Join { ip: [192, 0, 2, 1].into(), port: 60001, dialect: None, verbose: 0 }
    );
    assert_eq!(parse(&["mpmosh-client", "-c"]).ok(), Some(ClientInvocation::Colours));
    assert!(parse(&["mpmosh-client", "192.0.2.1"]).is_err());
    assert!(parse(&["mpmosh-client", "192.0.2.1", "x"]).is_err());
}

#[test]
fn an_address_of_ssh_is_a_destination() {
    let parse = |text: &str| Destination::parse(text).map(|d| (d.user, d.host, d.port));
    assert_eq!(parse("ssh://u@h:2222"), Ok((Some("u".into()), "h".into(), Some(2222))));
    assert_eq!(parse("ssh://[2001:db8::1]:7/"), Ok((None, "2001:db8::1".into(), Some(7))));
    assert_eq!(parse("ssh://h"), Ok((None, "h".into(), None)));
    for bad in ["http://h", "mosh://u@h", "ssh://h/path", "ssh://", "ssh:///"] {
        assert!(parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn options_directly_after_the_host_are_options() {
    let args = session(&[
        "-v",
        "u@h",
        "--predict=never",
        "-o",
        "Port=7",
        "-p",
        "60001",
        "-4",
        "ls",
        "-l",
        "--predict=always",
    ]);
    assert_eq!((remote(&args).host.as_str(), args.verbose), ("h", 1));
    assert_eq!(args.command, ["ls", "-l", "--predict=always"]);
    assert_eq!(args.ssh.options, ["Port=7"]);
    let given = |key: &str| args.given.get(key).and_then(|value| value.as_str());
    assert_eq!(
        (given("predict"), given("port"), given("family")),
        (Some("never"), Some("60001"), Some("inet"))
    );
    // Two hyphens end them, before the host or after it.
    assert_eq!(session(&["h", "-v", "--", "-v", "x"]).command, ["-v", "x"]);
    assert_eq!(session(&["--", "h", "-v"]).command, ["-v"]);
    // Without a host the first word is the command's.
    let local = session(&["--local", "ls", "-v"]);
    assert_eq!((local.command.as_slice(), local.verbose), (&["ls".into(), "-v".into()][..], 0));
    assert!(refused(&["h", "--nonsense"]).contains("--nonsense"));
}

#[test]
fn each_command_has_a_help_of_its_own_and_the_version_names_the_protocol() {
    for (line, says) in [
        (&["--help"][..], "Usage: mpmosh [options] [user@]host"),
        (&["doctor", "--help"], "Usage: mpmosh doctor [options] [user@]host[:sshport]"),
        (&["config", "--help"], "Usage: mpmosh config show [options] [host]"),
        (&["config", "show", "--help"], "Usage: mpmosh config show [options] [host]"),
        (&["paths", "--help"], "Usage: mpmosh paths"),
        (&["plot", "--help"], "Usage: mpmosh plot"),
    ] {
        let help = refused(line);
        assert!(help.contains(says), "{line:?}: {help}");
        assert_eq!(help.contains("A remote terminal that uses"), line.len() == 1, "{line:?}: {help}");
    }
    assert!(refused(&["doctor", "--help"]).contains("Examine the way to a host"));
    assert!(refused(&["--version"]).contains("(protocol multipath/1)"));
}

#[test]
fn a_host_whose_name_is_nearly_a_commands_may_be_that() {
    let meant = |line: &[&str]| meant(&session(line).target);
    assert_eq!(meant(&["path"]).as_deref(), Some("mpmosh paths"));
    assert_eq!(meant(&["help"]).as_deref(), Some("mpmosh --help"));
    assert_eq!(meant(&["docter"]).as_deref(), Some("mpmosh doctor"));
    for other in [&["www.example.org"][..], &["u@path"], &["path:22"], &["--local", "path"]] {
        assert_eq!(meant(other), None, "{other:?}");
    }
}
