//! Brings lines from the store to one reader: the last ones, those of a search as they are found, those that are written from then on. It works in
//! turns of a thread: a turn ends when the reader has enough for now, after a while, or when the reader is gone, and the next one goes on behind the
//! last line. So a slow reader costs no thread, and misses nothing. What is new and in memory is given to a follower without a turn.

use std::cell::RefCell;
use std::io;
use std::ops::ControlFlow;
use std::time::Duration;

use logs::{Found, Gone, LineId, Near, Past, Progress, Select, Start, Stream, Trail};
use model::time::Millis;
use model::views::logs::{LogProgress, LogView};
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::time::Instant;

use super::desk::{Desk, Turn};
use super::{Begin, Piece, Query, behind, view};
use crate::blocking::blocking;
use crate::error::Result;
use crate::streams::Slot;

/// Bytes of text that travel together.
pub(super) const PIECE: usize = 64 * 1024;
/// Lines that travel together.
const LINES: usize = 256;
/// Bytes of lines that are looked back; of more, the last ones are given.
const PAST: usize = 4 * 1024 * 1024;
/// A line that was found waits for others that travel with it this long at most.
const TOGETHER: Duration = Duration::from_millis(50);
/// How often a search says how far it is.
const TELL: Duration = Duration::from_millis(200);
/// How long a turn lasts while others may wait for theirs.
const SLICE: Duration = Duration::from_millis(500);
/// New lines are looked for once in this time at most: a service that writes much is read in larger parts.
const PAUSE: Duration = Duration::from_millis(100);

/// One reader's way to its lines.
pub(super) struct Pump {
    desk: Desk,
    select: Select,
    begin: Begin,
    follow: bool,
    /// There may be much to look through.
    heavy: bool,
    /// Of who searches, as long as there is much to look through.
    search: Option<Slot>,
    /// Who does not follow reads to here, however much is added meanwhile.
    limit: Option<LineId>,
    /// What it knows of the lines that it has seen.
    trail: Trail,
    slice: Duration,
    sender: mpsc::Sender<Piece>,
}

/// Why a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// There is no line behind.
    End,
    /// The reader has enough for now, or others want their turn.
    Pause,
    /// The reader is gone.
    Gone,
}

impl Pump {
    /// Reads this for whoever holds the other end. With a slot it begins as a search.
    pub fn new(desk: Desk, select: Select, query: &Query, search: Option<Slot>, sender: mpsc::Sender<Piece>) -> Self {
        let reader = sender.clone();
        let select = Select { gone: Some(Gone::new(move || reader.is_closed())), ..select };
        let (begin, follow, heavy) = (query.begin, query.follow, search.is_some());
        Self { desk, select, begin, follow, heavy, search, limit: None, trail: Trail::default(), slice: SLICE, sender }
    }

    /// Until the reader is gone, or has all that there is and does not follow. A turn that was waited for already is used first.
    pub async fn run(mut self, stream: Stream, mut turn: Option<Turn>) -> Result<()> {
        // From here on, so that no line falls between the past and what follows.
        let mut changes = stream.changes();
        self.limit = (!self.follow).then(|| stream.end());
        let mut start = match self.begin {
            Begin::Oldest => Start::Oldest,
            Begin::After(id) => Start::After(id),
            Begin::Last(most) => {
                let Some(end) = self.past(&stream, most as usize, turn.take()).await? else { return Ok(()) };
                if !self.follow {
                    return Ok(());
                }
                self.searched();
                Start::After(end)
            }
        };
        loop {
            changes.borrow_and_update();
            if self.follow && stream.is_removed() {
                return Ok(());
            }
            let began = Instant::now();
            let Some(next) = self.forward(&stream, start, turn.take()).await? else { return Ok(()) };
            if !self.follow {
                return Ok(());
            }
            self.searched();
            start = next;
            tokio::select! {
                () = self.sender.closed() => return Ok(()),
                changed = changes.changed() => if changed.is_err() { return Ok(()) },
            }
            tokio::select! {
                () = self.sender.closed() => return Ok(()),
                () = tokio::time::sleep_until(began + PAUSE) => {}
            }
        }
    }

    /// From now on there is little to look at each time.
    fn searched(&mut self) {
        self.heavy = false;
        drop(self.search.take());
    }

    /// A turn, unless the reader is gone before it comes.
    async fn turn(&self, waited: Option<Turn>) -> Option<Turn> {
        if waited.is_some() {
            return waited;
        }
        tokio::select! {
            () = self.sender.closed() => None,
            turn = self.desk.turn(self.heavy) => Some(turn),
        }
    }

    /// The last lines. What is behind them begins after the id; none: the reader is gone.
    async fn past(&mut self, stream: &Stream, most: usize, turn: Option<Turn>) -> Result<Option<LineId>> {
        // What comes while they are looked for comes with what follows.
        let end = stream.end();
        let Some(found) = self.look_back(stream, Past::new(most, PAST, Some(behind(end))), turn).await? else { return Ok(None) };
        let (mut lines, mut bytes) = (Vec::new(), 0);
        for found in found {
            bytes += found.record.text.len();
            lines.push(view(found));
            if bytes >= PIECE || lines.len() >= LINES {
                bytes = 0;
                if self.sender.send(Piece::Lines(std::mem::take(&mut lines))).await.is_err() {
                    return Ok(None);
                }
            }
        }
        if !lines.is_empty() && self.sender.send(Piece::Lines(lines)).await.is_err() {
            return Ok(None);
        }
        Ok(Some(end))
    }

    /// Looks back, a turn at a time. None: the reader is gone.
    async fn look_back(&mut self, stream: &Stream, mut past: Past, mut waited: Option<Turn>) -> Result<Option<Vec<Found>>> {
        loop {
            let Some(turn) = self.turn(waited.take()).await else { return Ok(None) };
            let (stream, select, sender, tells, slice) = (stream.clone(), self.select.clone(), self.sender.clone(), self.heavy, self.slice);
            let (left, over, gone) = blocking(move || {
                let _turn = turn;
                let mut bundle = Bundle::new(&sender, tells, slice);
                let over = stream.look_back(&select, &mut past, &mut |progress| bundle.tell(progress))?;
                Ok((past, over, bundle.stop == Some(Stop::Gone)))
            })
            .await?;
            if gone {
                return Ok(None);
            }
            if over {
                return Ok(Some(left.into_lines()));
            }
            past = left;
            self.heavy = true;
        }
    }

    /// All that is there from here on. Where it goes on; none: the reader is gone.
    async fn forward(&mut self, stream: &Stream, mut start: Start, mut waited: Option<Turn>) -> Result<Option<Start>> {
        loop {
            // Nothing is looked for before the reader has room for it.
            if self.sender.reserve().await.is_err() {
                return Ok(None);
            }
            let near = self.at_hand(stream, start);
            let at_once = near.is_some();
            let done = match near {
                Some(near) => {
                    let bundle = Bundle::new(&self.sender, false, self.slice);
                    look(Place::Memory(near), &self.select, &mut self.trail, bundle)?
                }
                None => match self.in_turn(stream, start, waited.take()).await? {
                    Some(done) => done,
                    None => return Ok(None),
                },
            };
            if let Some(last) = done.last {
                start = Start::After(last);
            }
            if !done.left.is_empty() && self.sender.send(Piece::Lines(done.left)).await.is_err() {
                return Ok(None);
            }
            match done.stop {
                Stop::End => return Ok(Some(start)),
                Stop::Pause if self.limit.is_some_and(|limit| done.last >= Some(limit)) => return Ok(Some(start)),
                // There is much: it is brought in the turns of those who search.
                Stop::Pause => self.heavy |= !at_once,
                Stop::Gone => return Ok(None),
            }
        }
    }

    /// What is in memory is given to a follower without a turn: no file is read, and each line costs next to nothing where no text is looked for.
    fn at_hand(&self, stream: &Stream, start: Start) -> Option<Near> {
        match start {
            Start::After(after) if self.follow && !self.heavy && self.select.matcher.is_none() => stream.near(after),
            _ => None,
        }
    }

    /// What one turn of a thread brings. None: the reader is gone.
    async fn in_turn(&mut self, stream: &Stream, start: Start, waited: Option<Turn>) -> Result<Option<Done>> {
        let Some(turn) = self.turn(waited).await else { return Ok(None) };
        let (stream, select, sender, mut trail) = (stream.clone(), self.select.clone(), self.sender.clone(), std::mem::take(&mut self.trail));
        let (tells, limit, slice) = (self.heavy, self.limit, self.slice);
        let (done, trail) = blocking(move || {
            let _turn = turn;
            let bundle = Bundle { limit, ..Bundle::new(&sender, tells, slice) };
            let done = look(Place::Store(stream, start), &select, &mut trail, bundle)?;
            Ok((done, trail))
        })
        .await?;
        self.trail = trail;
        Ok(Some(done))
    }
}

/// Where lines are looked for.
enum Place {
    Memory(Near),
    Store(Stream, Start),
}

/// What a turn leaves.
struct Done {
    stop: Stop,
    /// The last line that was looked at.
    last: Option<LineId>,
    /// Lines that are still to be sent.
    left: Vec<LogView>,
}

/// One turn: looks forward from here and sends what it finds.
fn look(place: Place, select: &Select, trail: &mut Trail, bundle: Bundle<'_>) -> io::Result<Done> {
    let bundle = RefCell::new(bundle);
    let see = &mut |found| bundle.borrow_mut().take(found);
    let tell = &mut |progress| bundle.borrow_mut().tell(progress);
    let last = match place {
        Place::Memory(near) => near.scan(select, trail, see, tell)?,
        Place::Store(stream, start) => stream.scan_on(select, start, trail, see, tell)?,
    };
    let bundle = bundle.into_inner();
    Ok(Done { stop: bundle.stop.unwrap_or(Stop::End), last, left: bundle.lines })
}

/// Lines that travel together.
struct Bundle<'a> {
    sender: &'a mpsc::Sender<Piece>,
    tells: bool,
    /// The last line that is taken.
    limit: Option<LineId>,
    lines: Vec<LogView>,
    bytes: usize,
    stop: Option<Stop>,
    slice: Duration,
    began: Instant,
    sent: Instant,
    told: Instant,
}

impl<'a> Bundle<'a> {
    fn new(sender: &'a mpsc::Sender<Piece>, tells: bool, slice: Duration) -> Self {
        let now = Instant::now();
        Self { sender, tells, limit: None, lines: Vec::new(), bytes: 0, stop: None, slice, began: now, sent: now, told: now }
    }

    fn take(&mut self, found: Found) -> ControlFlow<()> {
        if self.limit.is_some_and(|limit| found.id > limit) {
            return self.stop(Stop::End);
        }
        let context = found.context;
        self.bytes += found.record.text.len();
        self.lines.push(view(found));
        let full = self.bytes >= PIECE || self.lines.len() >= LINES;
        // A turn ends with a line that matches: the next one knows from it which lines around it were shown.
        if !context && full { self.send(true) } else { self.send_in_time() }
    }

    fn send_in_time(&mut self) -> ControlFlow<()> {
        if self.lines.is_empty() || self.sent.elapsed() < TOGETHER { ControlFlow::Continue(()) } else { self.send(false) }
    }

    /// Sends what is there. Where there is no room the turn ends, or, if it need not be sent now, it is tried again later.
    fn send(&mut self, must: bool) -> ControlFlow<()> {
        match self.sender.try_send(Piece::Lines(std::mem::take(&mut self.lines))) {
            Ok(()) => {
                self.bytes = 0;
                self.sent = Instant::now();
                ControlFlow::Continue(())
            }
            Err(TrySendError::Closed(_)) => self.stop(Stop::Gone),
            Err(TrySendError::Full(piece)) => {
                if let Piece::Lines(lines) = piece {
                    self.lines = lines;
                }
                if must { self.stop(Stop::Pause) } else { ControlFlow::Continue(()) }
            }
        }
    }

    /// Called now and then, whether lines are found or not.
    fn tell(&mut self, progress: Progress) -> ControlFlow<()> {
        self.send_in_time()?;
        self.watch(progress)?;
        if self.began.elapsed() >= self.slice { self.stop(Stop::Pause) } else { ControlFlow::Continue(()) }
    }

    /// Ends the turn of a reader who is gone, and tells the others how far it is.
    fn watch(&mut self, progress: Progress) -> ControlFlow<()> {
        if self.sender.is_closed() {
            return self.stop(Stop::Gone);
        }
        if self.tells && self.told.elapsed() >= TELL {
            self.told = Instant::now();
            let at = Millis(progress.at_nanos.div_euclid(1_000_000));
            // Who has no room for it hears of it later.
            let _ = self.sender.try_send(Piece::Progress(LogProgress { bytes: progress.bytes, of: progress.of, at }));
        }
        ControlFlow::Continue(())
    }

    fn stop(&mut self, why: Stop) -> ControlFlow<()> {
        self.stop = Some(why);
        ControlFlow::Break(())
    }
}

#[cfg(test)]
mod tests;
