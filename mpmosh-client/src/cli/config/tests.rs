use super::*;
use crate::cli::options::{Definition, Kind};
use crate::cli::plan::EscapeKey;
use std::fs;

struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("mpmosh-config-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap_or_else(|e| panic!("{e}"));
        let path = dir.join(name);
        fs::write(&path, text).unwrap_or_else(|e| panic!("{e}"));
        Self(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn vars(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

fn wrong(name: &str, text: &str) -> String {
    let file = File::new(name, text);
    match load(Some("h"), Some(&file.0), vars(&[]), &Dict::new()) {
        Err(error) => error.to_string(),
        Ok(config) => panic!("{config:?}"),
    }
}

fn ok(result: Result<Config, Error>) -> Config {
    result.unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn the_command_line_is_over_the_environment_over_the_file_over_defaults() {
    let file = File::new(
        "layers.toml",
        "[defaults]\npredict = \"never\"\nredundancy = \"off\"\nfamily = \"inet\"\nbackup = [\"wwan0\"]\nport = 60001\n",
    );
    let mut given = Dict::new();
    given.insert("family".into(), "inet6".into());
    let config = ok(load(
        Some("h"),
        Some(&file.0),
        vars(&[("MPMOSH_REDUNDANCY", "always"), ("MPMOSH_FAMILY", "all")]),
        &given,
    ));
    assert_eq!(config.predict, PredictMode::Never);
    assert_eq!(config.redundancy, Redundancy::Always);
    assert_eq!(config.family, Family::Inet6);
    assert_eq!(config.backup, ["wwan0"]);
    assert_eq!(config.port.as_deref(), Some("60001"));
    assert_eq!(config.metered, Metered::Backup);
}

#[test]
fn the_table_that_says_more_of_the_host_wins() {
    let file = File::new(
        "hosts.toml",
        "[host.\"*.example.org\"]\npredict = \"always\"\nport = 1\n[host.\"a.example.org\"]\npredict = \"never\"\n\
         [host.\"*\"]\npredict = \"experimental\"\n[defaults]\npredict = \"adaptive\"\n",
    );
    let at = |host: Option<&str>| ok(load(host, Some(&file.0), vars(&[]), &Dict::new()));
    assert_eq!(at(Some("A.example.org")).predict, PredictMode::Never);
    assert_eq!(at(Some("A.example.org")).port.as_deref(), Some("1"));
    assert_eq!(at(Some("b.example.org")).predict, PredictMode::Always);
    assert_eq!(at(Some("other")).predict, PredictMode::Experimental);
    assert_eq!(at(None).predict, PredictMode::Adaptive);
}

#[test]
fn moshs_variables_keep_their_meaning() {
    let with = |list: &[(&str, &str)]| ok(load(None, None, vars(list), &Dict::new()));
    assert_eq!(with(&[("MOSH_PREDICTION_DISPLAY", "always")]).predict, PredictMode::Always);
    assert!(with(&[("MOSH_PREDICTION_OVERWRITE", "yes")]).predict_overwrite);
    assert!(!with(&[("MOSH_PREDICTION_OVERWRITE", "maybe")]).predict_overwrite);
    assert!(with(&[("MOSH_NO_TERM_INIT", "")]).no_init);
    assert!(with(&[("MOSH_TITLE_NOPREFIX", "0")]).plain_title);
    assert_eq!(with(&[("MOSH_ESCAPE_KEY", "")]).settings(0).escape, EscapeKey(None));
    assert_eq!(with(&[]).settings(0).escape, EscapeKey::DEFAULT);
    assert_eq!(with(&[("MPMOSH_BACKUP", "a,b c")]).backup, ["a", "b", "c"]);
    assert!(load(None, None, vars(&[("MOSH_PREDICTION_DISPLAY", "x")]), &Dict::new()).is_err());
}

#[test]
fn an_unknown_key_is_named_with_its_file_and_line_and_the_nearest_word() {
    let message = wrong("unknown.toml", "# first\n[defaults]\nredundacy = \"off\"\n");
    assert!(message.contains("unknown.toml, line 3"), "{message}");
    assert!(message.contains("“redundacy”") && message.contains("“redundancy”"), "{message}");

    let message = wrong("host.toml", "[defaults]\npredict = \"never\"\n[host.\"x.y\"]\n\npredct = 1\n");
    assert!(message.contains("line 5") && message.contains("“predict”"), "{message}");

    let message = wrong("table.toml", "\n[default]\npredict = \"never\"\n");
    assert!(message.contains("line 2") && message.contains("“defaults”"), "{message}");

    let message = wrong("bare.toml", "predict = \"never\"\n");
    assert!(message.contains("line 1") && message.contains("[defaults]"), "{message}");
}

#[test]
fn a_bad_value_is_named_with_its_place_and_what_would_be_right() {
    let message = wrong("value.toml", "[defaults]\npredict = \"alway\"\n");
    assert!(
        message.contains("line 2") && message.contains("“always”") && message.contains("experimental"),
        "{message}"
    );
    let message = wrong("port.toml", "[defaults]\nport = \"9:3\"\n");
    assert!(message.contains("port") && message.contains("PORT:PORT2"), "{message}");
    let message = wrong("flag.toml", "[defaults]\nno-init = \"perhaps\"\n");
    assert!(message.contains("true or false"), "{message}");
    let message = wrong("syntax.toml", "[defaults]\npredict = never\n");
    assert!(message.contains("line 2"), "{message}");
    let Err(error) = load(None, None, vars(&[("MPMOSH_METERED", "yes")]), &Dict::new()) else { panic!() };
    assert!(error.to_string().contains("MPMOSH_METERED"), "{error}");
}

/// The value of the environment that a sample of a file stands for.
fn as_variable(sample: &str) -> String {
    let text = sample.trim_matches(['[', ']']).replace(", ", ",");
    text.split(',').map(|word| word.trim_matches('"').to_owned()).collect::<Vec<_>>().join(",")
}

/// What is typed for that value, in every way there is; none for an option that cannot be typed.
fn as_typed(option: &Definition, value: &str) -> Vec<Vec<String>> {
    let mut ways: Vec<Vec<String>> = option.typed_for(value).map(|typed| vec![typed.to_owned()]).collect();
    match (option.long_name(), option.kind) {
        (None, _) => {}
        (Some(long), Kind::Flag) if value == "true" => ways.push(vec![format!("--{long}")]),
        (_, Kind::Flag) => {}
        (Some(long), kind) if kind.is_list() => {
            ways.push(value.split(',').map(|word| format!("--{long}={word}")).collect());
        }
        (Some(long), _) => ways.push(vec![format!("--{long}={value}")]),
    }
    ways
}

#[test]
fn the_five_faces_of_every_option_agree() {
    for option in OPTIONS {
        let samples: &[&str] = match option.kind {
            Kind::Word(words) => words,
            Kind::Flag => &["true", "false"],
            Kind::Ports => &["60001:60010"],
            Kind::Bind => &["any", "ssh", "2001:db8::1"],
            Kind::Seconds(..) => &["7"],
            Kind::Interfaces => &["[\"eth0\", \"wlan0\"]"],
            Kind::Addresses => &["[\"192.0.2.1\", \"::1\"]"],
            Kind::Text | Kind::Command | Kind::File => &["/x"],
        };
        for sample in samples {
            let value = as_variable(sample);
            let written = if option.kind == Kind::Flag || sample.starts_with('[') {
                (*sample).to_owned()
            } else {
                format!("\"{sample}\"")
            };
            let file = File::new("face.toml", &format!("[defaults]\n{} = {written}\n", option.name));
            let from_file = ok(load(None, Some(&file.0), vars(&[]), &Dict::new()));
            let same = |config: Config, face: &str| {
                let name = option.name;
                assert_eq!(format!("{config:?}"), format!("{from_file:?}"), "{name} = {sample}, {face}");
            };
            let variable = (option.variable(), value.clone());
            same(ok(load(None, None, [variable], &Dict::new())), "environment");
            if let Some(mosh) = option.mosh.filter(|_| option.kind != Kind::Flag) {
                same(ok(load(None, None, [(mosh.name.to_owned(), value.clone())], &Dict::new())), "mosh");
            }
            for words in as_typed(option, &value) {
                let line = ["mpmosh".to_owned()].into_iter().chain(words.clone()).chain(["h".to_owned()]);
                let typed = match crate::cli::args::parse(line.map(Into::into)) {
                    Ok(crate::cli::args::Invocation::Session(args)) => args.given,
                    other => panic!("{words:?}: {other:?}"),
                };
                same(ok(load(None, None, vars(&[]), &typed)), &words.join(" "));
            }
            let shown = show(None, Some(&file.0), vars(&[]), &Dict::new()).unwrap_or_else(|e| panic!("{e}"));
            let copy = File::new("shown.toml", &file_of(&shown));
            same(ok(load(None, Some(&copy.0), vars(&[]), &Dict::new())), "config show");
        }
    }
}

#[test]
fn a_default_is_the_one_that_is_told() {
    for option in OPTIONS.iter().filter(|option| !option.default.is_empty()) {
        let file = File::new("default.toml", "[defaults]\n");
        let none = ok(load(None, Some(&file.0), vars(&[]), &Dict::new()));
        let told = ok(load(None, None, [(option.variable(), option.default.to_owned())], &Dict::new()));
        assert_eq!(format!("{none:?}"), format!("{told:?}"), "{}", option.name);
        let (value, place) = shown(&file, "h", option.name);
        assert_eq!(place, "default");
        assert_eq!(value.unwrap_or_default().trim_matches('"'), option.default);
    }
    let keepalive = ok(load(None, None, vars(&[]), &Dict::new())).keepalive;
    assert_eq!(keepalive, net::Config::DEFAULT_KEEPALIVE, "what another user of the association has");
}

#[test]
fn a_wrong_value_of_the_command_line_is_told_as_one_of_the_file_is() {
    for (option, value, right) in [
        ("address", "nonsense", "a list of IP addresses"),
        ("keepalive", "60", "from 3 to 35"),
        ("log-level", "wran", "did you mean “warn”?"),
        ("bind-server", "all", "any, ssh or an IP address of the server"),
    ] {
        let given = Dict::from([(option.to_owned(), value.into())]);
        let Err(error) = load(None, None, vars(&[]), &given) else { panic!("{option}") };
        let text = error.to_string();
        assert!(text.starts_with(&format!("On the command line: {option} cannot be")), "{text}");
        assert!(text.contains(value) && text.contains(right), "{text}");
    }
}

#[test]
fn the_file_is_where_xdg_says() {
    let from = |list: &'static [(&str, &str)]| {
        default_file(|name| list.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    };
    assert_eq!(from(&[("XDG_CONFIG_HOME", "/c"), ("HOME", "/h")]), Some("/c/mpmosh/config.toml".into()));
    assert_eq!(
        from(&[("XDG_CONFIG_HOME", "relative"), ("HOME", "/h")]),
        Some("/h/.config/mpmosh/config.toml".into())
    );
    assert_eq!(from(&[]), None);
}

#[test]
fn what_is_shown_names_each_source_and_is_a_file_that_brings_the_same() {
    let file = File::new(
        "show.toml",
        "[defaults]\npredict = \"never\"\n\n[host.\"h*\"]\nserver = \"a \\\"b\\\" \\u001Bc\"\nprefer = [\"eth0\", \"wlan0\"]\n",
    );
    let mut given = Dict::new();
    given.insert("port".into(), "60001:60010".into());
    let variables = vars(&[("MPMOSH_FAMILY", "inet6"), ("MOSH_ESCAPE_KEY", "~")]);
    let shown =
        show(Some("host"), Some(&file.0), variables.clone(), &given).unwrap_or_else(|e| panic!("{e}"));
    let line = |key: &str| {
        let setting = shown.iter().find(|setting| setting.key.name == key);
        setting.unwrap_or_else(|| panic!("{key}")).to_string()
    };
    let at = file.0.display();
    assert_eq!(line("predict"), format!("{:<40} # {at}, line 2", "predict = \"never\""));
    assert!(
        line("prefer").starts_with("prefer = [\"eth0\", \"wlan0\"] ") && line("prefer").ends_with("line 6")
    );
    assert!(line("family").ends_with("# MPMOSH_FAMILY") && line("escape-key").ends_with("# MOSH_ESCAPE_KEY"));
    assert!(line("port").ends_with("# command line") && line("metered").ends_with("# default"));
    assert!(line("trace").starts_with("#trace =") && line("trace").ends_with("not set"));
    assert!(!line("server").contains('\u{1b}'));

    // The defaults that are shown are those in force.
    let copy = File::new("shown.toml", &file_of(&shown));
    let again = ok(load(Some("other"), Some(&copy.0), vars(&[]), &Dict::new()));
    let before = ok(load(Some("host"), Some(&file.0), variables, &given));
    assert_eq!(format!("{again:?}"), format!("{before:?}"));
}

#[test]
fn what_is_no_toml_is_told_in_a_sentence_with_its_line() {
    let text = wrong("drawn.toml", "[defaults]\npredict = \"never\"\nport == 3\n");
    assert!(text.contains("drawn.toml, line 3: that is not valid TOML: "), "{text}");
    assert!(!text.contains(['^', '|', '\n']), "{text}");
}

#[test]
fn a_variable_that_is_nearly_a_settings_is_told_with_that() {
    let pairs =
        |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), String::new())).collect::<Vec<_>>();
    let told = mistyped(pairs(&[
        "MPMOSH_REDUNDENCY",
        "MPMOSH_PREDICT",
        "MPMOSH_SKIP_LAB",
        "MOSH_KEY",
        "PATH",
        "MPMOSH_FAMILLY",
    ]));
    let expected = [("MPMOSH_REDUNDENCY", "MPMOSH_REDUNDANCY"), ("MPMOSH_FAMILLY", "MPMOSH_FAMILY")];
    assert_eq!(told, expected.map(|(name, meant)| (name.to_owned(), meant.to_owned())));
}

/// What `config show` says of a key.
fn shown(file: &File, host: &str, key: &str) -> (Option<String>, String) {
    let settings = show(Some(host), Some(&file.0), vars(&[]), &Dict::new()).unwrap_or_else(|e| panic!("{e}"));
    let setting = settings.into_iter().find(|setting| setting.key.name == key);
    setting.map(|setting| (setting.value, setting.place)).unwrap_or_else(|| panic!("{key}"))
}

#[test]
fn each_value_is_shown_with_the_line_it_stands_in_however_the_file_is_written() {
    let file = File::new(
        "places.toml",
        r#"# predict = "never", as the line below says
[defaults] # predict
"keepalive" = 20
'port' = 60001
server = """
predict = "never"
"""
log-level = "info"

[host."bigweb"]
predict = "never"
keepalive = 10

[ host . "web" ]
# predict = "never"
prefer = [
  "predict", # backup = []
  "eth0",
]
predict = "always"

[host]
"inline" = { predict = "experimental", backup = ["a"] }
dotted.port = 3
'dotted' . "log-level" = "debug"
"*.web".metered = "allow"
"#,
    );
    let line = |host: &str, key: &str| {
        let (value, place) = shown(&file, host, key);
        let number = place.rsplit_once("line ").map(|(_, number)| number.to_owned());
        (value.unwrap_or_default(), number.unwrap_or(place))
    };
    let told = |value: &str, line: &str| (value.to_owned(), line.to_owned());
    assert_eq!(line("web", "predict"), told("\"always\"", "20"));
    assert_eq!(line("web", "prefer"), told("[\"predict\", \"eth0\"]", "16"));
    assert_eq!(line("web", "keepalive"), told("20", "3"));
    assert_eq!(line("web", "port"), told("\"60001\"", "4"));
    assert_eq!(line("web", "metered"), told("\"backup\"", "default"));
    assert_eq!(line("bigweb", "predict"), told("\"never\"", "11"));
    assert_eq!(line("bigweb", "keepalive"), told("10", "12"));
    assert_eq!(line("inline", "predict"), told("\"experimental\"", "23"));
    assert_eq!(line("inline", "backup"), told("[\"a\"]", "23"));
    assert_eq!(line("dotted", "port"), told("\"3\"", "24"));
    assert_eq!(line("dotted", "log-level"), told("\"debug\"", "25"));
    assert_eq!(line("other", "log-level"), told("\"info\"", "8"));
    assert_eq!(line("a.web", "metered"), told("\"allow\"", "26"));
}

#[test]
fn a_wrong_word_is_found_in_its_own_line_and_no_other() {
    let message = wrong("table-of-two.toml", "[host.bigweb]\nport = 1\n[host.web]\n# port\nport = true\n");
    assert!(message.contains("line 5"), "{message}");
    let message = wrong("twice.toml", "[defaults]\nport = 1\n\nport = 2\n");
    assert!(message.contains("line 4: that is not valid TOML"), "{message}");
    let message = wrong("inline.toml", "host = { a = { portt = 1 } }\n");
    assert!(message.contains("line 1") && message.contains("“portt”"), "{message}");
    let message = wrong("list.toml", "\n[[host]]\nport = 1\n");
    assert!(message.contains("line 2") && message.contains("“host”"), "{message}");
    let message = wrong("date.toml", "[defaults]\ntrace = 2020-01-01\n");
    assert!(message.contains("line 2") && message.contains("a date or time"), "{message}");
    let message = wrong("dotted.toml", "[defaults]\nssh.command = \"x\"\n");
    assert!(message.contains("line 2") && message.contains("a table"), "{message}");
}

/// Values of a kind, as a file has them.
fn samples(kind: Kind) -> Vec<&'static str> {
    match kind {
        Kind::Word(words) => words.to_vec(),
        Kind::Flag => vec!["true", "false"],
        Kind::Bind => vec!["\"any\"", "\"ssh\"", "\"192.0.2.1\""],
        Kind::Ports => vec!["0", "60001", "\"60001\"", "\"60001:60010\""],
        Kind::Seconds(..) => vec!["3", "35", "\"20\"", "0x10"],
        Kind::Interfaces => vec!["[]", "\"eth0\"", "[\"a b\", 'c\"d', \"\\u202E\"]"],
        Kind::Addresses => vec!["[]", "\"::1\"", "[\"192.0.2.1\", \"fe80::1\"]"],
        Kind::Text | Kind::Command | Kind::File => vec![
            "\"\"",
            "'a # b = c'",
            "\"quote \\\" backslash \\\\ tab \\t line \\n return \\r bell \\u0007 escape \\u001B delete \\u007F\"",
            "\"next line \\u0085 csi \\u009B right to left \\u202E tag \\U000E0041 face \\U0001F600 é\"",
            "\"\"\"two\nlines\"\"\"",
            "\"~/below home\"",
        ],
    }
}

#[test]
fn what_is_shown_is_a_file_that_brings_the_same_for_every_kind_of_value() {
    for key in OPTIONS {
        for sample in samples(key.kind) {
            let sample = match key.kind {
                Kind::Word(_) => format!("\"{sample}\""),
                _ => sample.to_owned(),
            };
            let file = File::new("round.toml", &format!("[host.\"a*\"]\n{} = {sample}\n", key.name));
            let settings = |file: &File, host: &str| {
                show(Some(host), Some(&file.0), vars(&[]), &Dict::new()).unwrap_or_else(|e| panic!("{e}"))
            };
            let first = settings(&file, "ab");
            let text = file_of(&first);
            let harmless = |c: char| c == '\n' || !crate::text::sanitize::obeyed(c);
            assert!(text.chars().all(harmless), "{text:?}");
            let copy = File::new("copy.toml", &text);
            let values = |settings: &[Setting]| {
                settings.iter().map(|setting| setting.value.clone()).collect::<Vec<_>>()
            };
            assert_eq!(values(&settings(&copy, "other")), values(&first), "{} = {sample}", key.name);
            let load = |file: &File, host| ok(load(Some(host), Some(&file.0), vars(&[]), &Dict::new()));
            assert_eq!(
                format!("{:?}", load(&copy, "other")),
                format!("{:?}", load(&file, "ab")),
                "{} = {sample}",
                key.name
            );
        }
    }
}
