//! Logs of a service: the lines that were collected of all its tasks, those that are gone too, in the order of time; searched, followed, taken away
//! when they are too old or too many. They come from the store of kept lines alone, never from an engine, and no line is written here.
//!
//! Reading the store blocks, so it is done on threads of its own, in short turns ([`desk`]) that end when the reader is gone. What waits for a slow
//! reader is bounded, and no thread waits with it: a reader is a place in the log, from which the next turn goes on.

use std::ops::ControlFlow;

use futures::stream::{self, BoxStream, StreamExt as _};
use logs::{Found, Kind, Matcher, Select, Store, Stream, StreamKey};
use model::ids::ProjectId;
use model::problem::FieldError;
use model::time::Millis;
use model::views::logs::{LogFilter, LogProgress, LogSource, LogView};
use tokio::sync::mpsc;

use crate::access::{May, can};
use crate::blocking::blocking;
use crate::environments;
use crate::error::{Error, Result};
use crate::platform::Platform;
use crate::services::Service;
use crate::streams;

pub(crate) mod desk;
mod page;
mod pump;
pub mod retention;

pub use logs::LineId;
pub use page::{Place, page};

/// Most lines that are looked back.
pub const TAIL_MAX: u32 = 10_000;
/// Lines that are looked back where the reader says nothing.
pub const TAIL: u32 = 200;
/// Pieces on their way to one reader, each of [`pump::PIECE`] bytes of text at most.
const ON_THE_WAY: usize = 4;
/// The same where a reader follows: there are many of them, and what they have no room for waits in the store.
const FOLLOWING: usize = 2;

/// Where reading begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// The last so many lines that match, of a few MiB together at most.
    Last(u32),
    /// The oldest line that is kept.
    Oldest,
    /// Behind this one.
    After(LineId),
}

/// What is read.
#[derive(Clone, Debug)]
pub struct Query {
    /// Which lines.
    pub filter: LogFilter,
    /// From where.
    pub begin: Begin,
    /// Go on while the service runs, through tasks that come and go.
    pub follow: bool,
}

/// What a reader hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Lines, in the order of time.
    Lines(Vec<LogView>),
    /// How far a search is.
    Progress(LogProgress),
}

/// The lines of a service's tasks, as they are found. Dropped, it stops what looks for them. Without following it ends behind the last line.
///
/// # Errors
/// `Invalid` names the field that is wrong, `TooManyOpen` when the account reads or searches as much as it may, `Unavailable` when no lines are
/// kept in this process or too many search at the same time. Once it stands, an item may be an error: then it is the last.
pub async fn read(platform: &Platform, may: &May<can::SeeServices, Service>, query: &Query) -> Result<BoxStream<'static, Result<Piece>>> {
    let select = select(&query.filter, platform.now())?;
    if let Begin::Last(tail) = query.begin
        && tail > TAIL_MAX
    {
        return Err(Error::invalid("tail", format!("at most {TAIL_MAX} lines, or all")));
    }
    let slot = streams::open(platform, may.actor(), streams::Kind::Logs)?;
    let heavy = searches(&select) || query.begin == Begin::Oldest;
    let search = if heavy { Some(streams::open(platform, may.actor(), streams::Kind::Search)?) } else { None };
    let store = store(platform)?;
    let key = key(platform, may, &query.filter).await?;
    let desk = platform.log_desk().clone();
    let turn = if heavy { Some(desk.search().await?) } else { None };
    let follow = query.follow;
    // A follower waits for the first line of a service that has none.
    let stream = blocking(move || if follow { store.stream(key).map(Some) } else { store.existing(key) }).await?;
    let (sender, receiver) = mpsc::channel(if follow { FOLLOWING } else { ON_THE_WAY });
    let pump = pump::Pump::new(desk, select, query, search, sender);
    let work = tokio::spawn(async move {
        match stream {
            Some(stream) => pump.run(stream, turn).await,
            None => Ok(()),
        }
    });
    // This slot lives as long as the stream, that of a search as long as it works.
    let state = (receiver, Some(work), slot);
    Ok(stream::unfold(state, |(mut receiver, mut work, slot)| async move {
        let item = match receiver.recv().await {
            Some(piece) => Ok(piece),
            None => match work.take()?.await {
                Ok(Ok(())) => return None,
                Ok(Err(error)) => Err(error),
                Err(crash) => Err(Error::internal(format!("reading a log: {crash}"))),
            },
        };
        Some((item, (receiver, work, slot)))
    })
    .boxed())
}

/// From when to when a reader's lines may be: what was asked for, else from the oldest line that is kept until now. For the name of a file.
pub async fn span(platform: &Platform, may: &May<can::SeeServices, Service>, filter: &LogFilter) -> Result<(Millis, Millis)> {
    let now = platform.now();
    let wrong = |error: FieldError| Error::Invalid(vec![error]);
    let millis = |nanos: i64| Millis(nanos.div_euclid(1_000_000));
    let until = filter.until_nanos(now).map_err(wrong)?.map_or(now, millis);
    let since = match filter.since_nanos(now).map_err(wrong)? {
        Some(nanos) => millis(nanos),
        None => {
            let (store, key) = (store(platform)?, key(platform, may, filter).await?);
            let first = blocking(move || store.existing(key)?.map_or(Ok(None), |stream| oldest(&stream))).await?;
            first.map_or(until, |found| millis(found.record.at_nanos))
        }
    };
    Ok((since.min(until), until))
}

/// Bytes on the disk of a project's kept logs; none where none are kept in this process. Who may know it is asked by the caller.
pub(crate) async fn bytes(platform: &Platform, project: ProjectId) -> Result<Option<u64>> {
    let Some(store) = platform.logs() else { return Ok(None) };
    blocking(move || store.bytes(project)).await.map(Some)
}

/// The same of all projects, deleted ones too.
pub(crate) async fn bytes_of_all(platform: &Platform) -> Result<Option<u64>> {
    let Some(store) = platform.logs() else { return Ok(None) };
    blocking(move || store.projects()?.into_iter().map(|project| store.bytes(project)).sum()).await.map(Some)
}

/// The kept lines.
fn store(platform: &Platform) -> Result<Store> {
    platform.logs().ok_or_else(|| Error::Unavailable("no logs are kept in this process".into()))
}

async fn key(platform: &Platform, may: &May<can::SeeServices, Service>, filter: &LogFilter) -> Result<StreamKey> {
    let environment = environments::choose_for(&mut platform.read().await?, may, filter.environment.as_ref()).await?.id;
    Ok(StreamKey { project: may.project.id, service: may.id, environment })
}

/// What the store looks for.
fn select(filter: &LogFilter, now: Millis) -> Result<Select> {
    let wrong = |error: FieldError| Error::Invalid(vec![error]);
    filter.check(now).map_err(wrong)?;
    let matcher = match filter.grep.as_str() {
        "" => None,
        text if !filter.regex => Some(Matcher::text(text, !filter.case)),
        pattern => Some(Matcher::regex(pattern, !filter.case).map_err(|bad| Error::invalid("grep", explained(pattern, &bad.to_string())))?),
    };
    Ok(Select {
        tasks: filter.task.map(|task| vec![task]),
        slot: filter.slot,
        revision: filter.revision,
        kind: filter.stream.map(|stream| match stream {
            LogSource::Stdout => Kind::Stdout,
            LogSource::Stderr => Kind::Stderr,
            LogSource::Gap => Kind::Gap,
        }),
        since_nanos: filter.since_nanos(now).map_err(wrong)?,
        until_nanos: filter.until_nanos(now).map_err(wrong)?,
        // Without something to look for every line matches, and none is around another.
        context: if matcher.is_some() { filter.context as usize } else { 0 },
        matcher,
        gone: None,
    })
}

/// Whether much may have to be looked through to find a few lines.
fn searches(select: &Select) -> bool {
    let Select { tasks, slot, revision, kind, matcher, .. } = select;
    matcher.is_some() || kind.is_some() || slot.is_some() || revision.is_some() || tasks.is_some()
}

/// What is wrong with a regular expression, in one line: the reason, and where. Its parser draws a picture under the pattern instead.
fn explained(pattern: &str, told: &str) -> String {
    let reason = told.rsplit_once("error: ").map_or(told, |(_, reason)| reason).trim();
    let lines: Vec<&str> = told.lines().collect();
    let drawn = lines.windows(2).find_map(|pair| {
        let begin = pair[0].find(pattern).map(|at| pair[0][..at].chars().count())?;
        let mark = pair[1].chars().position(|c| c == '^').filter(|_| pair[1].chars().all(|c| c == ' ' || c == '^'))?;
        // A group of the parser's own stands around the pattern: what is wrong with that one has no place in it.
        Some(mark.checked_sub(begin)? + 1)
    });
    match drawn {
        Some(at) => format!("no regular expression: {reason}, at character {at}"),
        None => format!("no regular expression: {reason}"),
    }
}

/// The oldest line that is kept.
fn oldest(stream: &Stream) -> std::io::Result<Option<Found>> {
    let mut first = None;
    let mut see = |found| {
        first = Some(found);
        ControlFlow::Break(())
    };
    stream.scan(&Select::default(), logs::Start::Oldest, &mut see, &mut |_| ControlFlow::Continue(()))?;
    Ok(first)
}

/// The place right behind a line: an end that leaves this one in.
fn behind(id: LineId) -> LineId {
    LineId { segment: id.segment, index: id.index.saturating_add(1) }
}

/// A line as readers get it.
fn view(found: Found) -> LogView {
    let Found { id, record, context } = found;
    LogView {
        id: id.to_string(),
        at: Millis(record.at_nanos.div_euclid(1_000_000)).rfc3339(),
        nanos: record.at_nanos,
        task: record.task,
        slot: record.slot,
        revision: record.revision,
        stream: match record.kind {
            Kind::Stdout => LogSource::Stdout,
            Kind::Stderr => LogSource::Stderr,
            Kind::Gap => LogSource::Gap,
        },
        text: record.text,
        cut: record.cut,
        context,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(pattern: &str) -> String {
        let filter = LogFilter { grep: pattern.into(), regex: true, ..LogFilter::default() };
        let Err(Error::Invalid(fields)) = select(&filter, Millis(0)) else { panic!("{pattern} is no regular expression") };
        assert_eq!(fields[0].field, "grep");
        fields[0].message.clone()
    }

    #[test]
    fn a_wrong_pattern_is_told_where_it_is_wrong() {
        assert_eq!(refused("id=(\\d+"), "no regular expression: unclosed group");
        assert_eq!(refused("ü[z-a]"), "no regular expression: invalid character class range, the start must be <= the end, at character 3");
        assert!(refused("x{1000}{1000}{1000}").contains("no regular expression"), "nor one that is too large");
        assert_eq!(explained("x", "something else"), "no regular expression: something else");
    }

    #[test]
    fn who_wants_some_lines_among_many_searches() {
        let searching = |filter: LogFilter| searches(&select(&filter, Millis(1_795_161_600_000)).expect("right"));
        let none = LogFilter::default;
        assert!(!searching(none()) && !searching(LogFilter { since: "10s".into(), ..none() }));
        for filter in [
            LogFilter { grep: "x".into(), ..none() },
            LogFilter { stream: Some(LogSource::Stderr), ..none() },
            LogFilter { slot: Some(1), ..none() },
            LogFilter { revision: Some(1), ..none() },
            LogFilter { task: Some("0192f0c1-7c1e-7b44-8d2a-3f6f1f0b5a11".parse().expect("an id")), ..none() },
        ] {
            assert!(searching(filter.clone()), "{filter:?}");
        }
    }

    #[test]
    fn what_is_looked_for_is_what_was_asked_for() {
        let now = Millis(1_795_161_600_000);
        let filter = LogFilter { grep: "[a]".into(), since: "10s".into(), context: 3, ..LogFilter::default() };
        let found = select(&filter, now).expect("right");
        assert_eq!((found.since_nanos, found.context), (Some(1_795_161_590_000_000_000), 3));
        let matcher = found.matcher.expect("a text");
        assert!(matcher.is_match("x[A]x") && !matcher.is_match("a"), "a text is no pattern, and capitals do not count");
        let plain = select(&LogFilter { grep: String::new(), ..filter }, now).expect("right");
        assert!(plain.matcher.is_none() && plain.context == 0, "without something to look for there is nothing around it");
    }
}
