//! The networks of deleted projects: which ones nothing of ours needs any more, and giving their ranges back. What engines have is not
//! known here: the loop removes a network from them first.

use model::ids::{EnvironmentId, ProjectId};
use model::names::{EnvironmentName, ProjectName};

use crate::args;
use crate::error::Result;
use crate::worker::Worker;

/// The network of a deleted project of which no container is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AbandonedNetwork {
    /// The environment that it is in.
    pub environment_id: EnvironmentId,
    /// That environment's name.
    pub environment: EnvironmentName,
    /// The project.
    pub project_id: ProjectId,
    /// The name that the project had.
    pub project: ProjectName,
}

/// True of a network `n` whose project is deleted and whose tasks' containers are all removed.
const ABANDONED: &str = "EXISTS (SELECT 1 FROM projects p WHERE p.id = n.project_id AND p.deleted_at IS NOT NULL)
    AND NOT EXISTS (SELECT 1 FROM services s JOIN tasks t ON t.service_id = s.id
        WHERE s.project_id = n.project_id AND t.environment_id = n.environment_id AND t.removed_at IS NULL)";

/// Those of an environment, the oldest first.
pub async fn abandoned_networks(worker: &Worker, environment: EnvironmentId) -> Result<Vec<AbandonedNetwork>> {
    let sql = format!(
        "SELECT n.environment_id, e.name AS environment, n.project_id, p.name AS project FROM networks n
         JOIN environments e ON e.id = n.environment_id JOIN projects p ON p.id = n.project_id
         WHERE n.environment_id = $1 AND {ABANDONED} ORDER BY n.since, n.project_id LIMIT 65536"
    );
    let mut tx = worker.platform().read().await?;
    tx.all(sql, args![environment], |row| {
        Ok(AbandonedNetwork {
            environment_id: row.get("environment_id")?,
            environment: row.get("environment")?,
            project_id: row.get("project_id")?,
            project: row.get("project")?,
        })
    })
    .await
}

/// Gives the range of a network back that no engine has any more. `false`: something of the project is there again, or it was given
/// back already.
pub async fn free_network(worker: &Worker, network: &AbandonedNetwork) -> Result<bool> {
    let mut change = worker.change().await?;
    let sql = format!("DELETE FROM networks AS n WHERE n.environment_id = $1 AND n.project_id = $2 AND {ABANDONED}");
    let freed = change.exec(sql, args![network.environment_id, network.project_id]).await? == 1;
    change.finish().await?;
    Ok(freed)
}
