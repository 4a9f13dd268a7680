//! Views of the configuration centre. Nothing here can hold a secret's value.

use serde::{Deserialize, Serialize};

use crate::configs::{EntryKind, Level};
use crate::names::{EnvironmentName, ProjectName, ServiceName};
use crate::time::Millis;
use crate::views::deployments::DeploymentView;
use crate::words::words;

/// Which version of a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LevelVersion {
    /// The level.
    pub level: Level,
    /// Its version; 0: nothing was ever set there.
    pub version: i64,
}

/// The configuration that something runs with: versions, by level. What they hold does not change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigurationOf {
    /// The environment whose configuration it is; none where nothing was set anywhere.
    pub environment: Option<EnvironmentName>,
    /// The levels at which something was set.
    pub versions: Vec<LevelVersion>,
}

impl std::fmt::Display for ConfigurationOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.versions.is_empty() {
            return f.write_str("none");
        }
        let environment = self.environment.as_ref().map_or("", EnvironmentName::as_str);
        let parts: Vec<String> = self.versions.iter().map(|one| format!("{} version {}", one.level.phrase(environment), one.version)).collect();
        f.write_str(&parts.join(", "))
    }
}

/// One entry as it reaches tasks at this place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryView {
    /// What sort of thing.
    pub kind: EntryKind,
    /// Its name.
    pub name: String,
    /// The level at which it stands: where it is changed.
    pub origin: Level,
    /// Farther levels that have the same name and are not heard.
    pub over: Vec<Level>,
    /// Of a variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Bytes; 0 for secrets, whose length is nobody's business.
    pub size: i64,
    /// Whether it is text.
    pub text: bool,
    /// The level's version that set it.
    pub since: i64,
    /// Who set it, by the name at that time.
    pub by: String,
    /// When.
    pub at: Millis,
}

/// A service that runs with entries of a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UseView {
    /// The service.
    pub service: ServiceName,
    /// Where.
    pub environment: EnvironmentName,
    /// Number of the revision that should run.
    pub revision: i64,
    /// Whether its tasks would get something else today: rolling it brings that.
    pub behind: bool,
    /// What it gets from this very place, as `variable LOG_LEVEL`.
    pub uses: Vec<String>,
    /// Whether it is stopped.
    pub stopped: bool,
    /// Whether nothing is changed there for now: only an operator rolls it, with a reason.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub frozen: bool,
}

/// What came of rolling all that runs with an older configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollView {
    /// The deployments that began.
    pub begun: Vec<DeploymentView>,
    /// What could not be rolled.
    pub left: Vec<NotRolled>,
}

/// A service that could not be rolled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotRolled {
    /// The service.
    pub service: ServiceName,
    /// Where.
    pub environment: EnvironmentName,
    /// Why not, for people.
    pub why: String,
}

/// The configuration of a project or service, everywhere or in one environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigView {
    /// The project.
    pub project: ProjectName,
    /// The service; none: the project's own.
    pub service: Option<ServiceName>,
    /// The environment; none: everywhere.
    pub environment: Option<EnvironmentName>,
    /// The level of this place.
    pub level: Level,
    /// The newest version of this place: what a change names that it is based on.
    pub version: i64,
    /// The newest versions of all levels that are heard here.
    pub configuration: ConfigurationOf,
    /// What is in force here, by sort and name.
    #[serde(rename = "items")]
    pub entries: Vec<EntryView>,
    /// Services that run with it.
    pub uses: Vec<UseView>,
}

/// A file with its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileView {
    /// Its name.
    pub name: String,
    /// The level at which it stands.
    pub origin: Level,
    /// The newest version of the place that was asked for.
    pub version: i64,
    /// Bytes.
    pub size: i64,
    /// The content, where it is text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// The content in Base64, where it is no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_base64: Option<String>,
}

/// A version of a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionView {
    /// Its number.
    pub number: i64,
    /// When.
    pub at: Millis,
    /// Who, by the name at that time.
    pub by: String,
    /// Why, as they said.
    pub why: String,
    /// The version that it brought back.
    pub restored: Option<i64>,
    /// Whether all that it held is still kept: whether it can be brought back.
    pub whole: bool,
}

words! {
    /// What a line of a difference is.
    LineKind,
    /// It was there before.
    Cut = "cut",
    /// It is there now.
    Add = "add",
    /// It is there in both.
    Same = "same",
}

/// A line of a difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiffLine {
    /// What it is.
    pub kind: LineKind,
    /// The line.
    pub text: String,
}

/// How one entry differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryDiff {
    /// What sort of thing.
    pub kind: EntryKind,
    /// Its name.
    pub name: String,
    /// Whether it stood there before.
    pub before: bool,
    /// Whether it stands there after.
    pub after: bool,
    /// Line by line; empty for secrets, for what is no text and for what is too long.
    pub lines: Vec<DiffLine>,
}

impl EntryDiff {
    /// What happened to it, in one word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match (self.before, self.after) {
            (false, _) => "added",
            (true, true) => "changed",
            (true, false) => "removed",
        }
    }
}

/// A version and how it differs from another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionDetail {
    /// The version.
    pub version: VersionView,
    /// The one that it is compared with.
    pub against: i64,
    /// From that one to this one.
    pub changes: Vec<EntryDiff>,
}

/// What a change made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedView {
    /// The place's newest version.
    pub version: i64,
    /// Whether anything changed: what was there already makes no version.
    pub changed: bool,
    /// Services that run with this place's entries, and whether they must be rolled to get the change.
    pub uses: Vec<UseView>,
}
