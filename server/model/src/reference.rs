//! How an image is named inside its repository: by a tag or by a digest (distribution-spec 1.1, "Pulling manifests"). The
//! name of an image with its repository is `image::ImageReference`.

use std::fmt;
use std::str::FromStr;

use crate::digest::{Digest, InvalidDigest};
use crate::image::ImageReference;
use crate::names::{InvalidName, TagName};

/// One image of a repository: by a tag, which may move, or by a digest, which cannot.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reference {
    /// What the tag names at the moment.
    Tag(TagName),
    /// Exactly this content.
    Digest(Digest),
}

/// Why a text is neither tag nor digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReference {
    /// It has no colon, so it was meant as a tag.
    #[error("{0}")]
    Tag(#[from] InvalidName),
    /// It has a colon, so it was meant as a digest.
    #[error("{0}")]
    Digest(#[from] InvalidDigest),
}

impl From<&ImageReference> for Reference {
    /// What to ask the repository for: the digest if there is one, else the tag.
    fn from(image: &ImageReference) -> Self {
        match (image.digest(), image.tag()) {
            (Some(digest), _) => Self::Digest(*digest),
            (None, Some(tag)) => Self::Tag(tag.clone()),
            (None, None) => Self::Tag(crate::image::DEFAULT_TAG.parse().expect("latest is a tag")),
        }
    }
}

impl FromStr for Reference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        // A tag cannot hold a colon and a digest always does.
        if text.contains(':') { Ok(Self::Digest(text.parse()?)) } else { Ok(Self::Tag(text.parse()?)) }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => tag.fmt(f),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_colon_decides() {
        let digest = format!("sha256:{}", "a".repeat(64));
        assert!(matches!(digest.parse(), Ok(Reference::Digest(_))));
        assert!(matches!("1.4.2".parse(), Ok(Reference::Tag(_))));
        assert!(matches!("sha256:12".parse::<Reference>(), Err(InvalidReference::Digest(_))));
        assert!(matches!("..".parse::<Reference>(), Err(InvalidReference::Tag(_))));
    }

    #[test]
    fn of_tag_and_digest_the_digest_rules() {
        let reference = |text: &str| Reference::from(&text.parse::<ImageReference>().expect("an image")).to_string();
        let digest = format!("sha256:{}", "a".repeat(64));
        assert_eq!(reference("web"), "latest");
        assert_eq!(reference("web:2"), "2");
        assert_eq!(reference(&format!("web:2@{digest}")), digest);
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_itself(text in "\\PC{0,80}|[a-zA-Z0-9.:_-]{0,60}") {
            if let Ok(reference) = text.parse::<Reference>() {
                prop_assert_eq!(reference.to_string(), text);
            }
        }
    }
}
