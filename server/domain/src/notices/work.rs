//! What the loop that sends notices may do: take the next one that is due, say what came of it, forget what is long over.

use std::time::Duration;

use model::ids::{NoticeId, NoticeRouteId, ProjectId};
use model::notices::{Notice, NoticeState, RouteKind, one_line};
use model::outside::AllowList;
use model::secret::Secret;
use model::time::Millis;

use super::mail::{self, Mail};
use super::{notice, routes, topic_of};
use crate::args;
use crate::change::Bookkeeping;
use crate::db::{Row, Value};
use crate::error::Result;
use crate::live::Signal;
use crate::outside;
use crate::worker::Worker;

pub use super::turns::UnderWay;

/// For so long a notice that was taken up is nobody else's: longer than anybody tries to send it. After a crash it is sent again then.
const LEASE: Duration = Duration::from_secs(60);
/// The first pause between two tries; each further one is twice as long...
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// ...to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// No pause is longer, chance counted in: what is due later was written before the clock was set back.
const FURTHEST: Duration = Duration::from_secs(3600 * 6 / 5);
/// For so long a notice is tried, whatever the receiver answers: a proxy says 404 where what stands behind it is away.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);
/// One that was refused so often lets those pass that come behind: they must not wait for a day. One of which the receiver said so often in a row
/// that trying again is of no use is given up.
pub(super) const REFUSALS: i64 = 6;
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
    /// How e-mail leaves, where the route is one of e-mail; or why it cannot.
    pub mail: Result<Mail, &'static str>,
    /// What operators allow to be reached inside.
    pub allowed: AllowList,
    /// What is told.
    pub notice: Notice,
    /// Which try it is, from 1.
    pub attempt: i64,
    queued_at: Millis,
    /// How often it was refused before.
    refusals: i64,
    /// How often in a row, to the last try, it was said that trying again is of no use.
    unwanted: i64,
}

impl Delivery {
    /// One that no queue holds: for whoever wants to see what would be sent.
    #[must_use]
    pub fn planned(id: NoticeId, route: NoticeRouteId, kind: RouteKind, notice: Notice, allowed: AllowList) -> Self {
        let queued_at = notice.at;
        let mail = Err(mail::UNSET);
        Self { id, route, project: None, kind, address: None, secret: None, mail, allowed, notice, attempt: 1, queued_at, refusals: 0, unwanted: 0 }
    }
}

/// A notice that is due, as it is stored: what one row holds must not stop the others.
struct Found {
    id: NoticeId,
    route: NoticeRouteId,
    project: Option<ProjectId>,
    kind: String,
    target: Vec<u8>,
    notice: String,
    attempts: i64,
    queued_at: Millis,
    refusals: i64,
    unwanted: i64,
}

impl Found {
    fn read(row: &Row<'_>) -> Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            route: row.get("route_id")?,
            project: row.get("project_id")?,
            kind: row.get("kind")?,
            target: row.get("target")?,
            notice: row.get("notice")?,
            attempts: row.get("attempts")?,
            queued_at: row.get("queued_at")?,
            refusals: row.get("refusals")?,
            unwanted: row.get("unwanted")?,
        })
    }

    /// What is to be sent, but for where; or why nobody can tell.
    fn delivery(&self) -> Result<Delivery, &'static str> {
        let kind: RouteKind = self.kind.parse().map_err(|_| "its route is of a sort that this Slipway does not know; set it again")?;
        let notice = notice(&self.notice).ok_or("what it tells cannot be read")?;
        let planned = Delivery::planned(self.id, self.route, kind, notice, AllowList::default());
        Ok(Delivery {
            project: self.project,
            attempt: self.attempts + 1,
            queued_at: self.queued_at,
            refusals: self.refusals,
            unwanted: self.unwanted,
            ..planned
        })
    }
}

/// When a notice is due, with now as `$1` and the furthest time as `$2`.
const DUE: &str = "CASE WHEN n.due_at > $2 THEN $1 ELSE n.due_at END";

/// Notices that may be sent once they are due, with the arguments: of each route the first that waits, and what waits behind those that were refused
/// often enough.
fn waiting(now: Millis, under_way: &UnderWay) -> (String, Vec<Value>) {
    let (free, more) = under_way.condition(3);
    let sql = format!(
        "FROM notices n JOIN notice_routes r ON r.id = n.route_id WHERE n.state = 'queued' AND {free}
         AND NOT EXISTS (SELECT 1 FROM notices o WHERE o.route_id = n.route_id AND o.state = 'queued' AND o.refusals < {REFUSALS} AND o.id < n.id)"
    );
    let mut arguments = args![now, now.plus(FURTHEST)];
    arguments.extend(more);
    (sql, arguments)
}

/// Takes up the next notice that is due and whose turn it is.
pub async fn claim(worker: &Worker, under_way: &UnderWay) -> Result<Option<Delivery>> {
    let platform = worker.platform();
    let now = platform.now();
    // Most of the time nothing is, and then nobody's writing waits.
    if next_due(worker, under_way).await?.is_none_or(|due| due > now) {
        return Ok(None);
    }
    let mut change = worker.change().await?;
    change.lock_key("notices claim").await?;
    let (from, arguments) = waiting(now, under_way);
    let sql = format!(
        "SELECT n.id, n.route_id, n.notice, n.attempts, n.queued_at, n.refusals, n.unwanted, r.project_id, r.kind, r.target {from}
         AND {DUE} <= $1 ORDER BY {DUE}, n.id LIMIT 1"
    );
    let taken = loop {
        let Some(found) = change.opt(sql.clone(), arguments.clone(), Found::read).await? else { break None };
        match found.delivery() {
            Ok(delivery) => break Some((delivery, found.target)),
            Err(why) => give_up(&mut change, &found, why, now).await?,
        }
    };
    let Some((mut delivery, target)) = taken else {
        change.finish().await?;
        return Ok(None);
    };
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

/// Ends a notice that nobody can send.
async fn give_up(change: &mut Bookkeeping, found: &Found, why: &str, now: Millis) -> Result<()> {
    tracing::error!(notice = %found.id, route = %found.route, why, "a notice was given up");
    let sql = "UPDATE notices SET state = 'failed', ended_at = $2, status = NULL, answer = $3 WHERE id = $1";
    change.exec(sql, args![found.id, now, format!("given up: {why}")]).await?;
    change.touch(topic_of(found.project));
    Ok(())
}

/// When the next notice is due of those whose turn it is.
pub async fn next_due(worker: &Worker, under_way: &UnderWay) -> Result<Option<Millis>> {
    let (from, arguments) = waiting(worker.platform().now(), under_way);
    let sql = format!("SELECT MIN({DUE}) AS due {from}");
    worker.platform().read().await?.one(sql, arguments, |row| row.get::<Option<Millis>>("due")).await
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
    /// It was refused: tried again for a day, in case that was a proxy, or somebody sets right what is wrong; after a few tries others pass it.
    Refused,
    /// The receiver says that trying again is of no use: given up when it has said so a few times.
    Unwanted,
    /// The receiver is away or in trouble: tried again for a day; after this long at the earliest.
    Away(Option<Duration>),
}

/// Writes what came of a try: taken, to be tried again, or given up.
pub async fn end(worker: &Worker, delivery: &Delivery, outcome: &Outcome) -> Result<()> {
    let platform = worker.platform();
    let now = platform.now();
    let refusals = delivery.refusals + i64::from(matches!(outcome.verdict, Verdict::Refused | Verdict::Unwanted));
    let unwanted = if outcome.verdict == Verdict::Unwanted { delivery.unwanted + 1 } else { 0 };
    let state = match outcome.verdict {
        Verdict::Taken => NoticeState::Sent,
        _ if unwanted >= REFUSALS || now.since(delivery.queued_at) >= PATIENCE => NoticeState::Failed,
        _ => NoticeState::Queued,
    };
    let least = if let Verdict::Away(Some(after)) = outcome.verdict { after.min(LONGEST_PAUSE) } else { Duration::ZERO };
    let due = now.plus(pause(delivery.attempt, platform.random_bytes::<2>()).max(least));
    let mut change = worker.change().await?;
    let sql = "UPDATE notices SET state = $2, due_at = $3, ended_at = $4, status = $5, answer = $6, refusals = $7, unwanted = $8
               WHERE id = $1 AND state = 'queued'";
    let answer = one_line(&outcome.answer, ANSWER);
    let ended = (state != NoticeState::Queued).then_some(now);
    change.exec(sql, args![delivery.id, state, due, ended, outcome.status, answer, refusals, unwanted]).await?;
    if state == NoticeState::Sent {
        // The receiver is there: what it refused for long has waited long enough. One at a time, so that what it will never want costs one try.
        let sql = "UPDATE notices SET due_at = $2 WHERE id = (SELECT o.id FROM notices o WHERE o.route_id = $1 AND o.state = 'queued'
                   AND o.refusals >= $3 ORDER BY o.id LIMIT 1)";
        change.exec(sql, args![delivery.route, now, REFUSALS]).await?;
    }
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

/// Gives up what waits for a route that is switched off, and forgets what is long over. What waits for one that tells is tried at least once, however
/// long the portal was away. How many went.
pub async fn tidy(worker: &Worker) -> Result<u64> {
    let now = worker.platform().now();
    let mut change = worker.change().await?;
    let sql = "UPDATE notices SET state = 'failed', ended_at = $1, answer = 'given up: it waited for two days, and its route is switched off'
               WHERE state = 'queued' AND queued_at < $2 AND route_id IN (SELECT id FROM notice_routes WHERE NOT enabled)";
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
            assert!(pause(attempt, [255, 255]) <= FURTHEST);
        }
    }
}
