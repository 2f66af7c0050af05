//! draw
/// x
pub fn colours() -> u32 {
    256
}
