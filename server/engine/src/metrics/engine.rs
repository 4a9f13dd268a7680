//! What an engine says of itself: how many containers, images and volumes it has, and what they take on its disk. It is asked beside the turns, and what
//! it said last is told until it says something else or is away for long.

use std::collections::BTreeMap;
use std::time::Duration;

use ::metrics::{Metric, Value};
use domain::machines::Machine;
use domain::{Worker, usage};
use model::ids::ProjectId;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::still_standing;
use crate::docker::{Docker, Overview, ProjectVolume, Result, Space};

/// How often it is asked about itself: it looks many things up for that.
const OVERVIEW: Duration = Duration::from_secs(30);
/// How often it is asked about its disk: it looks at every file of every volume for that.
const SPACE: Duration = Duration::from_secs(600);
/// When it is first asked about its disk: not while all else begins.
const FIRST: Duration = Duration::from_secs(60);
/// What it said is told for so long if it says nothing new.
const OLD: Duration = Duration::from_secs(120);
/// The same of its disk.
const OLD_SPACE: Duration = Duration::from_secs(1800);

/// One engine.
#[derive(Debug)]
pub(crate) struct Engine {
    asked: JoinSet<Answer>,
    overview: Option<(Instant, Overview)>,
    space: Option<(Instant, Space)>,
    /// What it said of projects' volumes, until it is written down.
    volumes: Option<Vec<ProjectVolume>>,
    ask_overview: Instant,
    ask_space: Instant,
}

#[derive(Debug)]
enum Answer {
    Overview(Result<Overview>),
    Space(Result<Space>),
}

impl Engine {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        Self { asked: JoinSet::new(), overview: None, space: None, volumes: None, ask_overview: now, ask_space: now + FIRST }
    }

    /// Takes in what came since, and asks what is due. Waits for nothing.
    pub(crate) fn turn(&mut self, docker: &Docker, away: bool) {
        let now = Instant::now();
        while let Some(done) = self.asked.try_join_next() {
            match still_standing(done) {
                Some(Answer::Overview(Ok(overview))) => self.overview = Some((now, overview)),
                Some(Answer::Space(Ok(mut space))) => {
                    self.volumes = Some(std::mem::take(&mut space.of_projects));
                    self.space = Some((now, space));
                }
                Some(Answer::Overview(Err(error)) | Answer::Space(Err(error))) => tracing::debug!(%error, "an engine did not tell about itself"),
                None => {}
            }
        }
        if self.overview.as_ref().is_some_and(|(at, _)| now - *at > OLD) {
            self.overview = None;
        }
        if self.space.as_ref().is_some_and(|(at, _)| now - *at > OLD_SPACE) {
            self.space = None;
        }
        if away {
            return;
        }
        if now >= self.ask_overview {
            self.ask_overview = now + OVERVIEW;
            let docker = docker.clone();
            self.asked.spawn(async move { Answer::Overview(docker.overview().await) });
        }
        if now >= self.ask_space {
            self.ask_space = now + SPACE;
            let docker = docker.clone();
            self.asked.spawn(async move { Answer::Space(docker.space().await) });
        }
    }

    /// What it said last.
    pub(crate) fn overview(&self) -> Option<&Overview> {
        self.overview.as_ref().map(|(_, overview)| overview)
    }

    /// Writes down what projects' volumes hold, when it said so since the last turn.
    pub(crate) async fn keep_volumes(&mut self, worker: &Worker, machine: &Machine) {
        let Some(volumes) = self.volumes.take() else { return };
        let mut sizes: BTreeMap<ProjectId, u64> = BTreeMap::new();
        for volume in volumes.into_iter().filter(|volume| volume.instance == worker.platform().instance()) {
            let bytes = sizes.entry(volume.project).or_default();
            *bytes = bytes.saturating_add(volume.bytes);
        }
        if let Err(error) = usage::volumes::seen(worker, machine.id, &sizes).await {
            tracing::warn!(machine = %machine.name, %error, "what volumes hold could not be written down; what was known before stands");
        }
    }

    /// As samples. `own`: the machine's own figures are told by its kernel.
    pub(crate) fn values(&self, own: bool) -> Vec<Value> {
        let mut values = Vec::new();
        if let Some(overview) = self.overview() {
            let states = [("running", overview.running), ("paused", overview.paused), ("stopped", overview.stopped)];
            values.extend(states.map(|(state, count)| Value::labelled(Metric::EngineContainers, state, count as f64)));
            values.push(Value::new(Metric::EngineImages, overview.images as f64));
            if !own {
                values.push(Value::new(Metric::CpuLimit, overview.cpus as f64));
                values.push(Value::new(Metric::MemoryLimit, overview.memory as f64));
            }
        }
        if let Some((_, space)) = &self.space {
            let parts = [("images", space.images), ("containers", space.containers), ("volumes", space.volumes), ("build_cache", space.build_cache)];
            values.extend(parts.map(|(part, bytes)| Value::labelled(Metric::EngineBytes, part, bytes as f64)));
            values.push(Value::new(Metric::EngineVolumes, space.volume_count as f64));
        }
        values
    }
}
