//! Text from elsewhere, made safe to print.
//!
//! Contract: what [`printable`] returns holds no character that a terminal obeys: no C0 but newline and tab, no C1, no
//! delete, and none of the Unicode controls that reorder text. It may be printed outside a session.

/// `text` with every control character taken out (newline and tab stay) and whole escape sequences with it.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\n' | '\t' => out.push(c),
            '\u{1b}' => skip_escape(&mut chars),
            '\u{9b}' => skip_csi(&mut chars),
            c if obeyed(c) => {}
            c => out.push(c),
        }
    }
    out
}

/// [`printable`] for bytes that should be UTF-8; what is not becomes U+FFFD.
#[must_use]
pub fn printable_bytes(bytes: &[u8]) -> String {
    printable(&String::from_utf8_lossy(bytes))
}

/// [`printable`] on one line: newlines and tabs become spaces, and at most `limit` characters are kept.
#[must_use]
pub fn one_line(text: &str, limit: usize) -> String {
    let flat = printable(text);
    let mut words = flat.split_whitespace();
    let mut out = String::from(words.next().unwrap_or_default());
    for word in words {
        out.push(' ');
        out.push_str(word);
    }
    match out.char_indices().nth(limit) {
        Some((cut, _)) => format!("{}…", &out[..cut]),
        None => out,
    }
}

/// The words of `text` in lines of at most so many characters, without controls. A longer word has a line of its own.
#[must_use]
pub fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in printable(text).split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// The lines of `text`, those that are longer than so many characters broken between words; what stands at the end of a
/// question, a blank for the answer, stays.
#[must_use]
pub fn broken(text: &str, columns: usize) -> String {
    let break_line = |line: &str| {
        if line.chars().count() <= columns {
            return line.to_owned();
        }
        let blank = &line[line.trim_end().len()..];
        wrapped(line, columns.saturating_sub(blank.len())).join("\n") + blank
    };
    text.split('\n').map(break_line).collect::<Vec<_>>().join("\n")
}

/// Whether a terminal or a text layout engine obeys the character instead of showing it.
#[must_use]
pub fn obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

type Rest<'a> = core::iter::Peekable<core::str::Chars<'a>>;

/// Skips the rest of an escape sequence, so that its visible letters do not litter the text.
fn skip_escape(chars: &mut Rest<'_>) {
    match chars.peek() {
        Some('[') => {
            chars.next();
            skip_csi(chars);
        }
        // OSC, DCS, SOS, PM, APC: a string up to BEL, ST or the end of the line.
        Some(']' | 'P' | 'X' | '^' | '_') => {
            chars.next();
            while let Some(&c) = chars.peek() {
                match c {
                    '\n' => return,
                    '\u{7}' | '\u{9c}' => {
                        chars.next();
                        return;
                    }
                    '\u{1b}' => {
                        chars.next();
                        chars.next_if_eq(&'\\');
                        return;
                    }
                    _ => {
                        chars.next();
                    }
                }
            }
        }
        // Intermediates, then one final character.
        Some(_) => {
            while chars.next_if(|c| (' '..='/').contains(c)).is_some() {}
            chars.next_if(|c| ('0'..='~').contains(c));
        }
        None => {}
    }
}

fn skip_csi(chars: &mut Rest<'_>) {
    while chars.next_if(|c| (' '..='?').contains(c)).is_some() {}
    chars.next_if(|c| ('@'..='~').contains(c));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn long_lines_are_broken_and_short_ones_and_the_place_of_an_answer_stay() {
        let question = "The key of a.example.org is not known.\nIts fingerprint is right (yes/no)? ";
        assert_eq!(broken(question, 80), question);
        let expected = "The key of\na.example.org is not\nknown.\nIts fingerprint is\nright (yes/no)? ";
        assert_eq!(broken(question, 20), expected);
    }

    #[test]
    fn colours_titles_and_bells_vanish_and_words_stay() {
        assert_eq!(printable("\u{1b}[1;31mred\u{1b}[0m\u{7} \u{1b}]0;title\u{7}plain\n"), "red plain\n");
        assert_eq!(printable("a\u{9b}2Jb\u{1b}(Bc\r\n"), "abc\n");
        assert_eq!(printable("ab\u{202e}cd"), "abcd");
    }

    #[test]
    fn one_line_is_one_line() {
        assert_eq!(one_line("a\r\n b\tc  ", 80), "a b c");
        assert_eq!(one_line("abcdef", 3), "abc…");
    }

    proptest! {
        #[test]
        fn nothing_obeyed_survives(text in any::<String>()) {
            prop_assert!(printable(&text).chars().all(|c| c == '\n' || c == '\t' || !obeyed(c)));
        }

        #[test]
        fn plain_text_is_left_alone(text in "[a-zA-Z0-9 äöü漢字.,;:!?\n]*") {
            prop_assert_eq!(printable(&text), text);
        }
    }
}
