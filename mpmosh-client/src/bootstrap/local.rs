//! `--local`: the server on this machine, without ssh.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::io::BufReader;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::announce::Scanner;
use super::awaiting::{self, CommandEnd, Lingering};
use super::dialogue::Dialogue;
use super::{Announced, Error, Request, command};
use crate::cli::words::Family;

pub(super) fn run(request: &Request, dialogue: &mut dyn Dialogue) -> Result<Announced, Error> {
    dialogue.stage(Some("starting the server"));
    let program = match &request.server.program {
        Some(program) => program.clone(),
        None => beside_us().to_string_lossy().into_owned(),
    };
    let mut server = match &request.server.program {
        // Shell text, as over ssh.
        Some(text) => {
            let mut shell = Command::new("sh");
            shell.arg("-c").arg(format!("{text} \"$@\"")).arg("mpmosh");
            shell
        }
        None => Command::new(&program),
    };
    server.arg("new").args(command::our_arguments(&request.server)).args(command::arguments(&request.server));
    // Nothing here came over ssh, whatever the surrounding session did.
    server.env_remove("SSH_CONNECTION").env_remove("MOSH_KEY");
    let (reader, writer) =
        std::io::pipe().map_err(|cause| Error::Spawn { program: program.clone(), cause })?;
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
