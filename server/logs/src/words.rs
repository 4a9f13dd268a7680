//! The words of the store: records, places, what is looked for and what is found. No I/O.

use std::sync::Arc;

use model::ids::{EnvironmentId, ProjectId, ServiceId, TaskId};

use crate::Matcher;

/// Which stream: a service in an environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamKey {
    /// The service's project.
    pub project: ProjectId,
    /// The service.
    pub service: ServiceId,
    /// Where it runs.
    pub environment: EnvironmentId,
}

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A line that the task printed on its standard output.
    Stdout,
    /// A line that the task printed on its standard error.
    Stderr,
    /// No line: the text says in one sentence what is missing here.
    Gap,
}

/// One line, or one gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// When it was printed, in nanoseconds since 1970.
    pub at_nanos: i64,
    /// By which task. The nil id in gaps that the store itself makes when it reads (what retention deleted, what is damaged).
    pub task: TaskId,
    /// The task's slot.
    pub slot: u32,
    /// The number of the task's revision.
    pub revision: u32,
    /// What it is.
    pub kind: Kind,
    /// The line without its end. A line feed within becomes a space when it is added; text beyond 1 MiB is cut off.
    pub text: String,
    /// Whether the text is only the line's beginning.
    pub cut: bool,
}

/// What is added at once: all of it or, after a crash, nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The lines. Those of one task in their order; the batch is put in the order of `at_nanos` (equal times stay as they are).
    pub records: Vec<Record>,
    /// How far each of these tasks was read, in the collector's own words. An empty text forgets the task's.
    pub cursors: Vec<(TaskId, String)>,
}

/// A line's place in its stream: `7-120` as text. Later lines have greater places. It is the line's as long as the line is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineId {
    /// The segment's number, from 1. 0 is before every line.
    pub segment: u64,
    /// The line's number in the segment, from 0.
    pub index: u32,
}

impl LineId {
    /// Before every line of every stream: what [`crate::Stream::end`] answers while a stream is empty.
    pub const ZERO: Self = Self { segment: 0, index: 0 };
}

/// The text is no place of a line: `7-120`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a line's id: expected two numbers like 7-120")]
pub struct InvalidLineId;

impl std::fmt::Display for LineId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.segment, self.index)
    }
}

impl std::str::FromStr for LineId {
    type Err = InvalidLineId;

    fn from_str(text: &str) -> Result<Self, InvalidLineId> {
        // Digits alone, without a sign: one place has one spelling.
        fn number<T: std::str::FromStr>(text: &str) -> Result<T, InvalidLineId> {
            let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
            if plain { text.parse().map_err(|_| InvalidLineId) } else { Err(InvalidLineId) }
        }
        let (segment, index) = text.split_once('-').ok_or(InvalidLineId)?;
        Ok(Self { segment: number(segment)?, index: number(index)? })
    }
}

/// A line that was looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its place.
    pub id: LineId,
    /// The line.
    pub record: Record,
    /// Whether it is shown only because it stands beside one that was looked for.
    pub context: bool,
}

/// Which lines are looked for. All that is said must hold.
#[derive(Clone, Debug, Default)]
pub struct Select {
    /// Of these tasks.
    pub tasks: Option<Vec<TaskId>>,
    /// Of tasks in this slot.
    pub slot: Option<u32>,
    /// Of tasks of the revision with this number.
    pub revision: Option<u32>,
    /// Of this stream. Gaps are shown whatever is chosen here.
    pub kind: Option<Kind>,
    /// Printed at this time or later, in nanoseconds since 1970.
    pub since_nanos: Option<i64>,
    /// Printed before this time, in nanoseconds since 1970.
    pub until_nanos: Option<i64>,
    /// With this in their text. Gaps are shown also when they do not match: what is missing might have matched.
    pub matcher: Option<Matcher>,
    /// How many lines of the same task are shown before and after each line that matches. Only with a matcher; 1000 at most.
    pub context: usize,
    /// Asked now and then, also in the middle of a part: a search for which nobody waits any more ends with whatever it has.
    pub gone: Option<Gone>,
}

/// Says whether nobody waits for a search any more. Once it says so, that stays.
#[derive(Clone)]
pub struct Gone(Arc<dyn Fn() -> bool + Send + Sync>);

impl Gone {
    /// Asks this; from any thread, often.
    pub fn new(gone: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(gone))
    }

    pub(crate) fn is_so(&self) -> bool {
        (self.0)()
    }
}

impl std::fmt::Debug for Gone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gone").finish_non_exhaustive()
    }
}

/// Where reading begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the oldest line that is kept.
    Oldest,
    /// At the first line that was printed at this time or later, in nanoseconds since 1970.
    At(i64),
    /// Behind this line. What was deleted since then is reported as a gap.
    After(LineId),
}

/// How far a search is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of text that were looked at, or passed over because they cannot hold what is looked for.
    pub bytes: u64,
    /// Bytes of text that there are to look at in all.
    pub of: u64,
    /// The time around which the search is, in nanoseconds since 1970.
    pub at_nanos: i64,
}
