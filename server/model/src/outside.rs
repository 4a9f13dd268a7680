//! Outside registries by name: how `nginx`, `quay.io/team/app:1.2` and their like are read, and which hosts and addresses may be
//! spoken to at all. Pure: nothing here resolves a name or opens a connection.
//!
//! Docker Hub has several names; it is kept under one, `docker.io`, and spoken to at `registry-1.docker.io`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::image::{DEFAULT_TAG, ImageReference};
use crate::names::{RepositoryPath, TagName};
use crate::reference::Reference;

mod allow;
mod platforms;
mod ranges;

pub use allow::{AllowList, InvalidPattern, Pattern, Plan};
pub use platforms::{in_tag, is_meant, read_platform};
pub use ranges::{is_link_local, special};

/// Docker Hub, as images name it.
pub const DOCKER_HUB: &str = "docker.io";
const DOCKER_HUB_NAMES: &[&str] = &["docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com", "hub.docker.com"];
const DOCKER_HUB_REGISTRY: &str = "registry-1.docker.io";

/// A registry's host: lower case, with a port where it is not the usual one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RegistryHost(String);

/// The text is no registry's host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write the registry's host, with a port where it is not 443: registry.example.com:5000")]
pub struct InvalidHost;

impl FromStr for RegistryHost {
    type Err = InvalidHost;

    fn from_str(text: &str) -> Result<Self, InvalidHost> {
        let text = text.trim().to_ascii_lowercase();
        // Where an image's reference would see a host.
        let named = format!("{text}/x").parse::<ImageReference>().ok().and_then(|image| image.host().map(str::to_owned));
        if named.as_deref() != Some(text.as_str()) {
            return Err(InvalidHost);
        }
        Ok(Self::canonical(&text))
    }
}

impl RegistryHost {
    /// Docker Hub.
    #[must_use]
    pub fn docker_hub() -> Self {
        Self(DOCKER_HUB.to_owned())
    }

    /// The host of an image's reference, under the one name that it is kept under.
    #[must_use]
    pub fn canonical(host: &str) -> Self {
        let known = DOCKER_HUB_NAMES.contains(&host) || host.strip_suffix(":443").is_some_and(|host| DOCKER_HUB_NAMES.contains(&host));
        Self(if known { DOCKER_HUB.to_owned() } else { host.to_owned() })
    }

    /// As it is kept and shown.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Host and port as they are spoken to.
    #[must_use]
    pub fn authority(&self) -> &str {
        if self.0 == DOCKER_HUB { DOCKER_HUB_REGISTRY } else { &self.0 }
    }

    /// The host alone, without brackets, and the port, if one is named.
    #[must_use]
    pub fn host_and_port(&self) -> (&str, Option<u16>) {
        split(self.authority())
    }
}

/// `host:port`, `[address]:port` or either without the port.
fn split(authority: &str) -> (&str, Option<u16>) {
    if let Some((address, rest)) = authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (address, rest.strip_prefix(':').and_then(|port| port.parse().ok()));
    }
    match authority.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok()),
        None => (authority, None),
    }
}

impl fmt::Display for RegistryHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<RegistryHost> for String {
    fn from(host: RegistryHost) -> Self {
        host.0
    }
}

impl TryFrom<String> for RegistryHost {
    type Error = InvalidHost;

    fn try_from(text: String) -> Result<Self, InvalidHost> {
        text.parse()
    }
}

/// An image of an outside registry, as docker reads its name: without a host it is Docker Hub's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutsideImage {
    /// The registry.
    pub host: RegistryHost,
    /// The whole path there: `library/nginx`.
    pub path: RepositoryPath,
    /// The tag that was named, or meant.
    pub tag: Option<TagName>,
    /// The content that was named. It rules over the tag.
    pub digest: Option<Digest>,
}

impl OutsideImage {
    /// What is asked for at the registry.
    ///
    /// # Panics
    /// Never: one of both is there.
    #[must_use]
    pub fn reference(&self) -> Reference {
        match (self.digest, &self.tag) {
            (Some(digest), _) => Reference::Digest(digest),
            (None, Some(tag)) => Reference::Tag(tag.clone()),
            (None, None) => Reference::Tag(DEFAULT_TAG.parse().expect("latest is a tag")),
        }
    }

    /// The last part of its path: what it is called here, unless somebody says otherwise.
    #[must_use]
    pub fn short_name(&self) -> &str {
        self.path.as_str().rsplit('/').next().unwrap_or_default()
    }
}

impl FromStr for OutsideImage {
    type Err = crate::image::InvalidReference;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let image: ImageReference = text.trim().parse()?;
        let host = image.host().map_or_else(RegistryHost::docker_hub, RegistryHost::canonical);
        let official = host.as_str() == DOCKER_HUB && !image.path().as_str().contains('/');
        let path = if official {
            // One part more is still a path, unless it grows too long; then the registry has no such image either.
            format!("library/{}", image.path()).parse().unwrap_or_else(|_| image.path().clone())
        } else {
            image.path().clone()
        };
        Ok(Self { host, path, tag: image.tag().cloned(), digest: image.digest().copied() })
    }
}

impl fmt::Display for OutsideImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.path)?;
        self.tag.as_ref().map_or(Ok(()), |tag| write!(f, ":{tag}"))?;
        self.digest.as_ref().map_or(Ok(()), |digest| write!(f, "@{digest}"))
    }
}

/// A place in a project: a repository's path, with a tag or without one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The repository's path below its project.
    pub path: RepositoryPath,
    /// The tag, if one is named.
    pub tag: Option<TagName>,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.contains('@') {
            return Err("name a repository and a tag of this project, like app:1.2; the content comes from the other side".into());
        }
        let (path, tag) = match text.rsplit_once(':') {
            Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
            _ => (text, None),
        };
        let path = path.parse().map_err(|error: crate::names::InvalidName| error.to_string())?;
        let tag = tag.map(str::parse).transpose().map_err(|error: crate::names::InvalidName| error.to_string())?;
        Ok(Self { path, tag })
    }
}

#[cfg(test)]
mod tests;
