//! `--local`: the server on this machine, without ssh.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{self, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::announce::Scanner;
use super::attach::Starts;
use super::awaiting::{self, CommandEnd, Lingering};
use super::dialogue::Dialogue;
use super::remote::RemoteOutput;
use super::{Announced, Error, Printed, Request, command};
use crate::cli::words::Family;

/// This machine.
pub(super) struct Local;

impl Starts for Local {
    fn start(&mut self, request: &Request, dialogue: &mut dyn Dialogue) -> Result<Announced, Error> {
        run(request, dialogue)
    }

    fn name(&self) -> String {
        "this machine".into()
    }

    fn end(&mut self, announced: &Announced) {
        let process = announced.process.get().and_then(|id| Pid::from_raw(i32::try_from(*id).ok()?));
        if let Some(process) = process {
            let _ = kill_process(process, Signal::TERM);
        }
    }
}

/// The server's program, and how it is called in messages.
fn server(request: &Request) -> (Command, String) {
    match &request.server.program {
        // Shell text, as over ssh.
        Some(text) => {
            let mut shell = Command::new("sh");
            shell.arg("-c").arg(format!("{text} \"$@\"")).arg("mpmosh");
            (shell, text.clone())
        }
        None => {
            let program = beside_us();
            (Command::new(&program), program.to_string_lossy().into_owned())
        }
    }
}

/// Asks the server something that it answers at once.
pub(super) fn ask(request: &Request, words: &[String]) -> Result<RemoteOutput, Error> {
    let (mut server, program) = server(request);
    server.args(words).env_remove("SSH_CONNECTION").env_remove("MOSH_KEY").stdin(Stdio::null());
    let output = server.output().map_err(|cause| match cause.kind() {
        io::ErrorKind::NotFound => Error::NoServer {
            host: "this machine".into(),
            asked: program.clone(),
            path: std::env::var("PATH").unwrap_or_default(),
            output: Printed::default(),
            ran: true,
        },
        _ => Error::Spawn { program: program.clone(), cause },
    })?;
    let status = output.status.code();
    Ok(RemoteOutput { output: [output.stdout, output.stderr].concat(), status })
}

fn run(request: &Request, dialogue: &mut dyn Dialogue) -> Result<Announced, Error> {
    dialogue.stage(Some("starting the server"));
    let (mut server, program) = server(request);
    server.args(command::our_words(&request.server)).args(command::arguments(&request.server));
    // Nothing here came over ssh, whatever the surrounding session did.
    server.env_remove("SSH_CONNECTION").env_remove("MOSH_KEY");
    let (reader, writer) = io::pipe().map_err(|cause| Error::Spawn { program: program.clone(), cause })?;
    let both = writer.try_clone().map_err(|cause| Error::Spawn { program: program.clone(), cause })?;
    let mut child = server
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(both)
        .spawn()
        .map_err(|cause| Error::Spawn { program: program.clone(), cause })?;
    // Our copies of the writing end must close, or the end of the output is never seen.
    drop(server);
    let mut reader = reader;
    let mut scanner = Scanner::new();
    let outcome = awaiting::await_announcement(&mut reader, &mut scanner, request, "this machine");
    let announcement = outcome
        .map_err(|unannounced| unannounced.into_error(|| child.wait().ok().and_then(CommandEnd::of)))?;
    super::pass_on(&scanner, dialogue);
    // The parent of the server that stays ends by itself; read on, so that its last words do not kill it.
    let (telling, lingering) = Lingering::new();
    let rest = scanner.take_rest();
    std::thread::spawn(move || {
        awaiting::read_on(&rest, &mut BufReader::new(reader), &telling);
        let _ = child.wait();
    });
    let ip: IpAddr =
        if request.family == Family::Inet6 { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() };
    Ok(Announced { process: lingering.server(), ..awaiting::announced(announcement, ip, Vec::new(), None) })
}

/// The server that was built or installed with this program, else the one of `$PATH`.
fn beside_us() -> PathBuf {
    let name = "mpmosh-server";
    let beside = std::env::current_exe()
        .ok()
        .and_then(|own| Some(own.parent()?.join(name)))
        .filter(|file| file.is_file());
    beside.unwrap_or_else(|| name.into())
}
