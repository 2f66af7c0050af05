//! Diffs between two screens that have nothing to do with each other.
#![no_main]

#[path = "../bodies/terminal.rs"]
mod terminal;

libfuzzer_sys::fuzz_target!(|data: &[u8]| terminal::diff(data));
