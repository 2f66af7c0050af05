//! How many columns a character takes, and which characters join the cluster before them.
//!
//! One table for both ends, and it is that of the programs: they count by the wcwidth of the server's C library, each
//! code point by itself. What takes no column joins the character before it; all else has columns of its own, emoji
//! modifiers and what follows a joiner included. Only a program that has asked for grapheme clusters (mode 2027) gets
//! them: then a cluster is as wide as its first character, or 2 wide when VARIATION SELECTOR-16 directly follows one
//! that has a form as an emoji.
//!
//! The user's terminal may count otherwise: nearly each does, for what [`is_disputed`].

mod table;

/// ZERO WIDTH JOINER.
pub(crate) const JOINER: char = '\u{200d}';
/// VARIATION SELECTOR-16: emoji presentation.
pub(crate) const EMOJI_PRESENTATION: char = '\u{fe0f}';

/// Columns a character takes on its own: 0 (it joins the one before it), 1 or 2. A control takes none.
pub(crate) fn of(c: char) -> u8 {
    // What nearly all text is made of; the table costs several times more.
    match c {
        ' '..='~' | '\u{a0}'..='\u{2ff}' | '\u{400}'..='\u{482}' | '\u{2500}'..='\u{25fc}' => 1,
        '\u{3041}'..='\u{3096}' | '\u{309b}'..='\u{30ff}' => 2,
        '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' => 2,
        '\u{ff01}'..='\u{ff60}' | '\u{1f600}'..='\u{1f64f}' => 2,
        _ => tabled(c),
    }
}

fn tabled(c: char) -> u8 {
    match c {
        '\0'..='\x1f' | '\x7f'..='\u{9f}' => 0,
        _ if has(&table::ZERO, c) => 0,
        _ if has(&table::WIDE, c) => 2,
        _ => 1,
    }
}

fn has(ranges: &[(u32, u32)], c: char) -> bool {
    let after = ranges.partition_point(|&(first, _)| first <= u32::from(c));
    after.checked_sub(1).is_some_and(|at| u32::from(c) <= ranges[at].1)
}

// Clusters, where a program asked for them.

/// Whether there are clusters that [`joins`] would let `next` join.
pub(crate) const fn may_join(next: char) -> bool {
    matches!(next, '\u{2190}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}')
}

/// Whether it is an emoji modifier (a skin tone), which may join without a joiner.
pub(crate) const fn is_modifier(next: char) -> bool {
    matches!(next, '\u{1f3fb}'..='\u{1f3ff}')
}

/// Whether `base` is drawn wide when VARIATION SELECTOR-16 follows it.
pub(crate) fn widens(base: char) -> bool {
    has(&table::EMOJI, base)
}

/// Whether `next`, printed directly after a cluster of first character `base` and further characters `marks`,
/// joins it though it has a width of its own: after a joiner, and emoji modifiers (skin tones).
pub(crate) fn joins(base: char, marks: &str, next: char) -> bool {
    match next {
        _ if is_modifier(next) => marks.ends_with(JOINER) || is_modifiable(base),
        // Where the pictographs are; letters after a joiner (Indic scripts) have columns of their own.
        _ if may_join(next) => marks.ends_with(JOINER),
        _ => false,
    }
}

/// Whether a skin tone makes sense on it; a little wider than Emoji_Modifier_Base, which costs nothing.
const fn is_modifiable(base: char) -> bool {
    matches!(base, '\u{261d}' | '\u{26f9}' | '\u{270a}'..='\u{270d}' | '\u{1f385}'..='\u{1f3cc}'
        | '\u{1f442}'..='\u{1f4aa}' | '\u{1f574}'..='\u{1f596}' | '\u{1f645}'..='\u{1f64f}'
        | '\u{1f6a3}'..='\u{1f6cc}' | '\u{1f90c}'..='\u{1f9dd}' | '\u{1fac3}'..='\u{1faf8}')
}

// What the terminals of users make of it.

/// Whether there are terminals that give it other columns, or draw it together with what stands beside it. Those that
/// were asked: xterm 379, kitty 0.26, tmux 3.3a, unicode-width 0.2 (alacritty and others).
pub(crate) fn is_disputed(c: char) -> bool {
    match c {
        '\0'..='\u{2ff}' => c == '\u{ad}',
        // Arabic marks before numbers.
        '\u{600}'..='\u{605}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}' => true,
        // SARA AM, which some draw on the letter before it.
        '\u{e33}' | '\u{eb3}' => true,
        // What has no look, hyphens, Braille's neighbours that became emoji, and what is newer than some tables.
        '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{2300}'..='\u{23ff}' => true,
        '\u{24c2}' | '\u{25aa}'..='\u{25ab}' | '\u{25b6}' | '\u{25c0}' | '\u{25fb}'..='\u{27bf}' => true,
        '\u{2934}'..='\u{2935}' | '\u{2b00}'..='\u{2bff}' | '\u{2d7f}' | '\u{2ffc}'..='\u{2fff}' => true,
        '\u{302a}'..='\u{3030}' | '\u{303d}' | '\u{3164}' | '\u{31e4}'..='\u{31ef}' => true,
        '\u{3248}'..='\u{324f}' | '\u{3297}' | '\u{3299}' | '\u{4dc0}'..='\u{4dff}' => true,
        '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' => true,
        '\u{10d60}'..='\u{10eff}' | '\u{13430}'..='\u{1345f}' | '\u{16100}'..='\u{161ff}' => true,
        '\u{16f50}'..='\u{16fff}' | '\u{187f8}'..='\u{1afff}' | '\u{1d100}'..='\u{1d37f}' => true,
        '\u{1e000}'..='\u{1efff}' | '\u{1f000}'..='\u{1ffff}' | '\u{e0000}'..='\u{e0fff}' => true,
        _ => is_shaped(c),
    }
}

/// Whether it is of a script whose letters are drawn together: of India, Tibet and South-East Asia, and the letters that
/// Hangul syllables are made of. A terminal may give a word of it fewer columns than there are.
pub(crate) const fn is_shaped(c: char) -> bool {
    matches!(c, '\u{900}'..='\u{dff}' | '\u{f00}'..='\u{109f}' | '\u{1100}'..='\u{11ff}' | '\u{1700}'..='\u{18af}'
        | '\u{1900}'..='\u{1cff}' | '\u{a800}'..='\u{abff}' | '\u{d7b0}'..='\u{d7ff}' | '\u{11000}'..='\u{11fff}')
}

/// Whether it is half of a flag.
pub(crate) const fn is_flag(c: char) -> bool {
    matches!(c, '\u{1f1e6}'..='\u{1f1ff}')
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

    #[test]
    fn the_witnesses_are_believed() {
        // glibc 2.36, by a C program that calls wcwidth in C.UTF-8.
        for (text, columns) in [
            ("আমার", 4),
            ("நான்", 3),
            ("हिन्दी", 5),
            ("☰", 1),
            ("⚠\u{fe0f}", 1),
            ("👍🏽", 4),
            ("👨\u{200d}👩\u{200d}👧", 6),
            ("🇩🇪", 2),
            ("\u{3164}", 2),
            ("e\u{301}", 1),
            ("\u{ad}", 1),
        ] {
            let counted: usize = text.chars().map(|c| usize::from(of(c))).sum();
            assert_eq!(counted, columns, "{text}");
        }
    }
}
