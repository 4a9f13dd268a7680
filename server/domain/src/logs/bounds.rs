//! What is held in memory for one reader of logs, in bytes as well as in lines: the last lines of the past, and what is on its way to a reader
//! that is slower than its tasks.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::TaskLine;
use crate::error::Result;

/// Bytes of lines that are looked back; of more, the last ones are kept.
pub(super) const PAST: usize = 4 * 1024 * 1024;
/// Bytes on their way to one reader; a slower one makes the engine wait.
const ON_THE_WAY: u32 = 1024 * 1024;
/// Lines on their way to one reader.
const LINES: usize = 256;
/// What a line costs besides its text.
const BESIDES: usize = 128;

fn cost(line: &TaskLine) -> usize {
    line.line.text.len() + BESIDES
}

/// The last lines of all tasks in the order of time.
pub(super) struct Last {
    most: usize,
    bytes: usize,
    count: u64,
    lines: BTreeMap<(i64, i64, u64), TaskLine>,
}

impl Last {
    /// Keeps so many lines at most, of [`PAST`] bytes together.
    pub fn new(most: usize) -> Self {
        Self { most, bytes: 0, count: 0, lines: BTreeMap::new() }
    }

    /// Takes a line in; the oldest go. Lines of the same time stay in the order in which they came.
    pub fn push(&mut self, line: TaskLine) {
        self.count += 1;
        self.bytes += cost(&line);
        self.lines.insert((line.line.at_nanos, line.slot, self.count), line);
        while self.lines.len() > self.most || self.bytes > PAST {
            let Some((_, oldest)) = self.lines.pop_first() else { return };
            self.bytes -= cost(&oldest);
        }
    }

    /// The lines, oldest first.
    pub fn into_lines(self) -> Vec<TaskLine> {
        self.lines.into_values().collect()
    }
}

/// A line, and the room that it takes until it is read.
type Parcel = (Result<TaskLine>, OwnedSemaphorePermit);

/// The tasks' end of the way.
#[derive(Clone)]
pub(super) struct Sender {
    lines: mpsc::Sender<Parcel>,
    room: Arc<Semaphore>,
}

/// The reader's end of the way.
pub(super) struct Receiver(mpsc::Receiver<Parcel>);

/// The reader is gone.
pub(super) struct Gone;

/// A way to a reader on which neither lines nor bytes pile up.
pub(super) fn channel() -> (Sender, Receiver) {
    let (sender, receiver) = mpsc::channel(LINES);
    (Sender { lines: sender, room: Arc::new(Semaphore::new(ON_THE_WAY as usize)) }, Receiver(receiver))
}

impl Sender {
    /// Sends when there is room.
    pub async fn send(&self, line: Result<TaskLine>) -> Result<(), Gone> {
        let bytes = line.as_ref().map_or(BESIDES, cost);
        let bytes = u32::try_from(bytes).unwrap_or(ON_THE_WAY).min(ON_THE_WAY);
        let permit = tokio::select! {
            permit = Arc::clone(&self.room).acquire_many_owned(bytes) => permit.map_err(|_| Gone)?,
            () = self.lines.closed() => return Err(Gone),
        };
        self.lines.send((line, permit)).await.map_err(|_| Gone)
    }

    /// Whether the reader is gone.
    pub fn is_closed(&self) -> bool {
        self.lines.is_closed()
    }

    /// Resolves when the reader is gone.
    pub async fn closed(&self) {
        self.lines.closed().await;
    }
}

impl Receiver {
    /// The next line; none at the end.
    pub async fn next(&mut self) -> Option<Result<TaskLine>> {
        self.0.recv().await.map(|(line, _)| line)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use model::ids::TaskId;

    use super::*;
    use crate::ports::{LogLine, LogSource};

    fn line(at_nanos: i64, slot: i64, text: String) -> TaskLine {
        let task: TaskId = "0192f0c1-7c1e-7b44-8d2a-aaaaaaaaaaaa".parse().expect("an id");
        TaskLine { task, slot, line: LogLine { at_nanos, source: LogSource::Stdout, text, cut: false } }
    }

    fn texts(last: Last) -> Vec<String> {
        last.into_lines().into_iter().map(|line| line.line.text).collect()
    }

    #[test]
    fn the_last_lines_of_all_tasks_stay_in_the_order_of_time() {
        let mut last = Last::new(3);
        for (at, slot, text) in [(1, 1, "a"), (5, 1, "e"), (5, 1, "f"), (2, 2, "b"), (4, 2, "d")] {
            last.push(line(at, slot, text.into()));
        }
        assert_eq!(texts(last), ["d", "e", "f"]);
        let mut none = Last::new(0);
        none.push(line(1, 1, "a".into()));
        assert!(texts(none).is_empty());
    }

    #[test]
    fn long_lines_do_not_fill_the_memory() {
        let mut last = Last::new(10_000);
        for at in 0..1000 {
            last.push(line(at, 1, format!("{at:065000}")));
        }
        let kept = texts(last);
        assert!(kept.iter().map(String::len).sum::<usize>() <= PAST);
        assert!(kept.len() >= 60 && kept.last().is_some_and(|text| text.ends_with("999")), "the newest are kept: {}", kept.len());
    }

    #[tokio::test]
    async fn a_slow_reader_of_long_lines_makes_the_task_wait() {
        let (sender, mut receiver) = channel();
        let long = || Ok(line(1, 1, "x".repeat(64 * 1024)));
        let sent = (0..1000).take_while(|_| sender.send(long()).now_or_never().is_some()).count();
        assert!((10..=16).contains(&sent), "{sent} lines of 64 KiB went ahead");
        assert!(receiver.next().await.is_some());
        assert!(sender.send(long()).now_or_never().is_some(), "what is read makes room");
        let waiting = tokio::spawn(async move { sender.send(long()).await.is_err() });
        tokio::task::yield_now().await;
        drop(receiver);
        assert!(waiting.await.expect("no panic"), "a reader that goes ends the waiting");
    }

    #[tokio::test]
    async fn short_lines_are_counted_too() {
        let (sender, _receiver) = channel();
        let send = || tokio::task::unconstrained(sender.send(Ok(line(1, 1, String::new()))));
        let sent = (0..10_000).take_while(|_| send().now_or_never().is_some()).count();
        assert_eq!(sent, LINES);
    }
}
