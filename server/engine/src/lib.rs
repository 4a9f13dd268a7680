//! Makes machines match the desired state, and answers what people ask of them live.
//!
//! [`docker`] is a narrow client for one engine; nothing outside of it knows how an engine is spoken to. [`plan`] is the one place that
//! decides what to do, as a pure function; [`reconcile`] and [`tend`] ask it and carry it out, [`rollout`] moves deployments on,
//! [`watch`] looks after health, [`status`] probes what the public status page shows, [`prune`] after the disks of machines, [`logs`] collects what tasks print, `metrics` what they and their
//! machines use. What they see and do is recorded through `domain`, by a `Worker`; there is no SQL here.
//!
//! Invariants: nothing is touched that is not ours ([`ours`]), or does not bear this portal's instance label; one crew at most works on a service in an
//! environment; everything may be begun again at any point, because it is compared and not remembered.

use std::sync::Arc;

use domain::Worker;
use domain::ports::{Engines, PullGrants};

pub mod artifact;
mod backoff;
pub mod build;
mod context;
mod crew;
pub mod docker;
pub mod drift;
mod events;
mod fetch;
mod hands;
mod live;
pub mod logs;
mod machines;
mod metrics;
mod networks;
mod notes;
pub mod observe;
mod ours;
pub mod parcel;
pub mod plan;
mod printed;
pub mod probe;
pub mod prune;
mod reconcile;
pub mod rollout;
pub mod status;
mod tend;
mod trial;
mod trouble;
mod watch;
mod way;

use crate::logs::{Collector, Kept};
use artifact::Artifacts;
use context::Context;
use machines::Machines;

/// The engines of this portal.
pub struct Engine {
    context: Arc<Context>,
}

impl Engine {
    /// Nothing is dialled before [`Engine::run`]. `kept`: where tasks' logs are collected; none: they are not.
    ///
    /// # Errors
    /// The client for health probes, or the thread that keeps logs, cannot be made.
    pub fn new(worker: Worker, grants: Arc<dyn PullGrants>, artifacts: Artifacts, kept: Option<Kept>) -> domain::Result<Self> {
        let prober = probe::Prober::new().map_err(|error| domain::Error::internal(format!("the client for health probes: {error}")))?;
        let watches = watch::Watches::new(prober);
        let collector = Collector::new(&worker, kept)?;
        Ok(Self { context: Arc::new(Context::new(worker, Machines::default(), grants, watches, artifacts, collector)) })
    }

    /// The domain's port to the engines, for what people ask live.
    #[must_use]
    pub fn live(&self) -> Arc<dyn Engines> {
        Arc::new(live::Live::new(self.context.machines.clone()))
    }

    /// The loop, for ever; dropping it ends all that it began, but no container.
    pub async fn run(self) {
        let pruning = prune::run(Arc::clone(&self.context));
        let sampling = metrics::run(Arc::clone(&self.context));
        let collector = self.context.collector.clone();
        tokio::join!(reconcile::run(self.context), pruning, sampling, collector.stands());
    }
}
