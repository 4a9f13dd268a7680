//! How images are taken away from a machine. For operators.

use leptos::prelude::*;
use model::ids::EnvironmentId;
use model::views::environments::{PrunePolicy, PruneRunView, PruningView};
use serde::{Deserialize, Serialize};

use super::ApiError;
#[cfg(feature = "ssr")]
use super::answer::lead_to;
#[cfg(feature = "ssr")]
use super::environments::managed;
#[cfg(feature = "ssr")]
use super::parse::{field, named};
#[cfg(feature = "ssr")]
use super::server::{caller, mutating};
#[cfg(feature = "ssr")]
use domain::machines;
#[cfg(feature = "ssr")]
use model::names::MachineName;

/// The images of a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PruningPage {
    /// The environment, for its live topic.
    pub environment_id: EnvironmentId,
    /// Policy and runs.
    pub pruning: PruningView,
}

/// The policy of a machine, and what the last runs did.
#[server(prefix = "/fn", endpoint = "pruning/get")]
pub async fn read_pruning(environment: String, machine: String) -> Result<PruningPage, ApiError> {
    let caller = caller().await?;
    let may = managed(&caller, &environment).await?;
    let name: MachineName = named("machine", &machine)?;
    Ok(PruningPage { environment_id: may.id, pruning: machines::pruning(&caller.platform, &may, &name).await? })
}

/// Says how images are taken away from a machine.
#[server(prefix = "/fn", endpoint = "pruning/put")]
pub async fn put_pruning(
    csrf: String,
    environment: String,
    machine: String,
    #[server(default)] enabled: bool,
    keep: String,
    min_hours: String,
    fuller_than: String,
) -> Result<PrunePolicy, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = managed(&caller, &environment).await?;
    let name: MachineName = named("machine", &machine)?;
    let policy = PrunePolicy {
        enabled,
        keep: field("keep", keep.trim())?,
        min_hours: field("min_hours", min_hours.trim())?,
        fuller_than: field("fuller_than", fuller_than.trim())?,
    };
    let kept = machines::put_pruning(&caller.platform, &may, &name, policy).await?;
    lead_to(&crate::urls::admin_machine_images(&environment, &machine));
    Ok(kept)
}

/// Asks for a run; `dry_run`: it removes nothing and says what it would.
#[server(prefix = "/fn", endpoint = "pruning/run")]
pub async fn prune_images(csrf: String, environment: String, machine: String, #[server(default)] dry_run: bool) -> Result<PruneRunView, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = managed(&caller, &environment).await?;
    let name: MachineName = named("machine", &machine)?;
    let asked = machines::prune(&caller.platform, &may, &name, dry_run).await?;
    lead_to(&crate::urls::admin_machine_images(&environment, &machine));
    Ok(asked)
}
