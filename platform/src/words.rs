//! What the system says, for a person.

use std::io;

/// A text without the system's numbers for its errors: words are enough for a person, and a number is no word.
#[must_use]
pub fn without_numbers(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(" (os error ") {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        let Some(end) = after.find(')') else { return out + after };
        rest = &after[end + 1..];
    }
    out + rest
}

/// What the system says of a failure, without the number that the standard library puts behind it.
#[must_use]
pub fn words(error: &io::Error) -> String {
    let text = error.to_string();
    match error.raw_os_error().map(|code| format!(" (os error {code})")) {
        Some(number) => text.replace(&number, ""),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_words_come_without_its_number() {
        assert_eq!(words(&io::Error::from_raw_os_error(libc::EACCES)), "Permission denied");
        assert_eq!(words(&io::Error::other("words (os error 7)")), "words (os error 7)");
    }

    #[test]
    fn numbers_of_errors_go_and_all_else_stays() {
        let error = io::Error::from_raw_os_error(1);
        assert_eq!(
            without_numbers(&format!("a: {error}; b: {error}.")),
            "a: Operation not permitted; b: Operation not permitted."
        );
        assert_eq!(without_numbers("a (os error"), "a (os error");
        assert_eq!(without_numbers("a (os error 1"), "a (os error 1");
    }
}
