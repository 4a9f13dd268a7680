//! Views of what keeps the registry in order: collections of what nothing needs any more, and scrubs that read everything again.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::ids::RunId;
use crate::names::{ProjectName, RepositoryPath, TagName};
use crate::page::Page;
use crate::time::Millis;
use crate::words::words;

words! {
    /// What a run does.
    RunKind,
    /// Removes what nothing needs any more.
    Collect = "collect",
    /// Reads every blob again and reports those whose content is not what their digest says.
    Scrub = "scrub",
}

words! {
    /// How a run stands.
    RunState,
    /// It works, or goes on with the next start of the portal.
    Running = "running",
    /// It came to its end.
    Done = "done",
    /// It could not go on.
    Failed = "failed",
    /// Somebody stopped it.
    Cancelled = "cancelled",
}

/// Digests that a run names at most.
pub const NAMED_MAX: usize = 1000;

/// What a run has done so far, or would have done if it is a dry one. Counts are of things, sizes are bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Blobs that were there when it began.
    pub of: i64,
    /// Their bytes.
    pub of_bytes: i64,
    /// Blobs looked at so far.
    pub seen: i64,
    /// Their bytes.
    pub seen_bytes: i64,
    /// Repositories of deleted projects, and such as never got an image, that went.
    pub repositories: i64,
    /// Holds that ended: a repository had a blob that none of its images is made of.
    pub holds: i64,
    /// Blobs that went.
    pub blobs: i64,
    /// Bytes that became free with them.
    pub bytes: i64,
    /// Files that no blob is known of (a crash left them) that went.
    pub files: i64,
    /// Bytes that became free with them.
    pub file_bytes: i64,
    /// Blobs whose content is not what their digest says, or cannot be read; at most [`NAMED_MAX`] are named.
    pub damaged: Vec<Digest>,
    /// How many there are of them.
    pub damaged_count: i64,
    /// Blobs that were known as damaged and are right again.
    pub healed: i64,
}

/// A run of the registry's upkeep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunView {
    /// The run.
    pub id: RunId,
    /// What it does.
    pub kind: RunKind,
    /// Whether it only counts what it would do.
    pub dry_run: bool,
    /// How it stands.
    pub state: RunState,
    /// Who asked for it, by the name at that time, or `schedule`.
    pub asked_by: String,
    /// When it began.
    pub started_at: Millis,
    /// When it ended.
    pub ended_at: Option<Millis>,
    /// What it has done.
    pub counts: Counts,
    /// Why it failed.
    pub error: Option<String>,
}

/// When runs begin by themselves, and how gently they read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Schedule {
    /// Hours between two collections; none: only by hand.
    pub collect_hours: Option<u32>,
    /// Days between two scrubs; none: only by hand.
    pub scrub_days: Option<u32>,
    /// MiB that a scrub reads in a second at most.
    pub scrub_rate: u32,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { collect_hours: Some(24), scrub_days: Some(30), scrub_rate: 50 }
    }
}

/// A blob whose file no longer has its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DamageView {
    /// Its digest.
    pub digest: Digest,
    /// Its bytes, as they should be.
    pub size: i64,
    /// Images that are made of it, the first few.
    pub places: Vec<DamagedImage>,
}

/// An image that is made of a damaged blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DamagedImage {
    /// Its project.
    pub project: ProjectName,
    /// Its repository.
    pub repository: RepositoryPath,
    /// Its digest.
    pub digest: Digest,
    /// A tag that names it, if one does.
    pub tag: Option<TagName>,
}

/// What was deleted, or never finished, and still lies on the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingView {
    /// Its bytes.
    pub bytes: i64,
    /// From when on a collection takes all of it; none where there is nothing.
    pub from: Option<Millis>,
}

/// What the registry's disk holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorageView {
    /// Blobs.
    pub blobs: i64,
    /// Their bytes, each once, whoever shares them.
    pub bytes: i64,
    /// Bytes if each project had its own.
    pub bytes_of_projects: i64,
    /// Blobs that are told as missing because a scrub found them damaged.
    pub damaged: i64,
    /// The first of these, with where they are needed.
    #[serde(default)]
    pub damage: Vec<DamageView>,
    /// What nothing needs any more and no collection took away yet. Not counted while a run works.
    #[serde(default)]
    pub waiting: Option<WaitingView>,
    /// Bytes of all projects' kept logs, which are no blobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logs_bytes: Option<u64>,
    /// Bytes of all projects' kept recordings of shells, which are no blobs either.
    #[serde(default)]
    pub recordings_bytes: i64,
    /// Seconds for which what nothing needs is kept after its last use.
    pub kept_seconds: u64,
    /// When runs begin by themselves.
    pub schedule: Schedule,
    /// The runs, newest first.
    pub runs: Page<RunView>,
}
