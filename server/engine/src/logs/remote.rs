//! Follows the log of one container through its engine's API, where its files cannot be read: one stream, taken up again behind the last line that was
//! kept. The engine tells a log always in the same order, so whatever stands behind that line is new, and where the line is no longer told something is
//! missing.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{BoxStream, StreamExt};
use tokio::time::{Instant, timeout_at};

use super::clerk::{Clerk, Owner};
use super::cursor::{Anchor, Cursor};
use super::intake::{Intake, Item};
use super::job::{Job, State};
use super::joiner::{Joiner, Piece, Place, Source, Text};
use super::missing::Missing;
use crate::docker::{EngineError, Kind, LogPiece, LogSource};

/// Waits before an engine that is away is asked again: the first and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));
/// Wait after lines were not kept.
const REFUSED: Duration = Duration::from_secs(5);
/// So much before the last line an engine is asked to begin: its streams are not in the order of time to the last digit.
const BEFORE: i64 = 2;
/// A line that is so much later than the one that is looked for says that it will not come.
const LATER: i64 = 10 * 1_000_000_000;
/// The same says so long a silence, or so many bytes.
const SILENCE: Duration = Duration::from_secs(3);
const MOST: usize = 8 << 20;
/// Bytes that are taken at once.
const CHUNK: usize = 2 << 20;
/// What comes within so much time is kept together: each keeping waits its turn.
const TOGETHER: Duration = Duration::from_millis(100);
/// How often what is held back is looked at while nothing comes.
const HELD: Duration = Duration::from_secs(1);

type Pieces = BoxStream<'static, crate::docker::Result<LogPiece>>;

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
}

/// Pieces that came together, and what came after them: more, the end, or an error.
struct Chunk {
    pieces: Vec<LogPiece>,
    end: Option<Result<(), EngineError>>,
}

/// Looks for the last line that is known.
struct Seek {
    anchor: Anchor,
    last: Option<Anchor>,
    joiner: Joiner,
    seen: Vec<LogPiece>,
    bytes: usize,
}

/// Follows one container.
pub(super) struct Remote {
    job: Arc<Job>,
    clerk: Arc<Clerk>,
    owner: Owner,
    cursor: Cursor,
    intake: Intake,
    began: Instant,
}

impl Remote {
    pub(super) fn new(job: Arc<Job>, clerk: Arc<Clerk>, owner: Owner, cursor: Cursor) -> Self {
        let intake = Intake::new(Duration::ZERO, cursor.last, cursor.held);
        Self { job, clerk, owner, cursor, intake, began: Instant::now() }
    }

    /// Follows it until it is forgotten.
    pub(super) async fn follow(mut self) {
        let (mut wait, mut complete) = (RETRY.0, false);
        loop {
            let asked = self.job.begin_round();
            let over = self.round().await;
            match over {
                Over::End => {
                    (wait, complete) = (RETRY.0, true);
                    if !self.end().await {
                        self.pause(REFUSED).await;
                        continue;
                    }
                    self.job.set(State::Ended(asked));
                    if !self.job.forgotten() {
                        self.job.kicked().await;
                    }
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
        // What was begun is told again.
        self.intake = Intake::new(self.began.elapsed(), self.cursor.last, self.cursor.held);
        let docker = self.job.docker();
        let mut pieces = match docker.log_pieces(&self.job.container, self.since()).await {
            Ok(pieces) => pieces,
            Err(error) => return broken(&error),
        };
        let mut seek = self.cursor.last.map(Seek::new);
        loop {
            let most = match &seek {
                Some(seek) if !seek.seen.is_empty() => Some(SILENCE),
                Some(_) => None,
                None => self.intake.holds().then_some(HELD),
            };
            let chunk = tokio::select! {
                taken = chunk(&mut pieces, most) => taken,
                () = self.job.renewed() => return Over::Away,
            };
            let bytes: usize = chunk.pieces.iter().map(|piece| piece.text.len()).sum();
            let mut items = Vec::new();
            if seek.is_none() {
                self.intake.pass(self.began.elapsed(), bytes as u64, &mut items);
            }
            let silent = chunk.pieces.is_empty();
            for piece in chunk.pieces {
                self.take(piece, &mut seek, &mut items);
            }
            // A stream that was cut may have been cut before the line.
            let over = silent && !matches!(chunk.end, Some(Err(_)));
            if let Some(given_up) = seek.take_if(|seek| !seek.seen.is_empty() && (over || seek.hopeless())) {
                self.lost(given_up, &mut items);
            }
            let searching = seek.is_some();
            if !searching && let Some(over) = self.keep(items, false).await {
                return over;
            }
            match chunk.end {
                None => {}
                Some(Ok(())) if seek.as_ref().is_some_and(|seek| !seek.seen.is_empty()) => {
                    let mut items = Vec::new();
                    if let Some(given_up) = seek.take() {
                        self.lost(given_up, &mut items);
                    }
                    return self.keep(items, false).await.unwrap_or(Over::End);
                }
                Some(Ok(())) => return Over::End,
                Some(Err(error)) => return broken(&error),
            }
        }
    }

    /// From when on the engine is asked, in whole seconds since 1970.
    fn since(&self) -> i32 {
        let known = self.cursor.last.map(|last| last.at_nanos);
        let oldest = known.map(|last| self.cursor.open.map_or(last, |open| last.min(open)));
        oldest.and_then(|oldest| i32::try_from(oldest / 1_000_000_000 - BEFORE).ok()).unwrap_or_default()
    }

    fn take(&mut self, piece: LogPiece, seek: &mut Option<Seek>, items: &mut Vec<Item>) {
        match seek {
            None => self.intake.take(&read(piece), Place::default(), items),
            Some(seeking) => {
                if seeking.finds(piece)
                    && let Some(found) = seek.take()
                {
                    self.intake.goes_on(found.joiner);
                }
            }
        }
    }

    /// The last line is no longer told: something is missing before what is.
    fn lost(&mut self, seek: Seek, items: &mut Vec<Item>) {
        let before = seek.seen.first().map(|piece| piece.at_nanos);
        self.intake.missing(Missing::Rotated { after: Some(seek.anchor.at_nanos), before }, items);
        for piece in seek.seen {
            self.intake.take(&read(piece), Place::default(), items);
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

impl Seek {
    fn new(anchor: Anchor) -> Self {
        Self { anchor, last: None, joiner: Joiner::default(), seen: Vec::new(), bytes: 0 }
    }

    /// Takes a piece that is known, unless the line is no longer told. Whether it is the line's last.
    fn finds(&mut self, piece: LogPiece) -> bool {
        let (anchor, last) = (self.anchor, &mut self.last);
        let mut found = false;
        self.seen.push(piece.clone());
        self.bytes += piece.text.len();
        self.joiner.take(&read(piece), Place::default(), |line| {
            Anchor::passes(last, line.at_nanos, line.source);
            found |= *last == Some(anchor);
        });
        found
    }

    fn hopeless(&self) -> bool {
        let later = self.last.is_some_and(|last| last.at_nanos > self.anchor.at_nanos.saturating_add(LATER));
        later || self.bytes > MOST
    }
}

fn read(piece: LogPiece) -> Piece<'static> {
    let source = match piece.source {
        LogSource::Stdout => Source::Stdout,
        LogSource::Stderr => Source::Stderr,
    };
    Piece { at_nanos: piece.at_nanos, source, text: Text::Owned(piece.text), whole: piece.whole }
}

fn broken(error: &EngineError) -> Over {
    if error.kind == Kind::NoSuchContainer { Over::Gone } else { Over::Away }
}

/// What comes together, after at most so long a wait for the first of it.
async fn chunk(pieces: &mut Pieces, most: Option<Duration>) -> Chunk {
    let first = match most {
        Some(most) => match tokio::time::timeout(most, pieces.next()).await {
            Ok(first) => first,
            Err(_) => return Chunk { pieces: Vec::new(), end: None },
        },
        None => pieces.next().await,
    };
    let mut chunk = Chunk { pieces: Vec::new(), end: None };
    let until = Instant::now() + TOGETHER;
    let (mut next, mut bytes) = (Some(first), 0);
    while let Some(piece) = next {
        match piece {
            Some(Ok(piece)) => {
                bytes += piece.text.len() + 64;
                chunk.pieces.push(piece);
            }
            Some(Err(error)) => chunk.end = Some(Err(error)),
            None => chunk.end = Some(Ok(())),
        }
        next = if chunk.end.is_some() || bytes >= CHUNK { None } else { timeout_at(until, pieces.next()).await.ok() };
    }
    chunk
}
