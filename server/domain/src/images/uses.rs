//! Where an image is used: the services that run it, also by an index that lists it, and the revisions that are made from it. A reader is
//! told of the services that they may see; who may delete the image is told how many more there are, and no name.

use model::access::Action;
use model::digest::Digest;
use model::views::images::{ImageRun, ImageUses, ImageView, Part};

use super::Repository;
use super::detail::WITH_IMAGE;
use crate::access::{May, can};
use crate::args;
use crate::db::{Row, Tx, Value, placeholders};
use crate::error::Result;

/// Where something of the image's revisions should run or lives still.
const RUNNING: &str = "FROM revisions r
    JOIN services s ON s.id = r.service_id AND s.deleted_at IS NULL
    JOIN projects p ON p.id = s.project_id AND p.deleted_at IS NULL
    JOIN desired d ON d.service_id = s.id JOIN environments e ON e.id = d.environment_id
    WHERE r.image_project_id = $1 AND r.image_repository = $2 AND ((d.revision_id = r.id AND d.state = 'running')
        OR EXISTS (SELECT 1 FROM tasks t WHERE t.service_id = d.service_id AND t.environment_id = d.environment_id
                   AND t.revision_id = r.id AND t.ended_at IS NULL))";

/// The image's uses; its parts and the indexes that list it must have been read.
pub(super) async fn of_image(tx: &mut Tx, may: &May<can::Pull, Repository>, image: &ImageView) -> Result<ImageUses> {
    let listed = image.parts.iter().filter(|part| part.part == Part::Manifest).take(WITH_IMAGE as usize).map(|part| part.digest);
    let upwards: Vec<Digest> = std::iter::once(image.digest).chain(image.listed_in.iter().copied()).collect();
    let all: Vec<Digest> = upwards.iter().copied().chain(listed).collect();
    let runs = runs(tx, may, image.digest, &all).await?;
    if !may.also(Action::DeleteImages) {
        return Ok(ImageUses { runs, ..ImageUses::default() });
    }
    let (list, mut arguments) = among(may, &all);
    let sql = format!("SELECT COUNT(*) AS n {RUNNING} AND r.digest IN ({list})");
    let everywhere: i64 = tx.one(sql, std::mem::take(&mut arguments), |row| row.get("n")).await?;
    let (list, arguments) = among(may, &upwards);
    let sql = format!(
        "SELECT COUNT(*) AS n FROM revisions r JOIN services s ON s.id = r.service_id AND s.deleted_at IS NULL
         WHERE r.image_project_id = $1 AND r.image_repository = $2 AND r.digest IN ({list})"
    );
    let revisions = tx.one(sql, arguments, |row| row.get("n")).await?;
    // Beyond the hundred that are listed nobody counts what is hidden.
    let hidden_runs = if (runs.len() as i64) < WITH_IMAGE { (everywhere - runs.len() as i64).max(0) } else { 0 };
    Ok(ImageUses { runs, hidden_runs, revisions })
}

/// In how many places an image of the repository runs, and how many revisions are made from its images: wherever, whoever may see it.
pub(super) async fn of_repository(tx: &mut Tx, repository: &Repository) -> Result<(i64, i64)> {
    let place = args![repository.project.id, &repository.path];
    let runs = tx.one(format!("SELECT COUNT(*) AS n {RUNNING}"), place.clone(), |row| row.get("n")).await?;
    let sql = "SELECT COUNT(*) AS n FROM revisions r JOIN services s ON s.id = r.service_id AND s.deleted_at IS NULL
               WHERE r.image_project_id = $1 AND r.image_repository = $2";
    Ok((runs, tx.one(sql, place, |row| row.get("n")).await?))
}

fn among(repository: &Repository, digests: &[Digest]) -> (String, Vec<Value>) {
    let mut arguments = args![repository.project.id, &repository.path];
    let list = placeholders(3, digests.len());
    arguments.extend(digests.iter().map(Value::from));
    (list, arguments)
}

async fn runs(tx: &mut Tx, may: &May<can::Pull, Repository>, image: Digest, digests: &[Digest]) -> Result<Vec<ImageRun>> {
    // A token that may not see services sees none here.
    let Ok(visible) = may.actor().visible::<can::SeeServices>() else { return Ok(Vec::new()) };
    let (list, mut arguments) = among(may, digests);
    arguments.push(WITH_IMAGE.into());
    let limit = arguments.len();
    let (seen, mut more) = visible.condition("p", limit + 1);
    arguments.append(&mut more);
    let sql = format!(
        "SELECT p.name AS project, s.name AS service, e.name AS environment, r.number, r.digest,
             CAST(CASE WHEN d.revision_id = r.id AND d.state = 'running' THEN 1 ELSE 0 END AS BIGINT) AS wanted,
             (SELECT COUNT(*) FROM tasks t WHERE t.service_id = d.service_id AND t.environment_id = d.environment_id
              AND t.revision_id = r.id AND t.ended_at IS NULL) AS tasks
         {RUNNING} AND r.digest IN ({list}) AND {seen} ORDER BY p.name, s.name, e.name, r.number DESC LIMIT ${limit}"
    );
    let run = |row: &Row<'_>| {
        let digest: Digest = row.get("digest")?;
        Ok(ImageRun {
            project: row.get("project")?,
            service: row.get("service")?,
            environment: row.get("environment")?,
            revision: row.get("number")?,
            wanted: row.get::<i64>("wanted")? == 1,
            tasks: row.get("tasks")?,
            through: (digest != image).then_some(digest),
        })
    };
    tx.all(sql, arguments, run).await
}
