//! How near a word is to another one that may have been meant.

use crate::limits::WORD_LETTERS_MAX;

/// How many slips lead from one word to the other: a letter too many, too few, wrong, or two
/// neighbours the wrong way round. `None`: more than `max`, or a word is longer than [`WORD_LETTERS_MAX`] letters.
/// Takes the product of both lengths in steps at most, and no heap: strangers choose one of the words.
pub fn slips(one: &str, other: &str, max: usize) -> Option<usize> {
    let (mut letters, mut others) = (['\0'; WORD_LETTERS_MAX], ['\0'; WORD_LETTERS_MAX]);
    let (one, other) = (letters_of(one, &mut letters)?, letters_of(other, &mut others)?);
    if one.len().abs_diff(other.len()) > max {
        return None;
    }
    // `row[j]` leads from the first `i` letters to the first `j` of the other; two rows before it are kept.
    let mut before = [0; WORD_LETTERS_MAX + 1];
    let mut last: [usize; WORD_LETTERS_MAX + 1] = std::array::from_fn(|j| j);
    for i in 1..=one.len() {
        let mut row = [i; WORD_LETTERS_MAX + 1];
        for j in 1..=other.len() {
            let wrong = usize::from(one[i - 1] != other[j - 1]);
            row[j] = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + wrong);
            if i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        // Each way on leads through this row or, by a pair of neighbours, through the one before.
        let is_near = |row: &[usize]| row[..=other.len()].iter().any(|slips| *slips <= max);
        if !is_near(&row) && !is_near(&last) {
            return None;
        }
        (before, last) = (last, row);
    }
    Some(last[other.len()]).filter(|slips| *slips <= max)
}

/// The letters of a word, in this place; `None`: there are too many.
fn letters_of<'a>(word: &str, place: &'a mut [char; WORD_LETTERS_MAX]) -> Option<&'a [char]> {
    let mut len = 0;
    for letter in word.chars() {
        *place.get_mut(len)? = letter;
        len += 1;
    }
    Some(&place[..len])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_counted() {
        for (one, other, count) in [
            ("grace", "grace", 0),
            ("gracee", "grace", 1),
            ("garce", "grace", 1),
            ("", "in", 2),
            ("log", "lag", 1),
        ] {
            let found = |max| (slips(one, other, max), slips(other, one, max));
            assert_eq!(found(count), (Some(count), Some(count)), "{one} {other}");
            assert_eq!(found(9), (Some(count), Some(count)), "{one} {other}");
            if count > 0 {
                assert_eq!(found(count - 1), (None, None), "{one} {other}");
            }
        }
    }

    #[test]
    fn a_word_too_long_is_near_to_none() {
        let long = |len| "x".repeat(len);
        let max = WORD_LETTERS_MAX;
        assert_eq!(slips(&long(max), &long(max - 1), 1), Some(1));
        assert_eq!(slips(&long(max + 1), &long(max), 1), None);
        assert_eq!(slips(&"ä".repeat(max), &"ä".repeat(max), 0), Some(0), "letters are counted, not bytes");
    }
}
