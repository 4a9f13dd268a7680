//! One stream: lines are added at its end, and read from anywhere.

use std::io;
use std::ops::ControlFlow;

use model::ids::TaskId;

use crate::{Batch, Found, LineId, Progress, Select, Start};

/// One stream. Cheap to clone; all clones are the same one.
#[derive(Clone)]
pub struct Stream;

impl Stream {
    /// Adds a batch. When this returns, it survives the death of the process. An empty batch changes nothing.
    ///
    /// # Errors
    /// When it cannot be written (disk full), is larger than 16 MiB, or the stream was removed. Nothing of the batch is kept then.
    pub fn append(&self, _batch: &Batch) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// How far this task was read.
    #[must_use]
    pub fn cursor(&self, _task: TaskId) -> Option<String> {
        None
    }

    /// How far each task was read.
    #[must_use]
    pub fn cursors(&self) -> Vec<(TaskId, String)> {
        Vec::new()
    }

    /// Tells of added records: counts them since the stream was opened.
    #[must_use]
    pub fn changes(&self) -> tokio::sync::watch::Receiver<u64> {
        tokio::sync::watch::channel(0).1
    }

    /// The last line's place; whoever follows goes on behind it. [`LineId::ZERO`] while the stream is empty.
    #[must_use]
    pub fn end(&self) -> LineId {
        LineId::ZERO
    }

    /// Reads forward from `start` to what is the end when this is called. Lines come in the order of their places; only lines of context may lie
    /// before what was already shown (they are shown once). `see` is called with each line that is looked for and `progress` after each part that
    /// was looked at; either stops the search by `Break`. The answer is the last place that was looked at, behind which a follower goes on: after
    /// a `Break` of `see` that of the line it was shown; none if nothing lay behind `start`.
    ///
    /// # Errors
    /// When files cannot be read for want of rights or handles. Damaged ones are no error, but shown as a gap.
    pub fn scan(
        &self,
        _select: &Select,
        _start: Start,
        _see: &mut dyn FnMut(Found) -> ControlFlow<()>,
        _progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> io::Result<Option<LineId>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// The last `most` lines that match before the place `before` (without it), or before the end, with at most `bytes` of text (one line in any
    /// case). The oldest comes first. Lines of context come besides.
    ///
    /// # Errors
    /// As [`Self::scan`].
    pub fn last(&self, _select: &Select, _most: usize, _bytes: usize, _before: Option<LineId>) -> io::Result<Vec<Found>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
