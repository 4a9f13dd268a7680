//! What became of a route's notices; trying a route, and sending again.

use model::ids::{NoticeId, NoticeRouteId};
use model::notices::{Event, Notice, NoticeState, Tone};
use model::page::{Page, PageRequest};
use model::time::Millis;
use model::views::notices::NoticeView;

use super::{Managing, find, lock, notice, queue, record, topic};
use crate::args;
use crate::db::{Row, Tx};
use crate::error::{Error, Result};
use crate::live::Signal;
use crate::platform::Platform;

const SELECT: &str = "SELECT n.id, n.notice, n.state, n.attempts, n.due_at, n.created_at, n.ended_at, n.status, n.answer FROM notices n";

fn view(row: &Row<'_>) -> Result<NoticeView> {
    let state: NoticeState = row.get("state")?;
    let created_at: Millis = row.get("created_at")?;
    let told = notice(&row.get::<String>("notice")?);
    Ok(NoticeView {
        id: row.get("id")?,
        notice: told.unwrap_or_else(|| unreadable(created_at)),
        state,
        attempts: row.get("attempts")?,
        due_at: (state == NoticeState::Queued).then_some(row.get("due_at")?),
        created_at,
        ended_at: row.get("ended_at")?,
        status: row.get("status")?,
        answer: row.get("answer")?,
    })
}

/// What is shown in the place of a notice that cannot be read: the page with the others must come all the same.
fn unreadable(at: Millis) -> Notice {
    let (title, text) = ("A notice that cannot be read".to_owned(), "What is stored of it is damaged, or a newer Slipway wrote it.".to_owned());
    Notice { event: Event::Test, title, text, tone: Tone::Info, facts: Vec::new(), link: "/".to_owned(), project: None, at }
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

/// A route has one test under way at most: more would only be mail that nobody asked for.
async fn refuse_second_test(tx: &mut Tx, route: NoticeRouteId) -> Result<()> {
    tx.lock_key(&lock(route)).await?;
    let sql = "SELECT COUNT(*) AS n FROM notices WHERE route_id = $1 AND state = 'queued' AND event = $2";
    if tx.one(sql, args![route, Event::Test], |row| row.get::<i64>("n")).await? > 0 {
        return Err(Error::conflict("test_waiting", "a test of this route waits already; the log says what came of it so far"));
    }
    Ok(())
}

/// Sends a notice that says nothing but that the route works.
pub async fn test(platform: &Platform, may: &Managing, route: NoticeRouteId) -> Result<NoticeView> {
    let mut change = platform.change(may.actor()).await?;
    let (name, _) = find(&mut change, may, route).await?;
    refuse_second_test(&mut change, route).await?;
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
    let id = queue(&mut change, platform, route, &notice).await?.ok_or(Error::NotFound { what: "route" })?;
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
    let known = "SELECT event, state FROM notices WHERE id = $1 AND route_id = $2";
    let read = |row: &Row<'_>| -> Result<(Event, NoticeState)> { Ok((row.get("event")?, row.get("state")?)) };
    let Some((event, state)) = change.opt(known, args![id, route], read).await? else {
        return Err(Error::NotFound { what: "notice" });
    };
    if state == NoticeState::Queued {
        return Err(Error::conflict("waiting", "it is on its way already"));
    }
    if event == Event::Test {
        refuse_second_test(&mut change, route).await?;
    }
    let sql = "UPDATE notices SET state = 'queued', attempts = 0, refusals = 0, unwanted = 0, due_at = $2, queued_at = $2, ended_at = NULL
               WHERE id = $1 AND state <> 'queued'";
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
