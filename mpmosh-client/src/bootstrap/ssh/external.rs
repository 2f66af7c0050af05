//! The user's own ssh, for what the built-in one cannot do.

use core::net::IpAddr;
use platform::company::{self, Company};
use std::io::{self, BufReader, IsTerminal, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

use super::first_hop::FirstHop;
use super::libssh2::OPEN_INPUT;
use super::plain::SshProgram;
use super::shared::Shared;
use super::ssh_config::{self, HostSettings};
use crate::bootstrap::announce::Scanner;
use crate::bootstrap::awaiting::{self, CommandEnd, LINGER, Lingering, Unannounced};
use crate::bootstrap::carriage::{Carriage, RunBy};
use crate::bootstrap::command::ShellLine;
use crate::bootstrap::dialogue::Dialogue;
use crate::bootstrap::remote::{Remote, RemoteOutput, read_answer};
use crate::bootstrap::whereabouts::{Known, Lookup};
use crate::bootstrap::{Announced, Error, Request};
use crate::cli::args::{Destination, SshArgs};
use crate::cli::plan::ServerProcess;
use crate::cli::words::Family;
use crate::text::sanitize::one_line;

/// A host by the user's own ssh. Starting a server, which is all that most sessions need, is a connection of its own; from
/// the first question on all share one.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(in crate::bootstrap) struct External {
    pub(super) line: String,
    pub(super) kind: SshProgram,
    pub(super) settings: HostSettings,
    pub(super) destination: Destination,
    pub(super) args: SshArgs,
    family: Family,
    pub(super) host: String,
    shared: Option<Shared>,
    /// How its first connection is made.
    first_hop: FirstHop,
    /// The command that started the server, as long as it stays.
    started: Option<Lingering>,
    /// What was started last is left alone when this goes, and nobody waits for it.
    stays: bool,
    /// The same command, where it may be needed for more: its ssh, its input, and what it said after the announcement.
    kept: Option<(Child, Option<ChildStdin>, Vec<u8>)>,
    /// It has been given away, and goes on.
    runs_on: bool,
    /// No script is run there.
    plain: bool,
    /// Nobody is there to be asked.
    pub(super) batch: bool,
}

impl External {
    /// # Errors
    /// [`Error::Unkept`] where it would use an interface that may not be used.
    pub(in crate::bootstrap) fn new(request: &Request, destination: &Destination) -> Result<Self, Error> {
        let line = request.ssh_command.clone().unwrap_or_else(|| "ssh".into());
        let mut external = Self {
            kind: SshProgram::of(&line),
            line,
            settings: request.settings.clone(),
            destination: destination.clone(),
            args: request.ssh.clone(),
            family: request.family,
            host: one_line(&destination.host, 80),
            shared: None,
            first_hop: FirstHop::default(),
            started: None,
            stays: false,
            kept: None,
            runs_on: false,
            plain: false,
            batch: request.batch,
        };
        external.first_hop = FirstHop::of(&external, &request.uplinks)?;
        external.first_hop.confirm(&external)?;
        Ok(external)
    }

    /// What was kept of the command that started the server is not needed for more.
    fn let_go(&mut self) {
        if let Some((child, input, rest)) = self.kept.take() {
            drop(input);
            self.started = Some(linger(child, rest));
        }
    }

    /// From now on all requests share one connection, unless the user's configuration has a way of its own for that.
    fn share(&mut self) {
        let config = self.settings.of(&self.destination, &self.args);
        let theirs = !self.first_hop.is_strict() && config.is_ok_and(|config| config.shares);
        if self.shared.is_none() && !theirs {
            self.shared = Shared::new();
        }
    }

    /// The ssh command up to the host: the user's words through sh, then our options as arguments.
    pub(super) fn ssh(&self, terminal: bool) -> Command {
        let mut ssh = Command::new("sh");
        ssh.arg("-c").arg(format!("exec {} \"$@\"", self.line)).arg("mpmosh");
        ssh.args(self.kind.options(terminal));
        if self.batch {
            // Whoever waits here can do something else meanwhile.
            ssh.args(["-o", "BatchMode=yes", "-o", "ConnectTimeout=10"]);
        }
        ssh.args(self.first_hop.options());
        match &self.shared {
            Some(shared) => ssh.args(shared.options()),
            None if self.first_hop.is_strict() => ssh.args(["-o", "ControlPath=none"]),
            None => &mut ssh,
        };
        let jump = self.args.jump.as_ref().filter(|_| !self.first_hop.jumps());
        let args = SshArgs { jump: jump.cloned(), ..self.args.clone() };
        ssh.args(ssh_config::ssh_options(&self.destination, &args));
        match self.family {
            Family::Inet => ssh.arg("-4"),
            Family::Inet6 => ssh.arg("-6"),
            _ => &mut ssh,
        };
        ssh
    }

    fn command(&self, terminal: bool, remote_line: &str) -> Command {
        let mut ssh = self.ssh(terminal);
        if terminal {
            ssh.arg("-tt");
        }
        ssh.arg("--").arg(&self.destination.host).arg(remote_line);
        ssh.stdin(Stdio::null()).stdout(Stdio::piped());
        ssh
    }

    /// Starts ssh. It may outlive us, as long as a program that a login script has left behind holds its connection: whoever
    /// waits for the end of our standard error must not wait for that. On a terminal nobody does, and ssh writes some
    /// questions, as for a token's touch, only there.
    fn spawn(&self, mut command: Command) -> Result<Running, Error> {
        company::stop_if_parting();
        let terminal = io::stderr().is_terminal();
        if !terminal {
            command.stderr(Stdio::piped());
        }
        let mut child =
            command.spawn().map_err(|cause| Error::Spawn { program: self.line.clone(), cause })?;
        let said = child.stderr.take().map(|mut said| {
            let (tell, told) = mpsc::channel();
            std::thread::spawn(move || {
                let _ = io::copy(&mut said, &mut io::stderr());
                drop::<Sender<()>>(tell);
            });
            told
        });
        Ok(Running { child, said })
    }

    fn failed(&self, status: Option<i32>, output: String) -> Error {
        Error::Ssh { command: one_line(&self.line, 80), status, output }
    }

    /// Why nothing was asked of the other side, where the shell here found no program by the name of the user's ssh: it ends
    /// with the same statuses as a shell there that found no server (POSIX, Exit Status for Commands).
    fn absent(&self, status: Option<i32>) -> Option<Error> {
        let cause = match status? {
            126 => Errno::ACCESS,
            127 => Errno::NOENT,
            _ => return None,
        };
        let found = Command::new("sh")
            .arg("-c")
            .arg(format!("set -- {}; test -x \"$(command -v \"$1\")\"", self.line))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        let absent = found.is_ok_and(|found| !found.success());
        absent.then(|| Error::Spawn { program: self.line.clone(), cause: cause.into() })
    }

    /// Where the server is: as the name service says, the address ssh used if it is among those; else as the other side
    /// says.
    fn whereabouts(&self, told: Option<IpAddr>) -> Result<(Known, String, Option<String>), Error> {
        let config = self.settings.of(&self.destination, &self.args).ok();
        let name = config.as_ref().map_or(self.destination.host.as_str(), |config| &config.host_name);
        let through = config.as_ref().and_then(ssh_config::SshConfig::through);
        let named = Lookup::start(name, self.family).finish(told)?;
        let connected = connected(&named, told, through.is_some());
        Ok((Known { connected, told, named }, name.to_owned(), through))
    }
}

impl Remote for External {
    fn start_by(
        &mut self,
        line: ShellLine,
        request: &Request,
        dialogue: &mut dyn Dialogue,
    ) -> Result<Announced, Error> {
        let mut command = self.command(request.ssh_pty, &line.text);
        let keeps = request.keeps && !request.ssh_pty && line.input.is_empty();
        if keeps || !line.input.is_empty() {
            command.stdin(Stdio::piped());
        }
        let mut ssh = self.spawn(command)?;
        let mut input = None;
        if let Some(mut stdin) = ssh.child.stdin.take() {
            if keeps {
                input = Some(OpenInput::new(stdin));
            } else {
                std::thread::spawn(move || stdin.write_all(&line.input));
            }
        }
        let mut scanner = Scanner::new();
        // It may be asking for a password.
        let company = Company::of(&ssh.child);
        let outcome = match ssh.child.stdout.as_mut() {
            Some(output) => awaiting::await_announcement(output, &mut scanner, request, &self.host),
            None => Err(Box::new(Unannounced::new(None, &scanner, request, &self.host))),
        };
        drop(company);
        let announcement = match outcome {
            Ok(announcement) => announcement,
            Err(unannounced) => {
                let status = ssh.end();
                if let Some(absent) = self.absent(status) {
                    return Err(absent);
                }
                // 255 is ssh's own failure; it has told the user why.
                return Err(match status {
                    Some(255) if unannounced.found.is_none() => self.failed(status, scanner.noise()),
                    _ => unannounced.elsewhere().into_error(|| status.map(CommandEnd::Status)),
                });
            }
        };
        let rest = scanner.take_rest();
        let process = match input {
            Some(input) => {
                self.kept = Some((ssh.child, input.keep(), rest));
                ServerProcess::default()
            }
            None => {
                let lingering = linger(ssh.child, rest);
                let process = lingering.server();
                self.started = Some(lingering);
                process
            }
        };
        crate::bootstrap::pass_on(&scanner, dialogue);
        let (known, name, through) = self.whereabouts(scanner.connection())?;
        let reached = known.choose(request.remote_ip).ok_or_else(|| Error::Resolve {
            host: self.host.clone(),
            evidence: "neither the name service nor the host itself tells an address".into(),
        })?;
        Ok(Announced {
            through,
            process,
            ..awaiting::announced(announcement, reached, known.named, Some(&name))
        })
    }

    fn expect_more(&mut self) {
        self.share();
        self.stays = true;
    }

    fn started(&mut self) -> Option<u32> {
        self.let_go();
        self.started.as_ref()?.process()
    }

    fn into_carriage(mut self: Box<Self>) -> Option<Carriage> {
        let (mut child, input, rest) = self.kept.take()?;
        self.runs_on = true;
        let output = child.stdout.take()?;
        let carriage = Carriage::new(output.into(), input.map(Into::into), rest, RunBy::Ssh(child));
        carriage.inspect_err(|error| log::info!("the connection cannot be kept: {error}")).ok()
    }

    fn carry_by(self: Box<Self>, line: &str) -> Result<Carriage, Error> {
        let mut command = self.command(false, line);
        command.stdin(Stdio::piped()).stderr(Stdio::piped());
        let spawned = |cause| Error::Spawn { program: self.line.clone(), cause };
        let mut child = command.spawn().map_err(spawned)?;
        let (Some(output), input) = (child.stdout.take(), child.stdin.take()) else {
            return Err(self.failed(None, String::new()));
        };
        let carriage = Carriage::new(output.into(), input.map(Into::into), Vec::new(), RunBy::Ssh(child));
        carriage.map_err(spawned)
    }

    fn ask_by(&mut self, line: &str, input: &[u8]) -> Result<RemoteOutput, Error> {
        self.share();
        let mut command = self.command(false, line);
        command.stdin(Stdio::piped());
        let mut ssh = self.spawn(command)?;
        let company = Company::of(&ssh.child);
        let (stdin, stdout) = (ssh.child.stdin.take(), ssh.child.stdout.take());
        let read = std::thread::scope(|scope| {
            if let Some(mut stdin) = stdin {
                // A command that reads no input breaks the pipe: its answer says why.
                scope.spawn(move || stdin.write_all(input));
            }
            let read = stdout.map(|stdout| read_answer(stdout, &self.host));
            if matches!(read, Some(Err(_))) {
                // Whoever does not end does not read either.
                let _ = ssh.child.kill();
            }
            read
        });
        drop(company);
        let status = ssh.end();
        if let Some(absent) = self.absent(status) {
            return Err(absent);
        }
        match read {
            Some(Ok(answer)) if status == Some(255) => Err(self.failed(status, answer.last_words())),
            Some(answer) => answer.map(|answer| RemoteOutput { status, ..answer }),
            None => Err(self.failed(status, String::new())),
        }
    }

    fn note_plain(&mut self) {
        self.plain = true;
    }

    fn is_plain(&self) -> bool {
        self.plain
    }

    fn host(&self) -> &str {
        &self.host
    }

    fn way(&self) -> String {
        format!("by your own ssh ({})", one_line(&self.line, 80))
    }
}

impl Drop for External {
    fn drop(&mut self) {
        if let Some(shared) = &self.shared {
            if self.runs_on || (self.stays && self.started.is_some()) {
                shared.release(&mut self.ssh(false), &self.destination.host);
                return;
            }
            if let Some(started) = &mut self.started {
                started.wait();
            }
            shared.end(&mut self.ssh(false), &self.destination.host);
        }
    }
}

/// Where ssh connected to, of what the name says: the address that the other side tells, else, as a translator may stand
/// between, one of that family. Through another host it connected to none of them.
fn connected(named: &[IpAddr], told: Option<IpAddr>, through: bool) -> Option<IpAddr> {
    let same = named.iter().find(|ip| Some(**ip) == told);
    let family = named.iter().find(|ip| told.is_some_and(|told| told.is_ipv4() == ip.is_ipv4()));
    same.or(family.or(named.first()).filter(|_| !through)).copied()
}

/// An ssh that runs.
struct Running {
    child: Child,
    /// Closes once all that it said on standard error has been passed on.
    said: Option<Receiver<()>>,
}

impl Running {
    /// The status of an ssh whose output has ended, or is of no use; it is ended where it does not end by itself. What it
    /// said stands on standard error then.
    fn end(self) -> Option<i32> {
        let Self { mut child, said } = self;
        // Nobody reads any more what is still being written: it must not wait for that.
        drop(child.stdout.take());
        let process = Pid::from_child(&child);
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || tell.send(child.wait().ok().and_then(|status| status.code())));
        let status = told.recv_timeout(LINGER).unwrap_or_else(|_| {
            let _ = kill_process(process, Signal::KILL);
            told.recv().ok().flatten()
        });
        if let Some(said) = said {
            let _ = said.recv_timeout(LINGER);
        }
        status
    }
}

/// The input of a command that is to be kept open, but for a command that announces nothing: a shell that a login script puts
/// in the server's place must not wait for what is never typed.
struct OpenInput {
    input: Arc<Mutex<Option<ChildStdin>>>,
    /// Ends the watch when it goes.
    _announced: Sender<()>,
}

impl OpenInput {
    fn new(input: ChildStdin) -> Self {
        let input = Arc::new(Mutex::new(Some(input)));
        let (announced, awaited) = mpsc::channel::<()>();
        let watched = Arc::clone(&input);
        std::thread::spawn(move || {
            if awaited.recv_timeout(OPEN_INPUT) == Err(RecvTimeoutError::Timeout) {
                drop(watched.lock().map(|mut input| input.take()));
            }
        });
        Self { input, _announced: announced }
    }

    /// What is still open of it.
    fn keep(self) -> Option<ChildStdin> {
        self.input.lock().ok()?.take()
    }
}

/// Lets ssh end by itself, so that no zombie is left, and tells the server's process and when ssh has ended.
fn linger(mut child: Child, rest: Vec<u8>) -> Lingering {
    let (telling, lingering) = Lingering::new();
    std::thread::spawn(move || {
        if let Some(output) = child.stdout.take() {
            awaiting::read_on(&rest, &mut BufReader::new(output), &telling);
        }
        let _ = child.wait();
        drop(telling);
    });
    lingering
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ssh_connected_in_the_family_that_the_other_side_tells() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap_or_else(|e| panic!("{e}"));
        let named = ["2001:db8::1", "192.0.2.1", "192.0.2.2"].map(ip);
        let at = |told, through| connected(&named, told, through);
        assert_eq!(at(Some(ip("192.0.2.2")), false), Some(ip("192.0.2.2")));
        assert_eq!(at(Some(ip("10.0.0.1")), false), Some(ip("192.0.2.1")), "behind a translator");
        assert_eq!(at(None, false), Some(ip("2001:db8::1")));
        assert_eq!(at(Some(ip("192.0.2.2")), true), Some(ip("192.0.2.2")));
        assert_eq!(at(Some(ip("10.0.0.1")), true), None);
    }
}
