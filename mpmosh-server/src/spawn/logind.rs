//! Outliving the ssh login that started the server, where systemd-logind ends what a login leaves behind.
//!
//! Contract: [`decide`] is pure, [`LoginFacts::read`] reads a handful of files below a root folder, and [`move_out`] starts this
//! program again in a scope of the user's own manager, once at most and before anything is bound or announced. Outside of a
//! login's scope one small file is read and nothing else happens.
//!
//! Two settings that are independent of each other decide (logind.conf(5), loginctl(1), systemd-run(1)). `KillUserProcesses`
//! ends the *login's scope* when that login ends, for users that linger as well. Lingering keeps the *user's manager*, and
//! what runs below it, after the last logout; without it the manager ends about ten seconds later. So a server is safe
//! below the manager of a user that lingers.

use platform::child;
use platform::login::{self, User};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

/// Says that this process was started by [`move_out`], and whether the user lingers.
const MARK: &str = "MPMOSH_SERVER_SCOPE";
const LINGERS: &str = "lingers";
const MORTAL: &str = "mortal";

/// The status with which a server in the scope has failed and said why. systemd-run's own failures have others.
pub(crate) const SAID_WHY: u8 = 99;

/// How long systemd-run has to start the server in the scope, which takes it some 50 ms: a manager that hangs must not keep
/// the user from a session.
const PATIENCE: Duration = Duration::from_secs(5);

/// The folders of logind's configuration, the strongest first (logind.conf(5)).
const FOLDERS: [&str; 4] = ["etc/systemd", "run/systemd", "usr/local/lib/systemd", "usr/lib/systemd"];

/// What is known of the login whose scope this process is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginFacts {
    /// The user's name.
    pub user: String,
    /// What logind is told to do.
    pub settings: LogindSettings,
    /// Whether the user lingers.
    pub lingers: bool,
    /// Whether the user's manager can be spoken to.
    pub manager: bool,
}

/// What is to be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing ends this process.
    Stay,
    /// The scope of the user's manager is the place. Without lingering it lasts until the user's last logout.
    Move {
        /// Whether the user lingers.
        lingers: bool,
    },
    /// This process ends with the login, and nothing can be done here.
    Warn,
}

/// Whether the process must move, and whether it can. `None`: it is in no login's scope.
#[must_use]
pub fn decide(facts: Option<&LoginFacts>) -> Decision {
    match facts {
        Some(facts) if facts.settings.ends(&facts.user) => match facts.manager {
            true => Decision::Move { lingers: facts.lingers },
            false => Decision::Warn,
        },
        _ => Decision::Stay,
    }
}

/// The part of logind's configuration that says whose processes end with a login.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogindSettings {
    /// `KillUserProcesses`, where a file sets it.
    kill: Option<bool>,
    /// What was compiled in, which stands in the shipped file as a comment.
    compiled: bool,
    /// `KillOnlyUsers`.
    only: Vec<String>,
    /// `KillExcludeUsers`; root where it is not set.
    except: Option<Vec<String>>,
}

impl LogindSettings {
    /// Takes what one file says, over what files before it said.
    fn take(&mut self, text: &str) {
        let mut section = String::new();
        for line in text.lines().map(str::trim) {
            if let Some(name) = line.strip_prefix('[') {
                name.trim_end_matches(']').clone_into(&mut section);
            }
            let (assignment, is_default) = match line.strip_prefix(['#', ';']) {
                Some(comment) => (comment, true),
                None => (line, false),
            };
            let Some((key, value)) = assignment.split_once('=').filter(|_| section == "Login") else {
                continue;
            };
            let value = value.trim();
            match (key.trim_end(), is_default) {
                ("KillUserProcesses", true) => self.compiled = truth(value).unwrap_or(self.compiled),
                ("KillUserProcesses", false) => self.kill = truth(value).or(self.kill),
                ("KillOnlyUsers", false) => extend(&mut self.only, value),
                ("KillExcludeUsers", false) => extend(self.except.get_or_insert_default(), value),
                _ => {}
            }
        }
    }

    /// Whether the processes of this user's logins end with them (the order of logind.conf(5)).
    #[must_use]
    pub fn ends(&self, user: &str) -> bool {
        let names = |list: &[String]| list.iter().any(|name| name == user);
        let excluded = self.except.as_deref().map_or(user == "root", names);
        !excluded && if self.only.is_empty() { self.kill.unwrap_or(self.compiled) } else { names(&self.only) }
    }
}

/// A boolean as systemd reads it.
fn truth(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "yes" | "y" | "true" | "t" | "on" => Some(true),
        "0" | "no" | "n" | "false" | "f" | "off" => Some(false),
        _ => None,
    }
}

/// Another line of a list: more names, or with no value the end of those before.
fn extend(list: &mut Vec<String>, value: &str) {
    if value.is_empty() {
        list.clear();
    }
    list.extend(value.split_whitespace().map(str::to_owned));
}

impl LoginFacts {
    /// Reads them from the files below `root`; `None` when this process is in no login's scope.
    #[must_use]
    pub fn read(root: &Path, user: &User, variable: impl Fn(&str) -> Option<OsString>) -> Option<Self> {
        let groups = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
        if !groups.lines().any(is_of_a_login) {
            return None;
        }
        let name = user.name.to_string_lossy().into_owned();
        let runtime = runtime_folder(user, variable);
        let runtime = root.join(runtime.strip_prefix("/").unwrap_or(&runtime));
        Some(Self {
            settings: settings(root),
            lingers: root.join("var/lib/systemd/linger").join(&name).exists(),
            manager: ["systemd/private", "bus"].into_iter().any(|socket| runtime.join(socket).exists()),
            user: name,
        })
    }
}

/// Whether a line of `/proc/self/cgroup` (`ID:CONTROLLERS:PATH`, cgroups(7)) is the systemd hierarchy's and leads through a
/// login's scope, as in `0::/user.slice/user-1000.slice/session-3.scope`.
fn is_of_a_login(line: &str) -> bool {
    let mut fields = line.splitn(3, ':').skip(1);
    let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { return false };
    let is_scope = |part: &str| part.starts_with("session-") && part.ends_with(".scope");
    (controllers.is_empty() || controllers == "name=systemd") && path.split('/').any(is_scope)
}

/// Where the user's manager has its sockets.
fn runtime_folder(user: &User, variable: impl Fn(&str) -> Option<OsString>) -> PathBuf {
    let set = variable("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|folder| folder.is_absolute());
    set.unwrap_or_else(|| format!("/run/user/{}", user.uid).into())
}

/// The settings from the strongest main file and every file beside it: those in the order of their names, each name from
/// the strongest folder that has it.
fn settings(root: &Path) -> LogindSettings {
    let main =
        FOLDERS.iter().find_map(|folder| fs::read_to_string(root.join(folder).join("logind.conf")).ok());
    let mut parts: Vec<PathBuf> = Vec::new();
    for folder in FOLDERS {
        let entries = fs::read_dir(root.join(folder).join("logind.conf.d")).into_iter().flatten().flatten();
        for path in entries.map(|entry| entry.path()) {
            let is_new = parts.iter().all(|known| known.file_name() != path.file_name());
            if path.extension() == Some(OsStr::new("conf")) && is_new {
                parts.push(path);
            }
        }
    }
    parts.sort_by(|a, b| a.file_name().cmp(&b.file_name()));
    let mut settings = LogindSettings::default();
    let parts = parts.iter().filter_map(|path| fs::read_to_string(path).ok());
    main.into_iter().chain(parts).for_each(|text| settings.take(&text));
    settings
}

/// Who carries the session.
#[derive(Debug)]
pub enum Announcer {
    /// This process.
    Here {
        /// A sentence for the user.
        notice: Option<String>,
        /// The status with which to end where the session cannot be announced.
        failed: ExitCode,
    },
    /// Another process has announced it, or said why it cannot: this one ends with this status.
    Elsewhere(ExitCode),
}

/// Leaves the login's scope where systemd would end it. `words` is this program's command line.
///
/// To be called before threads, sockets and keys: everything is begun anew.
#[must_use]
pub fn move_out(words: &[OsString]) -> Announcer {
    if let Some(mark) = login::take_variable(MARK) {
        let notice = (mark == MORTAL).then(until_the_last_logout);
        return Announcer::Here { notice, failed: SAID_WHY.into() };
    }
    let here = |notice| Announcer::Here { notice, failed: ExitCode::FAILURE };
    let user = User::current();
    let variable = |name: &str| std::env::var_os(name);
    let lingers = match decide(LoginFacts::read(Path::new("/"), &user, variable).as_ref()) {
        Decision::Stay => return here(None),
        Decision::Warn => return here(Some(without_a_manager())),
        Decision::Move { lingers } => lingers,
    };
    // A carrier lasts as long as its client likes, once it is one, and ends as it likes.
    let carries = words.iter().take_while(|word| *word != "--").any(|word| word == "--carry");
    let status = std::env::current_exe().and_then(|program| {
        let mut command = Command::new("systemd-run");
        command
            .args(["--user", "--scope", "--quiet", "--description=mpmosh session", "--"])
            .arg(program)
            .args(words.iter().skip(1))
            .env("XDG_RUNTIME_DIR", runtime_folder(&user, variable))
            .env(MARK, if lingers { LINGERS } else { MORTAL });
        child::status_within(&mut command, PATIENCE, |process| carries && child::is_this_program(process))
    });
    let why = match status {
        Ok(Some(status)) if status.success() => return Announcer::Elsewhere(ExitCode::SUCCESS),
        Ok(Some(status)) if status.code() == Some(SAID_WHY.into()) || carries && status.code().is_none() => {
            return Announcer::Elsewhere(ExitCode::FAILURE);
        }
        Ok(Some(status)) => format!("systemd-run ended with {status}"),
        Ok(None) => format!("systemd-run did nothing for {} s", PATIENCE.as_secs()),
        Err(error) => format!("systemd-run: {error}"),
    };
    // There is a manager, so lingering would change nothing.
    here(Some(format!("{}; KillExcludeUsers in its logind.conf exempts a user.", until_this_logout(&why))))
}

fn until_the_last_logout() -> String {
    "systemd on this host ends the session soon after your last logout; “loginctl enable-linger” there forbids it (root's, \
     with your name behind it, where yours is refused).".into()
}

/// Lingering brings the manager, into whose scope the next server then moves.
fn without_a_manager() -> String {
    format!(
        "{}; “loginctl enable-linger” there (root's, with your name behind it, where yours is refused) lets the next one live on.",
        until_this_logout("the user has no manager there")
    )
}

fn until_this_logout(why: &str) -> String {
    format!("systemd on this host ends the session with its ssh login (KillUserProcesses, and {why})")
}

#[cfg(test)]
mod tests {
    use super::*;

    const IN_LOGIN: &str = "0::/user.slice/user-1000.slice/session-3.scope\n";

    fn settings_of(lines: &str) -> LogindSettings {
        let mut settings = LogindSettings::default();
        settings.take(&format!("[Login]\n{lines}"));
        settings
    }

    #[test]
    fn whose_processes_end_is_read_as_logind_reads_it() {
        for (lines, me, root) in [
            ("", false, false),
            ("#KillUserProcesses=yes", true, false),
            ("#KillUserProcesses=yes\nKillUserProcesses=no", false, false),
            ("KillUserProcesses=yes\n#KillUserProcesses=no", true, false),
            ("KillUserProcesses=no\n;KillUserProcesses=yes", false, false),
            ("  KillUserProcesses = on ", true, false),
            ("KillUserProcesses=maybe", false, false),
            ("KillUserProcesses=yes\nKillUserProcesses=0", false, false),
            ("KillUserProcesses=yes\nKillExcludeUsers=you me", false, true),
            ("KillUserProcesses=yes\nKillExcludeUsers=me\nKillExcludeUsers=", true, true),
            ("KillUserProcesses=yes\n#KillExcludeUsers=me", true, false),
            ("KillUserProcesses=yes\nKillOnlyUsers=you", false, false),
            ("KillUserProcesses=no\nKillOnlyUsers=you\nKillOnlyUsers=me root", true, false),
            ("KillOnlyUsers=me\nKillExcludeUsers=me", false, false),
            ("[Sleep]\nKillUserProcesses=yes", false, false),
            ("no assignment\n[Login\nKillUserProcesses=yes\n=\n[", true, false),
        ] {
            let settings = settings_of(lines);
            assert_eq!((settings.ends("me"), settings.ends("root")), (me, root), "{lines:?}");
        }
    }

    #[test]
    fn only_a_logins_scope_is_left_and_only_for_the_users_manager() {
        let facts = |kill: &str, lingers, manager| LoginFacts {
            user: "me".into(),
            settings: settings_of(&format!("KillUserProcesses={kill}")),
            lingers,
            manager,
        };
        assert_eq!(decide(None), Decision::Stay);
        for (lingers, manager) in [(false, false), (false, true), (true, false), (true, true)] {
            assert_eq!(decide(Some(&facts("no", lingers, manager))), Decision::Stay);
            let expected = if manager { Decision::Move { lingers } } else { Decision::Warn };
            assert_eq!(decide(Some(&facts("yes", lingers, manager))), expected);
        }
    }

    #[test]
    fn a_login_is_known_by_its_scope() {
        for yes in [
            "0::/user.slice/user-1000.slice/session-3.scope",
            "1:name=systemd:/user.slice/user-1000.slice/session-c12.scope",
            "0::/user.slice/user-0.slice/session-1.scope/below",
        ] {
            assert!(is_of_a_login(yes), "{yes}");
        }
        for no in [
            "",
            "0::/",
            "nonsense",
            "0::/system.slice/ssh.service",
            "0::/user.slice/user-1000.slice/user@1000.service/app.slice/run-r1.scope",
            "0::/user.slice/user-1000.slice/user@1000.service/session.slice/dbus.service",
            // What another controller's hierarchy says is not systemd's.
            "4:memory:/user.slice/user-1000.slice/session-3.scope",
        ] {
            assert!(!is_of_a_login(no), "{no}");
        }
    }

    /// A folder that stands for the root of a system, gone with the value.
    struct Root(PathBuf);

    impl Root {
        fn new(name: &str) -> Self {
            let root =
                Self(std::env::temp_dir().join(format!("mpmosh-logind-{}-{name}", std::process::id())));
            root.put("proc/self/cgroup", IN_LOGIN);
            root
        }

        fn put(&self, file: &str, text: &str) {
            let path = self.0.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn facts(&self, runtime: Option<&str>) -> Option<LoginFacts> {
            let user =
                User { name: "me".into(), uid: 1000, home: "/home/me".into(), shell: "/bin/sh".into() };
            LoginFacts::read(&self.0, &user, |name| {
                runtime.filter(|_| name == "XDG_RUNTIME_DIR").map(OsString::from)
            })
        }
    }

    impl Drop for Root {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn facts_are_what_the_files_say() {
        let root = Root::new("facts");
        let nothing = LoginFacts {
            user: "me".into(),
            settings: LogindSettings::default(),
            lingers: false,
            manager: false,
        };
        assert_eq!(root.facts(None), Some(nothing.clone()));
        root.put("var/lib/systemd/linger/you", "");
        root.put("run/user/1000/bus", "");
        assert_eq!(root.facts(None), Some(LoginFacts { manager: true, ..nothing.clone() }));
        root.put("var/lib/systemd/linger/me", "");
        assert_eq!(root.facts(Some("/elsewhere")), Some(LoginFacts { lingers: true, ..nothing.clone() }));
        root.put("elsewhere/systemd/private", "");
        let both = Some(LoginFacts { lingers: true, manager: true, ..nothing });
        assert_eq!((root.facts(Some("/elsewhere")), root.facts(Some("not/absolute"))), (both.clone(), both));
        for elsewhere in ["0::/system.slice/ssh.service\n", ""] {
            root.put("proc/self/cgroup", elsewhere);
            assert_eq!(root.facts(None), None);
        }
    }

    #[test]
    fn stronger_files_hide_weaker_ones_and_later_ones_override() {
        let root = Root::new("files");
        let ends = || root.facts(None).unwrap().settings.ends("me");
        root.put("usr/lib/systemd/logind.conf", "[Login]\n#KillUserProcesses=yes\n");
        assert!(ends(), "what was compiled in");
        root.put("etc/systemd/logind.conf", "[Login]\nKillUserProcesses=no\n");
        assert!(!ends(), "the administrator's file");
        root.put("run/systemd/logind.conf.d/40-note.conf", "[Login]\n#KillUserProcesses=yes\n");
        assert!(!ends(), "a comment further down says nothing of a value that is set");
        root.put("usr/lib/systemd/logind.conf.d/50-kill.conf", "[Login]\nKillUserProcesses=yes\n");
        assert!(ends(), "a part, from wherever, is stronger than any main file");
        root.put("run/systemd/logind.conf.d/60-not.conf", "[Login]\nKillUserProcesses=no\n");
        assert!(!ends(), "a later name");
        root.put("etc/systemd/logind.conf.d/60-not.conf", "");
        assert!(ends(), "hidden by an empty file of its name");
        root.put("etc/systemd/logind.conf.d/70-not.conf~", "[Login]\nKillUserProcesses=no\n");
        assert!(ends(), "no part");
    }
}
