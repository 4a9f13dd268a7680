//! A container's log as lines.
//!
//! The engine sends pieces: a line longer than 16 KiB comes in several, each with its own time. They are put together again here,
//! with a limit; a line that was cut says so. Bytes that are not UTF-8 become the replacement character. Nothing is kept.

use std::path::PathBuf;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::query_parameters::{InspectContainerOptions, LogsOptionsBuilder};
use bytes::{Buf, Bytes};
use futures::stream::{BoxStream, Stream, StreamExt};

use super::{Docker, EngineError, Kind, QUICK, Result, limited};

/// Longest line, in bytes; what comes after is left out, and the line says so.
pub const LINE_LIMIT: usize = 64 * 1024;
/// Silence after which a stream that should end by itself (not followed) is given up.
const STALL: Duration = Duration::from_secs(60);

/// Which of its two streams a process wrote to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogSource {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written (its first piece), nanoseconds since the epoch, by the engine's clock.
    pub at_nanos: i64,
    /// Where to.
    pub source: LogSource,
    /// Without its line end.
    pub text: String,
    /// It was longer than the limit.
    pub cut: bool,
}

/// Which lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogOrder {
    /// The last so many only.
    pub tail: Option<u32>,
    /// Written after this, nanoseconds since the epoch.
    pub since_nanos: Option<i64>,
    /// Go on while it runs.
    pub follow: bool,
}

/// A piece of a line, as the engine keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPiece {
    /// When its line was begun, nanoseconds since the epoch, by the engine's clock. 0: these are words of the engine's own.
    pub at_nanos: i64,
    /// Where to.
    pub source: LogSource,
    /// Without its line end; what was not UTF-8 is replaced.
    pub text: String,
    /// Whether the line ends with it.
    pub whole: bool,
}

/// Where an engine keeps a container's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFile {
    /// The newest file, on the engine's machine; none: it keeps the log in another way than in plain files of lines of JSON.
    pub path: Option<PathBuf>,
    /// How many files it keeps of it.
    pub files: usize,
}

/// Puts pieces together; one for each of the two streams.
#[derive(Default)]
struct Assembler {
    open: Vec<u8>,
    at_nanos: Option<i64>,
    cut: bool,
}

impl Docker {
    /// The lines of a container's log, from `order` on. Ends with the log, or with the container when followed.
    pub async fn logs(&self, container: &str, order: LogOrder) -> Result<impl Stream<Item = Result<LogLine>> + Send + use<>> {
        let client = self.client().await?;
        let tail = order.tail.map_or_else(|| "all".to_owned(), |lines| lines.to_string());
        // The engine's clock has fractions, its client here has not: whole seconds are asked for and the rest is sorted out below.
        let since = order.since_nanos.and_then(|nanos| i32::try_from(nanos / 1_000_000_000).ok()).unwrap_or_default();
        let options = LogsOptionsBuilder::default().stdout(true).stderr(true).timestamps(true).follow(order.follow).tail(&tail).since(since).build();
        let pieces = client.logs(container, Some(options));
        let state = (pieces, [Assembler::default(), Assembler::default()], std::collections::VecDeque::new(), false);
        let lines = futures::stream::unfold(state, move |(mut pieces, mut assemblers, mut ready, mut over)| async move {
            loop {
                if let Some(line) = ready.pop_front() {
                    return Some((line, (pieces, assemblers, ready, over)));
                }
                if over {
                    return None;
                }
                match next(&mut pieces, order.follow).await {
                    Some(Ok(piece)) => {
                        if let Some((source, bytes)) = split(piece) {
                            assemblers[source as usize].take(source, bytes, |line| ready.push_back(Ok(line)));
                        }
                    }
                    Some(Err(error)) => {
                        over = true;
                        ready.push_back(Err(error));
                    }
                    None => {
                        over = true;
                        for source in [LogSource::Stdout, LogSource::Stderr] {
                            ready.extend(assemblers[source as usize].finish(source).map(Ok));
                        }
                    }
                }
            }
        });
        let after = order.since_nanos.unwrap_or(i64::MIN);
        Ok(lines.filter(move |line| std::future::ready(line.as_ref().map_or(true, |line| line.at_nanos > after))).boxed())
    }
}

impl Docker {
    /// Where the engine keeps a container's log.
    ///
    /// # Errors
    /// `NoSuchContainer`, or the engine is away.
    pub async fn log_file(&self, container: &str) -> Result<LogFile> {
        let answer = self
            .call("inspect the container", QUICK, async |client| client.inspect_container(container, None::<InspectContainerOptions>).await)
            .await?;
        let config = answer.host_config.and_then(|host| host.log_config).unwrap_or_default();
        let options = config.config.unwrap_or_default();
        let plain = config.typ.as_deref() == Some("json-file") && options.get("compress").is_none_or(|compress| compress == "false");
        let path = answer.log_path.filter(|path| plain && !path.is_empty()).map(PathBuf::from);
        Ok(LogFile { path, files: options.get("max-file").and_then(|files| files.parse().ok()).unwrap_or(1) })
    }

    /// The pieces of a container's log from a time on, in the engine's order, and what follows as long as it runs. `since`: whole seconds since 1970.
    ///
    /// # Errors
    /// The engine is away. An item may be an error as well: then nothing follows.
    pub async fn log_pieces(&self, container: &str, since: i32) -> Result<BoxStream<'static, Result<LogPiece>>> {
        let client = self.client().await?;
        let options = LogsOptionsBuilder::default().stdout(true).stderr(true).timestamps(true).follow(true).tail("all").since(since).build();
        let pieces = client.logs(container, Some(options)).filter_map(|piece| {
            std::future::ready(match piece {
                Ok(piece) => split(piece).map(|(source, bytes)| Ok(read_piece(source, &bytes))),
                Err(error) => Some(Err(EngineError::from(error))),
            })
        });
        Ok(pieces.boxed())
    }

    /// The last piece of a container's log as it is now; none: nothing is in it.
    ///
    /// # Errors
    /// `NoSuchContainer`, the engine is away, or it cannot read the log.
    pub async fn last_log_piece(&self, container: &str) -> Result<Option<LogPiece>> {
        let client = self.client().await?;
        let options = LogsOptionsBuilder::default().stdout(true).stderr(true).timestamps(true).follow(false).tail("1").build();
        let mut pieces = client.logs(container, Some(options));
        let answer = limited("tell the end of the log", QUICK, async {
            let mut last = None;
            while let Some(piece) = next(&mut pieces, true).await {
                last = split(piece?).map(|(source, bytes)| read_piece(source, &bytes)).or(last);
            }
            Ok(last)
        });
        let answer = answer.await;
        self.note(&answer);
        match answer? {
            Some(piece) if piece.is_complaint() => Err(EngineError::new(Kind::Other, format!("the engine cannot read its log: {}", piece.text))),
            last => Ok(last),
        }
    }
}

impl LogPiece {
    /// Whether no program wrote this: the engine says within a log, without a time, that it cannot read that log.
    pub fn is_complaint(&self) -> bool {
        self.at_nanos == 0
    }
}

fn read_piece(source: LogSource, bytes: &[u8]) -> LogPiece {
    let (at_nanos, begin) = stamp(bytes).unwrap_or_default();
    let text = &bytes[begin..];
    let whole = text.strip_suffix(b"\n");
    LogPiece { at_nanos, source, text: String::from_utf8_lossy(whole.unwrap_or(text)).into_owned(), whole: whole.is_some() }
}

async fn next(
    pieces: &mut (impl Stream<Item = std::result::Result<LogOutput, bollard::errors::Error>> + Unpin),
    follow: bool,
) -> Option<Result<LogOutput>> {
    let piece = if follow {
        pieces.next().await
    } else {
        match tokio::time::timeout(STALL, pieces.next()).await {
            Ok(piece) => piece,
            Err(_) => return Some(Err(EngineError::timed_out("send the log", STALL))),
        }
    };
    piece.map(|piece| piece.map_err(EngineError::from))
}

fn split(piece: LogOutput) -> Option<(LogSource, Bytes)> {
    match piece {
        LogOutput::StdOut { message } | LogOutput::Console { message } => Some((LogSource::Stdout, message)),
        LogOutput::StdErr { message } => Some((LogSource::Stderr, message)),
        LogOutput::StdIn { .. } => None,
    }
}

impl Assembler {
    /// Takes a piece: its time, a space, and text with or without a line end.
    fn take(&mut self, source: LogSource, mut piece: Bytes, mut give: impl FnMut(LogLine)) {
        if let Some((at, rest)) = stamp(&piece) {
            self.at_nanos.get_or_insert(at);
            piece.advance(rest);
        }
        let whole = piece.last() == Some(&b'\n');
        let text = if whole { &piece[..piece.len() - 1] } else { &piece[..] };
        let room = LINE_LIMIT.saturating_sub(self.open.len());
        self.cut |= text.len() > room;
        self.open.extend_from_slice(&text[..text.len().min(room)]);
        if whole {
            give(self.close(source));
        }
    }

    /// What is left at the end of the log, if anything.
    fn finish(&mut self, source: LogSource) -> Option<LogLine> {
        (!self.open.is_empty()).then(|| self.close(source))
    }

    fn close(&mut self, source: LogSource) -> LogLine {
        let bytes = std::mem::take(&mut self.open);
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(&bytes);
        LogLine {
            at_nanos: self.at_nanos.take().unwrap_or_default(),
            source,
            text: String::from_utf8_lossy(bytes).into_owned(),
            cut: std::mem::take(&mut self.cut),
        }
    }
}

/// The time at the start of a piece, and where the text begins.
fn stamp(piece: &[u8]) -> Option<(i64, usize)> {
    let space = piece.iter().take(40).position(|byte| *byte == b' ')?;
    let at = std::str::from_utf8(&piece[..space]).ok()?.parse::<jiff::Timestamp>().ok()?;
    Some((i64::try_from(at.as_nanosecond()).ok()?, space + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<LogLine> {
        let mut assembler = Assembler::default();
        let mut lines = Vec::new();
        for piece in pieces {
            assembler.take(LogSource::Stdout, Bytes::copy_from_slice(piece), |line| lines.push(line));
        }
        lines.extend(assembler.finish(LogSource::Stdout));
        lines
    }

    #[test]
    fn pieces_of_a_long_line_become_one_with_the_first_time() {
        let got = lines(&[b"2026-11-20T08:00:00.000000001Z one ", b"2026-11-20T08:00:00.000000002Z two\n", b"2026-11-20T08:00:01Z three\r\n"]);
        assert_eq!(got.len(), 2);
        assert_eq!(got[0].text, "one two");
        assert_eq!(got[0].at_nanos, 1_795_161_600_000_000_001);
        assert_eq!(got[1].text, "three");
    }

    #[test]
    fn a_line_without_end_comes_at_the_end_and_an_empty_one_is_a_line() {
        assert_eq!(
            lines(&[b"2026-11-20T08:00:00Z \n", b"2026-11-20T08:00:00Z rest"]).iter().map(|line| line.text.as_str()).collect::<Vec<_>>(),
            ["", "rest"]
        );
    }

    #[test]
    fn a_line_too_long_is_cut_and_says_so() {
        let mut long = b"2026-11-20T08:00:00Z ".to_vec();
        long.extend(std::iter::repeat_n(b'x', LINE_LIMIT + 5));
        long.push(b'\n');
        let got = lines(&[&long, b"2026-11-20T08:00:00Z next\n"]);
        assert_eq!((got[0].text.len(), got[0].cut), (LINE_LIMIT, true));
        assert_eq!((got[1].text.as_str(), got[1].cut), ("next", false));
    }

    #[test]
    fn a_piece_is_as_the_engine_wrote_it() {
        let piece = read_piece(LogSource::Stderr, b"2026-11-20T08:00:00.000000001Z a b\r\n");
        assert_eq!((piece.at_nanos, piece.text.as_str(), piece.whole), (1_795_161_600_000_000_001, "a b\r", true));
        let piece = read_piece(LogSource::Stdout, b"2026-11-20T08:00:00Z no end");
        assert_eq!((piece.text.as_str(), piece.whole), ("no end", false));
    }

    #[test]
    fn the_engines_own_words_are_no_line() {
        let piece = read_piece(LogSource::Stderr, b"Error grabbing logs: unexpected EOF\n");
        assert!(piece.is_complaint(), "{piece:?}");
        assert!(!read_piece(LogSource::Stderr, b"2026-11-20T08:00:00Z Error grabbing logs: unexpected EOF\n").is_complaint());
    }

    #[test]
    fn bytes_that_are_not_text_are_tolerated() {
        assert_eq!(lines(&[b"2026-11-20T08:00:00Z a\xff\xfeb\n"])[0].text, "a\u{fffd}\u{fffd}b");
    }
}
