//! Views of what would happen: of a deploy, step by step, and of cloning services into another environment.

use serde::{Deserialize, Serialize};

use crate::descriptor::{Change, UpdateOrder};
use crate::digest::Digest;
use crate::ids::TaskId;
use crate::names::{EnvironmentName, ServiceName};
use crate::problem::FieldError;
use crate::views::configs::ConfigurationOf;
use crate::views::environments::FreezeView;
use crate::views::quotas::Taking;
use crate::words::words;

words! {
    /// What a step of a rollout does.
    PlanAct,
    /// Tasks are made; they serve before the next step.
    Make = "make",
    /// Tasks end; they are gone before the next step.
    End = "end",
}

/// A task in a step of a rollout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanTask {
    /// Its place among the service's tasks, from 1.
    pub slot: u32,
    /// Which, where it lives already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// Number of the revision that it was made from, where it lives already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
}

/// A step of a rollout: what is done at the same time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanStep {
    /// What is done.
    #[serde(rename = "do")]
    pub act: PlanAct,
    /// To which tasks.
    pub tasks: Vec<PlanTask>,
}

/// What a deploy would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanView {
    /// Where.
    pub environment: EnvironmentName,
    /// The image as it was named.
    pub image: String,
    /// The content that it would be pinned to; none: an image of an outside registry, pinned when it is fetched.
    pub digest: Option<Digest>,
    /// Number of the revision that should run now.
    pub current: Option<i64>,
    /// Field by field; for a first deploy empty.
    pub changes: Vec<Change>,
    /// Which comes first when a task is replaced.
    pub order: UpdateOrder,
    /// Tasks that would be made.
    pub creates: u32,
    /// Tasks that would end.
    pub ends: u32,
    /// In which order, one step after the other, if all goes well.
    #[serde(default)]
    pub steps: Vec<PlanStep>,
    /// Tasks that the service would have afterwards.
    #[serde(default)]
    pub tasks: u32,
    /// Tasks that it would have at the same time at most, while one takes another's place.
    #[serde(default)]
    pub at_most: u32,
    /// A job: tasks that each of its runs makes, which end by themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub each_run: Option<u32>,
    /// Whether nothing would change.
    pub unchanged: bool,
    /// What it takes of the project's limits; empty where there are none.
    #[serde(default)]
    pub takes: Vec<Taking>,
    /// What to know before: `the service is stopped; a deploy starts it`.
    pub notes: Vec<String>,
    /// The configuration that would be used.
    #[serde(default)]
    pub configuration: ConfigurationOf,
    /// The environment is frozen: only an operator brings something there, with a reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen: Option<FreezeView>,
    /// What waits for an approval: whether somebody else than who asked for it must give it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub second_person: bool,
    /// What waits for an approval: whether it is the reader who cannot give it, who asked for it or is behind the robot or hook that did.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub own: bool,
    /// What waits for an approval: what was the newest when it was asked for and is not any more, from what waits to what is the newest now. It is
    /// not approved any more, but asked for again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed_since: Vec<Change>,
}

/// What cloning services from one environment into another would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClonePlan {
    /// From where.
    pub from: EnvironmentName,
    /// Where to.
    pub to: EnvironmentName,
    /// Service by service.
    pub services: Vec<CloneOf>,
    /// Services that are left out where none is named.
    pub left_out: Vec<LeftOut>,
}

impl ClonePlan {
    /// Whether all of it can be done.
    #[must_use]
    pub fn ready(&self) -> bool {
        !self.services.is_empty() && self.services.iter().all(|one| one.problems.is_empty())
    }
}

/// What cloning one service would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloneOf {
    /// The service.
    pub service: ServiceName,
    /// Number of the revision that runs where it comes from.
    pub revision: i64,
    /// Its image as it was named. The same content runs.
    pub image: String,
    /// What would change where it goes to; none: it cannot be cloned.
    pub plan: Option<PlanView>,
    /// Why it cannot be cloned: secrets that are missing there, taken ports.
    pub problems: Vec<FieldError>,
    /// What its tasks would get of the configuration that they do not get where it comes from, and the other way round.
    pub differs: Vec<Change>,
}

/// A service that is not cloned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// The service.
    pub service: ServiceName,
    /// Why.
    pub why: String,
}

/// Between which environments services of a project can be cloned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClonePlaces {
    /// Where something of the project may run.
    pub from: Vec<EnvironmentName>,
    /// Where it can be deployed.
    pub to: Vec<EnvironmentName>,
}
