//! Who we are: agent, key files, keyboard-interactive, password, in the order of ssh.

use std::io;
use std::path::Path;

use ssh2::{ErrorCode, KeyboardInteractivePrompt, Prompt, Session};

use super::algorithms;
use super::known_hosts::key_kind;
use super::private_key::{self, KeyFile, PrivateKey};
use super::ssh_config::{Permit, SshConfig};
use crate::bootstrap::dialogue::{AskError, Dialogue};
use crate::bootstrap::error::Denial;
use crate::bootstrap::{Error, words};
use crate::text::sanitize::one_line;

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
    /// The keys that come after the one that is tried now.
    left: Vec<String>,
    /// The public halves of keys that were refused: one is shown once, from wherever it comes.
    shown: Vec<Vec<u8>>,
    /// An agent answers.
    has_agent: bool,
    /// Why the user's own ssh may succeed where we did not.
    ssh_may: Option<String>,
    /// A word was accepted, and the server wants something else besides.
    asks_on: bool,
    /// Why no key came from the agent, and why none from a file.
    keyless: Vec<String>,
    /// A method was gone to its end, if only to a refusal.
    gone: Vec<&'static str>,
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
    let mut attempt = Attempt {
        session,
        config,
        offered: offered?,
        tried: Vec::new(),
        left: Vec::new(),
        shown: Vec::new(),
        has_agent: false,
        ssh_may: None,
        asks_on: false,
        keyless: Vec::new(),
        gone: Vec::new(),
    };
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
    Err(attempt.refused())
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
        if config.public_key.given() && self.may("publickey") {
            self.keyless.clear();
            let before = self.tried.len();
            if self.agent(dialogue)? || self.files(dialogue)? {
                return Ok(true);
            }
            if self.tried.len() > before {
                self.gone.push("publickey");
            }
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
        if config.keyboard_interactive.given() && self.may("keyboard-interactive") {
            self.gone.push("keyboard-interactive");
            if self.keyboard(dialogue)? {
                return Ok(true);
            }
        }
        if config.password.given() && self.may("password") {
            self.gone.push("password");
            return self.password(dialogue);
        }
        Ok(false)
    }

    /// No way led in.
    fn refused(self) -> Error {
        let (mut left, mut closed) = (Vec::new(), None);
        for method in &self.offered {
            let Some((why, keyword)) = self.not_gone(method) else { continue };
            left.push(format!("{method} ({why})"));
            closed = closed.or(keyword);
        }
        Error::Authentication(Box::new(Denial {
            user: self.config.user.clone(),
            host: self.config.host_name.clone(),
            tried: self.tried,
            left,
            closed,
            offered: self.offered,
        }))
    }

    /// Why a method that the server takes was not gone, and the keyword that closed it, if one did.
    fn not_gone(&self, method: &str) -> Option<(String, Option<&'static str>)> {
        if self.gone.contains(&method) {
            return None;
        }
        let config = self.config;
        let permit = match method {
            "publickey" => config.public_key,
            "keyboard-interactive" => config.keyboard_interactive,
            "password" => config.password,
            "gssapi-with-mic" if config.gssapi => return Some(("there is no Kerberos ticket".into(), None)),
            "gssapi-with-mic" => return Some(("GSSAPIAuthentication is not on".into(), None)),
            "hostbased" => return Some(("HostbasedAuthentication is not on".into(), None)),
            _ => return Some(("unknown to the built-in ssh".into(), None)),
        };
        match permit {
            Permit::Refused("PreferredAuthentications") => {
                Some(("PreferredAuthentications leaves it out".into(), Some("PreferredAuthentications")))
            }
            Permit::Refused(keyword) => Some((format!("{keyword} is no"), Some(keyword))),
            Permit::Given if method == "publickey" => Some((self.keyless.join(", and "), None)),
            Permit::Given if config.batch => {
                Some(("BatchMode forbids to ask for it".into(), Some("BatchMode")))
            }
            Permit::Given => None,
        }
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
        self.still_connected(error, shown)?;
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
        let socket = self.config.identity_agent.as_deref();
        let absent = match socket {
            Some(path) if path == Path::new("") => Some("IdentityAgent is none"),
            None if std::env::var_os("SSH_AUTH_SOCK").is_none() => Some("no agent runs"),
            _ => None,
        };
        if let Some(why) = absent {
            self.keyless.push(why.into());
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
        self.has_agent = true;
        dialogue.stage(Some("authentication (agent)"));
        let configured: Vec<Vec<u8>> =
            self.config.identities.iter().filter_map(|file| private_key::public_half(file)).collect();
        let mut keys = agent.identities().unwrap_or_default();
        let held = keys.len();
        // The keys named by the configuration first: a server lets only so many attempts pass.
        keys.sort_by_key(|key| configured.iter().position(|blob| blob == key.blob()).unwrap_or(usize::MAX));
        keys.retain(|key| {
            let named = configured.iter().any(|blob| blob == key.blob());
            (named || !self.config.identities_only) && !self.shown.iter().any(|blob| blob == key.blob())
        });
        if keys.is_empty() {
            self.keyless.push(match held {
                0 => "the agent holds no key".into(),
                _ => "IdentitiesOnly leaves the agent's keys out".into(),
            });
        }
        for (index, key) in keys.iter().enumerate() {
            if !self.may("publickey") {
                break;
            }
            let name = one_line(key.comment(), 60);
            let kind = key_kind(key.blob()).unwrap_or_default();
            if kind.starts_with("sk-") {
                self.ssh_may.get_or_insert_with(|| format!("the agent's key {name} is in a hardware token"));
                continue;
            }
            if !self.accepts(kind) {
                self.tried.push(format!("the agent's key {name} (PubkeyAcceptedAlgorithms leaves it out)"));
                continue;
            }
            let others = keys[index + 1..]
                .iter()
                .map(|key| format!("the agent's key {}", one_line(key.comment(), 60)));
            let files = self.config.identities.iter().filter(|file| {
                let public = private_key::public_half(file);
                !keys[..=index].iter().any(|key| public.as_deref() == Some(key.blob()))
            });
            self.left = others.chain(files.map(|file| shown_name(file))).collect();
            match agent.userauth(&self.config.user, key) {
                Ok(()) => return Ok(true),
                Err(error) => self.not_enough(&error, &format!("the agent's key {name}"))?,
            }
            self.shown.push(key.blob().to_vec());
        }
        Ok(false)
    }

    /// Whether a key of this kind may be shown.
    fn accepts(&self, kind: &str) -> bool {
        let usable = algorithms::for_user_keys(self.config);
        match kind {
            "ssh-rsa" => usable.iter().any(|name| name.starts_with("rsa-sha2-")),
            // What libssh2 makes of other kinds is its affair.
            kind if !algorithms::USER_KEYS.contains(&kind) => true,
            kind => usable.contains(&kind),
        }
    }

    fn files(&mut self, dialogue: &mut dyn Dialogue) -> Result<bool, Error> {
        let files = &self.config.identities;
        if files.is_empty() {
            self.keyless.push("no key file is there".into());
        }
        for (index, file) in files.iter().enumerate() {
            if !self.may("publickey") {
                break;
            }
            let shown = shown_name(file);
            let key = match private_key::look(file) {
                Ok(key) => key,
                // The public half alone is there: the agent has been asked for the other.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.keyless.push(format!("of {shown} only the public half is there"));
                    continue;
                }
                Err(error) => {
                    let why = words(&error);
                    dialogue.tell(&format!("mpmosh: the key {shown} is not used: {why}"));
                    self.tried.push(format!("{shown} (not usable: {why})"));
                    continue;
                }
            };
            let public = private_key::public_half(file);
            if public.as_ref().is_some_and(|public| self.shown.contains(public)) {
                continue;
            }
            if certificate_of(file).exists() {
                self.ssh_may.get_or_insert_with(|| format!("{shown} has a certificate"));
            }
            if !self.accepts(public.as_deref().and_then(key_kind).unwrap_or_default()) {
                self.tried.push(format!("{shown} (PubkeyAcceptedAlgorithms leaves it out)"));
                continue;
            }
            dialogue.stage(Some("authentication (key)"));
            self.left = files[index + 1..].iter().map(|file| shown_name(file)).collect();
            if self.file(file, &shown, &key, dialogue)? {
                return Ok(true);
            }
            self.shown.extend(public);
        }
        self.left.clear();
        Ok(false)
    }

    /// One key of a file.
    fn file(
        &mut self,
        file: &Path,
        shown: &str,
        key: &KeyFile,
        dialogue: &mut dyn Dialogue,
    ) -> Result<bool, Error> {
        let usable = matches!(key.sort, PrivateKey::Plain | PrivateKey::Encrypted | PrivateKey::Foreign);
        if usable && self.config.adds_keys && self.has_agent {
            let reason = format!("AddKeysToAgent is set, and {shown} is not in the agent");
            return Err(Error::NeedsSsh { reason });
        }
        let reason = match key.sort {
            PrivateKey::Plain => return self.plain(file, shown),
            PrivateKey::Encrypted | PrivateKey::Foreign if self.config.batch => {
                self.tried.push(format!("{shown} (its passphrase may not be asked: BatchMode)"));
                return Ok(false);
            }
            PrivateKey::Encrypted => return self.encrypted(file, shown, dialogue),
            PrivateKey::Foreign => {
                format!(
                    "{shown} is encrypted with {}",
                    one_line(key.cipher.as_deref().unwrap_or("a foreign cipher"), 40)
                )
            }
            PrivateKey::Token => format!("{shown} is in a hardware token"),
            PrivateKey::Unknown => {
                self.tried.push(format!("{shown} (not a private key)"));
                return Ok(false);
            }
        };
        self.ssh_may.get_or_insert(reason);
        Ok(false)
    }

    fn plain(&mut self, file: &Path, shown: &str) -> Result<bool, Error> {
        let Err(error) = self.session.userauth_pubkey_file(&self.config.user, None, file, None) else {
            return Ok(true);
        };
        self.still_connected(&error, shown)?;
        if refused(&error) {
            self.not_enough(&error, shown)?;
        } else {
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
                Err(cause) => return Err(self.unasked("The key's passphrase was needed", cause)),
            };
            match self.session.userauth_pubkey_file(&self.config.user, None, file, Some(&passphrase)) {
                Ok(()) => return Ok(true),
                Err(error) => {
                    if refused(&error) {
                        self.not_enough(&error, shown)?;
                        return Ok(false);
                    }
                    self.still_connected(&error, shown)?;
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
                    return Err(self.unasked("The server asks for a password", AskError::NoTerminal));
                }
                Some(cause) => {
                    return Err(self.unasked("The server's question was not answered", cause));
                }
                None => {}
            }
            if let Err(error) = outcome {
                self.still_connected(&error, "keyboard-interactive")?;
            }
            // It refused without a question: asking again would bring the same.
            if prompts == 0 {
                self.tried.push("keyboard-interactive (refused without a question)".into());
                break;
            }
            if self.accepted("keyboard-interactive") {
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
                .map_err(|cause| self.unasked("The server asks for a password", cause))?;
            match self.session.userauth_password(&self.config.user, &password) {
                Ok(()) => return Ok(true),
                Err(error) => self.still_connected(&error, "password")?,
            }
            if self.accepted("password") {
                break;
            }
            self.tried.push("password".into());
            dialogue.tell("mpmosh: not accepted.");
        }
        Ok(false)
    }

    /// A question could not be asked. Keys were refused before it came to that.
    fn unasked(&self, question: &'static str, cause: AskError) -> Error {
        Error::Ask { question, cause, refused: self.tried.clone() }
    }

    /// A server that hangs up after too many attempts ends the whole affair; `shown` is what was tried last.
    fn still_connected(&mut self, error: &ssh2::Error, shown: &str) -> Result<(), Error> {
        if !has_ended(error) {
            return Ok(());
        }
        self.tried.push(shown.to_owned());
        Err(Error::HungUp {
            user: self.config.user.clone(),
            host: self.config.host_name.clone(),
            tried: core::mem::take(&mut self.tried),
            left: core::mem::take(&mut self.left),
        })
    }
}

/// Whether the connection is no more. Where the server hangs up in place of an answer, libssh2 gives the code of a refusal,
/// and says for what it waited in vain.
fn has_ended(error: &ssh2::Error) -> bool {
    let code = matches!(error.code(), ErrorCode::Session(code) if ENDED.contains(&code));
    code || error.message().starts_with("Waiting for ")
}

fn refused(error: &ssh2::Error) -> bool {
    matches!(error.code(), ErrorCode::Session(code) if REFUSED.contains(&code))
}

/// A key file in a message.
fn shown_name(file: &Path) -> String {
    one_line(&file.to_string_lossy(), 120)
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
