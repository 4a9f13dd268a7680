//! What the loop that sends notices may do: take the next one that is due, say what came of it, forget what is long over.

use std::time::Duration;

use model::ids::{NoticeId, NoticeRouteId, ProjectId};
use model::notices::{Notice, RouteKind, one_line};
use model::outside::AllowList;
use model::secret::Secret;
use model::time::Millis;

use super::mail::{self, Mail};
use super::{routes, topic_of};
use crate::args;
use crate::db::{Json, Value, placeholders};
use crate::error::Result;
use crate::live::Signal;
use crate::outside;
use crate::worker::Worker;

/// For so long a notice that was taken up is nobody else's: longer than anybody tries to send it. After a crash it is sent again then.
const LEASE: Duration = Duration::from_secs(60);
/// The first pause between two tries; each further one is twice as long...
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// ...to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// A receiver that is away is tried for so long.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);
/// One that answers and does not want it, so often: what comes behind must not wait for a day.
const REFUSALS: i64 = 6;
/// How long what is over is remembered.
const REMEMBERED: Duration = Duration::from_secs(30 * 86_400);
/// Characters of an answer that are kept.
const ANSWER: usize = 300;

/// A notice to be sent.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Its id, the same at each try.
    pub id: NoticeId,
    /// The route.
    pub route: NoticeRouteId,
    /// Its project; none: the site's.
    pub project: Option<ProjectId>,
    /// How it is reached.
    pub kind: RouteKind,
    /// Where; none: lost, because the key is gone that it was sealed with.
    pub address: Option<Secret>,
    /// What webhooks are signed with.
    pub secret: Option<Secret>,
    /// How e-mail leaves, where the route is one of e-mail and operators set it.
    pub mail: Option<Mail>,
    /// What operators allow to be reached inside.
    pub allowed: AllowList,
    /// What is told.
    pub notice: Notice,
    /// Which try it is, from 1.
    pub attempt: i64,
    queued_at: Millis,
}

impl Delivery {
    /// One that no queue holds: for whoever wants to see what would be sent.
    #[must_use]
    pub fn planned(id: NoticeId, route: NoticeRouteId, kind: RouteKind, notice: Notice, allowed: AllowList) -> Self {
        let queued_at = notice.at;
        Self { id, route, project: None, kind, address: None, secret: None, mail: None, allowed, notice, attempt: 1, queued_at }
    }
}

/// Takes up the next notice that is due: of each route the first that waits, and of none of `busy`.
pub async fn claim(worker: &Worker, busy: &[NoticeRouteId]) -> Result<Option<Delivery>> {
    let platform = worker.platform();
    let now = platform.now();
    // Most of the time nothing is, and then nobody's writing waits.
    if next_due(worker).await?.is_none_or(|due| due > now) {
        return Ok(None);
    }
    let mut change = worker.change().await?;
    change.lock_key("notices claim").await?;
    let but = if busy.is_empty() { String::new() } else { format!("AND n.route_id NOT IN ({})", placeholders(2, busy.len())) };
    let sql = format!(
        "SELECT n.id, n.route_id, n.notice, n.attempts, n.queued_at, r.project_id, r.kind, r.target FROM notices n
         JOIN notice_routes r ON r.id = n.route_id
         WHERE n.state = 'queued' AND n.due_at <= $1 AND r.enabled {but}
         AND NOT EXISTS (SELECT 1 FROM notices o WHERE o.route_id = n.route_id AND o.state = 'queued' AND o.id < n.id)
         ORDER BY n.due_at, n.id LIMIT 1"
    );
    let mut arguments = args![now];
    arguments.extend(busy.iter().map(|route| Value::from(*route)));
    type Found = (Delivery, Vec<u8>);
    let read = |row: &crate::db::Row<'_>| -> Result<Found> {
        let delivery = Delivery {
            id: row.get("id")?,
            route: row.get("route_id")?,
            project: row.get("project_id")?,
            kind: row.get("kind")?,
            address: None,
            secret: None,
            mail: None,
            allowed: AllowList::default(),
            notice: row.get::<Json<Notice>>("notice")?.0,
            attempt: row.get::<i64>("attempts")? + 1,
            queued_at: row.get("queued_at")?,
        };
        Ok((delivery, row.get("target")?))
    };
    let Some((mut delivery, target)) = change.opt(sql, arguments, read).await? else { return Ok(None) };
    let sql = "UPDATE notices SET attempts = attempts + 1, due_at = $2 WHERE id = $1";
    change.exec(sql, args![delivery.id, now.plus(LEASE)]).await?;
    delivery.allowed = outside::allowed(&mut change).await?;
    if delivery.kind == RouteKind::Email {
        delivery.mail = mail::open(&mut change, platform).await?;
    }
    change.finish().await?;
    if let Ok(target) = routes::opened(platform, delivery.route, &target) {
        let (address, secret) = target.hidden();
        (delivery.address, delivery.secret) = (Some(address), secret);
    }
    Ok(Some(delivery))
}

/// When the next notice is due.
pub async fn next_due(worker: &Worker) -> Result<Option<Millis>> {
    let sql = "SELECT MIN(n.due_at) AS due FROM notices n JOIN notice_routes r ON r.id = n.route_id WHERE n.state = 'queued' AND r.enabled
               AND NOT EXISTS (SELECT 1 FROM notices o WHERE o.route_id = n.route_id AND o.state = 'queued' AND o.id < n.id)";
    worker.platform().read().await?.one(sql, args![], |row| row.get::<Option<Millis>>("due")).await
}

/// What came of a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The receiver's status, where it answered.
    pub status: Option<i64>,
    /// Its first words, or why it could not be asked.
    pub answer: String,
    /// What that means.
    pub verdict: Verdict,
}

/// What an answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was taken.
    Taken,
    /// The receiver does not want it: a few more tries, in case it changes its mind.
    Refused,
    /// The receiver is away or in trouble: tried again for a day; after this long at the earliest.
    Away(Option<Duration>),
}

/// Writes what came of a try: taken, to be tried again, or given up.
pub async fn end(worker: &Worker, delivery: &Delivery, outcome: &Outcome) -> Result<()> {
    let platform = worker.platform();
    let now = platform.now();
    let over = match outcome.verdict {
        Verdict::Taken => Some("sent"),
        Verdict::Refused if delivery.attempt >= REFUSALS => Some("failed"),
        Verdict::Refused | Verdict::Away(_) if now.since(delivery.queued_at) >= PATIENCE => Some("failed"),
        Verdict::Refused | Verdict::Away(_) => None,
    };
    let least = if let Verdict::Away(Some(after)) = outcome.verdict { after.min(LONGEST_PAUSE) } else { Duration::ZERO };
    let due = now.plus(pause(delivery.attempt, platform.random_bytes::<2>()).max(least));
    let mut change = worker.change().await?;
    let sql = "UPDATE notices SET state = $2, due_at = $3, ended_at = $4, status = $5, answer = $6 WHERE id = $1 AND state = 'queued'";
    let answer = one_line(&outcome.answer, ANSWER);
    let ended = over.is_some().then_some(now);
    change.exec(sql, args![delivery.id, over.unwrap_or("queued"), due, ended, outcome.status, answer]).await?;
    change.touch(topic_of(delivery.project));
    change.wake(Signal::Notices);
    change.finish().await
}

/// How long after a try the next one is: longer each time, and never the same for many that failed together.
fn pause(attempt: i64, random: [u8; 2]) -> Duration {
    let growing = FIRST_PAUSE.saturating_mul(1 << (attempt - 1).clamp(0, 16)).min(LONGEST_PAUSE);
    let part = f64::from(u16::from_le_bytes(random)) / f64::from(u16::MAX);
    growing.mul_f64(0.8 + 0.4 * part)
}

/// Gives up what waits for a route that was switched off, and forgets what is long over. How many went.
pub async fn tidy(worker: &Worker) -> Result<u64> {
    let now = worker.platform().now();
    let mut change = worker.change().await?;
    let sql = "UPDATE notices SET state = 'failed', ended_at = $1, answer = 'given up: its route was switched off' WHERE state = 'queued' AND queued_at < $2";
    let given_up = change.exec(sql, args![now, now.minus(PATIENCE * 2)]).await?;
    let sql = "DELETE FROM notices WHERE state <> 'queued' AND ended_at < $1";
    let gone = change.exec(sql, args![now.minus(REMEMBERED)]).await?;
    change.finish().await?;
    Ok(given_up + gone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_an_hour_and_differ() {
        assert_eq!(pause(1, [0, 0]), Duration::from_secs(4));
        assert_eq!(pause(1, [255, 255]), Duration::from_secs(6));
        assert!(pause(4, [0, 0]) > pause(3, [0, 0]));
        for attempt in [12, 40, i64::MAX] {
            assert!(pause(attempt, [255, 255]) <= LONGEST_PAUSE.mul_f64(1.2));
        }
    }
}
