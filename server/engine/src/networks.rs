//! Giving back the networks of deleted projects: first the engines', then the ledger's entry, so that no range is given out while a
//! network with it may be there.
//!
//! Runs once in each pass and keeps nothing that the next could not find again: after a crash between the two steps the network is
//! found gone and the entry goes. A network with a container attached, whoever's, is left for the next pass.

use std::collections::BTreeSet;

use domain::deployments::work::{self, AbandonedNetwork};
use domain::machines;

use crate::build;
use crate::context::Context;
use crate::trouble::Trouble;

/// Removes what can be removed now. Does nothing where another call is still at it: an engine may hang.
pub(crate) async fn give_back(context: &Context) {
    let Ok(mut held) = context.held_networks.try_lock() else { return };
    let mut still_held = BTreeSet::new();
    for environment in context.machines.environments() {
        let abandoned = match work::abandoned_networks(&context.worker, environment).await {
            Ok(abandoned) => abandoned,
            Err(error) => {
                tracing::warn!(%error, "the networks of deleted projects could not be read; the next pass tries again");
                continue;
            }
        };
        for network in abandoned {
            let why = match one(context, &network).await {
                Ok(true) => continue,
                Ok(false) => "containers are still attached to it".to_owned(),
                Err(Trouble::Reason(reason)) => reason.message,
                Err(Trouble::Store(error)) => error,
                // The others wait for the same engine. Whoever listens to it has told it.
                Err(Trouble::Away(_)) => break,
            };
            let key = (environment, network.project_id);
            still_held.insert(key);
            if !held.contains(&key) {
                tracing::warn!(project = %network.project, %environment, why, "the network of a deleted project stays until it can be removed");
            }
        }
    }
    *held = still_held;
}

/// One network, on every machine of its environment. Whether it is gone and its range free.
async fn one(context: &Context, network: &AbandonedNetwork) -> Result<bool, Trouble> {
    let name = build::network_name(context.instance(), &network.project, &network.environment);
    let project = network.project_id.to_string();
    // Held until the entry is gone: whoever makes a network reads its range from the entry while it holds this.
    let mut locks = Vec::new();
    for machine in machines::all(&context.worker).await?.into_iter().filter(|machine| machine.environment_id == network.environment_id) {
        let docker = context.machines.docker(machine.id).ok_or_else(|| Trouble::Away(format!("{} is not connected", machine.name)))?;
        let mut known = context.networks(machine.id).lock_owned().await;
        known.remove(&network.project_id);
        if !docker.remove_network(&name, context.instance(), &project).await? {
            return Ok(false);
        }
        locks.push(known);
    }
    let freed = work::free_network(&context.worker, network).await?;
    if freed {
        tracing::info!(project = %network.project, network = name, "the network of a deleted project was removed");
    }
    // Else a task came up meanwhile; when it is gone the network is looked at again.
    Ok(true)
}
