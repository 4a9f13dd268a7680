//! Follows the log of one container through its engine's API, where its files cannot be read: one stream, taken up again behind the last line that was
//! kept. The engine tells a log always in the same order, so whatever stands behind that line is new ([`seek`]), and where the line is no longer told
//! something is missing.
//!
//! Not seen through an engine: what it threw away before the first line was read, and what an engine from 23 on leaves out of an open stream, when more
//! than a whole file was written while the stream's reader did not read.

mod chunk;
mod clock;
mod seek;
mod still;

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use model::time::Millis;
use tokio::time::Instant;

use super::clerk::{Clerk, Owner};
use super::cursor::{Anchor, Cursor};
use super::intake::{Intake, Item};
use super::job::{Job, State};
use super::joiner::{Piece, Place, Source, Text};
use super::missing::Missing;
use crate::docker::{EngineError, Kind, LogPiece, LogSource};
use chunk::{Chunk, chunk};
use clock::Clock;
use seek::{Mark, Seek, Verdict};
use still::Still;

/// Waits before an engine that is away is asked again: the first and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));
/// Wait after lines were not kept.
const REFUSED: Duration = Duration::from_secs(5);
/// So much before the last line an engine is asked to begin: its streams are not in the order of time to the last digit.
const BEFORE: i64 = 2;
/// After so long a silence it is asked whether the line that is looked for is still to come; as long it is waited before that is asked again.
const SILENCE: Duration = Duration::from_secs(3);
/// How often what is held back is looked at while nothing comes.
const HELD: Duration = Duration::from_secs(1);

/// Why a round is over.
enum Over {
    /// The engine told all.
    End,
    /// The container is gone.
    Gone,
    /// The engine is away, or somebody asked for another round.
    Away,
    /// Lines were not kept.
    Refused,
    /// The engine's stream stands still.
    Still,
}

/// What is told is what.
enum Way {
    /// New.
    New,
    /// New, and what came between it and this line is missing.
    Behind(Anchor),
    /// Known, up to the line that is looked for.
    Seek(Box<Seek>),
}

/// Follows one container.
pub(super) struct Remote {
    job: Arc<Job>,
    clerk: Arc<Clerk>,
    owner: Owner,
    cursor: Cursor,
    intake: Intake,
    began: Instant,
    /// The portal's clock then.
    began_at: Millis,
    clock: Clock,
    /// The engine was last asked then where the log ends.
    asked: Option<Instant>,
    /// It was said that the engine cannot read its log, and no line came since.
    unreadable: bool,
}

impl Remote {
    /// `now`: the portal's clock.
    pub(super) fn new(job: Arc<Job>, clerk: Arc<Clerk>, owner: Owner, cursor: Cursor, now: Millis) -> Self {
        let intake = Intake::new(Duration::ZERO, cursor.last, cursor.held);
        let clock = Clock::known(cursor.ahead, now);
        Self { job, clerk, owner, cursor, intake, began: Instant::now(), began_at: now, clock, asked: None, unreadable: false }
    }

    /// Follows it until it is forgotten.
    pub(super) async fn follow(mut self) {
        let (mut wait, mut complete) = (RETRY.0, false);
        loop {
            let asked = self.job.begin_round();
            let over = self.round().await;
            match over {
                Over::End => {
                    wait = RETRY.0;
                    if !self.end().await {
                        complete = false;
                        self.pause(REFUSED).await;
                        continue;
                    }
                    self.job.set(State::Ended(asked));
                    if !self.job.forgotten() {
                        self.job.kicked().await;
                    }
                    // Else its program may have been started again, and have written.
                    complete = self.job.finishing() || self.job.forgotten();
                }
                Over::Gone => {
                    self.gone(complete).await;
                    return;
                }
                Over::Away => {
                    complete = false;
                    self.pause(wait).await;
                    wait = (wait * 2).min(RETRY.1);
                }
                Over::Refused => {
                    complete = false;
                    self.pause(REFUSED).await;
                }
                Over::Still => complete = false,
            }
            if self.job.forgotten() {
                // Its container is gone, whatever the engine has to say.
                self.gone(complete).await;
                return;
            }
        }
    }

    async fn pause(&self, wait: Duration) {
        // Whoever asks for a round need not wait for long.
        let _ = tokio::time::timeout(wait, self.job.kicked()).await;
    }

    /// The engine told all: what was begun is a line, and a log that is to be removed is done. Whether that was kept.
    async fn end(&mut self) -> bool {
        let done = self.job.finishing();
        let mut items = Vec::new();
        if done {
            self.intake.end(&mut items);
        } else {
            // It may be the last for long.
            self.intake.release(0, &mut items);
        }
        if items.is_empty() && self.cursor.done == done {
            return true;
        }
        self.keep(items, done).await.is_none()
    }

    /// The container is gone: what is missing is said, and the task forgotten once that is known to all.
    async fn gone(&mut self, complete: bool) {
        let mut items = Vec::new();
        if !self.cursor.done && !complete {
            self.intake.end(&mut items);
            let after = self.cursor.last.map(|last| last.at_nanos);
            if after.is_some() || self.job.started() {
                self.intake.missing(Missing::Removed { after }, &mut items);
            }
        }
        self.cursor.done = true;
        let mut left = Some(items);
        loop {
            let forgotten = self.job.forgotten();
            if left.is_some() || forgotten {
                let text = if forgotten { String::new() } else { self.cursor.text() };
                if self.clerk.keep(&self.owner, left.clone().unwrap_or_default(), text).await {
                    left = None;
                    self.job.set(State::Gone);
                    if forgotten {
                        return;
                    }
                } else if forgotten && self.job.given_up() {
                    return;
                } else {
                    tokio::time::sleep(REFUSED).await;
                    continue;
                }
            }
            self.job.kicked().await;
        }
    }

    /// From the last line that is known to the end of what the engine tells.
    async fn round(&mut self) -> Over {
        let job = Arc::clone(&self.job);
        let mut renewed = pin!(job.renewed());
        // From now on it is noticed, also while lines are kept.
        if futures::poll!(renewed.as_mut()).is_ready() {
            return Over::Away;
        }
        let Some(last) = self.cursor.last else { return self.listen(0, Way::New, renewed).await.unwrap_or(Over::Away) };
        let since = match self.since(last).await {
            Ok(since) => since,
            Err(error) => return broken(&error),
        };
        match self.listen(since, Way::Seek(Box::new(Seek::new(last))), renewed.as_mut()).await {
            Some(over) => over,
            // All of it is new.
            None => self.listen(0, Way::Behind(last), renewed).await.unwrap_or(Over::Away),
        }
    }

    /// Takes what the engine tells. None: it no longer has the line that is looked for.
    async fn listen(&mut self, since: i32, mut way: Way, mut renewed: Pin<&mut (impl Future<Output = ()> + Send)>) -> Option<Over> {
        // What was begun is told again.
        self.intake = Intake::new(self.began.elapsed(), self.cursor.last, self.cursor.held);
        self.asked = None;
        let mut pieces = match self.job.docker().log_pieces(&self.job.container, since).await {
            Ok(pieces) => pieces,
            Err(error) => return Some(broken(&error)),
        };
        let mut still = Still::new(Instant::now());
        loop {
            let most = match &way {
                Way::Seek(seek) => seek.was_told().then_some(SILENCE),
                Way::New | Way::Behind(_) => self.intake.holds().then_some(HELD),
            }
            .or(still.patience());
            let Chunk { pieces: told, end } = tokio::select! {
                () = renewed.as_mut() => return Some(Over::Away),
                taken = chunk(&mut pieces, most) => taken,
            };
            let silent = told.is_empty() && end.is_none();
            let ended = matches!(end, Some(Ok(())));
            let (mut items, bytes) = (Vec::new(), told.iter().map(|piece| piece.text.len()).sum::<usize>());
            if let Some(last) = told.last() {
                still.told(bytes, mark(last), Instant::now());
            }
            if !matches!(way, Way::Seek(_)) {
                self.intake.pass(self.began.elapsed(), bytes as u64, &mut items);
            }
            for piece in told {
                self.take(piece, &mut way, &mut items);
            }
            if let Way::Seek(seek) = &mut way {
                match self.judge(seek, since, silent, ended).await {
                    Ok(Verdict::Open | Verdict::Ask) => {}
                    Ok(Verdict::Found) => self.found(&mut way),
                    Ok(Verdict::Lost) => return None,
                    Err(over) => return Some(over),
                }
            }
            if let (Way::Behind(last), true) = (&way, ended && self.job.finishing() && !self.cursor.done) {
                // Nothing came, and nothing will.
                self.intake.missing(Missing::Rotated { after: Some(last.at_nanos), before: None }, &mut items);
            }
            let done = self.cursor.done && items.is_empty();
            if !matches!(way, Way::Seek(_))
                && let Some(over) = self.keep(items, done).await
            {
                return Some(over);
            }
            match end {
                None if silent && still.asks(Instant::now()) => match self.job.docker().last_log_piece(&self.job.container).await {
                    Ok(end) if still.log_ends(end.as_ref().map(mark), Instant::now()) => return Some(Over::Still),
                    Ok(_) => {}
                    Err(error) => return Some(broken(&error)),
                },
                None => {}
                Some(Ok(())) => return Some(Over::End),
                Some(Err(error)) => return Some(broken(&error)),
            }
        }
    }

    /// From when on the engine is asked, in whole seconds since 1970.
    async fn since(&mut self, last: Anchor) -> Result<i32, EngineError> {
        let asked = self.began.elapsed();
        let says = self.job.docker().info().await?.clock;
        if let Some(says) = says {
            self.clock.says(says, asked, self.began.elapsed(), last);
            // Written down with the next lines.
            self.cursor.ahead = self.clock.ahead_of(self.began_at);
        }
        // Of a line that was begun in the engine's file the time is not written down.
        if !self.clock.is_trusted() || self.cursor.from.is_some() {
            return Ok(0);
        }
        let oldest = self.cursor.open.map_or(last.at_nanos, |open| last.at_nanos.min(open));
        Ok(i32::try_from(oldest / 1_000_000_000 - BEFORE).unwrap_or_default().max(0))
    }

    /// Whether the line that is looked for can still come. `silent`: nothing was told for a while; `ended`: the engine told all. Why the round is over,
    /// if it is.
    async fn judge(&mut self, seek: &mut Seek, since: i32, silent: bool, ended: bool) -> Result<Verdict, Over> {
        let verdict = match seek.verdict(silent || ended) {
            Verdict::Open | Verdict::Ask if ended => {
                if seek.ends() {
                    return Ok(Verdict::Found);
                }
                Verdict::Ask
            }
            verdict => verdict,
        };
        let lately = self.asked.is_some_and(|at| at.elapsed() < SILENCE);
        if verdict != Verdict::Ask || (lately && !ended) {
            return Ok(verdict);
        }
        self.asked = Some(Instant::now());
        let end = match self.job.docker().last_log_piece(&self.job.container).await {
            Ok(end) => end.as_ref().map(mark),
            Err(error) => return Err(broken(&error)),
        };
        if since > 0 && end.is_some_and(|end| end.at_nanos < i64::from(since) * 1_000_000_000) {
            // Written last, and not to be told: the whole log is asked for.
            self.clock.was_put_back();
            return Err(Over::Away);
        }
        seek.log_ends(end);
        if !ended {
            return Ok(Verdict::Open);
        }
        // It may have ended before it told all.
        if seek.verdict(true) == Verdict::Lost { Ok(Verdict::Lost) } else { Err(Over::Away) }
    }

    fn take(&mut self, piece: LogPiece, way: &mut Way, items: &mut Vec<Item>) {
        if piece.is_complaint() {
            // It goes on with what is written from now on, if at all: what is before that and was not told will not be.
            *way = Way::New;
            if !std::mem::replace(&mut self.unreadable, true) {
                self.intake.missing(Missing::Unreadable, items);
            }
            return;
        }
        let piece = read(piece);
        if let Way::Behind(last) = *way {
            let before = Some(piece.at_nanos).filter(|before| *before > last.at_nanos);
            self.intake.missing(Missing::Rotated { after: Some(last.at_nanos), before }, items);
            *way = Way::New;
        }
        if let Way::Seek(seek) = way {
            let before = seek.ended_before(&piece);
            if before || seek.finds(&piece) {
                self.found(way);
            }
            if !before {
                return;
            }
        }
        self.unreadable = false;
        self.intake.take(&piece, Place::default(), items);
    }

    /// The last line was told: what follows is new.
    fn found(&mut self, way: &mut Way) {
        let found = std::mem::replace(way, Way::New);
        // While lines are held back, those that were begun are, too, and it is written down which.
        if let Way::Seek(seek) = found
            && !self.intake.holds()
        {
            self.intake.goes_on(seek.into_joiner());
        }
    }

    /// Has lines kept. Why the round is over, if that failed.
    async fn keep(&mut self, items: Vec<Item>, done: bool) -> Option<Over> {
        let intake = &self.intake;
        let open = intake.pending().map(|(_, at)| at);
        let cursor = Cursor { read: None, from: None, last: intake.last(), open, held: intake.held(), done, ..self.cursor.clone() };
        if items.is_empty() && cursor == self.cursor {
            return None;
        }
        if self.clerk.keep(&self.owner, items, cursor.text()).await {
            self.cursor = cursor;
            None
        } else {
            Some(Over::Refused)
        }
    }
}

fn read(piece: LogPiece) -> Piece<'static> {
    Piece { at_nanos: piece.at_nanos, source: source(piece.source), text: Text::Owned(piece.text), whole: piece.whole }
}

fn mark(piece: &LogPiece) -> Mark {
    Mark { at_nanos: piece.at_nanos, source: source(piece.source) }
}

fn source(source: LogSource) -> Source {
    match source {
        LogSource::Stdout => Source::Stdout,
        LogSource::Stderr => Source::Stderr,
    }
}

fn broken(error: &EngineError) -> Over {
    if error.kind == Kind::NoSuchContainer { Over::Gone } else { Over::Away }
}
