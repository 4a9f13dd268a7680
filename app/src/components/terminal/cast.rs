//! A recording of a terminal, asciicast version 2: a line that says how it was made, then a line for each event. The text is kept as
//! it came and an event is opened when it is played, so that a long recording costs little more than its file. Nothing here draws.

use serde::Deserialize;

/// Idle time that is played when the rest is skipped, in seconds.
pub(super) const IDLE: f64 = 2.0;

/// What a recording's first line says.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) struct Header {
    /// The format's version.
    version: u8,
    /// Columns at the beginning.
    pub width: u16,
    /// Lines at the beginning.
    pub height: u16,
}

/// What happened at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Output,
    Resize,
    Mark,
}

/// An event, not opened yet: where its line stands in the file.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Seconds since the beginning.
    at: f64,
    kind: Kind,
    from: usize,
    to: usize,
}

/// An event, opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// This was printed.
    Output(String),
    /// The window got this many columns and lines.
    Resize(u16, u16),
    /// Something was noted.
    Mark(String),
}

/// A recording.
#[derive(Debug)]
pub(super) struct Cast {
    text: Vec<u8>,
    /// How far the text was looked at.
    read: usize,
    header: Header,
    entries: Vec<Entry>,
    /// When each event is played, in seconds: with idle time, or without.
    times: Vec<f64>,
    skips: bool,
}

impl Cast {
    /// A recording of which only the first line was looked at. `Err` says for people what is wrong with it.
    pub(super) fn new(text: Vec<u8>) -> Result<Self, &'static str> {
        let Some(end) = text.iter().position(|byte| *byte == b'\n') else {
            return Err(if text.is_empty() { "The recording is empty." } else { "Nothing was recorded yet." });
        };
        let header: Header = serde_json::from_slice(&text[..end]).map_err(|_| "This is no recording of a terminal.")?;
        if header.version != 2 {
            return Err("This recording is of a version that this page cannot play.");
        }
        Ok(Self { text, read: end + 1, header, entries: Vec::new(), times: Vec::new(), skips: false })
    }

    /// Looks at about so many more bytes. False when all was looked at; a last line that is not whole yet is left out.
    pub(super) fn look(&mut self, bytes: usize) -> bool {
        let until = (self.read + bytes).min(self.text.len());
        while self.read < until {
            let Some(length) = self.text[self.read..].iter().position(|byte| *byte == b'\n') else {
                self.read = self.text.len();
                break;
            };
            let (from, to) = (self.read, self.read + length);
            self.read = to + 1;
            if let Some((at, kind)) = beginning(&self.text[from..to]) {
                // Time never goes back, whatever the file says.
                let at = self.entries.last().map_or(at, |last| at.max(last.at));
                self.entries.push(Entry { at, kind, from, to });
                let before = self.times.len().checked_sub(1).map(|last| (self.entries[last].at, self.times[last]));
                self.times.push(next_time(before, at, self.skips));
            }
        }
        self.read < self.text.len()
    }

    /// How the window was at the beginning.
    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    /// How many events it has.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How long it takes, in seconds.
    pub(super) fn duration(&self) -> f64 {
        self.times.last().copied().unwrap_or(0.0)
    }

    /// When an event is played, in seconds.
    pub(super) fn time(&self, index: usize) -> Option<f64> {
        self.times.get(index).copied()
    }

    /// The first event that is played after `at` seconds.
    pub(super) fn after(&self, at: f64) -> usize {
        self.times.partition_point(|time| *time <= at)
    }

    /// Skips idle time beyond [`IDLE`], or plays it. Gives what `at`, a time as it was until now, is from now on.
    pub(super) fn skip(&mut self, skips: bool, at: f64) -> f64 {
        let next = self.after(at);
        let before = next.checked_sub(1);
        let since = at - before.map_or(0.0, |index| self.times[index]);
        self.skips = skips;
        let mut times = Vec::with_capacity(self.entries.len());
        let mut last = None;
        for entry in &self.entries {
            let time = next_time(last, entry.at, skips);
            times.push(time);
            last = Some((entry.at, time));
        }
        self.times = times;
        let from = before.map_or(0.0, |index| self.times[index]);
        self.time(next).map_or(from + since, |until| (from + since).min(until))
    }

    /// An event, opened; none where its line is not as it should be.
    pub(super) fn event(&self, index: usize) -> Option<Event> {
        let entry = self.entries.get(index)?;
        let (_, _, data): (f64, &str, String) = serde_json::from_slice(&self.text[entry.from..entry.to]).ok()?;
        Some(match entry.kind {
            Kind::Output => Event::Output(data),
            Kind::Mark => Event::Mark(data),
            Kind::Resize => {
                let (columns, lines) = data.split_once('x')?;
                let side = |text: &str| text.parse::<u16>().ok().filter(|side| (1..=1000).contains(side));
                Event::Resize(side(columns)?, side(lines)?)
            }
        })
    }

    /// Everything that was noted, with its time.
    pub(super) fn marks(&self) -> Vec<(f64, String)> {
        let noted = |(index, entry): (usize, &Entry)| match (entry.kind, self.event(index)) {
            (Kind::Mark, Some(Event::Mark(text))) => Some((self.times[index], text)),
            _ => None,
        };
        self.entries.iter().enumerate().filter_map(noted).collect()
    }
}

/// When an event is played, by the one before it: when that was, and when it is played.
fn next_time(before: Option<(f64, f64)>, at: f64, skips: bool) -> f64 {
    let (was, played) = before.unwrap_or((0.0, 0.0));
    let gap = at - was;
    played + if skips { gap.min(IDLE) } else { gap }
}

/// Time and kind of an event, without opening the rest: `[1.25, "o", ...`.
fn beginning(line: &[u8]) -> Option<(f64, Kind)> {
    let rest = line.trim_ascii_start().strip_prefix(b"[")?;
    let comma = rest.iter().position(|byte| *byte == b',')?;
    let at: f64 = std::str::from_utf8(&rest[..comma]).ok()?.trim().parse().ok()?;
    let kind = match rest[comma + 1..].trim_ascii_start().get(..3)? {
        br#""o""# => Kind::Output,
        br#""r""# => Kind::Resize,
        br#""m""# => Kind::Mark,
        _ => return None,
    };
    (at.is_finite() && at >= 0.0).then_some((at, kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = concat!(
        "{\"version\": 2, \"width\": 80, \"height\": 24, \"timestamp\": 1700000000}\n",
        "[0.5, \"o\", \"one \\u00e9\\r\\n\"]\n",
        "[10.5,\"m\",\"release\"]\n",
        "[11.0, \"r\", \"100x30\"]\n",
        "not a line\n",
        "[12.0, \"i\", \"typed\"]\n",
        "[11.5, \"o\", \"two\"]\n",
        "[99.0, \"o\", \"half",
    );

    fn read(text: &str) -> Cast {
        let mut cast = Cast::new(text.as_bytes().to_vec()).expect("a recording");
        while cast.look(7) {}
        cast
    }

    #[test]
    fn events_are_opened_as_they_were_written() {
        let cast = read(FILE);
        assert_eq!((cast.header().width, cast.header().height), (80, 24));
        assert_eq!(cast.len(), 4, "what is not whole, not known or input is left out");
        assert_eq!(cast.event(0), Some(Event::Output("one \u{e9}\r\n".into())));
        assert_eq!(cast.event(2), Some(Event::Resize(100, 30)));
        assert_eq!(cast.event(3), Some(Event::Output("two".into())));
        assert_eq!(cast.event(4), None);
        assert_eq!(cast.duration(), 11.5);
        assert_eq!(cast.marks(), [(10.5, String::from("release"))]);
    }

    #[test]
    fn idle_time_is_skipped_and_played_again() {
        let mut cast = read(FILE);
        assert_eq!(cast.after(0.5), 1);
        let at = cast.skip(true, 8.0);
        assert_eq!(cast.duration(), 3.5);
        assert_eq!(at, 2.5, "in the middle of what is skipped: at its end");
        assert_eq!(cast.marks()[0].0, 2.5);
        assert_eq!(cast.skip(false, 3.0), 11.0);
        assert_eq!(cast.duration(), 11.5);
    }

    #[test]
    fn what_is_no_recording_is_said() {
        for (text, said) in
            [("", "empty"), ("{\"version\"", "yet"), ("hello\n", "no recording"), ("{\"version\":3,\"width\":1,\"height\":1}\n", "version")]
        {
            assert!(Cast::new(text.as_bytes().to_vec()).is_err_and(|error| error.contains(said)), "{text}");
        }
    }

    #[test]
    fn a_recording_with_only_its_first_line_is_empty_and_no_error() {
        let cast = read("{\"version\":2,\"width\":80,\"height\":24}\n");
        assert_eq!((cast.len(), cast.duration(), cast.after(5.0)), (0, 0.0, 0));
    }
}
