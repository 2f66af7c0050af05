//! Who we are: agent, key files, keyboard-interactive, password, in the order of ssh.

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ssh2::{ErrorCode, KeyboardInteractivePrompt, Prompt, Session};

use super::Error;
use super::dialogue::{AskError, Dialogue};
use super::private_key::{self, PrivateKey};
use super::ssh_config::SshConfig;
use crate::sanitize::one_line;

/// libssh2's codes for a refusal by the server (libssh2.h: AUTHENTICATION_FAILED, PUBLICKEY_UNVERIFIED); all others of a
/// key file mean that the file could not be used.
const REFUSED: [i32; 2] = [-18, UNVERIFIED];
/// The server wanted a signature by this key and then did not let us in: it may want something else besides.
const UNVERIFIED: i32 = -19;
/// The connection has ended: SOCKET_SEND, SOCKET_DISCONNECT, SOCKET_RECV.
const ENDED: [i32; 3] = [-7, -13, -43];

/// A server that wants several things wants no more of them than this.
const ROUNDS: usize = 4;

/// Most characters of the server's banner that are shown.
const BANNER_LIMIT: usize = 4000;

/// The attempt to log in, with what was tried for the message.
struct Attempt<'a> {
    session: &'a Session,
    config: &'a SshConfig,
    /// The methods that the server would accept now.
    offered: Vec<String>,
    tried: Vec<String>,
    /// Why the user's own ssh may succeed where we did not.
    ssh_may: Option<String>,
    /// A word was accepted, and the server wants something else besides.
    asks_on: bool,
}

/// Logs in.
pub(super) fn log_in(
    session: &Session,
    config: &SshConfig,
    dialogue: &mut dyn Dialogue,
) -> Result<(), Error> {
    let offered = offered(session, config);
    if session.authenticated() {
        return Ok(());
    }
    let mut attempt =
        Attempt { session, config, offered: offered?, tried: Vec::new(), ssh_may: None, asks_on: false };
    if let Ok(Some(banner)) = session.userauth_banner() {
        let banner: String = banner.chars().take(BANNER_LIMIT).collect();
        dialogue.tell(&banner);
    }
    for _ in 0..ROUNDS {
        attempt.asks_on = false;
        if attempt.round(dialogue)? {
            return Ok(());
        }
        if !attempt.asks_on {
            break;
        }
    }
    Err(Error::Authentication {
        user: config.user.clone(),
        host: config.host_name.clone(),
        tried: attempt.tried,
        offered: attempt.offered,
    })
}

/// Whether there seems to be a Kerberos ticket: ssh may then get in where libssh2 cannot.
fn has_ticket() -> bool {
    let usual = format!("/tmp/krb5cc_{}", rustix::process::getuid().as_raw());
    std::env::var_os("KRB5CCNAME").is_some() || Path::new(&usual).exists()
}

/// The methods that the server would accept now.
fn offered(session: &Session, config: &SshConfig) -> Result<Vec<String>, Error> {
    match session.auth_methods(&config.user) {
        Ok(methods) => Ok(methods.split(',').map(|method| one_line(method, 40)).collect()),
        // Nothing was asked of us: "none" was enough.
        Err(_) if session.authenticated() => Ok(Vec::new()),
        Err(error) => Err(Error::Broken { host: config.host_name.clone(), evidence: error.to_string() }),
    }
}

impl Attempt<'_> {
    fn may(&self, method: &str) -> bool {
        self.offered.iter().any(|word| word == method)
    }

    /// Each way once that the server offers; whether one opened the door.
    fn round(&mut self, dialogue: &mut dyn Dialogue) -> Result<bool, Error> {
        let config = self.config;
        if config.public_key && (self.agent(dialogue)? || self.files(dialogue)?) {
            return Ok(true);
        }
        // ssh would try a ticket before it asks for a password.
        if self.ssh_may.is_none() && config.gssapi && self.may("gssapi-with-mic") && has_ticket() {
            self.ssh_may = Some(format!("{} takes your Kerberos ticket", one_line(&config.host_name, 80)));
        }
        if let Some(reason) = self.ssh_may.take() {
            return Err(Error::NeedsSsh { reason });
        }
        if config.batch {
            return Ok(false);
        }
        if config.keyboard_interactive && self.may("keyboard-interactive") && self.keyboard(dialogue)? {
            return Ok(true);
        }
        Ok(config.password && self.may("password") && self.password(dialogue)?)
    }

    /// Whether the words just given were accepted and are not enough: their method is no longer offered then. To ask costs
    /// one of the few attempts that a server allows, and is of use only where keys were no way in so far.
    fn accepted(&mut self, method: &str) -> bool {
        if self.may("publickey") {
            return false;
        }
        let Ok(offered) = offered(self.session, self.config) else { return false };
        self.offered = offered;
        let accepted = !self.may(method);
        if accepted {
            self.tried.push(format!("{method} (accepted, and not enough)"));
            self.asks_on = true;
        }
        accepted
    }

    /// Notes that a key did not open the door. One that the server accepted may have been half of what it wants: what
    /// it still offers then is asked for, which costs one of the few attempts that a server allows, and only then.
    fn not_enough(&mut self, error: &ssh2::Error, shown: &str) -> Result<(), Error> {
        self.still_connected(error)?;
        let signed = matches!(error.code(), ErrorCode::Session(UNVERIFIED));
        let before = signed.then(|| core::mem::take(&mut self.offered));
        if let Some(before) = before {
            self.offered = offered(self.session, self.config).unwrap_or(before);
        }
        if self.may("publickey") {
            self.tried.push(shown.to_owned());
        } else {
            self.tried.push(format!("{shown} (accepted, and not enough)"));
            // Keys are done with, so that ssh would find no better one.
            self.ssh_may = None;
        }
        Ok(())
    }

    fn agent(&mut self, dialogue: &mut dyn Dialogue) -> Result<bool, Error> {
        if !self.may("publickey") {
            return Ok(false);
        }
        let socket = self.config.identity_agent.as_deref();
        if socket == Some(Path::new("")) || (socket.is_none() && std::env::var_os("SSH_AUTH_SOCK").is_none())
        {
            return Ok(false);
        }
        let Ok(mut agent) = self.session.agent() else { return Ok(false) };
        if let Some(socket) = socket {
            let _ = agent.set_identity_path(socket);
        }
        if agent.connect().is_err() || agent.list_identities().is_err() {
            self.tried.push("the agent (it does not answer)".into());
            return Ok(false);
        }
        dialogue.stage(Some("authentication (agent)"));
        let configured: Vec<Vec<u8>> =
            self.config.identities.iter().filter_map(|file| public_half(file)).collect();
        let mut keys = agent.identities().unwrap_or_default();
        // The keys named by the configuration first: a server lets only so many attempts pass.
        keys.sort_by_key(|key| configured.iter().position(|blob| blob == key.blob()).unwrap_or(usize::MAX));
        for key in keys {
            if !self.may("publickey") {
                break;
            }
            if self.config.identities_only && !configured.iter().any(|blob| blob == key.blob()) {
                continue;
            }
            let name = one_line(key.comment(), 60);
            let kind = super::known_hosts::key_kind(key.blob()).unwrap_or_default();
            if kind.starts_with("sk-") {
                self.ssh_may.get_or_insert_with(|| format!("the agent's key {name} is in a hardware token"));
                continue;
            }
            match agent.userauth(&self.config.user, &key) {
                Ok(()) => return Ok(true),
                Err(error) => self.not_enough(&error, &format!("the agent's key {name}"))?,
            }
        }
        Ok(false)
    }

    fn files(&mut self, dialogue: &mut dyn Dialogue) -> Result<bool, Error> {
        for file in &self.config.identities {
            if !self.may("publickey") {
                break;
            }
            let shown = one_line(&file.to_string_lossy(), 120);
            let kind = match private_key::look(file) {
                Ok(kind) => kind,
                Err(error) => {
                    dialogue.tell(&format!("mpmosh: the key {shown} is not used: {error}"));
                    self.tried.push(format!("{shown} (not usable: {error})"));
                    continue;
                }
            };
            if certificate_of(file).exists() {
                self.ssh_may.get_or_insert_with(|| format!("{shown} has a certificate"));
            }
            dialogue.stage(Some("authentication (key)"));
            let accepted = match kind {
                PrivateKey::Plain => self.plain(file, &shown)?,
                PrivateKey::Encrypted if self.config.batch => false,
                PrivateKey::Encrypted => self.encrypted(file, &shown, dialogue)?,
                PrivateKey::Token => {
                    self.ssh_may.get_or_insert_with(|| format!("{shown} is in a hardware token"));
                    false
                }
                PrivateKey::Unknown => {
                    self.tried.push(format!("{shown} (not a private key)"));
                    false
                }
            };
            if accepted {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn plain(&mut self, file: &Path, shown: &str) -> Result<bool, Error> {
        let Err(error) = self.session.userauth_pubkey_file(&self.config.user, None, file, None) else {
            return Ok(true);
        };
        if refused(&error) {
            self.not_enough(&error, shown)?;
        } else {
            self.still_connected(&error)?;
            self.tried.push(format!("{shown} (not usable: {})", one_line(error.message(), 80)));
        }
        Ok(false)
    }

    fn encrypted(&mut self, file: &Path, shown: &str, dialogue: &mut dyn Dialogue) -> Result<bool, Error> {
        let question = format!("Passphrase for the key {shown}: ");
        for _ in 0..self.config.prompts.max(1) {
            let passphrase = match dialogue.secret(&question) {
                Ok(passphrase) if !passphrase.is_empty() => passphrase,
                // An empty one skips the key, as with ssh.
                Ok(_) => break,
                Err(AskError::NoTerminal) => {
                    self.tried
                        .push(format!("{shown} (its passphrase could not be asked: there is no terminal)"));
                    return Ok(false);
                }
                Err(cause) => return Err(Error::Ask { question: "The key's passphrase was needed", cause }),
            };
            match self.session.userauth_pubkey_file(&self.config.user, None, file, Some(&passphrase)) {
                Ok(()) => return Ok(true),
                Err(error) => {
                    if refused(&error) {
                        self.not_enough(&error, shown)?;
                        return Ok(false);
                    }
                    self.still_connected(&error)?;
                }
            }
            dialogue.tell("mpmosh: that passphrase does not open the key.");
        }
        self.tried.push(format!("{shown} (its passphrase was not given)"));
        Ok(false)
    }

    fn keyboard(&mut self, dialogue: &mut dyn Dialogue) -> Result<bool, Error> {
        for _ in 0..self.config.prompts.max(1) {
            let mut asked = Asked {
                dialogue: &mut *dialogue,
                host: &self.config.host_name,
                user: &self.config.user,
                failed: None,
                prompts: 0,
            };
            let outcome = self.session.userauth_keyboard_interactive(&self.config.user, &mut asked);
            let (failed, prompts) = (asked.failed, asked.prompts);
            if self.session.authenticated() {
                return Ok(true);
            }
            match failed {
                Some(AskError::NoTerminal) => {
                    return Err(Error::Ask {
                        question: "The server asks for a password",
                        cause: AskError::NoTerminal,
                    });
                }
                Some(cause) => {
                    return Err(Error::Ask { question: "The server's question was not answered", cause });
                }
                None => {}
            }
            if let Err(error) = outcome {
                self.still_connected(&error)?;
            }
            // It refused without a question: asking again would bring the same.
            if prompts == 0 || self.accepted("keyboard-interactive") {
                break;
            }
            self.tried.push("keyboard-interactive".into());
            dialogue.tell("mpmosh: not accepted.");
        }
        Ok(false)
    }

    fn password(&mut self, dialogue: &mut dyn Dialogue) -> Result<bool, Error> {
        let question = format!("Password of {}@{}: ", self.config.user, self.config.host_name);
        for _ in 0..self.config.prompts.max(1) {
            let password = dialogue
                .secret(&question)
                .map_err(|cause| Error::Ask { question: "The server asks for a password", cause })?;
            match self.session.userauth_password(&self.config.user, &password) {
                Ok(()) => return Ok(true),
                Err(error) => self.still_connected(&error)?,
            }
            if self.accepted("password") {
                break;
            }
            self.tried.push("password".into());
            dialogue.tell("mpmosh: not accepted.");
        }
        Ok(false)
    }

    /// A server that hangs up after too many attempts ends the whole affair.
    fn still_connected(&mut self, error: &ssh2::Error) -> Result<(), Error> {
        match error.code() {
            ErrorCode::Session(code) if ENDED.contains(&code) => {
                self.tried.push("no more: the server hung up".into());
                Err(Error::Authentication {
                    user: self.config.user.clone(),
                    host: self.config.host_name.clone(),
                    tried: core::mem::take(&mut self.tried),
                    offered: Vec::new(),
                })
            }
            _ => Ok(()),
        }
    }
}

fn refused(error: &ssh2::Error) -> bool {
    matches!(error.code(), ErrorCode::Session(code) if REFUSED.contains(&code))
}

/// The public key that lies beside a private one, or the file itself where it is a public key (as `IdentityFile` may be).
fn public_half(file: &Path) -> Option<Vec<u8>> {
    let beside = with_suffix(file, ".pub");
    let text = fs::read_to_string(beside).or_else(|_| fs::read_to_string(file)).ok()?;
    STANDARD.decode(text.split_whitespace().nth(1)?).ok()
}

fn certificate_of(file: &Path) -> std::path::PathBuf {
    with_suffix(file, "-cert.pub")
}

fn with_suffix(file: &Path, suffix: &str) -> std::path::PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Passes the server's questions on.
struct Asked<'a> {
    dialogue: &'a mut dyn Dialogue,
    host: &'a str,
    user: &'a str,
    failed: Option<AskError>,
    prompts: usize,
}

impl KeyboardInteractivePrompt for Asked<'_> {
    fn prompt<'b>(&mut self, _username: &str, instructions: &str, prompts: &[Prompt<'b>]) -> Vec<String> {
        if !instructions.trim().is_empty() {
            self.dialogue.tell(instructions);
        }
        let mut answers = Vec::new();
        for prompt in prompts {
            self.prompts += 1;
            // Who asks: the text alone could claim to be someone else's question.
            let question = format!("({}@{}) {}", self.user, self.host, prompt.text);
            let answer = match (&self.failed, prompt.echo) {
                (Some(_), _) => Ok(String::new()),
                (None, true) => self.dialogue.ask(&question),
                // Moved out, not copied: the one copy that is not wiped is the library's own.
                (None, false) => {
                    self.dialogue.secret(&question).map(|mut secret| core::mem::take(&mut *secret))
                }
            };
            match answer {
                Ok(answer) => answers.push(answer),
                Err(cause) => {
                    self.failed = Some(cause);
                    answers.push(String::new());
                }
            }
        }
        answers
    }
}
