//! How much of the past is kept. All contents of a project, old ones too, have a limit; when it is reached the oldest contents that nothing runs
//! with are given up, and the versions that they stood in are not whole any more: they can be looked at, not brought back.

use model::ids::{ConfigScopeId, EnvironmentId, ProjectId};

use crate::args;
use crate::db::Tx;
use crate::error::{Error, Result};

/// Most bytes of all contents of a project, old ones too.
const PROJECT_MAX: i64 = 64 * 1024 * 1024;
/// Old contents that are given up in one go.
const BATCH: i64 = 200;

struct Old {
    scope: ConfigScopeId,
    kind: String,
    name: String,
    since: i64,
    until: i64,
    size: i64,
}

/// Makes room for so many bytes more.
///
/// # Errors
/// `Conflict`: what is in force alone is too much.
pub(super) async fn make(tx: &mut Tx, project: ProjectId, more: i64) -> Result<()> {
    make_within(tx, project, more, PROJECT_MAX).await
}

pub(super) async fn make_within(tx: &mut Tx, project: ProjectId, more: i64, most: i64) -> Result<()> {
    let sql = "SELECT CAST(COALESCE(SUM(e.size), 0) AS BIGINT) AS n FROM config_entries e JOIN config_scopes c ON c.id = e.scope_id WHERE c.project_id = $1";
    let mut over = tx.one(sql, args![project], |row| row.get::<i64>("n")).await? + more - most;
    while over > 0 {
        let batch = oldest(tx, project).await?;
        if batch.is_empty() {
            let message = format!("all that this project's configuration holds would be more than {most} bytes; take something away first");
            return Err(Error::conflict("configuration_full", message));
        }
        for old in batch {
            if over <= 0 {
                break;
            }
            over -= old.size;
            let sql = "DELETE FROM config_entries WHERE scope_id = $1 AND kind = $2 AND name = $3 AND since = $4";
            tx.exec(sql, args![old.scope, old.kind, old.name, old.since]).await?;
            let sql = "UPDATE config_scopes SET kept_from = $2 WHERE id = $1 AND kept_from < $2";
            tx.exec(sql, args![old.scope, old.until]).await?;
        }
    }
    Ok(())
}

/// True of an entry `e` that a revision has which runs, or is on its way.
const RUNS: &str = "EXISTS (SELECT 1 FROM revision_configs rc WHERE rc.scope_id = e.scope_id AND rc.version >= e.since
    AND (e.until IS NULL OR rc.version < e.until)
    AND (EXISTS (SELECT 1 FROM desired d WHERE d.revision_id = rc.revision_id)
         OR EXISTS (SELECT 1 FROM deployments a WHERE a.revision_id = rc.revision_id AND a.finished_at IS NULL)
         OR EXISTS (SELECT 1 FROM tasks t WHERE t.revision_id = rc.revision_id AND t.ended_at IS NULL)))";

/// Takes away what projects have set for an environment alone: it is being removed. What something elsewhere runs with, since it had the same
/// content there, stays.
pub(crate) async fn forget_environment(tx: &mut Tx, environment: EnvironmentId) -> Result<()> {
    let sql = format!("DELETE FROM config_entries AS e WHERE e.scope_id IN (SELECT id FROM config_scopes WHERE environment_id = $1) AND NOT {RUNS}");
    tx.exec(sql, args![environment]).await?;
    tx.exec("UPDATE config_scopes SET kept_from = version + 1 WHERE environment_id = $1", args![environment]).await.map(drop)
}

/// The oldest contents that are not in force and that nothing runs with.
async fn oldest(tx: &mut Tx, project: ProjectId) -> Result<Vec<Old>> {
    let sql = format!(
        "SELECT e.scope_id, e.kind, e.name, e.since, e.until, e.size FROM config_entries e
        JOIN config_scopes c ON c.id = e.scope_id JOIN config_versions v ON v.scope_id = e.scope_id AND v.number = e.until
        WHERE c.project_id = $1 AND e.until IS NOT NULL AND NOT {RUNS} ORDER BY v.created_at, e.since LIMIT $2"
    );
    tx.all(sql, args![project, BATCH], |row| {
        Ok(Old {
            scope: row.get("scope_id")?,
            kind: row.get("kind")?,
            name: row.get("name")?,
            since: row.get("since")?,
            until: row.get("until")?,
            size: row.get("size")?,
        })
    })
    .await
}
