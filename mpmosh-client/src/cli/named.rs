//! Names and ids of sessions.

use crate::text::sanitize::one_line;

/// The longest name.
const LONGEST: usize = 32;

/// Whether a session can be called so: letters, digits, `.`, `_` and `-`, no hyphen first, since that begins an option. Ids
/// are such words as well.
///
/// # Errors
/// A sentence without its end that says what is wrong.
pub fn check(name: &str) -> Result<(), String> {
    let shown = one_line(name, LONGEST);
    if name.is_empty() {
        return Err("the name of a session is empty".into());
    }
    if name.chars().count() > LONGEST {
        return Err(format!("the name “{shown}” is longer than {LONGEST} characters"));
    }
    if name.starts_with('-') {
        return Err(format!("the name “{shown}” begins with “-”, as options do"));
    }
    match name.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))) {
        Some(c) if c.is_control() => Err(format!("the name “{shown}” holds a control character")),
        Some(_) => Err(format!("the name “{shown}” holds more than letters, digits, “.”, “_” and “-”")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_words_of_at_most_32_characters() {
        for good in ["work", "kq3f8a", "a.b_c-d", ".x", &"x".repeat(32)] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("", "empty"),
            ("-x", "begins with"),
            ("a b", "holds more than"),
            ("é", "holds more than"),
            ("a\u{1b}[2J", "control character"),
            ("a\n", "control character"),
            (&"x".repeat(33), "longer than 32"),
            (&"é".repeat(3000), "longer than 32"),
        ] {
            let told = check(bad).unwrap_err();
            assert!(told.contains(why) && !told.contains('\u{1b}') && told.len() < 200, "{told}");
        }
    }
}
