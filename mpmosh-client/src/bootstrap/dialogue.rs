//! How the bootstrap speaks with the user.

use std::io;

use zeroize::Zeroizing;

use crate::text::sanitize::one_line;

/// Questions, notices and progress.
///
/// Implementors strip control characters themselves; callers may pass text from the other side.
pub trait Dialogue: Send {
    /// Asks a question whose answer is shown as it is typed.
    ///
    /// # Errors
    /// See [`AskError`].
    fn ask(&mut self, question: &str) -> Result<String, AskError>;

    /// Asks for a secret: nothing typed is shown.
    ///
    /// # Errors
    /// See [`AskError`].
    fn secret(&mut self, question: &str) -> Result<Zeroizing<String>, AskError>;

    /// Says something that stays on the screen.
    fn tell(&mut self, text: &str);

    /// Says something to whoever wants to know more.
    fn detail(&mut self, text: &str);

    /// What is being waited for now; `None` erases it.
    fn stage(&mut self, stage: Option<&str>);
}

/// Nobody is there to be asked; what would be told goes to the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nobody;

impl Dialogue for Nobody {
    fn ask(&mut self, _: &str) -> Result<String, AskError> {
        Err(AskError::NoTerminal)
    }

    fn secret(&mut self, _: &str) -> Result<Zeroizing<String>, AskError> {
        Err(AskError::NoTerminal)
    }

    fn tell(&mut self, text: &str) {
        log::info!("{}", one_line(text, 400));
    }

    fn detail(&mut self, text: &str) {
        self.tell(text);
    }

    fn stage(&mut self, _: Option<&str>) {}
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// There is no terminal to ask on.
    #[error("there is no terminal to ask on")]
    NoTerminal,
    /// The user declined to answer (the end of input, or Ctrl-C where that ends nothing).
    #[error("no answer was given")]
    Cancelled,
    /// The terminal failed.
    #[error("the terminal failed: {0}")]
    Terminal(#[from] io::Error),
}

/// Nobody who could be told or asked.
pub(in crate::bootstrap) struct Silent;

impl Dialogue for Silent {
    fn ask(&mut self, _question: &str) -> Result<String, AskError> {
        Err(AskError::NoTerminal)
    }

    fn secret(&mut self, _question: &str) -> Result<Zeroizing<String>, AskError> {
        Err(AskError::NoTerminal)
    }

    fn tell(&mut self, _text: &str) {}

    fn detail(&mut self, _text: &str) {}

    fn stage(&mut self, _stage: Option<&str>) {}
}
