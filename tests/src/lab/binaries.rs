//! Where our own programs are: cargo tells a test only of its own package's binaries.

use std::env;
use std::path::{Path, PathBuf};

use super::{Context, LabError};

/// The program `name` of this build: it lies beside the running test's directory in cargo's target directory.
///
/// # Errors
/// When it has not been built: testing does not build another package's programs, `make test` does so first.
pub fn built_binary(name: &str) -> Result<PathBuf, LabError> {
    let own = env::current_exe().context(|| "finding this program".into())?;
    own.ancestors()
        .skip(1)
        .take(2)
        .map(|directory| directory.join(name))
        .find(|candidate| candidate.is_file())
        .ok_or_else(|| {
            let directory = own.ancestors().nth(2).unwrap_or(Path::new("target"));
            LabError::new(format!(
                "{} has not been built: `make test` does, or `cargo build --bins` with the same profile",
                directory.join(name).display()
            ))
        })
}
