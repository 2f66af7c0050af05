//! What is compared: a program that opens a shell on another host, and how it is called.

use std::collections::BTreeSet;
use std::process::Command;

use super::{Lab, LabError, Namespace, built_binary, require};

/// A way to open a shell on another host. All are called `PROGRAM [OPTIONS] USER@HOST`.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The name in tables.
    pub name: &'static str,
    /// What to run.
    pub program: &'static str,
    /// A command that becomes the program, which is its last word.
    pub through: Vec<&'static str>,
    /// Options before the host.
    pub options: Vec<String>,
    /// Environment of the client.
    pub environment: Vec<(&'static str, String)>,
    /// The process that stays at the client's end.
    pub client_process: &'static str,
    /// The process that stays at the server's end.
    pub server_process: &'static str,
}

impl Subject {
    /// OpenSSH on a terminal.
    #[must_use]
    pub fn ssh() -> Self {
        Self {
            name: "ssh",
            program: "ssh",
            through: Vec::new(),
            options: vec!["-tt".into()],
            environment: Vec::new(),
            client_process: "ssh",
            server_process: "sshd",
        }
    }

    /// Debian's mosh, prediction off.
    #[must_use]
    pub fn mosh() -> Self {
        Self {
            name: "mosh",
            program: "mosh",
            through: Vec::new(),
            options: Vec::new(),
            environment: vec![("MOSH_PREDICTION_DISPLAY", "never".into())],
            client_process: "mosh-client",
            server_process: "mosh-server",
        }
    }

    /// Ours, prediction off.
    #[must_use]
    pub fn mpmosh() -> Self {
        Self {
            name: "mpmosh",
            program: "mpmosh",
            through: Vec::new(),
            options: Vec::new(),
            environment: vec![("MOSH_PREDICTION_DISPLAY", "never".into())],
            client_process: "mpmosh",
            server_process: "mpmosh-server",
        }
    }

    /// The stock wrapper script with our client, our server, or both; prediction off.
    #[must_use]
    pub fn wrapper(our_client: bool, our_server: bool) -> Self {
        let mut subject = Self::mosh();
        if our_client {
            subject.options.push("--client=mpmosh-client".into());
            subject.client_process = "mpmosh-client";
        }
        if our_server {
            subject.options.push("--server=mpmosh-server".into());
            subject.server_process = "mpmosh-server";
        }
        subject.name = match (our_client, our_server) {
            (false, false) => "mosh",
            (true, false) => "mpmosh-client, mosh-server",
            (false, true) => "mosh-client, mpmosh-server",
            (true, true) => "mpmosh-client, mpmosh-server",
        };
        subject
    }

    /// The same with one more option.
    #[must_use]
    pub fn with_option(mut self, option: &str) -> Self {
        self.options.push(option.into());
        self
    }

    /// The same on a machine that tells programs nothing of changes of the network, as Android.
    #[must_use]
    pub fn without_notices(mut self) -> Self {
        self.through = vec!["python3", "-c", include_str!("deny_netlink.py")];
        self
    }

    /// Makes sure that it can run in `lab`.
    ///
    /// # Errors
    /// When a program is not installed, or ours has not been built.
    pub fn prepare(&self, lab: &Lab) -> Result<(), LabError> {
        require("sshd", "openssh-server")?;
        require("ssh", "openssh-client")?;
        if self.program == "mosh" {
            require("mosh", "mosh")?;
        }
        let ours: BTreeSet<_> = [self.program, self.client_process, self.server_process]
            .into_iter()
            .filter(|program| program.starts_with("mpmosh"))
            .collect();
        ours.into_iter().try_for_each(|program| lab.install(&built_binary(program)?))
    }

    /// The command that opens a shell on `host` (with `user@`) from `client`.
    #[must_use]
    pub fn command(&self, client: &Namespace, host: &str) -> Command {
        let mut words = self.through.iter().copied().chain([self.program]);
        let mut command = client.command(words.next().unwrap_or(self.program));
        command.args(words).args(&self.options).arg(host);
        command.envs(self.environment.iter().map(|(name, value)| (*name, value)));
        command
    }
}
