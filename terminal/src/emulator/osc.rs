//! Operating system commands: titles, clipboard, links, colours.

use super::machine::Machine;
use super::palette::{ColorName, parse_color};
use crate::attributes::Link;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// The most characters of a title that are kept.
const MAX_TITLE: usize = 256;
/// The most octets of a link's target and of its identifier.
const MAX_URI: usize = 2083;
const MAX_LINK_ID: usize = 250;
/// The most parts of a command that lists colours: twice the palette.
const PARTS: usize = 512;

impl Machine {
    pub(super) fn operating_system_command(&mut self, text: &[u8], bell: bool) {
        let (command, rest) = cut(text);
        match (command, rest) {
            (b"0" | b"", Some(text)) => {
                let title = title(text);
                self.screen.icon_name = Arc::clone(&title);
                self.screen.title = title;
            }
            (b"1", Some(text)) => self.screen.icon_name = title(text),
            (b"2", Some(text)) => self.screen.title = title(text),
            (b"4", Some(colors)) => self.indexed_colors(&parts(colors), bell),
            (b"8", Some(text)) => {
                if let (parameters, Some(uri)) = cut(text) {
                    self.link(parameters, uri);
                }
            }
            (b"10" | b"11" | b"12", Some(colors)) => self.special_colors(command, &parts(colors), bell),
            (b"52", Some(text)) => {
                if let (selection, Some(content)) = cut(text) {
                    self.write_clipboard(selection, content);
                }
            }
            (b"104", None | Some(b"")) => self.reset_indexed_colors(),
            (b"104", Some(indices)) => {
                for index in parts(indices).into_iter().filter_map(number) {
                    self.reset_color(ColorName::Indexed(index));
                }
            }
            (b"110", _) => self.reset_color(ColorName::Foreground),
            (b"111", _) => self.reset_color(ColorName::Background),
            (b"112", _) => self.reset_color(ColorName::Cursor),
            _ => {}
        }
    }

    fn indexed_colors(&mut self, colors: &[&[u8]], bell: bool) {
        for pair in colors.chunks_exact(2) {
            let Some(index) = number(pair[0]) else { continue };
            let name = ColorName::Indexed(index);
            if pair[1] == b"?" {
                self.report_color(format_args!("4;{index}"), name, bell);
            } else if let Some(rgb) = parse_color(pair[1]) {
                self.set_color(name, rgb);
            }
        }
    }

    fn special_colors(&mut self, command: &[u8], colors: &[&[u8]], bell: bool) {
        // Further parameters are for the colours that follow.
        for (which, color) in (number(command).unwrap_or(10)..=12).zip(colors) {
            let Some(name) = ColorName::of_command(which) else { continue };
            if *color == b"?" {
                self.report_color(format_args!("{which}"), name, bell);
            } else if let Some(rgb) = parse_color(color) {
                self.set_color(name, rgb);
            }
        }
    }

    fn link(&mut self, parameters: &[u8], uri: &[u8]) {
        let uri = printable(uri, MAX_URI);
        let Some(uri) = uri.filter(|uri| !uri.is_empty()) else {
            self.screen.pen.set_link(None);
            return;
        };
        let id = parameters.split(|&byte| byte == b':').find_map(|pair| pair.strip_prefix(b"id="));
        let id = id.and_then(|id| printable(id, MAX_LINK_ID)).unwrap_or_default();
        let link = Link { id, uri };
        if self.screen.pen.link().is_none_or(|current| **current != link) {
            self.screen.pen.set_link(Some(Arc::new(link)));
        }
    }

    /// OSC 52 writes; it is never answered, as the clipboard is nobody's business but the user's. What is no base64 changes
    /// nothing, as in tmux; xterm's ctlseqs has it clear the selection, so that a file that is shown by mistake takes away
    /// what the user has put there. Content of no length clears.
    fn write_clipboard(&mut self, selection: &[u8], content: &[u8]) {
        if !is_base64(content) {
            return;
        }
        let kinds = selection.iter().filter(|byte| b"cpqs01234567".contains(byte)).take(12);
        let selection: String = kinds.map(|&byte| char::from(byte)).collect();
        let clipboard = &mut self.screen.clipboard;
        clipboard.selection = Arc::from(selection);
        clipboard.content = Arc::from(String::from_utf8_lossy(content));
        clipboard.writes = (clipboard.writes + 1) % 4;
    }
}

/// What stands before the first semicolon, and after it.
fn cut(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    match text.iter().position(|&byte| byte == b';') {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    }
}

fn parts(text: &[u8]) -> Vec<&[u8]> {
    text.split(|&byte| byte == b';').take(PARTS).collect()
}

/// A title as it is kept: no controls, not endless. It may itself contain semicolons.
fn title(text: &[u8]) -> Arc<str> {
    let text = String::from_utf8_lossy(text);
    let kept: String = text.chars().filter(|c| !c.is_control()).take(MAX_TITLE).collect();
    Arc::from(kept)
}

fn printable(text: &[u8], most: usize) -> Option<String> {
    let fits = text.len() <= most && text.iter().all(u8::is_ascii_graphic);
    fits.then(|| text.iter().map(|&byte| char::from(byte)).collect())
}

/// Whether this is base64 (RFC 4648 §4), with its padding or without; nothing at all is.
fn is_base64(text: &[u8]) -> bool {
    let digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let digits = text.iter().position(|byte| *byte == b'=').unwrap_or(text.len());
    let (digits, padding) = text.split_at(digits);
    let padded = match padding {
        b"" => digits.len() % 4 != 1,
        b"=" => digits.len() % 4 == 3,
        b"==" => digits.len() % 4 == 2,
        _ => false,
    };
    padded && digits.iter().all(digit)
}

fn number(text: &[u8]) -> Option<u8> {
    core::str::from_utf8(text).ok()?.parse().ok()
}
