//! Images that are copied in from outside registries. People ask, and may cancel; the registry's loop does the work through [`work`].
//!
//! A copy is its asker's: whether they may still push is asked anew while it runs and when its tag is set, so that nothing is pushed with
//! a right that is gone. Cancelled means that the tag was not set: once it is being set, a copy cannot be cancelled any more.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use model::access::Action;
use model::ids::CopyId;
use model::names::{ProjectName, TagName};
use model::outside::{OutsideImage, Target, in_tag, read_platform};
use model::page::{Page, PageRequest};
use model::problem::FieldError;
use model::time::Millis;
use model::views::copies::{CopyProgress, CopyState, CopyView};
use model::views::deployments::Reason;

use crate::access::{Key, Lease, May, Resource, can};
use crate::args;
use crate::change::Record;
use crate::db::{Json, Row, Tx};
use crate::error::{Error, Result};
use crate::images::Destination;
use crate::live::{Signal, Topic};
use crate::platform::Platform;
use crate::projects::Project;
use crate::{environments, outside, watch};

mod proof;
pub mod work;

pub use proof::asker_of;

crate::text_columns! { CopyState }

/// Copies of a project that wait or run, at most.
const OPEN_MOST: i64 = 100;
/// Platforms that can be chosen.
const PLATFORMS_MOST: usize = 20;

/// A copy's row, as far as permission asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// Its id.
    pub id: CopyId,
    /// The project that it comes to.
    pub project: Project,
}

impl Resource for Copy {
    const WHAT: &'static str = "copy";
    const VISIBLE: Action = Action::SeeProject;

    fn project(&self) -> Option<&Project> {
        Some(&self.project)
    }
}

/// A copy of a project. Owned, so that a lease can keep it.
#[derive(Clone, Debug)]
pub struct CopyKey {
    /// Its project.
    pub project: ProjectName,
    /// The copy.
    pub copy: CopyId,
}

impl Key for CopyKey {
    type Resource = Copy;

    async fn find(&self, tx: &mut Tx) -> Result<Option<Copy>> {
        let Some(project) = self.project.find(tx).await? else { return Ok(None) };
        let sql = "SELECT id FROM copies WHERE id = $1 AND project_id = $2";
        let found: Option<CopyId> = tx.opt(sql, args![self.copy, project.id], |row| row.get("id")).await?;
        Ok(found.map(|id| Copy { id, project }))
    }
}

/// What somebody wants copied, read from what they wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// From where.
    pub from: OutsideImage,
    /// To where in the project.
    pub to: Target,
    /// Chosen platforms; empty: everything.
    pub platforms: Vec<String>,
    /// Whether what refers to it comes too.
    pub referrers: bool,
}

impl Wanted {
    /// Reads it. `to` may be empty: then it is called as it is there.
    ///
    /// # Errors
    /// Every field that is wrong.
    pub fn read(from: &str, to: &str, platforms: &[String], referrers: bool) -> Result<Self> {
        let mut errors = Vec::new();
        let from = from.parse::<OutsideImage>().map_err(|error| errors.push(FieldError::new("from", error.to_string()))).ok();
        let to = match (to.trim(), &from) {
            ("", None) => None,
            ("", Some(from)) => Some(from.short_name().to_owned()),
            (text, _) => Some(text.to_owned()),
        };
        let to = to.and_then(|text| text.parse::<Target>().map_err(|error| errors.push(FieldError::new("to", error))).ok());
        let texts: BTreeSet<&str> = platforms.iter().map(|text| text.trim()).filter(|text| !text.is_empty()).collect();
        if texts.len() > PLATFORMS_MOST {
            errors.push(FieldError::new("platforms", format!("at most {PLATFORMS_MOST}")));
        }
        let mut platforms = Vec::new();
        for text in texts {
            match read_platform(text) {
                Ok(platform) => platforms.push(platform.to_string()),
                Err(error) => errors.push(FieldError::new("platforms", error)),
            }
        }
        match (from, to) {
            (Some(from), Some(mut to)) if errors.is_empty() => {
                to.tag = to.tag.or_else(|| from.tag.clone());
                tags(&to, &platforms).map_err(|error| Error::invalid("to", error))?;
                Ok(Self { from, to, platforms, referrers })
            }
            _ => Err(Error::Invalid(errors)),
        }
    }
}

/// The tags that would be set: with several platforms one for each, since an index that lists only some of them would be another content
/// than the one that was signed and is known elsewhere.
fn tags(to: &Target, platforms: &[String]) -> Result<Vec<TagName>, String> {
    let Some(tag) = &to.tag else { return Ok(Vec::new()) };
    if platforms.len() < 2 {
        return Ok(vec![tag.clone()]);
    }
    let each = platforms.iter().map(|platform| {
        read_platform(platform).and_then(|platform| format!("{tag}-{}", in_tag(&platform)).parse::<TagName>().map_err(|error| error.to_string()))
    });
    each.collect()
}

/// Asks for a copy. It begins when it is its turn.
pub async fn ask(platform: &Platform, may: &May<can::Push, Destination>, wanted: &Wanted) -> Result<CopyView> {
    let proof = proof::of(may.actor())?;
    let mut change = platform.change(may.actor()).await?;
    let hosts = environments::registry_hosts(&mut change).await?;
    if hosts.iter().any(|own| own == wanted.from.host.authority()) {
        let text = "this is the portal's own registry: nothing has to be copied; pull the image and push it under its new name, its layers stay where they are";
        return Err(Error::invalid("from", text));
    }
    let (host, port) = wanted.from.host.host_and_port();
    if let Ok(address) = host.parse::<IpAddr>() {
        let allowed = outside::allowed(&mut change).await?;
        let plan = allowed.plan(host, port);
        let port = port.unwrap_or(if plan.plain { 80 } else { 443 });
        allowed.admits(plan.plain, host, port, address).map_err(|range| Error::invalid("from", refusal(wanted.from.host.as_str(), range)))?;
    }
    change.lock_key(&format!("copies {}", may.project.id)).await?;
    let sql = "SELECT COUNT(*) AS n FROM copies WHERE project_id = $1 AND state IN ('queued', 'running')";
    if change.one(sql, args![may.project.id], |row| row.get::<i64>("n")).await? >= OPEN_MOST {
        let text = format!("{OPEN_MOST} copies of project {} wait already; let some end or cancel them first", may.project.name);
        return Err(Error::TooManyOpen(text));
    }
    let id: CopyId = platform.new_id();
    let now = platform.now();
    let sql = "INSERT INTO copies (id, project_id, repository, tag, source_host, source, platforms, referrers, state, finishing, progress,
                   asked_by, asker, proof, address, attempts, due_at, created_at)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'queued', $9, $10, $11, $12, $13, $14, 0, $15, $15)";
    let arguments = args![
        id,
        may.project.id,
        &may.path,
        wanted.to.tag.as_ref().map(ToString::to_string),
        wanted.from.host.as_str(),
        wanted.from.to_string(),
        Json(&wanted.platforms),
        wanted.referrers,
        false,
        Json(CopyProgress::default()),
        may.actor().account()?.id,
        may.actor().name(),
        proof,
        may.actor().address(),
        now,
    ];
    change.exec(sql, arguments).await?;
    let view = by_id(&mut change, id).await?;
    change.touch(Topic::Copies(may.project.id));
    change.wake(Signal::Copies);
    let target = wanted.to.tag.as_ref().map_or_else(|| may.full_name(), |tag| format!("{}:{tag}", may.full_name()));
    let detail = serde_json::json!({ "from": view.from, "platforms": view.platforms, "referrers": view.referrers });
    change.commit(Record::new("copy.create", "image", target).project(&may.project).detail(detail)).await?;
    Ok(view)
}

/// Why a host may not be spoken to, and who can change that.
#[must_use]
pub fn refusal(host: &str, range: &str) -> String {
    format!(
        "{host} is at a {range} address; Slipway speaks only with public addresses, over https, unless an operator allows a host or network \
         under Admin, Outside registries: ask one to add {host} there"
    )
}

const SELECT: &str =
    "SELECT c.id, p.name AS project, c.repository, c.tag, c.source, c.platforms, c.referrers, c.state, c.digest, c.reason, c.progress,
    c.asker, c.due_at, c.created_at, c.started_at, c.finished_at FROM copies c JOIN projects p ON p.id = c.project_id";

fn view(row: &Row<'_>) -> Result<CopyView> {
    let state: CopyState = row.get("state")?;
    let reason = row.get::<Option<Json<Reason>>>("reason")?.map(|json| json.0);
    let due: Millis = row.get("due_at")?;
    Ok(CopyView {
        id: row.get("id")?,
        project: row.get("project")?,
        from: row.get("source")?,
        repository: row.get("repository")?,
        tag: row.get("tag")?,
        platforms: row.get::<Json<Vec<String>>>("platforms")?.0,
        referrers: row.get("referrers")?,
        state,
        digest: row.get("digest")?,
        progress: row.get::<Json<CopyProgress>>("progress")?.0,
        retry_at: (state == CopyState::Queued && reason.is_some()).then_some(due),
        reason,
        by: row.get("asker")?,
        created_at: row.get("created_at")?,
        started_at: row.get("started_at")?,
        finished_at: row.get("finished_at")?,
    })
}

async fn by_id(tx: &mut Tx, id: CopyId) -> Result<CopyView> {
    tx.one(format!("{SELECT} WHERE c.id = $1"), args![id], view).await
}

/// A project's copies, newest first.
pub async fn list(platform: &Platform, may: &May<can::Push, Project>, page: &PageRequest) -> Result<Page<CopyView>> {
    let limit = page.limit();
    let arguments = args![may.id, page.before_id(), i64::from(limit) + 1];
    let sql = format!("{SELECT} WHERE c.project_id = $1 AND c.id < $2 ORDER BY c.id DESC LIMIT $3");
    let items = platform.read().await?.all(sql, arguments, view).await?;
    Ok(Page::cut(items, limit, |item| item.id.to_string()))
}

/// A copy when it ended, or as it is after a time (at most [`watch::WAIT_MAX`]). Ends with an error when the permission is lost.
pub async fn wait(platform: &Platform, lease: &mut Lease<can::Push, CopyKey>, span: Duration) -> Result<CopyView> {
    let (id, topic) = (lease.may().id, Topic::Copies(lease.may().project.id));
    let look = || async move { by_id(&mut platform.read().await?, id).await };
    watch::until(platform, topic, span, lease.lost(), look, |view| view.state.is_final()).await
}

/// Cancels a copy: nothing more is fetched, no tag is set. What was fetched already is collected later.
pub async fn cancel(platform: &Platform, may: &May<can::Push, Copy>) -> Result<CopyView> {
    let mut change = platform.change(may.actor()).await?;
    let sql = "UPDATE copies SET state = 'cancelled', finished_at = $2, reason = $3
               WHERE id = $1 AND state IN ('queued', 'running') AND NOT finishing";
    let reason = Reason::new("cancelled", format!("{} cancelled it", may.actor().name()));
    if change.exec(sql, args![may.id, platform.now(), Json(reason)]).await? == 0 {
        let state = by_id(&mut change, may.id).await?.state;
        let text = if state.is_final() { format!("it is over: {state}") } else { "its tag is being set; it is too late to cancel it".to_owned() };
        return Err(Error::conflict("over", text));
    }
    let view = by_id(&mut change, may.id).await?;
    change.touch(Topic::Copies(may.project.id));
    change.wake(Signal::Copies);
    let target = format!("{}/{}", view.project, view.repository);
    let detail = serde_json::json!({ "from": view.from, "id": view.id });
    change.commit(Record::new("copy.cancel", "image", target).project(&may.project).detail(detail)).await?;
    Ok(view)
}

#[cfg(test)]
mod tests;
