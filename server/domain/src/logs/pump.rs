//! Brings lines from the store to one reader: the last ones, those of a search as they are found, those that are written from then on. It works in
//! turns of a thread: a turn ends when the reader has enough for now, after a while, or when the reader is gone, and the next one goes on behind the
//! last line. So a slow reader costs no thread, and misses nothing.

use std::cell::RefCell;
use std::io;
use std::ops::ControlFlow;
use std::time::Duration;

use logs::{Found, Gone, LineId, Progress, Select, Start, Stream};
use model::time::Millis;
use model::views::logs::{LogProgress, LogView};
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::time::Instant;

use super::desk::{Desk, Turn, blocking};
use super::{Begin, Piece, Query, view};
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
        Self { desk, select, begin: query.begin, follow: query.follow, heavy: search.is_some(), search, limit: None, sender }
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
    async fn past(&self, stream: &Stream, most: usize, turn: Option<Turn>) -> Result<Option<LineId>> {
        let Some(turn) = self.turn(turn).await else { return Ok(None) };
        let (stream, select, sender, tells) = (stream.clone(), self.select.clone(), self.sender.clone(), self.heavy);
        let (end, found) = blocking(move || {
            let _turn = turn;
            let end = stream.end();
            let mut bundle = Bundle::new(&sender, tells);
            // All of it in one turn: where it would go on is not known.
            let found = stream.last_watched(&select, most, PAST, None, &mut |progress| bundle.watch(progress))?;
            Ok((end, found))
        })
        .await?;
        let (mut lines, mut bytes) = (Vec::new(), 0);
        // What came while they were read comes again with what follows.
        for found in found.into_iter().filter(|found| !self.follow || found.id <= end) {
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

    /// All that is there from here on. Where it goes on; none: the reader is gone.
    async fn forward(&mut self, stream: &Stream, mut start: Start, mut waited: Option<Turn>) -> Result<Option<Start>> {
        loop {
            // Nothing is looked for before the reader has room for it.
            if self.sender.reserve().await.is_err() {
                return Ok(None);
            }
            let Some(turn) = self.turn(waited.take()).await else { return Ok(None) };
            let (stream, select, sender, tells, limit) = (stream.clone(), self.select.clone(), self.sender.clone(), self.heavy, self.limit);
            let done = blocking(move || {
                let _turn = turn;
                look(&stream, &select, start, Bundle { limit, ..Bundle::new(&sender, tells) })
            })
            .await?;
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
                Stop::Pause => self.heavy = true,
                Stop::Gone => return Ok(None),
            }
        }
    }
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
fn look(stream: &Stream, select: &Select, start: Start, bundle: Bundle<'_>) -> io::Result<Done> {
    let bundle = RefCell::new(bundle);
    let see = &mut |found| bundle.borrow_mut().take(found);
    let last = stream.scan(select, start, see, &mut |progress| bundle.borrow_mut().tell(progress))?;
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
    began: Instant,
    sent: Instant,
    told: Instant,
}

impl<'a> Bundle<'a> {
    fn new(sender: &'a mpsc::Sender<Piece>, tells: bool) -> Self {
        let now = Instant::now();
        Self { sender, tells, limit: None, lines: Vec::new(), bytes: 0, stop: None, began: now, sent: now, told: now }
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
        if self.began.elapsed() >= SLICE { self.stop(Stop::Pause) } else { ControlFlow::Continue(()) }
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
mod tests {
    use logs::{Batch, Kind, Options, Record, Store, StreamKey};
    use model::views::logs::LogFilter;

    use super::*;

    const ID: &str = "0192f0c1-7c1e-7b44-8d2a-3f6f1f0b5a11";

    fn key() -> StreamKey {
        let id = "an id";
        StreamKey { project: ID.parse().expect(id), service: ID.parse().expect(id), environment: ID.parse().expect(id) }
    }

    fn write(stream: &Stream, lines: usize) {
        let record = Record { at_nanos: 1, task: ID.parse().expect("an id"), slot: 1, revision: 1, kind: Kind::Stdout, text: "x".into(), cut: false };
        stream.append(&Batch { records: vec![record; lines], cursors: Vec::new() }).expect("appended");
    }

    fn pump(follow: bool, search: Option<Slot>) -> (Pump, mpsc::Receiver<Piece>) {
        let (sender, receiver) = mpsc::channel(1);
        let query = Query { filter: LogFilter::default(), begin: Begin::Oldest, follow };
        (Pump::new(Desk::default(), Select::default(), &query, search, sender), receiver)
    }

    #[tokio::test]
    async fn who_does_not_follow_reads_to_what_was_the_end_however_much_is_added_meanwhile() {
        let folder = tempfile::tempdir().expect("a folder");
        let stream = Store::open(folder.path(), Options::default()).expect("opened").stream(key()).expect("made");
        write(&stream, 2000);
        let (pump, mut pieces) = pump(false, None);
        let work = tokio::spawn(pump.run(stream.clone(), None));
        let mut read = 0;
        while let Some(piece) = pieces.recv().await {
            if let Piece::Lines(lines) = piece {
                read += lines.len();
                assert!(read <= 2000, "what came later is not read");
                write(&stream, lines.len());
            }
        }
        assert_eq!(read, 2000);
        work.await.expect("no panic").expect("read");
    }

    #[tokio::test]
    async fn who_searches_and_follows_searches_no_longer_when_the_past_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let stream = Store::open(folder.path(), Options::default()).expect("opened").stream(key()).expect("made");
        write(&stream, 1);
        let portal = crate::testing::Store::open().await;
        let ana = portal.person("ana", false).await;
        let search = || crate::streams::open(&portal.platform, &ana, crate::streams::Kind::Search);
        let _held: Vec<Slot> = (1..crate::streams::Kind::Search.most()).map(|_| search().expect("room")).collect();
        let (pump, mut pieces) = pump(true, Some(search().expect("room")));
        assert!(search().is_err(), "it counts as a search");
        let _work = tokio::spawn(pump.run(stream, None));
        assert!(pieces.recv().await.is_some());
        let free = async {
            while search().is_err() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), free).await.expect("there is room for another one");
    }

    #[tokio::test]
    async fn who_follows_what_is_removed_comes_to_an_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path(), Options::default()).expect("opened");
        let stream = store.stream(key()).expect("made");
        write(&stream, 1);
        let (pump, mut pieces) = pump(true, None);
        let work = tokio::spawn(pump.run(stream, None));
        assert!(matches!(pieces.recv().await, Some(Piece::Lines(lines)) if lines.len() == 1));
        store.remove_project(key().project).expect("removed");
        let ended = tokio::time::timeout(Duration::from_secs(20), work).await.expect("it ends");
        ended.expect("no panic").expect("read");
    }
}
