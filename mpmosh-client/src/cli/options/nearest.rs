//! Words that were nearly right.

/// The right word that is few slips away from `word`, if any is.
pub(crate) fn nearest<'a>(word: &str, right: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let word = word.to_lowercase().replace('_', "-");
    right
        .into_iter()
        .map(|candidate| (slips(&word, candidate), candidate))
        .filter(|(slips, candidate)| *slips <= 1 + candidate.len() / 4)
        .min()
        .map(|(_, candidate)| candidate.to_owned())
}

/// Edit distance (insert, delete, replace).
pub(crate) fn slips(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
