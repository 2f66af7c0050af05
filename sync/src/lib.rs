//! The State Synchronization Protocol: two objects kept alike by diffs.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;
