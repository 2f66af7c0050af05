//! The beginning of a character whose end has not arrived.

/// What an octet made of what came before.
pub(super) enum Decoded {
    Incomplete,
    Char(char),
    /// Broken. An octet that is not `consumed` begins something of its own.
    Invalid {
        consumed: bool,
    },
}

/// Octets of a character so far.
#[derive(Default)]
pub(super) struct Partial {
    bytes: [u8; 4],
    length: usize,
}

impl Partial {
    pub(super) const fn is_open(&self) -> bool {
        self.length > 0
    }

    /// Takes the incomplete character that a text ends with.
    pub(super) fn start(&mut self, bytes: &[u8]) {
        self.length = bytes.len().min(3);
        self.bytes[..self.length].copy_from_slice(&bytes[..self.length]);
    }

    pub(super) fn push(&mut self, byte: u8) -> Decoded {
        self.bytes[self.length] = byte;
        let was_open = self.is_open();
        match core::str::from_utf8(&self.bytes[..=self.length]) {
            Ok(text) => {
                self.length = 0;
                text.chars().next().map_or(Decoded::Invalid { consumed: true }, Decoded::Char)
            }
            Err(error) if error.error_len().is_none() => {
                self.length += 1;
                Decoded::Incomplete
            }
            Err(_) => {
                self.length = 0;
                Decoded::Invalid { consumed: !was_open }
            }
        }
    }
}
