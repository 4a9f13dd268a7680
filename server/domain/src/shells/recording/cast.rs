//! A recording as text: asciicast v2, one line of JSON for the header and one for each thing that happened: output (`o`), a new size of the window
//! (`r`), and markers (`m`) that say what is missing. There is no input (`i`): what is typed is here where the terminal echoes it, and a password,
//! which it does not echo, is not. What was printed is joined where a character was cut, what is no UTF-8 is replaced.
//!
//! It is bounded. The first [`Limits::whole`] bytes are written whatever is printed; beyond, what is printed faster than a trickle is left out, and
//! the marker behind it says how many bytes that were, and how many were typed meanwhile. So of a flood the beginning stays, and what a person does
//! after it. Each time somebody types, the whole allowance is there again: so the echo and the beginning of the answer are recorded however much was
//! printed before. In the middle of a flood an echo may come behind more than that and be left out with the rest: the marker alone says then that
//! somebody typed; and each key costs the allowance then, so who goes on typing under a flood fills the recording, and a full recording ends its
//! shell. Pure: no file, no clock.

use std::borrow::Cow;
use std::time::Duration;

use model::time::Millis;
use serde::Serialize;
use serde_json::json;

/// What stands above a recording.
#[derive(Clone, Debug)]
pub struct Header {
    /// Columns of the window at the beginning.
    pub width: u16,
    /// Rows of the window at the beginning.
    pub height: u16,
    /// What it is a recording of: in what, by whom, what for.
    pub title: String,
    /// When it began.
    pub started_at: Millis,
}

/// How much is recorded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// So many bytes are written whatever is printed; beyond, what is printed faster than the trickle is left out.
    pub whole: u64,
    /// A recording of so many bytes is full.
    pub full: u64,
    /// Bytes a second that are written beyond [`Limits::whole`].
    pub trickle: u64,
    /// Bytes of the trickle that are saved up while little is printed: the allowance, which is there again when somebody types.
    pub saved: u64,
}

impl Limits {
    /// A terminal that prints without end fills 32 MiB, then some 40 MiB a day, until 64 MiB are full.
    pub const USUAL: Self = Self { whole: 32 << 20, full: 64 << 20, trickle: 512, saved: 256 << 10 };
}

/// Room that the last lines take at most: what was left out, and that it is full.
const LAST_WORDS: u64 = 512;

/// A recording that is being written: lines come in at one end and are taken out, to be kept, at the other.
pub(super) struct Cast {
    limits: Limits,
    text: Joined,
    lines: Vec<u8>,
    /// Bytes of all lines so far, those that were taken too; and of the header alone.
    total: u64,
    header: u64,
    /// Bytes of the trickle that may be written, and when they were counted.
    saved: u64,
    counted: Duration,
    /// Bytes of output that were left out since the last that was not.
    left_out: u64,
    /// Bytes that were typed since then.
    typed: u64,
    /// Something did not fit that would have been written.
    full: bool,
    /// The window's size, as it is and as the last line says.
    size: (u16, u16),
    written_size: (u16, u16),
}

impl Cast {
    /// A recording that holds its header.
    pub fn new(header: &Header, limits: Limits) -> Self {
        let size = (header.width, header.height);
        let mut cast = Self {
            limits,
            text: Joined::default(),
            lines: Vec::new(),
            total: 0,
            header: 0,
            saved: limits.saved,
            counted: Duration::ZERO,
            left_out: 0,
            typed: 0,
            full: false,
            size,
            written_size: size,
        };
        let seconds = header.started_at.0.div_euclid(1000);
        cast.write(&json!({
            "version": 2, "width": header.width, "height": header.height, "timestamp": seconds, "title": header.title,
            "env": {"TERM": "xterm-256color"},
        }));
        cast.header = cast.total;
        cast
    }

    /// This was printed, so long after the beginning.
    pub fn output(&mut self, at: Duration, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if self.is_full() || !self.has_room(at, bytes.len()) {
            self.leave_out(at, bytes.len());
            return;
        }
        // A first half of a character goes on waiting for the second.
        let text = self.text.push(bytes).into_owned();
        if !text.is_empty() {
            self.own_up(at);
            self.event(at, 'o', &text);
        }
    }

    /// So many bytes were typed: what answers them has room.
    pub fn typed(&mut self, bytes: usize) {
        self.saved = self.limits.saved;
        if self.left_out > 0 {
            self.typed += bytes as u64;
        }
    }

    /// The window has another size.
    pub fn resize(&mut self, at: Duration, columns: u16, rows: u16) {
        self.size = (columns, rows);
        // Where there is no room for it now, it is told before the next output.
        if self.size != self.written_size && self.has_room(at, LINE) {
            self.write_size(at);
        }
    }

    /// Nothing follows.
    pub fn end(&mut self, at: Duration) {
        let rest = self.text.end();
        self.own_up(at);
        if !rest.is_empty() {
            self.event(at, 'o', rest);
        }
    }

    /// The lines that were not taken yet.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.lines)
    }

    /// Bytes that were not taken yet.
    pub fn waiting(&self) -> usize {
        self.lines.len()
    }

    /// Whether nothing happened yet.
    pub fn is_bare(&self) -> bool {
        self.total == self.header
    }

    /// Whether nothing more is written.
    pub fn is_full(&self) -> bool {
        self.full || self.total + LAST_WORDS >= self.limits.full
    }

    /// Whether `bytes` of output may be written now. What they become as JSON is counted when it is there.
    fn has_room(&mut self, at: Duration, bytes: usize) -> bool {
        let bytes = bytes as u64;
        let wanted = self.total + bytes <= self.limits.whole || bytes <= self.trickle(at);
        let fits = self.total + bytes + LAST_WORDS <= self.limits.full;
        self.full |= wanted && !fits;
        wanted && fits
    }

    /// Bytes of the trickle that have been saved up.
    fn trickle(&mut self, at: Duration) -> u64 {
        let passed = at.saturating_sub(self.counted);
        let more = passed.as_millis() as u64 * self.limits.trickle / 1000;
        if more > 0 {
            self.counted = at;
            self.saved = self.saved.saturating_add(more).min(self.limits.saved);
        }
        self.saved
    }

    fn leave_out(&mut self, at: Duration, bytes: usize) {
        if self.left_out == 0 {
            // A character that was cut here stays cut.
            let rest = self.text.end();
            if !rest.is_empty() {
                self.event(at, 'o', rest);
            }
            self.event(at, 'm', "Output is left out from here: too much was printed");
        }
        self.left_out += bytes as u64;
    }

    /// Says what is missing before what follows it.
    fn own_up(&mut self, at: Duration) {
        if self.left_out > 0 {
            let mut text = format!("{} bytes of output were left out before this", self.left_out);
            if self.typed > 0 {
                text.push_str(&format!(", and {} bytes were typed meanwhile", self.typed));
            }
            (self.left_out, self.typed) = (0, 0);
            self.event(at, 'm', &text);
        }
        if self.size != self.written_size {
            self.write_size(at);
        }
    }

    fn write_size(&mut self, at: Duration) {
        let (columns, rows) = self.size;
        self.written_size = self.size;
        self.event(at, 'r', &format!("{columns}x{rows}"));
    }

    fn event(&mut self, at: Duration, kind: char, data: &str) {
        self.write(&(Seconds(at), kind, data));
    }

    fn write(&mut self, line: &impl Serialize) {
        let before = self.lines.len();
        serde_json::to_writer(&mut self.lines, line).expect("texts and numbers are always JSON, and memory takes them");
        self.lines.push(b'\n');
        let grown = (self.lines.len() - before) as u64;
        self.total += grown;
        if self.total > self.limits.whole {
            self.saved = self.saved.saturating_sub(grown);
        }
    }
}

/// Bytes of a line that says a size.
const LINE: usize = 32;

/// A time as asciicast has it: seconds since the beginning, to the microsecond.
struct Seconds(Duration);

impl Serialize for Seconds {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0.as_micros() as f64 / 1e6)
    }
}

/// Bytes as text, piece by piece: a character that was cut between two pieces is whole in the second, and what can be no character is replaced as
/// [`String::from_utf8_lossy`] would in the whole.
#[derive(Default)]
struct Joined {
    /// The beginning of a character: at most three bytes.
    begun: Vec<u8>,
}

impl Joined {
    fn push<'a>(&mut self, bytes: &'a [u8]) -> Cow<'a, str> {
        if self.begun.is_empty()
            && let Ok(text) = std::str::from_utf8(bytes)
        {
            return Cow::Borrowed(text);
        }
        let mut whole = std::mem::take(&mut self.begun);
        whole.extend_from_slice(bytes);
        let mut text = String::with_capacity(whole.len());
        let mut rest = whole.as_slice();
        loop {
            match std::str::from_utf8(rest) {
                Ok(valid) => {
                    text.push_str(valid);
                    break;
                }
                Err(error) => {
                    let (valid, after) = rest.split_at(error.valid_up_to());
                    text.push_str(&String::from_utf8_lossy(valid));
                    let Some(wrong) = error.error_len() else {
                        self.begun = after.to_vec();
                        break;
                    };
                    text.push(char::REPLACEMENT_CHARACTER);
                    rest = &after[wrong..];
                }
            }
        }
        Cow::Owned(text)
    }

    /// What becomes of a character that is never whole.
    fn end(&mut self) -> &'static str {
        if std::mem::take(&mut self.begun).is_empty() { "" } else { "\u{fffd}" }
    }
}

#[cfg(test)]
mod tests;
