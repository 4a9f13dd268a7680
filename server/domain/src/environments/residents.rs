//! What runs in an environment, as far as the reader may see it.

use model::views::environments::ResidentView;

use super::Environment;
use crate::access::{May, can};
use crate::args;
use crate::error::Result;
use crate::platform::Platform;
use crate::services::summary;

/// Most services that are listed.
const MOST: i64 = 500;

/// The services that were brought into an environment, of projects whose services the reader may see; by project and name.
pub async fn residents(platform: &Platform, may: &May<can::SeeEnvironments, Environment>) -> Result<Vec<ResidentView>> {
    let visible = may.actor().visible::<can::SeeServices>()?;
    let (condition, mut arguments) = visible.condition("p", 3);
    let mut all = args![may.id, MOST];
    all.append(&mut arguments);
    let sql = format!(
        "SELECT p.name AS project, s.name AS service, {},
         (SELECT COUNT(*) FROM tasks t WHERE t.service_id = d.service_id AND t.environment_id = d.environment_id AND {}) AS healthy
         FROM desired d JOIN services s ON s.id = d.service_id JOIN projects p ON p.id = s.project_id {}
         WHERE d.environment_id = $1 AND s.deleted_at IS NULL AND p.deleted_at IS NULL AND {condition} ORDER BY p.name, s.name LIMIT $2",
        summary::RUN_COLUMNS,
        summary::SERVING,
        summary::RUN_JOINS,
    );
    let mut tx = platform.read().await?;
    tx.all(sql, all, |row| Ok(ResidentView { project: row.get("project")?, service: row.get("service")?, run: summary::run(row)? })).await
}
