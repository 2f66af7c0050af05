#![doc = include_str!("../README.md")]
//!
//! # The contract
//!
//! An [`Emulator`] keeps a [`Screen`]; [`diff()`] writes the bytes that turn one screen into another.
//!
//! Whatever it is fed, an emulator's memory is bounded: sides by [`MAX_SIDE`], clusters by [`MAX_MARKS`], control
//! strings by 128 KiB, answers by [`MAX_REPLIES`], what is kept of the rows that scrolled away by 10,000 rows and 8 MiB.
//!
//! A screen stays on the thread that made it: its rows are counted, which every line feed asks about, without the price of
//! threads.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod attributes;
mod cell;
mod cells;
mod census;
pub mod control;
mod diff;
mod emulator;
mod history;
mod input;
mod line;
mod modes;
mod row;
mod screen;
mod text;
mod vocabulary;
mod width;

pub use attributes::{Attributes, Color, Flags, Link, Pen, Underline};
pub use cell::{Cell, MAX_MARKS};
pub use census::Census;
pub use diff::{begin_modes, diff, end_modes, redraw, repaint, transcript};
pub use emulator::{ColorName, Emulator, MAX_REPLIES, Rgb, parse_color};
pub use input::{CursorKeys, Paste};
pub use modes::{CursorStyle, Mode, Modes, Mouse, MouseEncoding, Switch};
pub use row::Row;
pub use screen::{Clipboard, Cursor, MAX_SIDE, Screen, Size};
pub use vocabulary::{Colors, Vocabulary};
