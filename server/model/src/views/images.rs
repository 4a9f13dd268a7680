//! Views of what the registry holds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::ids::RepositoryId;
use crate::manifest::Kind;
use crate::manifest::config::ImageConfig;
use crate::names::{ProjectName, RepositoryPath, TagName};
use crate::time::Millis;

/// A repository in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositorySummary {
    /// The repository.
    pub id: RepositoryId,
    /// Its project.
    pub project: ProjectName,
    /// Its path below the project.
    pub name: RepositoryPath,
    /// How many tags it has.
    pub tags: i64,
    /// Bytes of the blobs that it holds, each once.
    pub size: i64,
    /// How often something of it was pulled.
    pub pulls: i64,
    /// When something was last pushed to it.
    pub pushed_at: Millis,
    /// When something was last pulled from it.
    pub pulled_at: Option<Millis>,
    /// When it came to be.
    pub created_at: Millis,
}

/// A tag in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagView {
    /// Its name.
    pub name: TagName,
    /// What it names now.
    pub digest: Digest,
    /// That manifest's media type.
    pub media_type: String,
    /// What sort of document that is.
    pub kind: Kind,
    /// What sort of artifact it is, where it says so.
    pub artifact_type: Option<String>,
    /// Bytes of all that it is made of.
    pub size: i64,
    /// When the tag was last pushed.
    pub pushed_at: Millis,
    /// Who pushed it then, by the name at that time.
    pub pushed_by: String,
    /// When the manifest was last pulled.
    pub pulled_at: Option<Millis>,
    /// How often the manifest was pulled.
    pub pulls: i64,
}

/// An image (or an index, or an artifact) with all that is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageView {
    /// Its project.
    pub project: ProjectName,
    /// Its repository.
    pub repository: RepositoryPath,
    /// Its digest.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
    /// What sort of document it is.
    pub kind: Kind,
    /// What sort of artifact it is, where it says so.
    pub artifact_type: Option<String>,
    /// Bytes of all that it is made of.
    pub size: i64,
    /// The tags that name it, the first hundred by name.
    pub tags: Vec<TagName>,
    /// What it is made of, in its order.
    pub parts: Vec<PartView>,
    /// How it runs and how it came to be; for images alone.
    pub config: Option<ImageConfig>,
    /// Notes of its maker.
    pub annotations: BTreeMap<String, String>,
    /// What it is about, if it is about another manifest.
    pub subject: Option<Digest>,
    /// Signatures, bills of materials and the like that are about it, the first hundred.
    pub referrers: Vec<ReferrerView>,
    /// When it was last pushed.
    pub pushed_at: Millis,
    /// Who pushed it then, by the name at that time.
    pub pushed_by: String,
    /// When it was last pulled.
    pub pulled_at: Option<Millis>,
    /// How often it was pulled.
    pub pulls: i64,
}

/// What a manifest's part is to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// Its configuration.
    Config,
    /// A layer.
    Layer,
    /// A manifest that an index lists.
    Manifest,
}

impl Part {
    /// Every part.
    pub const ALL: [Self; 3] = [Self::Config, Self::Layer, Self::Manifest];

    /// The word that is stored and sent.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Layer => "layer",
            Self::Manifest => "manifest",
        }
    }
}

/// The text is none of the parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a part is one of config, layer, manifest")]
pub struct InvalidPart;

impl std::str::FromStr for Part {
    type Err = InvalidPart;

    fn from_str(text: &str) -> Result<Self, InvalidPart> {
        Self::ALL.into_iter().find(|part| part.as_str() == text).ok_or(InvalidPart)
    }
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One part of an image or index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartView {
    /// What it is to the manifest.
    pub part: Part,
    /// Its content.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
    /// Its bytes.
    pub size: i64,
    /// The platform that it is for, of an index's manifests: `linux/arm64`.
    pub platform: Option<String>,
}

/// Something that is about an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReferrerView {
    /// Its manifest.
    pub digest: Digest,
    /// What sort of artifact it is.
    pub artifact_type: Option<String>,
    /// Bytes of its manifest.
    pub size: i64,
}

/// The order of a list of tags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TagOrder {
    /// By name, byte by byte.
    #[default]
    Name,
    /// The last pushed first.
    Newest,
}
