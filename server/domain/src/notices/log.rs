//! What became of a route's notices; trying a route, and sending again.

use model::ids::{NoticeId, NoticeRouteId};
use model::notices::{Event, Notice, NoticeState, Tone};
use model::page::{Page, PageRequest};
use model::views::notices::NoticeView;

use super::{Managing, find, queue, record, topic};
use crate::args;
use crate::db::{Json, Row, Tx};
use crate::error::{Error, Result};
use crate::live::Signal;
use crate::platform::Platform;

const SELECT: &str = "SELECT n.id, n.notice, n.state, n.attempts, n.due_at, n.created_at, n.ended_at, n.status, n.answer FROM notices n";

fn view(row: &Row<'_>) -> Result<NoticeView> {
    let state: NoticeState = row.get("state")?;
    Ok(NoticeView {
        id: row.get("id")?,
        notice: row.get::<Json<Notice>>("notice")?.0,
        state,
        attempts: row.get("attempts")?,
        due_at: (state == NoticeState::Queued).then_some(row.get("due_at")?),
        created_at: row.get("created_at")?,
        ended_at: row.get("ended_at")?,
        status: row.get("status")?,
        answer: row.get("answer")?,
    })
}

/// A route's notices, newest first.
pub async fn log(platform: &Platform, may: &Managing, route: NoticeRouteId, page: &PageRequest) -> Result<Page<NoticeView>> {
    let mut tx = platform.read().await?;
    find(&mut tx, may, route).await?;
    let limit = page.limit();
    let sql = format!("{SELECT} WHERE n.route_id = $1 AND n.id < $2 ORDER BY n.id DESC LIMIT $3");
    let items = tx.all(sql, args![route, page.before_id(), i64::from(limit) + 1], view).await?;
    Ok(Page::cut(items, limit, |item| item.id.to_string()))
}

async fn by_id(tx: &mut Tx, id: NoticeId) -> Result<NoticeView> {
    tx.one(format!("{SELECT} WHERE n.id = $1"), args![id], view).await
}

/// Sends a notice that says nothing but that the route works.
pub async fn test(platform: &Platform, may: &Managing, route: NoticeRouteId) -> Result<NoticeView> {
    let mut change = platform.change(may.actor()).await?;
    let (name, _) = find(&mut change, may, route).await?;
    let notice = Notice {
        event: Event::Test,
        title: format!("Test of route {name}"),
        text: format!("{} tried this route. Nothing is wrong.", may.actor().name()),
        tone: Tone::Info,
        facts: Vec::new(),
        link: may.project().map_or_else(|| "/admin/alerts".to_owned(), |project| format!("/projects/{}/alerts", project.name)),
        project: may.project().map(|project| project.name.clone()),
        at: platform.now(),
    };
    let id = queue(&mut change, platform, route, &notice).await?;
    let view = by_id(&mut change, id).await?;
    change.touch(topic(may));
    change.wake(Signal::Notices);
    change.commit(record(may, "route.test", &name)).await?;
    Ok(view)
}

/// Sends a notice again that was sent or given up, under the same id: a receiver that has it drops it.
pub async fn redeliver(platform: &Platform, may: &Managing, route: NoticeRouteId, id: NoticeId) -> Result<NoticeView> {
    let mut change = platform.change(may.actor()).await?;
    let (name, _) = find(&mut change, may, route).await?;
    let known = "SELECT state FROM notices WHERE id = $1 AND route_id = $2";
    let state: Option<NoticeState> = change.opt(known, args![id, route], |row| row.get("state")).await?;
    if state.is_none() {
        return Err(Error::NotFound { what: "notice" });
    }
    let sql = "UPDATE notices SET state = 'queued', attempts = 0, due_at = $2, queued_at = $2, ended_at = NULL WHERE id = $1 AND state <> 'queued'";
    if change.exec(sql, args![id, platform.now()]).await? == 0 {
        return Err(Error::conflict("waiting", "it is on its way already"));
    }
    let view = by_id(&mut change, id).await?;
    change.touch(topic(may));
    change.wake(Signal::Notices);
    let detail = serde_json::json!({ "notice": id });
    change.commit(record(may, "route.redeliver", &name).detail(detail)).await?;
    Ok(view)
}
