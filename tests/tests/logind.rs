//! A server that starts in a login's scope which systemd-logind will end, as the real program behaves there: what it
//! reads of the system is laid over this machine's own in a mount namespace, and `systemd-run` is a script.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use mpmosh_tests::lab::{self, clock};

/// Lays the folder's files over the system's, in a namespace of its own, and becomes the server. The commands that it
/// starts are in another scope than it is: the file is laid over its own entry of /proc.
const INSIDE: &str = r#"
mount --bind "$1/cgroup" /proc/$$/cgroup
mount --bind "$1/systemd" /etc/systemd
mkdir -p /var/lib/systemd/linger
mount --bind "$1/linger" /var/lib/systemd/linger
shift
exec "$@"
"#;

/// A login of root's, which logind ends, with the user's manager there and lingering on.
struct Login(PathBuf);

impl Login {
    fn new(name: &str) -> Option<Self> {
        let server = lab::open(|| lab::built_binary("mpmosh-server"))?;
        let login = Self(std::env::temp_dir().join(format!("mpmosh-login-{}-{name}", std::process::id())));
        for folder in ["systemd", "linger", "bin", "run/systemd"] {
            fs::create_dir_all(login.0.join(folder)).unwrap();
        }
        fs::copy(server, login.0.join("mpmosh-server")).unwrap();
        login.put("cgroup", "0::/user.slice/user-0.slice/session-7.scope\n");
        login.put("systemd/logind.conf", "[Login]\nKillUserProcesses=yes\nKillExcludeUsers=\n");
        login.put("linger/root", "");
        login.put("run/systemd/private", "");
        login.runs("exec");
        Some(login)
    }

    fn put(&self, file: &str, text: &str) {
        fs::write(self.0.join(file), text).unwrap();
    }

    /// A systemd-run that writes its words down and goes on as told.
    fn runs(&self, how: &str) {
        let record = self.0.join("record").display().to_string();
        let script = format!(
            "#!/bin/sh\nprintf '%s\\n' \"$@\" >>{record}\necho \"$XDG_RUNTIME_DIR\" >>{record}\n\
             while [ \"$1\" != -- ]; do shift; done\nshift\n{how} \"$@\"\n"
        );
        self.put("bin/systemd-run", &script);
        let file = self.0.join("bin/systemd-run");
        fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn start(&self, words: &[&str]) -> Started {
        self.start_with(words, Stdio::null())
    }

    fn start_with(&self, words: &[&str], input: Stdio) -> Started {
        let path = std::env::var("PATH").unwrap();
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-ec", INSIDE, "sh"]).arg(&self.0).arg(self.0.join("mpmosh-server"));
        let output = command
            .args(words)
            .env("PATH", format!("{}:{path}", self.0.join("bin").display()))
            .env("XDG_RUNTIME_DIR", self.0.join("run"))
            .env("MPMOSH_REGISTRY", self.0.join("sessions"))
            .stdin(input)
            .output()
            .unwrap();
        Started::new(output)
    }

    /// What systemd-run was asked, a line each, of every time.
    fn record(&self) -> Vec<String> {
        let text = fs::read_to_string(self.0.join("record")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

impl Drop for Login {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What came of a start. The server that it left behind ends with it.
struct Started {
    status: Option<i32>,
    out: String,
    err: String,
    server: Option<u32>,
}

impl Started {
    fn new(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let (out, err) = (text(output.stdout), text(output.stderr));
        let server = err.rsplit_once("pid = ").and_then(|(_, rest)| rest.split(']').next()?.parse().ok());
        Self { status: output.status.code(), out, err, server }
    }

    fn announcements(&self) -> usize {
        self.out.lines().filter(|line| line.contains("MOSH CONNECT ")).count()
    }

    /// A session was announced once, its server is alive, and these are the lines before.
    fn announced(&self) -> Vec<&str> {
        assert_eq!((self.status, self.announcements()), (Some(0), 1), "{} {}", self.out, self.err);
        let server = self.server.unwrap_or_else(|| panic!("{}", self.err));
        assert!(Path::new("/proc").join(server.to_string()).exists(), "{}", self.err);
        self.out.lines().take_while(|line| !line.contains("MOSH CONNECT ")).collect()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if let Some(pid) = self.server.and_then(|pid| rustix::process::Pid::from_raw(pid.cast_signed())) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

/// The command of a session for `mpmosh`.
const OURS: [&str; 6] = ["new", "--dialect=multipath", "-p", "0", "--", "cat"];

#[test]
fn a_server_moves_into_a_scope_of_the_users_manager_and_announces_itself_from_there() {
    let Some(login) = Login::new("moves") else { return };
    assert_eq!(login.start(&OURS).announced(), [""; 0]);
    let program = login.0.join("mpmosh-server").display().to_string();
    let run = login.0.join("run").display().to_string();
    let systemd = ["--user", "--scope", "--quiet", "--description=mpmosh session", "--", &program];
    assert_eq!(login.record(), [&systemd[..], &OURS, &[&run]].concat());
}

#[test]
fn the_program_inside_does_not_learn_of_the_move() {
    let Some(login) = Login::new("mark") else { return };
    let file = login.0.join("environment");
    let script = format!("env >{0}.new; mv {0}.new {0}; exec cat", file.display());
    let words = ["new", "--dialect=multipath", "--size=80x24", "-p", "0", "--", "sh", "-c", &script];
    let started = login.start(&words);
    started.announced();
    let environment = clock::wait_for(Duration::from_secs(20), || fs::read_to_string(&file).ok()).unwrap();
    let mark = environment.lines().find(|line| line.starts_with("MPMOSH_SERVER"));
    assert!(environment.contains("XDG_RUNTIME_DIR=") && mark.is_none(), "{environment}");
}

#[test]
fn without_lingering_it_moves_and_says_how_long_that_helps() {
    let Some(login) = Login::new("mortal") else { return };
    fs::remove_file(login.0.join("linger/root")).unwrap();
    let started = login.start(&OURS);
    let [notice] = started.announced()[..] else { panic!("{}", started.out) };
    assert!(notice.starts_with("mpmosh-server: ") && notice.contains("last logout"), "{notice}");
    assert!(notice.contains("loginctl enable-linger"), "{notice}");
    assert_eq!(login.record().iter().filter(|word| *word == "--scope").count(), 1);
    // A script that reads a stock server's announcements sees nothing new on the stream that it reads.
    let started = login.start(&["new", "-p", "0", "--", "cat"]);
    assert!(started.announced().iter().all(|line| line.is_empty()), "{}", started.out);
    assert!(started.err.contains("loginctl enable-linger"), "{}", started.err);
}

#[test]
fn where_it_cannot_move_it_says_so_and_serves() {
    let Some(login) = Login::new("cannot") else { return };
    let without_manager = || fs::remove_file(login.0.join("run/systemd/private")).unwrap();
    for (prepare, why, lingering_helps) in [
        (Box::new(|| login.runs("exit 1;")) as Box<dyn Fn()>, "systemd-run ended with exit status: 1", false),
        (Box::new(without_manager), "the user has no manager there", true),
    ] {
        prepare();
        let started = login.start(&OURS);
        let [notice] = started.announced()[..] else { panic!("{}", started.out) };
        assert!(notice.contains(why), "{notice}");
        assert_eq!(notice.contains("loginctl enable-linger"), lingering_helps, "{notice}");
    }
}

#[test]
fn what_fails_in_the_scope_is_told_once_and_not_tried_again() {
    let Some(login) = Login::new("fails") else { return };
    let taken = std::net::UdpSocket::bind("[::]:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let started = login.start(&["new", "--dialect=multipath", "-p", &port, "--", "cat"]);
    assert_eq!((started.status, started.announcements()), (Some(1), 0), "{}", started.out);
    assert_eq!(started.err.matches("can be used").count(), 1, "{}", started.err);
}

#[test]
fn a_carrier_in_the_scope_ends_as_it_likes_and_begins_no_other_session() {
    let Some(login) = Login::new("carries") else { return };
    let words = [&["new", "--carry"], &OURS[1..]].concat();
    let started = login.start(&words);
    started.announced();
    assert!(started.out.ends_with("\nMPMOSH CARRY 1\n"), "{}", started.out);
    login.put("babble", "Welcome!\n");
    let started = login.start_with(&words, fs::File::open(login.0.join("babble")).unwrap().into());
    assert_eq!((started.status, started.announcements()), (Some(1), 1), "{}", started.out);
    assert!(started.err.contains("is no carrier's: a frame of"), "{}", started.err);
}

#[test]
fn a_scope_that_is_a_logins_again_is_no_endless_journey() {
    let Some(login) = Login::new("again") else { return };
    // The script changes nothing: the process that it becomes is still in the login's scope, by all that can be seen.
    login.runs("mount --bind \"$(dirname \"$0\")/../cgroup\" /proc/$$/cgroup; exec");
    login.start(&OURS).announced();
    assert_eq!(login.record().iter().filter(|word| *word == "--scope").count(), 1);
}

#[test]
fn nothing_is_asked_where_no_login_ends_it() {
    let Some(login) = Login::new("nothing") else { return };
    login.put("systemd/logind.conf", "[Login]\nKillUserProcesses=yes\n");
    assert_eq!(login.start(&OURS).announced(), [""; 0], "root is excluded unless it is said otherwise");
    login.put("systemd/logind.conf", "[Login]\nKillUserProcesses=yes\nKillExcludeUsers=\n");
    login.put("cgroup", "0::/system.slice/ssh.service\n");
    assert_eq!(login.start(&OURS).announced(), [""; 0]);
    assert_eq!(login.record(), [""; 0]);
}
