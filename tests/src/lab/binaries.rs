//! Where our own programs are: cargo tells a test only of its own package's binaries.

use std::env;
use std::path::{Path, PathBuf};

use super::{Context, LabError};

/// The program `name` of this build: it lies in cargo's target directory, beside the
/// running program or, for a test, one floor up.
///
/// # Errors
/// When it has not been built: testing does not build another package's programs, `make test` does so first.
pub fn built_binary(name: &str) -> Result<PathBuf, LabError> {
    let own = env::current_exe().context(|| "finding this program".into())?;
    let beside = own.parent().unwrap_or(Path::new("."));
    let directory = if beside.ends_with("deps") { beside.parent().unwrap_or(beside) } else { beside };
    let program = directory.join(name);
    if program.is_file() {
        return Ok(program);
    }
    Err(LabError::new(format!(
        "{} has not been built: `make test` does, or `cargo build --bins` with the same profile",
        program.display()
    )))
}
