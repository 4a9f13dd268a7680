//! Paths below `/v2/`. A repository's name contains slashes, so a path is read from its end, by rules and not by routes.
//! Pure; never looks anything up. Each segment is percent-decoded once, and a name that is not of the grammar is told apart
//! from a path that is no endpoint.

use std::fmt;

use model::digest::{Digest, InvalidDigest};
use model::ids::UploadId;
use model::names::{InvalidName, ProjectName, RepositoryPath};

/// Longest path that is looked at, in bytes.
const PATH_MAX: usize = 1024;

/// A repository's whole name: `<project>/<path>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name {
    /// The project.
    pub project: ProjectName,
    /// The repository below it.
    pub repository: RepositoryPath,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.project, self.repository)
    }
}

/// Why a text is no repository's name here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrongName {
    /// One part only. It follows the OCI grammar, so nothing is malformed; there just cannot be such a repository.
    #[error("no repository {0:?}: names here are <project>/<repository>")]
    NoProject(String),
    /// It follows the OCI grammar, but its first part is no project's name.
    #[error("no repository {name:?}: {cause}")]
    Unusable {
        /// The whole name.
        name: String,
        /// Why there is no such project.
        cause: InvalidName,
    },
    /// Against the grammar.
    #[error("{0}")]
    Invalid(#[from] InvalidName),
}

impl std::str::FromStr for Name {
    type Err = WrongName;

    fn from_str(text: &str) -> Result<Self, WrongName> {
        let Some((project, repository)) = text.split_once('/') else {
            let alone = text.parse::<RepositoryPath>()?;
            return Err(WrongName::NoProject(alone.to_string()));
        };
        let repository = repository.parse()?;
        // A project's name is a narrower thing than what the specification lets a name begin with.
        let project = project.parse().map_err(|cause| match text.parse::<RepositoryPath>() {
            Ok(name) => WrongName::Unusable { name: name.to_string(), cause },
            Err(_) => WrongName::Invalid(cause),
        })?;
        Ok(Self { project, repository })
    }
}

/// What a path means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// `/v2/`: is this a registry, and am I signed in?
    Base,
    /// `/v2/_catalog`
    Catalog,
    /// `/v2/<name>/tags/list`
    Tags(Name),
    /// `/v2/<name>/manifests/<reference>`; the reference as it was written, because a wrong one is simply unknown to a
    /// reader and an error to a writer.
    Manifest(Name, String),
    /// `/v2/<name>/blobs/<digest>`
    Blob(Name, Digest),
    /// `/v2/<name>/blobs/uploads/`
    Uploads(Name),
    /// `/v2/<name>/blobs/uploads/<id>`; none: not an id that was ever given out.
    Upload(Name, Option<UploadId>),
    /// `/v2/<name>/referrers/<digest>`
    Referrers(Name, Digest),
}

/// Why a path means nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrongPath {
    /// It has the shape of no endpoint.
    #[error("there is no such endpoint; paths are /v2/<project>/<repository>/(manifests|blobs|tags|referrers)/...")]
    NoEndpoint,
    /// Its repository cannot be.
    #[error("{0}")]
    Name(#[from] WrongName),
    /// Its digest is malformed.
    #[error("{0}")]
    Digest(#[from] InvalidDigest),
}

impl Target {
    /// The target of a request's path, which begins with `/v2`.
    ///
    /// # Errors
    /// Tells whether no endpoint, no name or no digest is there.
    pub fn parse(path: &str) -> Result<Self, WrongPath> {
        let rest = path.strip_prefix("/v2").ok_or(WrongPath::NoEndpoint)?;
        if rest.is_empty() || rest == "/" {
            return Ok(Self::Base);
        }
        let rest = rest.strip_prefix('/').filter(|_| path.len() <= PATH_MAX).ok_or(WrongPath::NoEndpoint)?;
        let segments = rest.split('/').map(decode).collect::<Option<Vec<String>>>().ok_or(WrongPath::NoEndpoint)?;
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match segments.as_slice() {
            ["_catalog"] => Ok(Self::Catalog),
            // An upload before all else: its id is the only last segment that may look like anything.
            [name @ .., "blobs", "uploads", ""] => Ok(Self::Uploads(joined(name)?)),
            [name @ .., "blobs", "uploads", id] => Ok(Self::Upload(joined(name)?, id.parse().ok())),
            [name @ .., "blobs", "uploads"] => Ok(Self::Uploads(joined(name)?)),
            [name @ .., "tags", "list"] => Ok(Self::Tags(joined(name)?)),
            [name @ .., "manifests", reference] => Ok(Self::Manifest(joined(name)?, (*reference).to_owned())),
            [name @ .., "blobs", digest] => Ok(Self::Blob(joined(name)?, digest.parse()?)),
            [name @ .., "referrers", digest] => Ok(Self::Referrers(joined(name)?, digest.parse()?)),
            _ => Err(WrongPath::NoEndpoint),
        }
    }

    /// The repository that it is about.
    #[must_use]
    pub fn name(&self) -> Option<&Name> {
        match self {
            Self::Base | Self::Catalog => None,
            Self::Tags(name)
            | Self::Manifest(name, _)
            | Self::Blob(name, _)
            | Self::Uploads(name)
            | Self::Upload(name, _)
            | Self::Referrers(name, _) => Some(name),
        }
    }
}

fn joined(segments: &[&str]) -> Result<Name, WrongPath> {
    if segments.is_empty() {
        return Err(WrongPath::NoEndpoint);
    }
    // A decoded slash would move the border between two parts: not a segment of any name.
    if segments.iter().any(|segment| segment.contains('/')) {
        return Err(WrongPath::NoEndpoint);
    }
    Ok(segments.join("/").parse::<Name>()?)
}

/// Percent-decoding, once. None: an escape is cut short or the bytes are no text.
fn decode(segment: &str) -> Option<String> {
    if !segment.contains('%') {
        return Some(segment.to_owned());
    }
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first != b'%' {
            bytes.push(first);
            rest = after;
            continue;
        }
        let pair = std::str::from_utf8(after.get(..2)?).ok()?;
        if !pair.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        bytes.push(u8::from_str_radix(pair, 16).ok()?);
        rest = &after[2..];
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests;
