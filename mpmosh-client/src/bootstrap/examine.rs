//! A host looked at stage by stage, for `mpmosh doctor`.

use core::net::IpAddr;

use super::dialogue::Dialogue;
use super::remote::Remote;
use super::ssh::reach;
use super::whereabouts::Lookup;
use super::{Announced, Error, Request, command, second};
use crate::cli::args::Destination;

/// A host on which the user is logged in.
pub struct Host {
    remote: Box<dyn Remote>,
}

/// Where a host is, before anybody has connected to it.
#[derive(Debug)]
pub struct Whereabouts {
    /// The name that the ssh configuration makes of what was typed.
    pub host_name: String,
    /// Its addresses; none where only a host on the way knows them.
    pub addresses: Vec<IpAddr>,
    /// What lies between here and the host for ssh.
    pub through: Option<String>,
}

/// What a host tells of itself.
#[derive(Debug, Default)]
pub struct HostFacts {
    /// It ran the script that asks: an account with a list of allowed commands does not, and all else here is empty.
    pub scripts: bool,
    /// Its system and machine.
    pub system: String,
    /// Our server there: place and version.
    pub server: Option<String>,
    /// Stock mosh's server there.
    pub stock: Option<String>,
    /// Where programs are searched for.
    pub path: String,
    /// How much login scripts print, in octets.
    pub noise: usize,
    /// Whether systemd ends what a login leaves behind.
    pub kills: bool,
    /// Whether this user is exempt.
    pub lingers: bool,
}

/// Looks the host up.
///
/// # Errors
/// The configuration is not usable, or the name is not known and nothing lies between that may know it.
pub fn look_up(request: &Request, destination: &Destination) -> Result<Whereabouts, Error> {
    let (host_name, through) = match request.settings.of(destination, &request.ssh) {
        Ok(config) => (config.host_name.clone(), config.through()),
        Err(error) if request.ssh_command.is_none() => return Err(error),
        Err(_) => (destination.host.clone(), None),
    };
    let addresses = match Lookup::start(&host_name, request.family).finish(None) {
        Ok(addresses) => addresses,
        Err(_) if through.is_some() => Vec::new(),
        Err(error) => return Err(error),
    };
    Ok(Whereabouts { host_name, addresses, through })
}

/// What becomes of ssh's first connection over each interface that may be used, a sentence each; nothing where there is
/// no choice of them. Waits for the answers.
#[must_use]
pub fn survey(request: &Request, destination: &Destination) -> Vec<String> {
    let config = request.settings.of(destination, &request.ssh);
    config.map_or_else(|_| Vec::new(), |config| reach::survey(&config, &request.ssh, &request.uplinks))
}

impl Host {
    /// Logs in.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn open(
        request: &Request,
        destination: &Destination,
        dialogue: &mut dyn Dialogue,
    ) -> Result<Self, Error> {
        let remote = super::login(request, destination, dialogue);
        dialogue.stage(None);
        Ok(Self { remote: remote? })
    }

    /// How the login was done, in words.
    #[must_use]
    pub fn way(&self) -> String {
        self.remote.way()
    }

    /// The key exchange in use, in words, where the built-in ssh did it.
    #[must_use]
    pub fn exchange(&self) -> Option<String> {
        self.remote.exchange()
    }

    /// What the host tells of itself.
    ///
    /// # Errors
    /// The connection's.
    pub fn look(&mut self) -> Result<HostFacts, Error> {
        let answer = self.remote.ask(&look_script(), &[], &[])?;
        let told = |mark| answer.line(mark).filter(|text| !text.is_empty());
        let start = b"\nMPMOSH SYSTEM ";
        let noise = answer.output.windows(start.len()).position(|window| window == start).unwrap_or(0);
        Ok(HostFacts {
            scripts: answer.line("MPMOSH SYSTEM").is_some(),
            system: told("MPMOSH SYSTEM ").unwrap_or_else(|| "an unknown system".into()),
            server: told("MPMOSH SERVER "),
            stock: told("MPMOSH STOCK "),
            path: told("MPMOSH PATH ").unwrap_or_default(),
            noise,
            kills: told("MPMOSH KILLS ").is_some_and(|text| text.ends_with("true")),
            lingers: told("MPMOSH LINGER ").is_some_and(|text| text.ends_with("yes")),
        })
    }

    /// Starts the server.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn start(&mut self, request: &Request, dialogue: &mut dyn Dialogue) -> Result<Announced, Error> {
        let announced = self.remote.start(request, dialogue);
        dialogue.stage(None);
        announced
    }

    /// Gives the stream of the command that started the server, where it was to be kept; the login is of no more use then.
    #[must_use]
    pub fn into_carriage(self) -> Option<super::Carriage> {
        self.remote.into_carriage()
    }

    /// Where a second server may be heard if the first one is not.
    #[must_use]
    pub fn other_family(request: &Request, first: &Announced) -> Option<IpAddr> {
        second::other_family(request, first)
    }

    /// Ends the server that was started, and starts another one at this address.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn start_at(
        &mut self,
        request: &Request,
        address: IpAddr,
        dialogue: &mut dyn Dialogue,
    ) -> Result<Announced, Error> {
        let announced = second::start(&mut *self.remote, request, address, dialogue);
        dialogue.stage(None);
        announced
    }

    /// Whether a process whose command line has this word runs there.
    ///
    /// # Errors
    /// The connection's, or the host has no ps(1).
    pub fn runs(&mut self, word: &str) -> Result<bool, Error> {
        let answer = self.remote.ask(RUNS, &[word.to_owned()], &[])?;
        match answer.line("MPMOSH RUNS ").as_deref() {
            Some("yes") => Ok(true),
            Some("no") => Ok(false),
            _ => Err(Error::Broken { host: self.remote.host().into(), evidence: answer.last_words() }),
        }
    }

    /// Ends the processes whose command lines have this word, as far as that goes.
    pub fn end(&mut self, word: &str) {
        let _ = self.remote.ask(END, &[word.to_owned()], &[]);
    }
}

/// Ours and stock's server both end in the name that is looked for.
///
/// The word must not be found in this script's own command line: `$1` stands for it there, but in the arguments of the
/// shell it is itself, so that lines with `sh -c` and this script are passed over by their mark.
const RUNS: &str = r#"echo; if l=$(ps -A -ww -o args= 2>/dev/null || ps -o args= 2>/dev/null); then if printf "%s" "$l" | grep -v "MPMOSH RUNS" | grep -q -e "mosh-server new .*$1"; then echo "MPMOSH RUNS yes"; else echo "MPMOSH RUNS no"; fi; fi"#;

const END: &str = r#"ps -A -ww -o pid= -o args= 2>/dev/null | grep -e "mosh-server new .*$1" | grep -v grep | while read -r p rest; do kill -9 "$p" 2>/dev/null; done"#;

fn look_script() -> String {
    let find = |name: &str, mark: &str| {
        let places = command::places(name);
        format!(
            "for s in {places}; do if command -v \"$s\" >/dev/null 2>&1; then echo \"MPMOSH {mark} $(command -v \"$s\") \
             ($(\"$s\" --version 2>/dev/null </dev/null | head -n 1))\"; break; fi; done"
        )
    };
    [
        "echo".to_owned(),
        r#"echo "MPMOSH SYSTEM $(uname -s 2>/dev/null) $(uname -m 2>/dev/null)""#.into(),
        find("mpmosh-server", "SERVER"),
        find("mosh-server", "STOCK"),
        r#"echo "MPMOSH PATH $PATH""#.into(),
        r#"echo "MPMOSH KILLS $(busctl get-property org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager KillUserProcesses 2>/dev/null)""#.into(),
        r#"echo "MPMOSH LINGER $(loginctl show-user "$(id -un)" -p Linger 2>/dev/null)""#.into(),
    ]
    .join("; ")
}
