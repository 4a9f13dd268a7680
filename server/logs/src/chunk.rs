//! Lines in memory, many at once: their texts in one piece, divided by line feeds, so that a search runs over all of them; what else is known
//! of them in columns beside it.

use std::collections::HashSet;
use std::sync::Arc;

use model::ids::TaskId;

use crate::frame::{Source, flags, of_flags};
use crate::{Found, Gone, Kind, LineId, Matcher, Record, Select};

/// Text that is searched before it is asked again whether somebody waits for it.
const PIECE: usize = 64 << 10;

/// What is known of lines besides their text. All columns have one value for each line.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    pub(crate) times: Vec<i64>,
    /// Numbers in the list of sources.
    pub(crate) source: Vec<u32>,
    pub(crate) flags: Vec<u8>,
}

impl Columns {
    /// Keeps the first lines.
    pub(crate) fn truncate(&mut self, lines: usize) {
        self.times.truncate(lines);
        self.source.truncate(lines);
        self.flags.truncate(lines);
    }
}

/// Lines that follow each other without a hole.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) segment: u64,
    /// The first line's number.
    pub(crate) first: u32,
    pub(crate) sources: Arc<[Source]>,
    pub(crate) columns: Columns,
    text: Vec<u8>,
    /// Where each line begins, and the text's end.
    begins: Vec<usize>,
}

impl Chunk {
    /// Puts lines together: none when the columns are not those of the text.
    pub(crate) fn new(segment: u64, first: u32, text: Vec<u8>, columns: Columns, sources: Arc<[Source]>) -> Option<Self> {
        let count = columns.times.len();
        let begins: Vec<usize> = std::iter::once(0).chain(memchr::memchr_iter(b'\n', &text).map(|feed| feed + 1)).collect();
        let fits = begins.len() == count + 1
            && begins.last() == Some(&text.len())
            && columns.source.len() == count
            && columns.flags.len() == count
            && columns.source.iter().all(|number| (*number as usize) < sources.len())
            && columns.flags.iter().all(|flags| of_flags(*flags).is_some());
        fits.then_some(Self { segment, first, sources, columns, text, begins })
    }

    pub(crate) const fn len(&self) -> usize {
        self.columns.times.len()
    }

    pub(crate) fn id(&self, at: usize) -> LineId {
        LineId { segment: self.segment, index: self.first.saturating_add(at as u32) }
    }

    /// The number behind its last line's.
    pub(crate) fn end(&self) -> u32 {
        self.first.saturating_add(self.len() as u32)
    }

    /// Bytes of its text.
    pub(crate) const fn text_bytes(&self) -> u64 {
        self.text.len() as u64
    }

    /// Bytes that it takes in memory.
    pub(crate) fn size(&self) -> usize {
        let line = size_of::<i64>() + size_of::<u32>() + size_of::<u8>() + size_of::<usize>();
        size_of::<Self>() + self.text.len() + self.len() * line + size_of_val(&*self.sources)
    }

    /// Gives back the room that was taken for more lines.
    pub(crate) fn shrink(&mut self) {
        self.text.shrink_to_fit();
        self.begins.shrink_to_fit();
        self.columns.times.shrink_to_fit();
        self.columns.source.shrink_to_fit();
        self.columns.flags.shrink_to_fit();
    }

    pub(crate) fn source(&self, at: usize) -> &Source {
        &self.sources[self.columns.source[at] as usize]
    }

    pub(crate) fn kind(&self, at: usize) -> Kind {
        of_flags(self.columns.flags[at]).map_or(Kind::Gap, |(kind, _)| kind)
    }

    fn bytes(&self, at: usize) -> &[u8] {
        &self.text[self.begins[at]..self.begins[at + 1] - 1]
    }

    pub(crate) fn found(&self, at: usize, context: bool) -> Found {
        let Source { task, slot, revision } = *self.source(at);
        let (kind, cut) = of_flags(self.columns.flags[at]).unwrap_or((Kind::Gap, false));
        let text = String::from_utf8_lossy(self.bytes(at)).into_owned();
        Found { id: self.id(at), record: Record { at_nanos: self.columns.times[at], task, slot, revision, kind, text, cut }, context }
    }

    /// The lines that are looked for, in their order.
    pub(crate) fn hits(&self, sieve: &Sieve) -> Vec<usize> {
        if sieve.matcher.is_none() {
            return (0..self.len()).filter(|at| self.passes(*at, sieve)).collect();
        }
        let mut hits: Vec<usize> = if self.columns.flags.iter().any(|byte| byte & 3 == flags(Kind::Gap, false)) {
            (0..self.len()).filter(|at| self.kind(*at) == Kind::Gap && self.passes(*at, sieve)).collect()
        } else {
            Vec::new()
        };
        let gaps = hits.len();
        sieve.lines(&self.text, &mut |begin| {
            if let Ok(at) = self.begins.binary_search(&begin)
                && self.kind(at) != Kind::Gap
                && self.passes(at, sieve)
            {
                hits.push(at);
            }
            true
        });
        if gaps > 0 {
            hits.sort_unstable();
        }
        hits
    }

    fn passes(&self, at: usize, sieve: &Sieve) -> bool {
        sieve.during(self.columns.times[at]) && sieve.from(self.source(at)) && sieve.of(self.kind(at))
    }

    /// Whether this line itself is one that is looked for.
    pub(crate) fn is_hit(&self, at: usize, sieve: &Sieve) -> bool {
        let matches = || sieve.matcher.as_ref().is_none_or(|matcher| matcher.in_line(self.bytes(at)));
        self.passes(at, sieve) && (self.kind(at) == Kind::Gap || matches())
    }
}

/// The streams that some lines are of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kinds(pub(crate) u8);

impl Kinds {
    /// Those of lines with these flags.
    pub(crate) fn of(column: &[u8]) -> Self {
        Self(column.iter().fold(0, |kinds, flags| kinds | (1_u8 << (flags & 3))))
    }

    pub(crate) const fn has(self, kind: Kind) -> bool {
        self.0 & (1_u8 << flags(kind, false)) != 0
    }
}

/// What is looked for, made ready.
#[derive(Clone)]
pub(crate) struct Sieve {
    tasks: Option<HashSet<TaskId>>,
    slot: Option<u32>,
    revision: Option<u32>,
    kind: Option<Kind>,
    since: Option<i64>,
    until: Option<i64>,
    matcher: Option<Matcher>,
    /// The stream that a part must have lines of to be read.
    part: Option<Kind>,
    /// Whether lines beside those that are looked for are wanted too.
    pub(crate) around: bool,
    gone: Option<Gone>,
}

impl Sieve {
    pub(crate) fn new(select: &Select) -> Self {
        let Select { tasks, slot, revision, kind, since_nanos, until_nanos, matcher, context, gone } = select;
        let around = *context > 0 && matcher.is_some();
        Self {
            tasks: tasks.as_ref().map(|tasks| tasks.iter().copied().collect()),
            slot: *slot,
            revision: *revision,
            kind: *kind,
            since: *since_nanos,
            until: *until_nanos,
            matcher: matcher.clone(),
            // Lines beside those that are looked for are of any stream.
            part: kind.filter(|_| !around),
            around,
            gone: gone.clone(),
        }
    }

    /// Every line, or every line of one task: what may stand beside a line that is looked for.
    pub(crate) fn beside(&self, task: Option<TaskId>) -> Self {
        let tasks = task.map_or_else(|| self.tasks.clone(), |task| Some(HashSet::from([task])));
        Self { tasks, kind: None, matcher: None, part: None, around: false, ..self.clone() }
    }

    /// Every line of this time or later.
    pub(crate) fn since(at_nanos: i64) -> Self {
        Self::new(&Select { since_nanos: Some(at_nanos), ..Select::default() })
    }

    /// Whether lines of this time are looked for.
    pub(crate) fn during(&self, at: i64) -> bool {
        self.since.is_none_or(|since| at >= since) && self.until.is_none_or(|until| at < until)
    }

    /// Whether any of these times is looked for.
    pub(crate) fn overlaps(&self, earliest: i64, latest: i64) -> bool {
        self.since.is_none_or(|since| latest >= since) && self.until.is_none_or(|until| earliest < until)
    }

    /// Whether lines of this source are looked for.
    pub(crate) fn from(&self, source: &Source) -> bool {
        self.tasks.as_ref().is_none_or(|tasks| tasks.contains(&source.task))
            && self.slot.is_none_or(|slot| slot == source.slot)
            && self.revision.is_none_or(|revision| revision == source.revision)
    }

    fn of(&self, kind: Kind) -> bool {
        kind == Kind::Gap || self.kind.is_none_or(|wanted| wanted == kind)
    }

    /// Whether a part with lines of these streams is to be read.
    pub(crate) fn of_any(&self, kinds: Kinds) -> bool {
        self.part.is_none_or(|wanted| kinds.has(wanted) || kinds.has(Kind::Gap))
    }

    /// Whether nobody waits for what is found.
    pub(crate) fn is_gone(&self) -> bool {
        self.gone.as_ref().is_some_and(Gone::is_so)
    }

    /// As [`Matcher::lines`]; none without a matcher. Ends also when nobody waits for what is found.
    fn lines(&self, text: &[u8], hit: &mut dyn FnMut(usize) -> bool) {
        let Some(matcher) = &self.matcher else { return };
        let (mut begin, mut on) = (0, true);
        while on && begin < text.len() && !self.is_gone() {
            let near = (begin + PIECE).min(text.len());
            let end = memchr::memchr(b'\n', &text[near..]).map_or(text.len(), |feed| near + feed + 1);
            matcher.lines(&text[begin..end], &mut |at| {
                on = hit(begin + at);
                on
            });
            begin = end;
        }
    }
}

/// Whether any line of this text matches, or all are wanted.
pub(crate) fn may_hold(text: &[u8], sieve: &Sieve) -> bool {
    if sieve.matcher.is_none() {
        return true;
    }
    let mut holds = false;
    sieve.lines(text, &mut |_| {
        holds = true;
        false
    });
    holds
}
