//! How an image is named in a descriptor: `web:1.4.2` (of the own project), `host[:port]/path:tag`, either with
//! `@sha256:...`. Reading decides by Docker's rule: the part before the first `/` is a host when it holds a dot or a colon,
//! or is `localhost`. Docker takes a part with a capital letter for one too; here that is refused, since a host is kept in
//! lower case and would read as a repository then. Whose host it is (this portal's or an outside registry's) is decided
//! where it is resolved.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::names::{ProjectName, RepositoryPath, TagName};

/// The tag that is meant where neither tag nor digest is named.
pub const DEFAULT_TAG: &str = "latest";

/// An image as a person names it. At least one of tag and digest is there (`latest` where none was written).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageReference {
    host: Option<String>,
    path: RepositoryPath,
    tag: Option<TagName>,
    digest: Option<Digest>,
}

/// Why a text names no image, with what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidReference(String);

impl ImageReference {
    /// An image of the own project by its tag.
    #[must_use]
    pub fn own(path: RepositoryPath, tag: TagName) -> Self {
        Self { host: None, path, tag: Some(tag), digest: None }
    }

    /// The registry's host and port, lower case; none: this project's repositories.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// The repository. Without a host it lies below the own project; with one, it is the whole path there.
    #[must_use]
    pub fn path(&self) -> &RepositoryPath {
        &self.path
    }

    /// The project and the repository that the path names at a registry like ours, whose first part is a project.
    #[must_use]
    pub fn project_and_repository(&self) -> Option<(ProjectName, RepositoryPath)> {
        let (project, repository) = self.path.as_str().split_once('/')?;
        Some((project.parse().ok()?, repository.parse().ok()?))
    }

    /// The tag, if one was named (or meant: `latest` where there is no digest).
    #[must_use]
    pub fn tag(&self) -> Option<&TagName> {
        self.tag.as_ref()
    }

    /// The digest, if one was named. It rules over the tag.
    #[must_use]
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// Another image of the same repository: by this tag, this digest, or both; the default tag where neither is named.
    #[must_use]
    pub fn with(&self, tag: Option<TagName>, digest: Option<Digest>) -> Self {
        let tag = match (tag, &digest) {
            (None, None) => Some(DEFAULT_TAG.parse().expect("latest is a tag")),
            (tag, _) => tag,
        };
        Self { host: self.host.clone(), path: self.path.clone(), tag, digest }
    }

    /// The same image with its content pinned.
    #[must_use]
    pub fn pinned(mut self, digest: Digest) -> Self {
        self.digest = Some(digest);
        self
    }
}

impl FromStr for ImageReference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        let shown: String = text.chars().take(80).collect();
        let wrong = |why: &str| InvalidReference(format!("{shown:?} is not an image: {why}"));
        if text.is_empty() {
            return Err(InvalidReference("name an image, like web:1.4.2".into()));
        }
        if text.len() > 512 {
            return Err(wrong("it is longer than 512 characters"));
        }
        if text.contains("://") {
            return Err(wrong("leave the protocol out, like registry.example.com/team/web:1.4.2"));
        }
        if text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(wrong("64 hexadecimal characters are an image's id; name a digest as web@sha256:..."));
        }
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest.parse::<Digest>().map_err(|error| wrong(&error.to_string()))?)),
            None => (text, None),
        };
        let (name, tag) = match name.rsplit_once(':') {
            // A colon before the last slash belongs to the host's port.
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag.parse::<TagName>().map_err(|error| wrong(&error.to_string()))?)),
            _ => (name, None),
        };
        let (host, path) = match name.split_once('/') {
            Some((first, rest)) if is_host(first) => {
                (Some(host(first).ok_or_else(|| wrong("its host is not a host name with an optional port"))?), rest)
            }
            Some((first, _)) if first.bytes().any(|b| b.is_ascii_uppercase()) => {
                return Err(wrong("a repository is written in lower case, like team/web, and a host with a dot or a port"));
            }
            _ => (None, name),
        };
        let path = path.parse::<RepositoryPath>().map_err(|error| wrong(&error.to_string()))?;
        let tag = match (&tag, &digest) {
            (None, None) => Some(DEFAULT_TAG.parse().expect("latest is a tag")),
            _ => tag,
        };
        Ok(Self { host, path, tag, digest })
    }
}

fn is_host(part: &str) -> bool {
    part.eq_ignore_ascii_case("localhost") || part.contains(['.', ':'])
}

/// The host in lower case, when it is a name or address with an optional port.
fn host(text: &str) -> Option<String> {
    let (name, port) = if let Some(bracketed) = text.strip_prefix('[') {
        let (address, rest) = bracketed.split_once(']')?;
        address.parse::<std::net::Ipv6Addr>().ok()?;
        if !rest.is_empty() && !rest.starts_with(':') {
            return None;
        }
        (None, rest.strip_prefix(':'))
    } else {
        match text.split_once(':') {
            Some((name, port)) => (Some(name), Some(port)),
            None => (Some(text), None),
        }
    };
    let port_fine = port.is_none_or(|port| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0));
    let name_fine = name.is_none_or(|name| name.split('.').all(label));
    (name_fine && port_fine && text.len() <= 255).then(|| text.to_ascii_lowercase())
}

fn label(label: &str) -> bool {
    let inner = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    inner && !label.is_empty() && label.len() <= 63 && !label.starts_with('-') && !label.ends_with('-')
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(host) = &self.host {
            write!(f, "{host}/")?;
        }
        write!(f, "{}", self.path)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl TryFrom<String> for ImageReference {
    type Error = InvalidReference;

    fn try_from(text: String) -> Result<Self, InvalidReference> {
        text.parse()
    }
}

impl From<ImageReference> for String {
    fn from(image: ImageReference) -> Self {
        image.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(text: &str) -> (Option<String>, String, Option<String>, bool) {
        let image: ImageReference = text.parse().expect(text);
        (image.host.clone(), image.path.to_string(), image.tag.as_ref().map(ToString::to_string), image.digest.is_some())
    }

    #[test]
    fn the_first_part_is_a_host_when_it_looks_like_one() {
        assert_eq!(parts("web:1.4.2"), (None, "web".into(), Some("1.4.2".into()), false));
        assert_eq!(parts("team/web"), (None, "team/web".into(), Some("latest".into()), false));
        assert_eq!(parts("localhost/shop/web"), (Some("localhost".into()), "shop/web".into(), Some("latest".into()), false));
        assert_eq!(parts("LOCALHOST/web").0, Some("localhost".into()));
        assert_eq!(parts("127.0.0.1:3000/shop/web:1"), (Some("127.0.0.1:3000".into()), "shop/web".into(), Some("1".into()), false));
        assert_eq!(parts("Docker.IO/library/nginx"), (Some("docker.io".into()), "library/nginx".into(), Some("latest".into()), false));
        let digest = format!("sha256:{}", "a".repeat(64));
        assert_eq!(parts(&format!("[::1]:5000/x/y@{digest}")), (Some("[::1]:5000".into()), "x/y".into(), None, true));
        assert_eq!(parts(&format!("web:1@{digest}")), (None, "web".into(), Some("1".into()), true));
    }

    #[test]
    fn what_is_wrong_is_told() {
        let message = |text: &str| text.parse::<ImageReference>().expect_err(text).to_string();
        assert!(message("").contains("web:1.4.2"));
        assert!(message("https://example.com/web").contains("leave the protocol out"));
        assert!(message("Web").contains("did you mean \"web\"?"));
        assert!(message("Team/web").contains("lower case, like team/web"));
        assert!(message("web@sha256:12").contains("hexadecimal"));
        assert!(message(&"0".repeat(64)).contains("image's id"));
        let wrong = [
            "a b",
            "../web",
            "ex ample.com/web",
            "host.com:99999/web",
            "host.com:0/web",
            "host.com:/web",
            "-h.com/web",
            "web:",
            "web:a:b",
            "[::zz]:1/a",
            "[::1]5/a",
            "host.com/",
            "a..com/web",
        ];
        for text in wrong {
            assert!(text.parse::<ImageReference>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(text in "([a-z]{1,3}\\.[a-z]{2}(:[1-9][0-9]{0,3})?/)?[a-z0-9]{1,5}(/[a-z0-9]{1,5}){0,2}(:[a-zA-Z0-9_]{1,8})?") {
            let image: ImageReference = text.parse().expect("a reference");
            prop_assert_eq!(image.to_string().parse::<ImageReference>(), Ok(image));
        }

        #[test]
        fn junk_does_not_panic(text in "\\PC{0,80}|[a-zA-Z0-9:/@.\\[\\]-]{0,40}") {
            if let Ok(image) = text.parse::<ImageReference>() {
                prop_assert_eq!(image.to_string().parse::<ImageReference>(), Ok(image));
            }
        }
    }
}
