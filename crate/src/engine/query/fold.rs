//! Texts compared without regard to upper and lower case, on an index that tells them apart.

use super::ranges::{beginning_with, united};
use crate::store::{Key, KeyRange};

/// First letters whose cases are spelled out as ranges: eight ranges at most, and few texts that are read in vain.
const SPELLED: usize = 3;

/// Which texts are wanted, whatever their case.
#[derive(Debug, Clone, PartialEq)]
pub struct Folded {
    /// In lower case.
    needles: Vec<String>,
    /// Whether they need only begin so.
    prefix: bool,
}

impl Folded {
    /// Texts that are one of these, or (`prefix`) begin with one.
    pub fn new(texts: &[String], prefix: bool) -> Self {
        Self { needles: texts.iter().map(|text| text.to_lowercase()).collect(), prefix }
    }

    /// Whether a key is wanted.
    pub fn accepts(&self, key: &Key) -> bool {
        let Key::Text(text) = key else { return false };
        let text = text.to_lowercase();
        self.needles.iter().any(|needle| if self.prefix { text.starts_with(needle) } else { text == *needle })
    }

    /// Ranges that hold every wanted key, and some others.
    pub fn ranges(&self) -> Vec<KeyRange> {
        united(self.needles.iter().flat_map(|needle| spellings(needle)).map(|text| beginning_with(&text)).collect())
    }
}

/// The beginning of a text in every mixture of cases, as far as each letter has one letter in the other case.
fn spellings(needle: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    for letter in needle.chars().take(SPELLED) {
        let mut upper = letter.to_uppercase();
        let (Some(capital), None) = (upper.next(), upper.next()) else { break };
        let cases = if capital == letter { vec![letter] } else { vec![capital, letter] };
        found = found.iter().flat_map(|text| cases.iter().map(move |case| format!("{text}{case}"))).collect();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_lies_in_a_range_and_is_accepted() {
        let folded = Folded::new(&["aBc".to_owned(), "straße".to_owned(), "x1".to_owned()], true);
        let ranges = folded.ranges();
        for text in ["abc", "ABCdef", "aBC", "Straße 1", "STRAßE", "X1y"] {
            let key = Key::text(text);
            assert!(ranges.iter().any(|range| range.contains(&key)) && folded.accepts(&key), "{text}");
        }
        assert!(!folded.accepts(&Key::text("ab")) && !folded.accepts(&Key::Number(1.0)));
    }

    #[test]
    fn whole_texts_are_whole() {
        let folded = Folded::new(&["ab".to_owned()], false);
        assert!(folded.accepts(&Key::text("AB")) && !folded.accepts(&Key::text("abc")));
        assert_eq!(Folded::new(&[], true).ranges(), []);
    }
}
