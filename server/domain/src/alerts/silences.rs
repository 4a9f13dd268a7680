//! Silences: who matches is an alert all the same, and nobody is told. What fires still when a silence ends is told then. A project's silence is for
//! the project's routes: what the site's rules find of its services, the site's routes hear all the same.

use model::alerts::SilenceForm;
use model::ids::{ProjectId, SilenceId};
use model::page::{Page, PageRequest};
use model::time::Millis;
use model::views::alerts::{SilenceView, SubjectView};

use super::{Answering, Seeing, record, topic};
use crate::args;
use crate::db::{Row, Tx};
use crate::error::{Error, Result};
use crate::live::Signal;
use crate::platform::Platform;

/// Most silences of one holder that are in force.
const MOST: i64 = 200;
/// Most that are looked at.
const ALL: i64 = 5_000;

/// A silence that is in force.
pub(super) struct Silence {
    project: Option<ProjectId>,
    rule: Option<String>,
    service: Option<String>,
    machine: Option<String>,
    pub ends_at: Millis,
}

impl Silence {
    /// Whether an alert of this project, by this rule, about this, is silenced by it.
    pub fn holds(&self, project: Option<ProjectId>, rule: &str, subject: &SubjectView) -> bool {
        let fits = |wanted: &Option<String>, name: &str| wanted.as_deref().is_none_or(|wanted| wanted == name);
        (self.project.is_none() || self.project == project)
            && fits(&self.rule, rule)
            && fits(&self.service, &subject.service)
            && fits(&self.machine, &subject.machine)
    }

    /// Whether operators wrote it.
    pub fn is_of_site(&self) -> bool {
        self.project.is_none()
    }
}

/// The two sides that hear of an alert, or do not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sides {
    /// The routes of its project.
    pub project: bool,
    /// The routes of the site.
    pub site: bool,
}

impl Sides {
    pub fn any(self) -> bool {
        self.project || self.site
    }

    pub fn or(self, other: Self) -> Self {
        Self { project: self.project || other.project, site: self.site || other.site }
    }

    /// Those that are in neither.
    pub fn neither(self, other: Self) -> Self {
        Self { project: !self.project && !other.project, site: !self.site && !other.site }
    }
}

/// Who is not to hear of such an alert.
pub(super) fn hushed(silences: &[Silence], project: Option<ProjectId>, rule: &str, subject: &SubjectView) -> Sides {
    let matching = silences.iter().filter(|silence| silence.holds(project, rule, subject));
    matching.fold(Sides::default(), |hushed, silence| hushed.or(Sides { project: true, site: silence.is_of_site() }))
}

/// Those that are in force.
pub(super) async fn in_force(tx: &mut Tx, now: Millis) -> Result<Vec<Silence>> {
    let sql = "SELECT project_id, rule, service, machine, ends_at FROM alert_silences WHERE ends_at > $1 AND ended_by IS NULL ORDER BY ends_at DESC LIMIT $2";
    let silence = |row: &Row<'_>| {
        Ok(Silence {
            project: row.get("project_id")?,
            rule: row.get("rule")?,
            service: row.get("service")?,
            machine: row.get("machine")?,
            ends_at: row.get("ends_at")?,
        })
    };
    tx.all(sql, args![now, ALL], silence).await
}

fn view(row: &Row<'_>) -> Result<SilenceView> {
    Ok(SilenceView {
        id: row.get("id")?,
        rule: row.get("rule")?,
        service: row.get("service")?,
        machine: row.get("machine")?,
        why: row.get("why")?,
        by: row.get("created_by")?,
        created_at: row.get("created_at")?,
        ends_at: row.get("ends_at")?,
        ended_by: row.get("ended_by")?,
    })
}

const SELECT: &str = "SELECT id, rule, service, machine, why, created_by, created_at, ends_at, ended_by FROM alert_silences";

/// The silences of a project, or of the site, newest first.
pub async fn list(platform: &Platform, may: &Seeing, page: &PageRequest) -> Result<Page<SilenceView>> {
    let limit = page.limit();
    let sql = format!("{SELECT} WHERE project_id IS NOT DISTINCT FROM $1 AND id < $2 ORDER BY id DESC LIMIT $3");
    let items = platform.read().await?.all(sql, args![may.project_id(), page.before_id(), i64::from(limit) + 1], view).await?;
    Ok(Page::cut(items, limit, |item| item.id.to_string()))
}

/// Silences alerts for a while.
pub async fn create(platform: &Platform, may: &Answering, form: &SilenceForm) -> Result<SilenceView> {
    let now = platform.now();
    let order = form.read(now).map_err(Error::Invalid)?;
    if may.project().is_some() && order.machine.is_some() {
        return Err(Error::invalid("machine", "alerts of machines are silenced by operators"));
    }
    let mut change = platform.change(may.actor()).await?;
    change.lock_key("alert silences").await?;
    let sql = "SELECT COUNT(*) AS n FROM alert_silences WHERE project_id IS NOT DISTINCT FROM $1 AND ends_at > $2 AND ended_by IS NULL";
    if change.one(sql, args![may.project_id(), now], |row| row.get::<i64>("n")).await? >= MOST {
        return Err(Error::conflict("too_many_silences", format!("{MOST} silences are in force already; end one first")));
    }
    let id: SilenceId = platform.new_id();
    let sql = "INSERT INTO alert_silences (id, project_id, rule, service, machine, why, created_by, created_at, ends_at)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let arguments = args![id, may.project_id(), order.rule, order.service, order.machine, order.why, may.actor().name(), now, order.ends_at];
    change.exec(sql, arguments).await?;
    let made = by_id(&mut change, id).await?;
    change.touch(topic(may.project_id()));
    let detail =
        serde_json::json!({ "rule": made.rule, "service": made.service, "machine": made.machine, "until": made.ends_at.rfc3339(), "why": made.why });
    change.commit(record(may, "silence.create", "silence", id).detail(detail)).await?;
    Ok(made)
}

async fn by_id(tx: &mut Tx, id: SilenceId) -> Result<SilenceView> {
    tx.one(format!("{SELECT} WHERE id = $1"), args![id], view).await
}

/// Ends a silence before its time.
pub async fn end(platform: &Platform, may: &Answering, id: SilenceId) -> Result<()> {
    let mut change = platform.change(may.actor()).await?;
    let sql = "UPDATE alert_silences SET ended_by = $3, ends_at = CASE WHEN ends_at < $4 THEN ends_at ELSE $4 END
               WHERE id = $1 AND project_id IS NOT DISTINCT FROM $2 AND ended_by IS NULL";
    if change.exec(sql, args![id, may.project_id(), may.actor().name(), platform.now()]).await? == 0 {
        return Err(Error::NotFound { what: "silence" });
    }
    change.touch(topic(may.project_id()));
    change.wake(Signal::Alerts);
    change.commit(record(may, "silence.end", "silence", id)).await
}
