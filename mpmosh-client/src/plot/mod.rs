//! `mpmosh plot`.
use crate::messages::Paragraph;
use std::path::Path;
/// x
pub fn run(_: &Path, _: &Path) -> Result<(), Paragraph> {
    Ok(())
}
