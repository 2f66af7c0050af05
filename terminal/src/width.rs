//! How many columns a character takes, and which characters join the cluster before them.
//!
//! One table for both ends (`unicode-width`; ambiguous is narrow). The width of a cluster follows from its text
//! alone, so that printing a cell's text again gives the same cell: the width of its first character, or 2 when
//! VARIATION SELECTOR-16 directly follows a character that has an emoji presentation.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// ZERO WIDTH JOINER.
pub(crate) const JOINER: char = '\u{200d}';
/// VARIATION SELECTOR-16: emoji presentation.
pub(crate) const EMOJI_PRESENTATION: char = '\u{fe0f}';

/// Columns a character takes on its own: 0 (it joins the cluster before it), 1 or 2.
pub(crate) fn of(c: char) -> u8 {
    // What nearly all text is made of; the table costs several times more.
    match c {
        ' '..='~' | '\u{a1}'..='\u{2ff}' | '\u{400}'..='\u{482}' | '\u{2500}'..='\u{25fc}' => 1,
        '\u{3041}'..='\u{3096}' | '\u{309b}'..='\u{30ff}' => 2,
        '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' => 2,
        '\u{ff01}'..='\u{ff60}' | '\u{1f600}'..='\u{1f64f}' => 2,
        _ => tabled(c),
    }
}

fn tabled(c: char) -> u8 {
    match c {
        // A visible hyphen in every terminal.
        '\u{ad}' => 1,
        _ => c.width().unwrap_or(0).min(2) as u8,
    }
}

/// Whether there are clusters that [`joins`] would let `next` join.
pub(crate) const fn may_join(next: char) -> bool {
    matches!(next, '\u{2190}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}')
}

/// Whether it may join without a joiner.
pub(crate) const fn is_modifier(next: char) -> bool {
    matches!(next, '\u{1f3fb}'..='\u{1f3ff}')
}

/// Whether `base` is drawn wide when VARIATION SELECTOR-16 follows it.
pub(crate) fn widens(base: char) -> bool {
    let mut buffer = [0; 8];
    let length = base.encode_utf8(&mut buffer).len();
    let selector = EMOJI_PRESENTATION.encode_utf8(&mut buffer[length..]).len();
    core::str::from_utf8(&buffer[..length + selector]).is_ok_and(|pair| pair.width() == 2)
}

/// Whether `next`, printed directly after a cluster of first character `base` and further characters `marks`,
/// joins it though it has a width of its own: after a joiner, and emoji modifiers (skin tones).
pub(crate) fn joins(base: char, marks: &str, next: char) -> bool {
    match next {
        '\u{1f3fb}'..='\u{1f3ff}' => marks.ends_with(JOINER) || is_modifiable(base),
        // Where the pictographs are; letters after a joiner (Indic scripts) have columns of their own.
        '\u{2190}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}' => marks.ends_with(JOINER),
        _ => false,
    }
}

/// Whether a skin tone makes sense on it; a little wider than Emoji_Modifier_Base, which costs nothing.
const fn is_modifiable(base: char) -> bool {
    matches!(base, '\u{261d}' | '\u{26f9}' | '\u{270a}'..='\u{270d}' | '\u{1f385}'..='\u{1f3cc}'
        | '\u{1f442}'..='\u{1f4aa}' | '\u{1f574}'..='\u{1f596}' | '\u{1f645}'..='\u{1f64f}'
        | '\u{1f6a3}'..='\u{1f6cc}' | '\u{1f90c}'..='\u{1f9dd}' | '\u{1fac3}'..='\u{1faf8}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_no_table_is_as_wide_as_the_table_says() {
        for c in '\0'..=char::MAX {
            assert_eq!(of(c), tabled(c), "{c:?}");
        }
    }
}
