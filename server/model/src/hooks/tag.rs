//! Which tag is deployed where a delivery names none: a text with places for what it says of its source.

use crate::names::TagName;
use crate::text::text_type;

/// Places that are filled in.
const PLACES: [&str; 3] = ["{commit}", "{short_commit}", "{branch}"];
/// Characters of a short commit, as git and CI write it.
const SHORT: usize = 7;

/// Why a text makes no tag, with what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidTagText(String);

text_type! {
    /// A tag with places: `sha-{short_commit}`. The places are `{commit}`, `{short_commit}` (its first seven characters) and `{branch}`.
    TagText, InvalidTagText, check
}

fn check(text: &str) -> Result<(), InvalidTagText> {
    let filled = PLACES.iter().fold(text.to_owned(), |text, place| text.replace(place, "a"));
    match filled.parse::<TagName>() {
        Ok(_) => Ok(()),
        Err(_) if filled.contains(['{', '}']) => Err(InvalidTagText(format!("the places that are filled in are {}", PLACES.join(", ")))),
        Err(error) => Err(InvalidTagText(error.to_string())),
    }
}

impl TagText {
    /// The tag for what a delivery says of its source.
    ///
    /// # Errors
    /// What it does not say, or why no tag is made of it.
    pub fn fill(&self, commit: Option<&str>, branch: Option<&str>) -> Result<TagName, String> {
        let mut text = self.as_str().to_owned();
        if text.contains("{commit}") || text.contains("{short_commit}") {
            let commit = commit.ok_or_else(|| format!("it names no commit, which the tag {self} needs"))?;
            let short: String = commit.chars().take(SHORT).collect();
            text = text.replace("{commit}", commit).replace("{short_commit}", &short);
        }
        if text.contains("{branch}") {
            let branch = branch.ok_or_else(|| format!("it names no branch, which the tag {self} needs"))?;
            // As GitLab's CI_COMMIT_REF_SLUG does: what a tag cannot hold is a hyphen.
            let slug: String = branch.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '_' | '.') { c } else { '-' }).collect();
            text = text.replace("{branch}", &slug);
        }
        text.parse::<TagName>().map_err(|error| format!("the tag {self} becomes {text:?}: {error}"))
    }
}

/// Whether a text is base64 with its padding.
pub(super) fn is_base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let padding = text.len() - body.len();
    let inner = body.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'));
    !body.is_empty() && inner && padding <= 2 && text.len().is_multiple_of(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled_with_what_the_delivery_says() {
        let text: TagText = "{branch}-{short_commit}".parse().expect("a text");
        let commit = "0451abcdef0451abcdef0451abcdef0451abcdef";
        assert_eq!(text.fill(Some(commit), Some("feature/a b")).expect("a tag").as_str(), "feature-a-b-0451abc");
        assert!(text.fill(None, Some("main")).is_err_and(|why| why.contains("no commit")));
        assert!(text.fill(Some(commit), None).is_err_and(|why| why.contains("no branch")));
        let whole: TagText = "{commit}".parse().expect("a text");
        assert_eq!(whole.fill(Some(commit), None).expect("a tag").as_str(), commit);
        assert!(whole.fill(Some("not a commit"), None).is_err(), "what makes no tag is told");
    }

    #[test]
    fn what_is_no_tag_with_its_places_filled_is_refused() {
        assert!("latest".parse::<TagText>().is_ok());
        assert!("{sha}".parse::<TagText>().is_err_and(|error| error.to_string().contains("{short_commit}")));
        for wrong in ["", "-x", "a b", "{commit", "x".repeat(200).as_str()] {
            assert!(wrong.parse::<TagText>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn base64_is_whole() {
        assert!(is_base64("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw") && is_base64("QUI=") && is_base64("QQ=="));
        assert!(!is_base64("") && !is_base64("QUI") && !is_base64("Q===") && !is_base64("*UI="));
    }
}
