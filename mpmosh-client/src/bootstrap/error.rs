//! Every way a bootstrap ends without a server.

mod paragraph;

use std::io;
use std::path::PathBuf;

use super::announce::Objection;
use super::awaiting::{CommandEnd, Printed};
use super::connect::Unreached;
use super::dialogue::AskError;

/// Why there is no server. It becomes the paragraph that the user reads.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are what the messages say they are")]
pub enum Error {
    /// ssh does not accept its own configuration.
    #[error("ssh refuses its configuration: {evidence}")]
    SshConfig { evidence: String },
    /// The name has no usable address.
    #[error("{host} has no usable address: {evidence}")]
    Resolve { host: String, evidence: String },
    /// No address of the host accepted a connection.
    #[error("{host} cannot be reached on TCP port {port}")]
    Connect { host: String, port: u16, tried: Vec<Unreached>, left_out: Vec<String> },
    /// The user's own ssh cannot be kept off interfaces that may not be used.
    #[error("ssh to {host} cannot be kept off {}: {reason}", .forbidden.join(", "))]
    Unkept { host: String, forbidden: Vec<String>, reason: String },
    /// A connection that was made for ssh could not be handed to it.
    #[error("the connection to {host} could not be handed over: {cause}")]
    HandOver { host: String, cause: io::Error },
    /// The ssh protocol failed before authentication.
    #[error("ssh to {host} failed in the handshake: {evidence}")]
    Handshake { host: String, place: String, evidence: String },
    /// A host on the way did not pass the connection on.
    #[error("{gate} did not connect to {host}, port {port}: {evidence}")]
    Jump { gate: String, host: String, port: u16, evidence: String },
    /// libssh2 cannot do what this host needs: the user's own ssh has to.
    #[error("{reason}")]
    NeedsSsh { reason: String },
    /// As [`Error::NeedsSsh`], and there is no ssh.
    #[error("ssh is needed and not installed: {reason}")]
    NoSsh { reason: String },
    /// The host's key is another than the one on record.
    #[error("the key of {name} has changed")]
    HostKeyChanged { name: String, kind: String, fingerprint: String, file: PathBuf, line: usize },
    /// The host's key is marked as revoked.
    #[error("the key of {name} is revoked")]
    HostKeyRevoked { name: String, kind: String, fingerprint: String, file: PathBuf, line: usize },
    /// The host's key is not on record, and may not be added.
    #[error("the key of {name} is not known")]
    HostKeyUnknown { name: String, kind: String, fingerprint: String, file: Option<PathBuf> },
    /// A file with the keys of hosts is there and cannot be read.
    #[error("{} cannot be read: {cause}", .file.display())]
    KnownHosts { file: PathBuf, cause: io::Error },
    /// The user did not accept the host's key.
    #[error("the key of {name} was not accepted")]
    HostKeyDeclined { name: String, fingerprint: String },
    /// A question had to be asked and could not be.
    #[error("{question}: {cause}")]
    Ask { question: &'static str, cause: AskError, refused: Vec<String> },
    /// No method of authentication succeeded.
    #[error("{}@{} did not accept us", .0.user, .0.host)]
    Authentication(Box<Denial>),
    /// The server ended the connection while keys and words were tried.
    #[error("{host} hung up before it let {user} in")]
    HungUp { user: String, host: String, tried: Vec<String>, left: Vec<String> },
    /// ssh works, and no server was found on the other side.
    #[error("no server was found on {host}")]
    NoServer { host: String, asked: String, path: String, output: Printed, ran: bool },
    /// The server's command ended without an announcement.
    #[error("the server on {host} did not start")]
    NotStarted { host: String, asked: String, end: Option<CommandEnd>, output: Printed, ran: bool },
    /// The server's command neither ended nor announced anything.
    #[error("the server on {host} says nothing")]
    Hangs { host: String, asked: String, output: Printed },
    /// The remote side said so much that the announcement cannot be awaited.
    #[error("{host} said too much before the server's announcement")]
    Noise { host: String, output: String },
    /// The announcement is of a version we do not know.
    #[error("the server on {host} speaks another version")]
    Version { host: String, announced: String },
    /// What should be the announcement is none; the line, without its key.
    #[error("the announcement of the server on {host} cannot be read")]
    Malformed { host: String, line: String },
    /// Only a stock server is there, and this session needs ours.
    #[error("{host} has only a stock mosh-server")]
    StockOnly { host: String },
    /// A stock server alone is there, whose sessions end with their clients.
    #[error("{host} has only a stock mosh-server")]
    StockHere { host: String },
    /// The server that is asked for is a stock one, or is to speak as one.
    #[error("stock's dialect knows no sessions that outlive their clients")]
    StockDialect,
    /// The server there knows no sessions that outlive their clients.
    #[error("the server on {host} is too old")]
    TooOld { host: String },
    /// The server says why it connects nobody.
    #[error("{host} refuses: {} {}", .objection.code, .objection.sentence)]
    Refused { host: String, way: String, objection: Box<Objection> },
    /// The session is the one that this program runs in.
    #[error("{called} is the session that this runs in")]
    Itself { called: String },
    /// The user leaves the session to its client (`busy`), or wants none of several.
    #[error("nothing was chosen")]
    LeftAlone { busy: bool },
    /// The connection broke between authentication and announcement.
    #[error("ssh to {host} broke: {evidence}")]
    Broken { host: String, evidence: String },
    /// The user's own ssh failed.
    #[error("{command} failed")]
    Ssh { command: String, status: Option<i32>, output: String },
    /// This machine has no server that would run on the host.
    #[error("no server for {system} is here")]
    NoPackage { host: String, system: String, looked: Vec<PathBuf> },
    /// The server could not be put on the host.
    #[error("the server could not be installed on {host}: {evidence}")]
    Install { host: String, evidence: String },
    /// A bug in us or in the ssh library, most likely met by what the host sent.
    #[error("the bootstrap ended in a panic")]
    Panicked,
    /// A program could not be started.
    #[error("{program} could not be started: {cause}")]
    Spawn { program: String, cause: io::Error },
}

/// How nothing led in.
#[derive(Debug)]
pub struct Denial {
    /// The user there.
    pub user: String,
    /// The host.
    pub host: String,
    /// What was tried.
    pub tried: Vec<String>,
    /// The ways that the server takes and that were not gone, each with its reason.
    pub left: Vec<String>,
    /// The setting that closed one of these.
    pub closed: Option<&'static str>,
    /// The ways that the server takes.
    pub offered: Vec<String>,
}

impl Error {
    /// Whether our server was there and has said its word.
    pub(super) fn is_answer(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::TooOld { .. })
    }

    /// Whether the other side did not so much as begin what it was asked for.
    pub(super) fn ran_nothing(&self) -> bool {
        matches!(self, Self::NoServer { ran: false, .. } | Self::NotStarted { ran: false, .. })
    }
}
