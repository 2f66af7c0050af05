//! Runs a session (in the making: this stands in until the machines it joins are here).

use crate::plan::SessionPlan;

/// Why a session ends without the remote command's status.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no session yet.
    #[error("the session is not built yet ({0} addresses known)")]
    NotYet(usize),
}

/// Runs the session to its end, and returns the exit status.
///
/// # Errors
/// See [`Error`].
pub fn run(plan: SessionPlan) -> Result<u8, Error> {
    Err(Error::NotYet(plan.remotes.len()))
}
