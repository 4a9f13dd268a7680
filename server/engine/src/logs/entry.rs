//! One line of the engine's own log file (`json-file`), read fast: `{"log":"...\n","stream":"stdout","time":"2026-11-20T08:00:00.123456789Z"}`.
//!
//! The engine writes that shape and no other, unless it adds attributes: such a line, and whatever else is odd, is left to the JSON parser. Text is
//! taken out of its escapes only when it is kept. Pure.

use std::borrow::Cow;

use serde::Deserialize;

use super::joiner::{Piece, Source, Text};

const OPENING: &str = "{\"log\":\"";
const TIME: &str = "\"time\":\"";
const STDOUT: &str = "\",\"stream\":\"stdout\",";
const STDERR: &str = "\",\"stream\":\"stderr\",";

/// A line as the JSON parser reads it.
#[derive(Deserialize)]
struct Odd<'a> {
    #[serde(borrow, default)]
    log: Cow<'a, str>,
    stream: &'a str,
    time: &'a str,
}

/// Reads a line, without its line end. None: it is none of the engine's, or not all of one.
pub(super) fn read(line: &str) -> Option<Piece<'_>> {
    fast(line).or_else(|| odd(line))
}

fn fast(line: &str) -> Option<Piece<'_>> {
    let rest = line.strip_prefix(OPENING)?.strip_suffix("\"}")?;
    // From the end: what people print may look like anything, and stands first.
    let (rest, time) = rest.rsplit_once('"')?;
    let rest = format_end(rest)?;
    let (raw, source) = match rest.strip_suffix(STDOUT) {
        Some(raw) => (raw, Source::Stdout),
        None => (rest.strip_suffix(STDERR)?, Source::Stderr),
    };
    if escapes_next(raw) {
        // The quote that ends the text is part of it.
        return None;
    }
    let at_nanos = nanos(time)?;
    let whole = raw.strip_suffix("\\n").filter(|before| !escapes_next(before));
    Some(Piece { at_nanos, source, whole: whole.is_some(), text: Text::Escaped(whole.unwrap_or(raw)) })
}

/// What stands before the time's key; `rest` ends where the time's opening quote was.
fn format_end(rest: &str) -> Option<&str> {
    rest.strip_suffix(&TIME[..TIME.len() - 1])
}

/// Whether a text ends in an escape that takes the next character with it.
fn escapes_next(text: &str) -> bool {
    text.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

fn odd(line: &str) -> Option<Piece<'_>> {
    // A file that was emptied behind the engine's back begins with zeroes; half a line of a full disk stands before a whole one.
    let line = line.trim_start_matches('\0');
    let parsed = serde_json::from_str::<Odd<'_>>(line).ok().or_else(|| {
        let again = line.rfind(OPENING).filter(|at| *at > 0)?;
        serde_json::from_str(&line[again..]).ok()
    })?;
    let source = match parsed.stream {
        "stdout" => Source::Stdout,
        "stderr" => Source::Stderr,
        _ => return None,
    };
    let mut text = parsed.log.into_owned();
    let whole = text.ends_with('\n');
    if whole {
        text.pop();
    }
    Some(Piece { at_nanos: nanos(parsed.time)?, source, whole, text: Text::Owned(text) })
}

/// A time as the engine writes it: RFC 3339 in UTC with up to nine digits of a fraction.
pub(super) fn nanos(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let (head, fraction) = bytes.split_at_checked(19)?;
    let digits = |range: std::ops::Range<usize>| {
        head[range].iter().try_fold(0_i64, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
    };
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if marks.iter().any(|(at, mark)| head[*at] != *mark) {
        return None;
    }
    let (year, month, day) = (digits(0..4)?, digits(5..7)?, digits(8..10)?);
    let (hour, minute, second) = (digits(11..13)?, digits(14..16)?, digits(17..19)?);
    let fraction = match fraction.strip_suffix(b"Z")? {
        [] => 0,
        [b'.', digits @ ..] if (1..=9).contains(&digits.len()) => {
            let read = digits.iter().try_fold(0_i64, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))?;
            read * 10_i64.pow(9 - u32::try_from(digits.len()).ok()?)
        }
        _ => return None,
    };
    let seconds = (days(year, month, day)? * 24 + hour) * 3_600 + minute * 60 + second;
    seconds.checked_mul(1_000_000_000)?.checked_add(fraction)
}

/// Days since 1970 of a date of our calendar (a year begins in March here, so that the leap day is its last).
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

/// Takes text out of its escapes: at most `room` bytes are added to `out`. How many bytes the whole text has.
pub(super) fn unescape(raw: &str, out: &mut String, room: usize) -> usize {
    let (mut total, mut rest) = (0, raw);
    let put = |piece: &str, out: &mut String, total: &mut usize| {
        let left = room.saturating_sub(*total);
        *total += piece.len();
        if left > 0 {
            out.push_str(&piece[..piece.floor_char_boundary(left.min(piece.len()))]);
        }
    };
    while let Some(at) = rest.find('\\') {
        put(&rest[..at], out, &mut total);
        let (meant, length) = escape(&rest[at..]);
        let mut buffer = [0; 4];
        put(meant.encode_utf8(&mut buffer), out, &mut total);
        rest = &rest[at + length..];
    }
    put(rest, out, &mut total);
    total
}

/// The character that an escape at the beginning of `text` means, and the escape's length.
fn escape(text: &str) -> (char, usize) {
    let Some(kind) = text[1..].chars().next() else { return (char::REPLACEMENT_CHARACTER, text.len()) };
    let plain = match kind {
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'u' => return unicode(text),
        other => other,
    };
    (plain, 1 + kind.len_utf8())
}

/// `\u` with four digits, or two of them for one character beyond the first 65,536.
fn unicode(text: &str) -> (char, usize) {
    let unit = |at: usize| text.get(at..at + 4).and_then(|digits| u32::from_str_radix(digits, 16).ok());
    let Some(first) = unit(2) else { return (char::REPLACEMENT_CHARACTER, 2) };
    if let Some(found) = char::from_u32(first) {
        return (found, 6);
    }
    let second = text.get(6..8).filter(|mark| *mark == "\\u").and_then(|_| unit(8)).filter(|second| (0xdc00..0xe000).contains(second));
    match second.filter(|_| first < 0xdc00) {
        Some(second) => (char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)).unwrap_or(char::REPLACEMENT_CHARACTER), 12),
        None => (char::REPLACEMENT_CHARACTER, 6),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(piece: &Piece<'_>) -> String {
        let mut text = String::new();
        piece.text.push_to(&mut text, usize::MAX);
        text
    }

    fn read_one(line: &str) -> (i64, Source, String, bool) {
        let piece = read(line).expect(line);
        (piece.at_nanos, piece.source, text(&piece), piece.whole)
    }

    /// As the engine writes it.
    fn written(text: &str, whole: bool, source: &str, time: &str) -> String {
        let log = if whole { format!("{text}\n") } else { text.to_owned() };
        let log = serde_json::to_string(&log).expect("JSON").replace('<', "\\u003c").replace('&', "\\u0026");
        format!("{{\"log\":{log},\"stream\":\"{source}\",\"time\":\"{time}\"}}")
    }

    #[test]
    fn what_the_engine_writes_is_read_without_the_json_parser() {
        let line =
            r#"{"log":"tab\u0009here \"q\" \u003cb\u003e \u0026 é \u0001 \u001b[1m\r\n","stream":"stdout","time":"2026-11-22T00:15:54.481368277Z"}"#;
        assert!(fast(line).is_some());
        let (at, source, text, whole) = read_one(line);
        assert_eq!((at, source, whole), (1_795_306_554_481_368_277, Source::Stdout, true));
        assert_eq!(text, "tab\there \"q\" <b> & é \u{1} \u{1b}[1m\r");
        let partial = r#"{"log":"no end","stream":"stderr","time":"2026-11-22T00:15:54.5Z"}"#;
        assert_eq!(read_one(partial), (1_795_306_554_500_000_000, Source::Stderr, "no end".into(), false));
        assert_eq!(read_one(r#"{"log":"\n","stream":"stdout","time":"2026-11-22T00:15:54Z"}"#).2, "");
    }

    #[test]
    fn texts_that_look_like_the_frame_are_texts() {
        for text in [r#"","stream":"stdout","time":"2026-11-22T00:15:54Z"}"#, r"ends in a backslash \", r"\\n", "\\n", "{\"log\":\"x"] {
            for whole in [true, false] {
                let line = written(text, whole, "stdout", "2026-11-22T00:15:54.000000001Z");
                assert_eq!(read_one(&line), (1_795_306_554_000_000_001, Source::Stdout, text.into(), whole), "{line}");
            }
        }
    }

    #[test]
    fn attributes_and_damage_are_left_to_the_parser() {
        let line = r#"{"log":"a\n","stream":"stderr","attrs":{"k":"\"v\""},"time":"2026-11-22T00:15:54Z"}"#;
        assert!(fast(line).is_none());
        assert_eq!(read_one(line).2, "a");
        let half = r#"{"log":"what did not fi{"log":"whole\n","stream":"stdout","time":"2026-11-22T00:15:54Z"}"#;
        assert!(read_one(half).2.ends_with("whole"), "{half}");
        assert_eq!(read_one(&format!("\0\0\0{line}")).2, "a");
        for none in
            ["", "{", "hello", r#"{"log":"a\n","stream":"stdin","time":"2026-11-22T00:15:54Z"}"#, r#"{"log":"a\n","stream":"stdout","time":"now"}"#]
        {
            assert!(read(none).is_none(), "{none}");
        }
    }

    #[test]
    fn times_are_read_as_a_calendar_reads_them() {
        assert_eq!(nanos("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(nanos("2024-02-29T23:59:59.999999999Z"), Some(1_709_251_199_999_999_999));
        assert_eq!(nanos("2100-03-01T00:00:00.1Z"), Some(4_107_542_400_100_000_000));
        for wrong in
            ["", "2026-11-22", "2026-13-22T00:00:00Z", "2026-11-22T00:00:00+01:00", "2026-11-22T00:00:00.Z", "2026-11-22T00:00:00.1234567890Z"]
        {
            assert_eq!(nanos(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_text_that_is_cut_is_cut_between_characters_and_counted_whole() {
        let mut out = String::new();
        assert_eq!(unescape("aéé\\u00e9", &mut out, 4), 7);
        assert_eq!(out, "aé");
        let mut out = String::new();
        unescape(r"\ud83d\ude00 \ud83d \q\u12", &mut out, usize::MAX);
        assert_eq!(out, "😀 \u{fffd} q\u{fffd}12");
    }

    proptest! {
        #[test]
        fn any_text_comes_back(said in any::<String>(), whole in any::<bool>(), error in any::<bool>(), at in 0_i64..4_000_000_000_000_000_000) {
            // A text with a line feed at its end would be a whole line.
            let said = said.trim_end_matches('\n').to_owned();
            let seconds = at / 1_000_000_000;
            let (day, of_day) = (seconds / 86_400, seconds % 86_400);
            // From 1970-01-01 on by days: the inverse of what is tested, by counting.
            let (mut year, mut left) = (1970, day);
            let leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
            while left >= 365 + i64::from(leap(year)) {
                left -= 365 + i64::from(leap(year));
                year += 1;
            }
            let lengths = [31, 28 + i64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
            let mut month = 0;
            while left >= lengths[month] {
                left -= lengths[month];
                month += 1;
            }
            let time = format!("{year:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z", month + 1, left + 1, of_day / 3_600, of_day / 60 % 60, of_day % 60, at % 1_000_000_000);
            let line = written(&said, whole, if error { "stderr" } else { "stdout" }, &time);
            prop_assert_eq!(read_one(&line), (at, if error { Source::Stderr } else { Source::Stdout }, said, whole));
        }
    }
}
