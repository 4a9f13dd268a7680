//! Views of what the registry holds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::ids::RepositoryId;
use crate::manifest::Kind;
use crate::manifest::config::ImageConfig;
use crate::names::{EnvironmentName, ProjectName, RepositoryPath, ServiceName, TagName};
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
    /// The rule by which the tag can neither be moved nor deleted, where there is one.
    #[serde(default)]
    pub immutable: Option<String>,
    /// The platforms that it is for, where that is known: of an index those of its images, each once.
    #[serde(default)]
    pub platforms: Vec<String>,
    /// Whether a signature of it lies beside it. Nobody checked whose it is.
    #[serde(default)]
    pub signed: bool,
}

/// An image (or an index, or an artifact) that no tag names, that no index lists and that is about nothing else that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UntaggedView {
    /// Its digest: the only way to it.
    pub digest: Digest,
    /// What sort of document it is.
    pub kind: Kind,
    /// What sort of artifact it is, where it says so.
    pub artifact_type: Option<String>,
    /// Bytes of all that it is made of.
    pub size: i64,
    /// When it was last pushed.
    pub pushed_at: Millis,
    /// Who pushed it then, by the name at that time.
    pub pushed_by: String,
    /// When it was last pulled.
    pub pulled_at: Option<Millis>,
    /// How often it was pulled.
    pub pulls: i64,
    /// Since when no tag names it, where one did.
    pub untagged_at: Option<Millis>,
}

/// What a repository holds, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositoryCounts {
    /// Its tags.
    pub tags: i64,
    /// Its images, indexes and artifacts, with a tag and without. Counted for who may delete them.
    pub images: i64,
    /// Places in which a service runs one of them, whoever may see it. Counted for who may delete them.
    pub runs: i64,
    /// Revisions of services that are made from them. Counted for who may delete them.
    pub revisions: i64,
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
    /// Bytes of the manifest itself.
    pub manifest_size: i64,
    /// Indexes of the repository that list it, the first hundred.
    #[serde(default)]
    pub listed_in: Vec<Digest>,
    /// Where it is used.
    #[serde(default)]
    pub uses: ImageUses,
    /// Why rules do not let it be deleted, where they don't.
    #[serde(default)]
    pub immutable: Option<String>,
    /// Of its parts those that a scrub found damaged: they are told to clients as missing until they are pushed again.
    #[serde(default)]
    pub damaged: Vec<Digest>,
}

/// Where an image is used, as its reader may see it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageUses {
    /// Where it should run or runs, the first hundred.
    pub runs: Vec<ImageRun>,
    /// In how many places more it does, in projects whose services the reader may not see.
    pub hidden_runs: i64,
    /// Revisions of services that are made from it: they can be rolled back to while it is there. Those of other projects count too.
    pub revisions: i64,
}

/// A service that runs an image in an environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageRun {
    /// The service's project.
    pub project: ProjectName,
    /// The service.
    pub service: ServiceName,
    /// Where.
    pub environment: EnvironmentName,
    /// The revision that is made from the image.
    pub revision: i64,
    /// Whether that revision should run there; else it is on its way out.
    pub wanted: bool,
    /// Its tasks that live.
    pub tasks: i64,
    /// What the revision names, where that is an index that lists the image, or an image that the index lists.
    pub through: Option<Digest>,
}

/// A manifest's text, for reading.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestText {
    /// Its beginning; nothing where it is no text.
    pub text: Option<String>,
    /// Whether that is all of it.
    pub whole: bool,
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

/// Which tags are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagQuery {
    /// In which order.
    #[serde(default)]
    pub order: TagOrder,
    /// Only those with this in their name.
    #[serde(default)]
    pub q: String,
    /// Where in the name.
    #[serde(default, rename = "match")]
    pub matching: Matching,
    /// Only those that name this.
    #[serde(default)]
    pub kind: Option<TagKind>,
}

/// Where in a name a searched text stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Matching {
    /// Anywhere.
    #[default]
    Contains,
    /// At its beginning.
    Prefix,
}

/// What a tag names, for filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TagKind {
    /// An image of one platform.
    Image,
    /// An index of images.
    Index,
    /// Anything else: a chart, a signature.
    Artifact,
}

/// The order of a list of repositories.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RepositoryOrder {
    /// By name.
    #[default]
    Name,
    /// The last pushed first.
    Pushed,
    /// The most pulled first.
    Pulls,
    /// The largest first.
    Size,
    /// The one with the most tags first.
    Tags,
}

/// Which repositories are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositoryQuery {
    /// In which order.
    #[serde(default)]
    pub order: RepositoryOrder,
    /// Only those with this in their name.
    #[serde(default)]
    pub q: String,
}

macro_rules! order_words {
    ($($type:ident { $($value:ident = $word:literal),* }),* $(,)?) => {$(
        impl $type {
            /// Every one.
            pub const ALL: &[Self] = &[$(Self::$value),*];

            /// The word in addresses.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$value => $word),* }
            }

            /// What a word in an address means; nothing where it means nothing.
            #[must_use]
            pub fn named(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == word)
            }
        }
    )*};
}

order_words! {
    TagOrder { Name = "name", Newest = "newest" },
    Matching { Contains = "contains", Prefix = "prefix" },
    TagKind { Image = "image", Index = "index", Artifact = "artifact" },
    RepositoryOrder { Name = "name", Pushed = "pushed", Pulls = "pulls", Size = "size", Tags = "tags" },
}
