//! A session between two programs that were made for each other or were not: one end may be Debian's mosh. Contract:
//! dropping a [`Session`] ends what it started, by process id; every wait has an end.

pub(crate) mod relay;
pub(crate) mod wire;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use mpmosh_tests::lab::{Console, LabError, built_binary, clock, require};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};
use terminal::{Emulator, Screen, Size};

/// How long anything may take that a user waits for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What the remote shell says when it waits for a command.
pub(crate) const PROMPT: &str = "ready> ";

/// The quit sequence of client programs: Ctrl-^ and a dot.
pub(crate) const QUIT: &str = "\x1e.";

/// The size that a session starts with.
pub(crate) const SIZE: Size = Size { columns: 90, rows: 25 };

/// What is served. Tests that run in a shell's background ignore SIGINT, and so would stock servers' programs.
const SHELL: [&str; 7] =
    ["env", "--default-signal=INT,QUIT", "PS1=ready> ", "HISTFILE=", "bash", "--norc", "--noprofile"];

/// Whose program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Maker {
    /// This workspace's.
    Ours,
    /// Debian's.
    Stock,
}

impl Maker {
    /// The program for one `side`, `client` or `server`.
    ///
    /// # Errors
    /// When it is not there.
    pub(crate) fn program(self, side: &str) -> Result<PathBuf, LabError> {
        match self {
            Self::Ours => built_binary(&format!("mpmosh-{side}")),
            Self::Stock => require(&format!("mosh-{side}"), "mosh"),
        }
    }
}

/// Who talks to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pairing {
    pub(crate) client: Maker,
    pub(crate) server: Maker,
}

impl Pairing {
    pub(crate) const STOCK: Self = Self { client: Maker::Stock, server: Maker::Stock };
    pub(crate) const OUR_CLIENT: Self = Self { client: Maker::Ours, server: Maker::Stock };
    pub(crate) const OUR_SERVER: Self = Self { client: Maker::Stock, server: Maker::Ours };
    pub(crate) const OURS: Self = Self { client: Maker::Ours, server: Maker::Ours };
}

/// A server process that left its parent, as servers do. This process adopts it, to see how it ends.
pub(crate) struct Server {
    pub(crate) pid: Pid,
    pub(crate) address: SocketAddr,
    pub(crate) key: String,
    status: Option<WaitStatus>,
}

impl Server {
    /// Starts a server that serves bash.
    ///
    /// # Errors
    /// When it is not installed, or does not announce itself as the protocol says.
    pub(crate) fn start(maker: Maker) -> Result<Self, LabError> {
        let loopback = Ipv4Addr::LOCALHOST.into();
        Self::start_with(maker, loopback, &["new", "-i", &loopback.to_string()], &[], Command::new)
    }

    /// The same with other `arguments` and an `environment`, reached at `ip`; `command` knows where it runs.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub(crate) fn start_with(
        maker: Maker,
        ip: IpAddr,
        arguments: &[&str],
        environment: &[(&str, &str)],
        command: impl FnOnce(PathBuf) -> Command,
    ) -> Result<Self, LabError> {
        adopt_orphans()?;
        let mut command = command(maker.program("server")?);
        command.args(arguments).args(["-c", "256", "-l", "LC_ALL=C.UTF-8", "--"]);
        command.args(SHELL);
        plain_environment(&mut command).envs(environment.iter().copied()).stdin(Stdio::null());
        let output = command.output().map_err(|error| LabError::new(format!("{command:?}: {error}")))?;
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (said(&output.stdout), said(&output.stderr));
        let misfit = || LabError::new(format!("{maker:?} server, {}: {out:?} {err:?}", output.status));
        if !output.status.success() {
            return Err(misfit());
        }
        let line = out.lines().find_map(|line| line.strip_prefix("MOSH CONNECT ")).ok_or_else(misfit)?;
        let (port, key) = line.split_once(' ').ok_or_else(misfit)?;
        let port: u16 = port.parse().map_err(|_| misfit())?;
        let pid = err.split("pid = ").nth(1).and_then(|rest| rest.split(']').next()).ok_or_else(misfit)?;
        let pid = pid.parse().ok().and_then(Pid::from_raw).ok_or_else(misfit)?;
        Ok(Self::running(pid, SocketAddr::new(ip, port), key.to_owned()))
    }

    /// A server that runs already, as a child of this process.
    pub(crate) fn running(pid: Pid, address: SocketAddr, key: String) -> Self {
        Self { pid, address, key, status: None }
    }

    /// How it ended; `None` while it runs.
    pub(crate) fn status(&mut self) -> Option<WaitStatus> {
        if self.status.is_none() {
            let ended = rustix::process::waitpid(Some(self.pid), WaitOptions::NOHANG);
            self.status = ended.ok().flatten().map(|(_, status)| status);
        }
        self.status
    }

    /// Whether it ends within `patience`.
    pub(crate) fn ends(&mut self, patience: Duration) -> bool {
        clock::wait_for(patience, || self.status()).is_some()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A child's id is its own until it has been waited for. Its shell gets SIGHUP as the terminal goes.
        let waited = rustix::process::waitpid(Some(self.pid), WaitOptions::NOHANG);
        if let (None, Ok(None)) = (self.status, waited) {
            let _ = rustix::process::kill_process(self.pid, Signal::KILL);
            let _ = rustix::process::waitpid(Some(self.pid), WaitOptions::empty());
        }
    }
}

/// A client on a terminal, a server, and someone who looks at the terminal.
pub(crate) struct Session {
    pub(crate) pairing: Pairing,
    pub(crate) console: Console,
    pub(crate) server: Server,
    emulator: Emulator,
    fed: usize,
}

impl Session {
    /// Both ends, and the prompt on the terminal.
    ///
    /// # Errors
    /// When a program is missing, or no prompt appears.
    pub(crate) fn open(pairing: Pairing) -> Result<Self, LabError> {
        let server = Server::start(pairing.server)?;
        let address = server.address;
        Self::to(pairing, server, address, "adaptive", Command::new)
    }

    /// The same with a client that is told another address than the server's own, and when to predict; `command`
    /// knows where it runs.
    ///
    /// # Errors
    /// As [`Session::open`].
    pub(crate) fn to(
        pairing: Pairing,
        server: Server,
        address: SocketAddr,
        predict: &str,
        command: impl FnOnce(PathBuf) -> Command,
    ) -> Result<Self, LabError> {
        let mut command = command(pairing.client.program("client")?);
        command.args([address.ip().to_string(), address.port().to_string()]);
        plain_environment(&mut command).env("MOSH_KEY", &server.key).env("MOSH_PREDICTION_DISPLAY", predict);
        let console = Console::start_sized(command, SIZE.rows, SIZE.columns)?;
        let mut session = Self { pairing, console, server, emulator: Emulator::new(SIZE), fed: 0 };
        session.wait_for(PROMPT.trim_end());
        Ok(session)
    }

    /// Both ends as mosh's wrapper script starts them, without ssh.
    ///
    /// # Errors
    /// When a program is missing, or no prompt appears.
    pub(crate) fn by_wrapper(pairing: Pairing) -> Result<Self, LabError> {
        adopt_orphans()?;
        let mut command = Command::new(require("mosh", "mosh")?);
        let [client, server] = [(pairing.client, "client"), (pairing.server, "server")]
            .map(|(maker, side)| maker.program(side).map(|path| format!("--{side}={}", path.display())));
        command
            .args([&client?, &server?, "--local", "--no-init", "--predict=never", "--", "127.0.0.1"])
            .args(SHELL);
        plain_environment(&mut command);
        let console = Console::start_sized(command, SIZE.rows, SIZE.columns)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        // Until its id is known, any other: nobody is killed whose child it is not.
        let server = Server { pid: rustix::process::getpid(), address, key: String::new(), status: None };
        let mut session = Self { pairing, console, server, emulator: Emulator::new(SIZE), fed: 0 };
        session.wait_for(PROMPT.trim_end());
        session.server.pid = session.number("$PPID");
        Ok(session)
    }

    /// What the user's terminal shows.
    pub(crate) fn screen(&mut self) -> &Screen {
        let raw = self.console.raw();
        self.emulator.feed(&raw[self.fed..]);
        self.fed = raw.len();
        self.emulator.screen()
    }

    /// The same as lines, without what is blank at their ends.
    pub(crate) fn lines(&mut self) -> Vec<String> {
        let line = |row: &terminal::Row| {
            let mut text = String::new();
            row.cells().iter().for_each(|cell| cell.push_text(&mut text));
            text.truncate(text.trim_end().len());
            text
        };
        self.screen().rows().map(line).collect()
    }

    /// The line that holds the cursor.
    pub(crate) fn cursor_line(&mut self) -> String {
        let row = usize::from(self.screen().cursor().row);
        self.lines().swap_remove(row)
    }

    pub(crate) fn keys(&self, keys: &str) {
        self.console.send(keys).unwrap();
    }

    /// Types like a person who is in a hurry.
    pub(crate) fn keys_one_by_one(&self, keys: &str) {
        for key in keys.chars() {
            self.keys(key.encode_utf8(&mut [0; 4]));
            clock::sleep(Duration::from_millis(15));
        }
    }

    /// The user pulls at the window's corner.
    pub(crate) fn resize(&mut self, size: Size) {
        let _ = self.screen();
        self.emulator.resize(size);
        self.console.resize(size.rows, size.columns).unwrap();
    }

    /// Waits until the screen is as wanted; what was seen, if it never is.
    #[track_caller]
    pub(crate) fn wait_until(&mut self, what: &str, mut is_so: impl FnMut(&mut Self) -> bool) {
        if clock::wait_for(PATIENCE, || is_so(self).then_some(())).is_none() {
            let lines: Vec<_> =
                self.lines().iter().map(|line| line.chars().take(100).collect::<String>()).collect();
            panic!("{:?}: {what} never came; the screen was:\n{}", self.pairing, lines.join("\n").trim_end());
        }
    }

    /// Waits until a line of the screen is this.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, line: &str) {
        self.wait_until(&format!("the line {line:?}"), |session| {
            session.lines().iter().any(|shown| shown == line)
        });
    }

    /// Waits until the cursor stands after a prompt, and nothing else is on the line.
    #[track_caller]
    pub(crate) fn wait_for_prompt(&mut self) {
        self.wait_until("a prompt", |session| session.cursor_line() == PROMPT.trim_end());
    }

    /// Clears the screen, so that what is found there is new.
    #[track_caller]
    pub(crate) fn clear(&mut self) {
        self.keys("\x0c");
        self.wait_until("a cleared screen", |session| {
            let lines = session.lines();
            lines[0] == PROMPT.trim_end() && lines[1..].iter().all(String::is_empty)
        });
    }

    /// The remote shell's process id.
    #[track_caller]
    pub(crate) fn shell(&mut self) -> Pid {
        self.number("$$")
    }

    /// The process id that a shell variable holds.
    #[track_caller]
    fn number(&mut self, variable: &str) -> Pid {
        self.keys(&format!("echo process {variable} is here\r"));
        let mut pid = None;
        self.wait_until("a process id", |session| {
            pid = session.lines().iter().find_map(|line| {
                let number = line.strip_prefix("process ")?.strip_suffix(" is here")?;
                number.parse().ok().and_then(Pid::from_raw)
            });
            pid.is_some()
        });
        pid.unwrap()
    }

    /// Both ends end with status 0, and so does what the server served.
    #[track_caller]
    pub(crate) fn ends(&mut self, shell: Pid) {
        let pairing = self.pairing;
        let status = self.console.wait_exit(PATIENCE).unwrap();
        assert_eq!(status.code(), Some(0), "{pairing:?}: the client; {}", self.console.text());
        let status = clock::wait_for(PATIENCE, || self.server.status());
        let status = status.unwrap_or_else(|| panic!("{pairing:?}: the server did not end"));
        assert_eq!(status.exit_status(), Some(0), "{pairing:?}: the server");
        let gone = clock::wait_for(PATIENCE, || is_gone(shell).then_some(()));
        assert!(gone.is_some(), "{pairing:?}: the shell outlived its server");
    }
}

/// A server outlives its parent: let it become this process's child.
fn adopt_orphans() -> Result<(), LabError> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .map_err(|error| LabError::new(format!("adopting servers: {error}")))
}

/// Whether a process has ended. It may be a zombie still: nobody waits for what a server leaves behind.
pub(crate) fn is_gone(pid: Pid) -> bool {
    let _ = rustix::process::waitpid(Some(pid), WaitOptions::NOHANG);
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_pid()));
    stat.map_or(true, |stat| stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')))
}

/// The same for all: nothing of the caller's habits.
pub(crate) fn plain_environment(command: &mut Command) -> &mut Command {
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path).envs([
        ("HOME", std::env::temp_dir().to_string_lossy().as_ref()),
        ("LC_ALL", "C.UTF-8"),
        // A place where nothing can be: these sessions are not to be found.
        ("MPMOSH_REGISTRY", "/nonexistent/sessions"),
        // Should a test be killed, its servers follow.
        ("MOSH_SERVER_NETWORK_TMOUT", "100"),
        ("SHELL", "/bin/sh"),
        ("TERM", "xterm-256color"),
    ])
}
