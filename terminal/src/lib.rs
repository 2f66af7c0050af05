//! A terminal in memory: bytes to a screen, and the fewest bytes from one screen to another.
//!
//! An [`Emulator`] reads what a program writes (ECMA-48 and xterm's additions) and keeps a [`Screen`]; [`diff()`]
//! writes the bytes that turn one screen into another. The crate knows nothing of networks, clocks or files.
//!
//! The law: a terminal that shows `a` and is fed `diff(a, b)` shows `b`, modes included, for every two screens an
//! emulator can reach:
//!
//! ```
//! use mpmosh_terminal::{Emulator, Size, Vocabulary, diff};
//! let mut program = Emulator::new(Size { columns: 20, rows: 4 });
//! let a = program.screen().clone();
//! program.feed(b"\x1b[31mhello\x1b[m\r\nworld");
//! let b = program.screen().clone();
//! let mut follower = Emulator::from_screen(a.clone());
//! follower.feed(&diff(&a, &b, &Vocabulary::PEER));
//! assert_eq!(*follower.screen(), b);
//! ```
//!
//! Whatever it is fed, an emulator's memory is bounded: sides by [`MAX_SIDE`], clusters by [`MAX_MARKS`], control
//! strings by 128 KiB, answers by [`MAX_REPLIES`].
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod attributes;
mod cell;
pub mod control;
mod diff;
mod emulator;
mod input;
mod modes;
mod row;
mod screen;
mod vocabulary;
mod width;

pub use attributes::{Attributes, Color, Flags, Link, Pen, Underline};
pub use cell::{Cell, MAX_MARKS};
pub use diff::{diff, end_modes, repaint, transcript};
pub use emulator::{Emulator, MAX_REPLIES};
pub use input::{CursorKeys, Paste};
pub use modes::{CursorStyle, Mode, Modes, Mouse, MouseEncoding, Switch};
pub use row::Row;
pub use screen::{Clipboard, Cursor, MAX_SIDE, Screen, Size};
pub use vocabulary::{Colors, Vocabulary};
