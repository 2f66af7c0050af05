//! Patterns as ssh's files and ours have them.

/// Whether `text` is matched by a pattern in which `*` stands for any characters and `?` for one.
#[must_use]
pub fn wildcard(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // Where to go on when a later character does not fit: behind the last star, one character further.
    let mut again = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                again = Some((p + 1, t));
                p += 1;
            }
            Some(&c) if c == b'?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match again {
                Some((star, from)) => {
                    p = star;
                    t = from + 1;
                    again = Some((star, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_star_stands_for_anything(head in "[a-c]{0,5}", middle in "[a-c]{0,5}", tail in "[a-c]{0,5}") {
            let pattern = format!("{head}*{tail}");
            let text = format!("{head}{middle}{tail}");
            prop_assert!(wildcard(&pattern, &text));
        }
    }
}
