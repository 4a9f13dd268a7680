//! Views of what images are built on. What belongs to a project that the reader may not see has no name in them.

use serde::{Deserialize, Serialize};

use super::images::PartView;
use crate::digest::Digest;
use crate::names::{EnvironmentName, ProjectName, RepositoryPath, ServiceName, TagName};
use crate::time::Millis;

/// An image that others stand on, by its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseView {
    /// Its project.
    pub project: ProjectName,
    /// Its repository.
    pub repository: RepositoryPath,
    /// The tag that names or named it: one that does so still, if there is one.
    pub tag: TagName,
    /// What the tag named when this image was it: the image, or an index that lists it.
    pub digest: Digest,
    /// Whether the tag names it still.
    pub current: bool,
    /// The tags that named it and have moved on since.
    pub moved: Vec<MovedTag>,
}

/// A tag that names something newer now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovedTag {
    /// The tag.
    pub tag: TagName,
    /// What it named.
    pub from: Digest,
    /// What it names now.
    pub to: Digest,
    /// When it moved on.
    pub at: Millis,
}

/// Who brought a block of layers in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Owner {
    /// An image that the reader may see.
    Image(BaseView),
    /// An image of a project that the reader may not see.
    AnotherProject,
    /// The image itself.
    Itself,
}

/// Layers that one owner brought in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// The owner.
    #[serde(flatten)]
    pub owner: Owner,
    /// What the block is in the stack.
    pub level: Level,
    /// The layers, lowest first.
    pub layers: Vec<PartView>,
    /// Their bytes.
    pub size: i64,
}

/// What a block is in a stack: the words in which teams talk of their layered images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// What everything stands on.
    Base,
    /// What brings a language or tools.
    Runtime,
    /// What holds applications: a server, a framework.
    Container,
    /// The image itself, on what it stands on.
    Application,
    /// The image itself, where it stands on nothing: it may be a base as well as an application.
    Image,
}

impl Level {
    /// The level of block `at` (0 is the lowest) of `blocks`.
    #[must_use]
    pub fn of(at: usize, blocks: usize) -> Self {
        match at {
            0 if blocks == 1 => Self::Image,
            _ if at + 1 >= blocks => Self::Application,
            0 => Self::Base,
            1 => Self::Runtime,
            _ => Self::Container,
        }
    }

    /// The word for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Base => "Base",
            Self::Runtime => "Runtime",
            Self::Container => "Container",
            Self::Application => "Application",
            Self::Image => "Image",
        }
    }
}

/// The stack of one image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackView {
    /// The image.
    pub digest: Digest,
    /// Its platform, where it says so.
    pub platform: Option<String>,
    /// Bytes of its layers.
    pub size: i64,
    /// The blocks, lowest first; the last is the image's own, and may have no layers.
    pub blocks: Vec<Block>,
}

impl StackView {
    /// Bytes that other images brought in.
    #[must_use]
    pub fn inherited(&self) -> i64 {
        self.blocks.iter().filter(|block| block.owner != Owner::Itself).fold(0, |sum, block| sum.saturating_add(block.size))
    }
}

/// What an image stands on and what stands on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageLineage {
    /// Its stack; for an index one for each of its images, the first of them.
    pub stacks: Vec<StackView>,
    /// Tags that name an image built on this one, the newest first.
    pub children: Vec<ChildView>,
    /// Whether there are more than these.
    pub more_children: bool,
    /// Whether layers of some image here are still being looked at.
    pub unfinished: bool,
}

/// An image that is built on another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildView {
    /// Its project.
    pub project: ProjectName,
    /// Its repository.
    pub repository: RepositoryPath,
    /// A tag that names it.
    pub tag: TagName,
    /// What the tag names.
    pub digest: Digest,
    /// Since when.
    pub since: Millis,
}

/// What a project's images are built on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectLineage {
    /// The tree, each node before what is built on it.
    pub nodes: Vec<NodeView>,
    /// Services that run on a base whose tag has moved on. Empty for who may not see services.
    pub outdated: Vec<OutdatedService>,
    /// What the repositories share, by name.
    pub shares: Vec<ShareView>,
    /// Whether there are more repositories than these.
    pub more: bool,
    /// Whether layers of some image here are still being looked at.
    pub unfinished: bool,
}

/// A repository in the tree of bases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeView {
    /// How deep it stands: 0 stands on nothing that is known.
    pub depth: usize,
    /// The repository and the image that stands for it; none: another project's.
    pub image: Option<NodeImage>,
    /// Bytes of its layers; 0 where they are not known.
    pub size: i64,
    /// Bytes that its bases brought in.
    pub inherited: i64,
    /// Of what it stands on: the images whose tags have moved on.
    pub outdated: Vec<BaseView>,
    /// Services of this project that run an image of it.
    pub services: i64,
}

/// The image that stands for a repository: of this project's its newest tag's, of others' the one that is built on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeImage {
    /// Its project.
    pub project: ProjectName,
    /// Its repository.
    pub repository: RepositoryPath,
    /// The tag.
    pub tag: TagName,
    /// Whether it is of the project that was asked for.
    pub own: bool,
}

/// A service whose image stands on something that a tag no longer names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutdatedService {
    /// The service, of the project that was asked for.
    pub service: ServiceName,
    /// Where it runs.
    pub environment: EnvironmentName,
    /// What runs, as it was named.
    pub image: String,
    /// Its revision.
    pub revision: i64,
    /// What it stands on.
    pub base: BaseView,
}

/// What a repository shares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareView {
    /// The repository.
    pub repository: RepositoryPath,
    /// Bytes of the blobs that it holds, each once.
    pub size: i64,
    /// Bytes of those of them that other repositories, which the reader may see, hold as well.
    pub shared: i64,
}

#[cfg(test)]
mod tests {
    use super::Level;

    #[test]
    fn levels_have_the_words_of_layered_images() {
        let words = |blocks: usize| (0..blocks).map(|at| Level::of(at, blocks).name()).collect::<Vec<_>>();
        assert_eq!(words(1), ["Image"]);
        assert_eq!(words(2), ["Base", "Application"]);
        assert_eq!(words(4), ["Base", "Runtime", "Container", "Application"]);
    }
}
