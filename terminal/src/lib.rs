//! A terminal in memory: bytes to a screen, and the fewest bytes from one screen to another.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;
