//! Whose a host of routes is: one project's, with all of its paths, over http and https. A longer path, the same over http, or a service that is
//! older would else take another project's requests. A deployment that begins claims the hosts of its routes; the table's key lets one project have
//! each. A project that does not use a host any more loses it to the next one that does.

use std::collections::BTreeSet;

use model::descriptor::Descriptor;
use model::ids::{ProjectId, ServiceId};

use crate::access::{Actor, Credential, can};
use crate::args;
use crate::change::Change;
use crate::db::{Row, Tx};
use crate::error::{Error, Result};
use crate::live::Topic;
use crate::platform::Platform;
use crate::projects::Project;

/// Most descriptors that are read.
const MOST: i64 = 20_000;
/// The setting that says that hosts of before there was the table were claimed.
const PREPARED: &str = "route_hosts";
const CLAIM: &str = "INSERT INTO route_hosts (host, project_id, claimed_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";

/// What should run, also of stopped services, and what is on its way or waits for an approval. It is one statement, so that nothing goes from the one
/// to the other unseen in between.
fn used(condition: &str) -> String {
    format!(
        "SELECT d.service_id, s.project_id, d.revision_id FROM desired d JOIN services s ON s.id = d.service_id
         WHERE s.deleted_at IS NULL AND {condition}
         UNION SELECT a.service_id, s.project_id, a.revision_id FROM deployments a JOIN services s ON s.id = a.service_id
         WHERE a.finished_at IS NULL AND s.deleted_at IS NULL AND {condition}"
    )
}

/// The hosts that a descriptor's routes name.
fn hosts(d: &Descriptor) -> BTreeSet<String> {
    d.routes.iter().map(|route| route.host.to_ascii_lowercase()).collect()
}

/// Claims the hosts of a deployment that begins. To the commit nobody else claims them.
///
/// # Errors
/// `Conflict` with the code `host_taken`: another project uses one of them.
pub(super) async fn claim(change: &mut Change, platform: &Platform, actor: &Actor, project: &Project, d: &Descriptor) -> Result<()> {
    // In one order, so that no two deployments wait for each other.
    for host in hosts(d) {
        let holder = hold(change, platform, project, &host).await?;
        if holder == project.id {
            continue;
        }
        refuse_used(change, actor, holder, &host).await?;
        let sql = "UPDATE route_hosts SET project_id = $2, claimed_at = $3 WHERE host = $1";
        change.exec(sql, args![&host, project.id, platform.now()]).await?;
        // Tasks of before may be there still: proxies are told of them without the host from now on.
        let sql = "SELECT DISTINCT t.service_id FROM tasks t JOIN services s ON s.id = t.service_id
                   WHERE s.project_id = $1 AND t.ended_at IS NULL LIMIT 1000";
        let losers: Vec<ServiceId> = change.all(sql, args![holder], |row| row.get("service_id")).await?;
        losers.into_iter().for_each(|service| change.touch(Topic::Service(service)));
    }
    Ok(())
}

/// To the commit nobody else claims the host. Whose it is: the project's, where it was nobody's.
async fn hold(change: &mut Change, platform: &Platform, project: &Project, host: &str) -> Result<ProjectId> {
    change.exec(CLAIM, args![host, project.id, platform.now()]).await?;
    let sql = "SELECT project_id FROM route_hosts WHERE host = $1 FOR UPDATE";
    change.one(sql, args![host], |row| row.get("project_id")).await
}

/// Holds the hosts of several deployments that begin together, before the first of them claims its own: one after the other they would come in an
/// order of their own, and wait for somebody who waits for them.
pub(super) async fn hold_all(change: &mut Change, platform: &Platform, project: &Project, all: &[Descriptor]) -> Result<()> {
    let together: BTreeSet<String> = all.iter().flat_map(hosts).collect();
    for host in together {
        hold(change, platform, project, &host).await?;
    }
    Ok(())
}

/// The same refusal for a plan, which claims nothing.
pub(super) async fn refuse_taken(tx: &mut Tx, actor: &Actor, project: &Project, d: &Descriptor) -> Result<()> {
    for host in hosts(d) {
        let sql = "SELECT project_id FROM route_hosts WHERE host = $1 AND project_id <> $2";
        let holder: Option<ProjectId> = tx.opt(sql, args![&host, project.id], |row| row.get("project_id")).await?;
        if let Some(holder) = holder {
            refuse_used(tx, actor, holder, &host).await?;
        }
    }
    Ok(())
}

async fn refuse_used(tx: &mut Tx, actor: &Actor, holder: ProjectId, host: &str) -> Result<()> {
    if !uses(tx, holder, host).await? {
        return Ok(());
    }
    // What a push is refused for stands on a page that others read too.
    let asks = *actor.credential() != Credential::Push;
    let who = match actor.may_in::<can::SeeProject, _>(tx, &holder).await {
        Ok(project) if asks => format!("project {}", project.name),
        // It may be one that whoever reads this may not know of.
        Ok(_) | Err(Error::NotFound { .. } | Error::Forbidden(_) | Error::Unauthenticated) => String::from("another project"),
        Err(error) => return Err(error),
    };
    let text = format!("the host {host} belongs to {who}, which has routes with it; choose another one, or have it given up there");
    Err(Error::conflict("host_taken", text))
}

/// Whether something of a project names the host in its routes.
async fn uses(tx: &mut Tx, project: ProjectId, host: &str) -> Result<bool> {
    // The pattern spares reading most descriptors; what counts is what their routes say.
    let sql = format!(
        "SELECT r.descriptor FROM ({}) u JOIN revisions r ON r.id = u.revision_id WHERE LOWER(r.descriptor) LIKE $2 LIMIT {MOST}",
        used("s.project_id = $1")
    );
    let texts: Vec<String> = tx.all(sql, args![project, format!("%\"{host}\"%")], |row| row.get("descriptor")).await?;
    for text in texts {
        let descriptor = Descriptor::from_canonical(&text).map_err(|error| Error::internal(format!("column descriptor: {error}")))?;
        if hosts(&descriptor).contains(host) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Gives hosts that were in use before they were claimed to the project of the oldest service that names them. At the start, once.
pub async fn prepare(platform: &Platform) -> Result<()> {
    let mut write = platform.bookkeeping().await?;
    write.lock_key("route hosts").await?;
    if crate::site::setting(&mut write, PREPARED).await?.is_some() {
        return Ok(());
    }
    let sql = format!(
        "SELECT u.project_id, r.descriptor FROM ({}) u JOIN revisions r ON r.id = u.revision_id WHERE r.descriptor LIKE '%\"routes\":%'
         ORDER BY u.service_id, r.id LIMIT {MOST}",
        used("TRUE")
    );
    let read = |row: &Row<'_>| Ok((row.get::<ProjectId>("project_id")?, row.get::<String>("descriptor")?));
    for (project, text) in write.all(sql, args![], read).await? {
        // What cannot be read names no host.
        let Ok(descriptor) = Descriptor::from_canonical(&text) else { continue };
        for host in hosts(&descriptor) {
            write.exec(CLAIM, args![host, project, platform.now()]).await?;
        }
    }
    crate::site::put_setting(&mut write, PREPARED, "1").await?;
    write.finish().await
}
