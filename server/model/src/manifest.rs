//! Manifests and indexes, read (OCI image-spec 1.1 "Image Manifest", "Image Index"; docker's schema 2 alike). Only what the
//! registry and the pages need is taken out; the bytes themselves are kept elsewhere, untouched, since their digest is
//! their name. A document of an unknown type is never refused for being unknown.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

pub mod artifact;
pub mod config;
pub mod history;

/// Largest manifest that is accepted, in bytes; what the OCI distribution-spec asks registries to accept at least.
pub const MANIFEST_MAX: usize = 4 * 1024 * 1024;
/// Longest type or word of a platform that a manifest may name, in bytes: what RFC 6838, section 4.2, lets a media type have.
pub const TYPE_MAX: usize = 255;
/// Most descriptors of one manifest: layers of an image, entries of an index. Engines run images of at most 128 layers, and indexes have
/// some dozens of platforms; the rest is for artifacts of many files. Each costs a row where the registry keeps it.
pub const DESCRIPTORS_MAX: usize = 2_000;

/// Media types that are understood.
pub mod media_type {
    /// An OCI image.
    pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    /// An OCI index: images of several platforms.
    pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
    /// A docker image.
    pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    /// Docker's list of images of several platforms.
    pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    /// The configuration of an OCI image.
    pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    /// The configuration of a docker image.
    pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";

    /// Docker's first schema, with signatures in the body; nobody can pull it any more.
    pub(super) const DOCKER_SCHEMA_1: &str = "application/vnd.docker.distribution.manifest.v1+";
}

/// What sort of document a manifest is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// One image (or artifact): a configuration and layers.
    Image,
    /// A list of manifests, mostly one for each platform.
    Index,
    /// Of a media type that is not understood: kept and given back as it is.
    Other,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Image, Self::Index, Self::Other];

    /// The word that is stored and sent.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Index => "index",
            Self::Other => "other",
        }
    }
}

/// The text is none of the kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a manifest is one of image, index, other")]
pub struct InvalidKind;

impl std::str::FromStr for Kind {
    type Err = InvalidKind;

    fn from_str(text: &str) -> Result<Self, InvalidKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(InvalidKind)
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A pointer to content (image-spec 1.1, "OCI Content Descriptors").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the content is.
    pub media_type: String,
    /// Which content.
    pub digest: Digest,
    /// Its bytes.
    pub size: u64,
    /// Where else it can be had. Layers that may not be pushed have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub urls: Option<Vec<String>>,
    /// Notes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
    /// Which machines it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// What sort of artifact it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
}

impl Descriptor {
    /// Whether the registry need not hold the content: a layer of the non-distributable types that says where to get it.
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        let kind = self.media_type.starts_with("application/vnd.docker.image.rootfs.foreign.")
            || self.media_type.starts_with("application/vnd.oci.image.layer.nondistributable.");
        kind && self.urls.as_ref().is_some_and(|urls| !urls.is_empty())
    }
}

/// Which machines an image is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// `linux`, `windows`, ...
    #[serde(default)]
    pub os: String,
    /// `amd64`, `arm64`, ... in Go's words.
    #[serde(default)]
    pub architecture: String,
    /// `v7`, `v8`, ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

/// A manifest, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Its media type, without parameters.
    pub media_type: String,
    /// What sort of document it is.
    pub kind: Kind,
    /// What sort of artifact it is: its `artifactType`, or for an image its configuration's type (distribution-spec 1.1,
    /// "Listing Referrers").
    pub artifact_type: Option<String>,
    /// The configuration.
    pub config: Option<Descriptor>,
    /// The layers, lowest first.
    pub layers: Vec<Descriptor>,
    /// The manifests that an index lists.
    pub manifests: Vec<Descriptor>,
    /// The manifest that this one is about.
    pub subject: Option<Descriptor>,
    /// Notes.
    pub annotations: BTreeMap<String, String>,
}

/// Why a manifest is refused, with what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidManifest {
    /// Neither the request nor the body says what it is.
    #[error("the manifest's type is missing: send a Content-Type header such as {}", media_type::OCI_MANIFEST)]
    Untyped,
    /// The type is no media type.
    #[error("the manifest's type {0:?} is not a media type")]
    MediaType(String),
    /// Docker's first schema.
    #[error("docker's manifest schema 1 is not accepted; push with Docker 1.10 or newer")]
    Schema1,
    /// The two types differ.
    #[error("the Content-Type header says {header:?} and the manifest's mediaType says {body:?}; they must be the same")]
    Mismatch {
        /// From the header.
        header: String,
        /// From the body.
        body: String,
    },
    /// Not the JSON that the type demands.
    #[error("the manifest is not what {media_type} demands: {cause}")]
    Json {
        /// The type.
        media_type: String,
        /// Which part is wrong.
        cause: String,
    },
    /// Readable as an image and as an index: clients would disagree on what it is.
    #[error("the manifest has the fields of an image and of an index at once; it must be one of them")]
    Ambiguous,
    /// A type or platform with characters that no name of one has.
    #[error("the manifest names a type or platform with control characters in it: {0:?}")]
    Control(String),
    /// A type or platform that is longer than any name of one.
    #[error("the manifest names a type or platform of more than {TYPE_MAX} bytes: {0:?}...")]
    Long(String),
    /// More descriptors than anything real has.
    #[error("the manifest names {0} layers or manifests; at most {DESCRIPTORS_MAX} are accepted: split it into several")]
    TooMany(usize),
}

/// The JSON of images and indexes alike.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    #[serde(default)]
    schema_version: Option<u64>,
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    artifact_type: Option<String>,
    #[serde(default)]
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Option<Vec<Descriptor>>,
    #[serde(default)]
    manifests: Option<Vec<Descriptor>>,
    #[serde(default)]
    subject: Option<Descriptor>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

impl Document {
    /// Refuses more descriptors than anything real has.
    fn is_bounded(&self) -> Result<(), InvalidManifest> {
        let count = self.layers.as_ref().map_or(0, Vec::len) + self.manifests.as_ref().map_or(0, Vec::len);
        if count > DESCRIPTORS_MAX { Err(InvalidManifest::TooMany(count)) } else { Ok(()) }
    }

    /// Refuses types and platforms with control characters, and those that are longer than any: they are repeated to everybody, in lists
    /// that hold many of them.
    fn names_types(&self) -> Result<(), InvalidManifest> {
        let parts = self.config.iter().chain(self.layers.iter().flatten()).chain(self.manifests.iter().flatten()).chain(&self.subject);
        let texts = parts.flat_map(|part| {
            let platform = part
                .platform
                .iter()
                .flat_map(|platform| [Some(&platform.os), Some(&platform.architecture), platform.variant.as_ref()].into_iter().flatten());
            [Some(&part.media_type), part.artifact_type.as_ref()].into_iter().flatten().chain(platform)
        });
        for text in texts.chain(&self.artifact_type) {
            if text.len() > TYPE_MAX {
                return Err(InvalidManifest::Long(text.chars().take(80).collect()));
            }
            if text.contains(char::is_control) {
                return Err(InvalidManifest::Control(text.chars().take(80).collect()));
            }
        }
        Ok(())
    }
}

impl Manifest {
    /// Takes `body` apart. `content_type` is the request's header or the stored type, if there is one; else the body's
    /// own `mediaType` is taken.
    ///
    /// # Errors
    /// When the type is missing or contradicts the body, or a known type's document is not what its specification demands.
    pub fn parse(content_type: Option<&str>, body: &[u8]) -> Result<Self, InvalidManifest> {
        let header = content_type.map(|text| essence(text).to_owned()).filter(|text| !text.is_empty());
        let Some(media_type) = header.or_else(|| own_type(body)) else { return Err(InvalidManifest::Untyped) };
        if !is_media_type(&media_type) {
            return Err(InvalidManifest::MediaType(media_type));
        }
        if media_type.starts_with(media_type::DOCKER_SCHEMA_1) {
            return Err(InvalidManifest::Schema1);
        }
        match media_type.as_str() {
            media_type::OCI_MANIFEST | media_type::DOCKER_MANIFEST => Self::known(media_type, Kind::Image, body),
            media_type::OCI_INDEX | media_type::DOCKER_LIST => Self::known(media_type, Kind::Index, body),
            _ => Self::other(media_type, body),
        }
    }

    fn known(media_type: String, kind: Kind, body: &[u8]) -> Result<Self, InvalidManifest> {
        let wrong = |cause: String| InvalidManifest::Json { media_type: media_type.clone(), cause };
        let mut json = serde_json::Deserializer::from_slice(body);
        let document: Document = serde_path_to_error::deserialize(&mut json).map_err(|error| wrong(error.to_string()))?;
        json.end().map_err(|error| wrong(error.to_string()))?;
        if document.schema_version != Some(2) {
            return Err(wrong("schemaVersion must be 2".into()));
        }
        if let Some(body) = &document.media_type
            && *body != media_type
        {
            return Err(InvalidManifest::Mismatch { header: media_type, body: body.clone() });
        }
        let (image, index) = (document.config.is_some() || document.layers.is_some(), document.manifests.is_some());
        match kind {
            Kind::Image if index => return Err(InvalidManifest::Ambiguous),
            Kind::Image if document.config.is_none() => return Err(wrong("the field config is missing".into())),
            Kind::Image if document.layers.is_none() => return Err(wrong("the field layers is missing".into())),
            Kind::Index if image => return Err(InvalidManifest::Ambiguous),
            Kind::Index if !index => return Err(wrong("the field manifests is missing".into())),
            _ => {}
        }
        document.is_bounded()?;
        document.names_types()?;
        Ok(Self::of(media_type, kind, document))
    }

    /// A document of an unknown type: whatever can be understood of it is taken, so that what it points to is kept.
    fn other(media_type: String, body: &[u8]) -> Result<Self, InvalidManifest> {
        let understood = serde_json::from_slice::<Document>(body).ok().filter(|document| document.names_types().is_ok()).unwrap_or_default();
        understood.is_bounded()?;
        Ok(Self::of(media_type, Kind::Other, understood))
    }

    fn of(media_type: String, kind: Kind, document: Document) -> Self {
        let own = document.artifact_type.filter(|text| !text.is_empty());
        let by_config = document.config.as_ref().filter(|_| kind == Kind::Image).map(|config| config.media_type.clone());
        Self {
            media_type,
            kind,
            artifact_type: own.or(by_config),
            config: document.config,
            layers: document.layers.unwrap_or_default(),
            manifests: document.manifests.unwrap_or_default(),
            subject: document.subject,
            annotations: document.annotations.unwrap_or_default(),
        }
    }

    /// The blobs that it is made of: its configuration and its layers.
    pub fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        self.config.iter().chain(&self.layers)
    }

    /// Bytes of everything that it names, each content once (for an index: of the manifests that it lists).
    #[must_use]
    pub fn content_size(&self) -> u64 {
        let each: BTreeMap<_, _> = self.blobs().chain(&self.manifests).map(|part| (part.digest, part.size)).collect();
        each.values().fold(0, |sum, size| sum.saturating_add(*size))
    }

    /// Whether its configuration is an image's (and not an artifact's own format).
    #[must_use]
    pub fn has_image_config(&self) -> bool {
        let known = [media_type::OCI_CONFIG, media_type::DOCKER_CONFIG];
        self.kind == Kind::Image && self.config.as_ref().is_some_and(|config| known.contains(&config.media_type.as_str()))
    }
}

/// The media type without its parameters.
fn essence(text: &str) -> &str {
    text.split(';').next().unwrap_or_default().trim()
}

fn own_type(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Typed {
        #[serde(rename = "mediaType")]
        media_type: Option<String>,
    }
    serde_json::from_slice::<Typed>(body).ok()?.media_type.filter(|text| !text.is_empty())
}

/// `type/subtype` of RFC 6838, section 4.2.
fn is_media_type(text: &str) -> bool {
    let name = |part: &str| {
        (1..=127).contains(&part.len())
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
            && part.as_bytes()[0].is_ascii_alphanumeric()
    };
    text.split_once('/').is_some_and(|(kind, sub)| name(kind) && name(sub))
}

#[cfg(test)]
mod tests;
