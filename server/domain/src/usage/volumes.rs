//! What projects' volumes hold, as the engines say. An engine is asked rarely, since it looks at every file for that; what it said last stands until it says
//! something else, also while its machine is away.

use std::collections::BTreeMap;

use model::ids::{MachineId, ProjectId};

use crate::args;
use crate::error::Result;
use crate::worker::Worker;

/// Writes down how many bytes the volumes of each project on a machine hold now. A project that is not named has none there any more.
///
/// # Errors
/// When the database cannot be written; what was known before stands.
pub async fn seen(worker: &Worker, machine: MachineId, sizes: &BTreeMap<ProjectId, u64>) -> Result<()> {
    let mut write = worker.relaxed_change().await?;
    let now = worker.platform().now();
    write.exec("DELETE FROM project_volumes WHERE machine_id = $1", args![machine]).await?;
    // The label of a volume may name a project of a database that this one is not.
    let sql = "INSERT INTO project_volumes (project_id, machine_id, bytes, seen_at)
               SELECT p.id, CAST($2 AS TEXT), CAST($3 AS BIGINT), CAST($4 AS BIGINT) FROM projects p WHERE p.id = $1";
    for (project, bytes) in sizes {
        write.exec(sql, args![*project, machine, i64::try_from(*bytes).unwrap_or(i64::MAX), now]).await?;
    }
    write.finish().await
}
