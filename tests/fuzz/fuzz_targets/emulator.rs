//! A program's bytes through an emulator, diffs, and a second emulator that only follows the diffs.
#![no_main]

#[path = "../bodies/terminal.rs"]
mod terminal;

libfuzzer_sys::fuzz_target!(|data: &[u8]| terminal::emulator(data));
