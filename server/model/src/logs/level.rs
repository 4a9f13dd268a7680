//! How bad a line is, as far as it says so itself, in the spellings of the common logging libraries and servers. A guess from its first words: a line that
//! says nothing has no level.

use crate::words::words;

words! {
    /// How bad a line is.
    Level,
    /// Every step.
    Trace = "trace",
    /// For who looks for a mistake.
    Debug = "debug",
    /// As it should be.
    Info = "info",
    /// Somebody should look.
    Warn = "warn",
    /// Something did not work.
    Error = "error",
    /// Nothing works any more.
    Fatal = "fatal",
}

impl Level {
    /// The mark that stands in a line: three letters.
    #[must_use]
    pub const fn mark(self) -> &'static str {
        match self {
            Self::Trace => "TRC",
            Self::Debug => "DBG",
            Self::Info => "INF",
            Self::Warn => "WRN",
            Self::Error => "ERR",
            Self::Fatal => "FTL",
        }
    }
}

/// A level stands within so many bytes from the beginning, and within so many words.
const HEAD: usize = 240;
const WORDS: usize = 10;
/// A small word with a colon behind it is a level only near the beginning: later it is part of a sentence.
const EARLY: usize = 5;

/// The level of a line without escapes.
pub(super) fn of(text: &str) -> Option<Level> {
    let text = text.trim_start();
    let end = (0..=HEAD.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let head = &text[..end];
    syslog(head).or_else(|| klog(head)).or_else(|| paired(head)).or_else(|| spoken(head)).or_else(|| disaster(head)).or_else(|| answered(text))
}

/// A level by its name, in any spelling.
pub(super) fn named(word: &str) -> Option<Level> {
    Some(match word.to_ascii_lowercase().as_str() {
        "trace" | "trc" | "verbose" => Level::Trace,
        "debug" | "dbg" | "debu" => Level::Debug,
        "info" | "inf" | "information" | "informational" | "notice" => Level::Info,
        "warn" | "warning" | "wrn" => Level::Warn,
        "error" | "err" | "severe" => Level::Error,
        "fatal" | "ftl" | "critical" | "crit" | "alert" | "emerg" | "emergency" | "panic" | "dpanic" => Level::Fatal,
        _ => return None,
    })
}

/// A level by its first letter.
pub(super) fn letter(word: &str) -> Option<Level> {
    Some(match word {
        "T" | "V" => Level::Trace,
        "D" => Level::Debug,
        "I" | "N" => Level::Info,
        "W" => Level::Warn,
        "E" => Level::Error,
        "F" | "C" => Level::Fatal,
        _ => return None,
    })
}

/// A level by its number: syslog's from 0 to 7, or those of bunyan and pino from 10 on.
pub(super) fn numbered(number: u64) -> Option<Level> {
    Some(match number {
        0..=2 => Level::Fatal,
        3 => Level::Error,
        4 => Level::Warn,
        5 | 6 => Level::Info,
        7 => Level::Debug,
        10..20 => Level::Trace,
        20..30 => Level::Debug,
        30..40 => Level::Info,
        40..50 => Level::Warn,
        50..60 => Level::Error,
        60..100 => Level::Fatal,
        _ => return None,
    })
}

/// `<13>` at the beginning: eight times the facility, and the severity.
fn syslog(head: &str) -> Option<Level> {
    let (number, _) = head.strip_prefix('<')?.split_once('>')?;
    let number: u64 = number.bytes().all(|byte| byte.is_ascii_digit()).then(|| number.parse().ok())??;
    if number > 191 { None } else { numbered(number % 8) }
}

/// `E0102 15:04:05`: Kubernetes and glog.
fn klog(head: &str) -> Option<Level> {
    let (first, rest) = head.split_at_checked(1)?;
    let bytes = rest.as_bytes();
    let dated = bytes.len() > 7 && bytes[..4].iter().all(u8::is_ascii_digit) && bytes[4] == b' ' && bytes[5].is_ascii_digit() && rest.contains(':');
    if dated && "IWEF".contains(first) { letter(first) } else { None }
}

/// `level=warn`, as logfmt writes it.
fn paired(head: &str) -> Option<Level> {
    head.split([' ', ',', '\t', '{', '[']).find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        let known = matches!(key.to_ascii_lowercase().as_str(), "level" | "lvl" | "severity" | "levelname" | "log.level" | "loglevel");
        if known { named(value.trim_matches(|c: char| !c.is_ascii_alphanumeric())) } else { None }
    })
}

/// A word of its own: `ERROR`, `[warn]`, `|INFO|`, `error:`, `WARNING:root:`.
fn spoken(head: &str) -> Option<Level> {
    for (nth, token) in head.split_ascii_whitespace().take(WORDS).enumerate() {
        for piece in token.split_inclusive(['|', ':', ']', ')', '>']) {
            if let Some(level) = word(piece, nth) {
                return Some(level);
            }
        }
    }
    None
}

fn word(piece: &str, nth: usize) -> Option<Level> {
    let bare = piece.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let boxed = piece.starts_with(['[', '(', '<']) && piece.ends_with([']', ')', '>']);
    let colon = piece.ends_with(':') && piece.strip_suffix(':') == Some(bare);
    if boxed && let Some(level) = named(bare).or_else(|| letter(bare)) {
        return Some(level);
    }
    if colon && nth < EARLY {
        let exception = nth == 0 && bare.len() > 5 && (bare.ends_with("Error") || bare.ends_with("Exception"));
        let postgres = bare == "LOG" || bare == "DETAIL" || bare == "HINT" || bare == "STATEMENT";
        if let Some(level) = named(bare).or(exception.then_some(Level::Error)).or(postgres.then_some(Level::Info)) {
            return Some(level);
        }
    }
    // `npm ERR!`, `# WARNING`, `*ERROR*`: capitals say that it is meant so.
    let loud = bare.len() >= 3 && bare.bytes().all(|byte| byte.is_ascii_uppercase());
    let alone = piece.trim_matches(|c: char| "[](){}<>|:*#!-".contains(c)) == bare;
    if loud && alone { named(bare).or_else(|| java(bare)) } else { None }
}

/// Levels of Java's own that are plain words elsewhere.
fn java(word: &str) -> Option<Level> {
    match word {
        "FINE" => Some(Level::Debug),
        "FINER" | "FINEST" => Some(Level::Trace),
        _ => None,
    }
}

/// Languages' own last words.
fn disaster(head: &str) -> Option<Level> {
    if head.starts_with("panic: ") || head.starts_with("fatal error: ") || (head.starts_with("thread '") && head.contains("panicked at")) {
        return Some(Level::Fatal);
    }
    let error = ["Traceback (most recent call last)", "Exception in thread", "Caused by: ", "Uncaught ", "Unhandled "];
    error.iter().any(|begin| head.starts_with(begin)).then_some(Level::Error)
}

/// `"GET / HTTP/1.1" 503 12`: what a web server answered.
fn answered(text: &str) -> Option<Level> {
    let after = text.split(" HTTP/").nth(1)?;
    let (_, rest) = after.split_once("\" ")?;
    let status = rest.get(..3).filter(|status| status.bytes().all(|byte| byte.is_ascii_digit()))?;
    if rest.as_bytes().get(3).is_some_and(|next| *next != b' ') {
        return None;
    }
    match status.as_bytes()[0] {
        b'5' => Some(Level::Error),
        b'4' => Some(Level::Warn),
        b'1'..=b'3' => Some(Level::Info),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_found_as_programs_write_them() {
        for (line, level) in [
            ("level=warn msg=\"slow\"", Level::Warn),
            ("time=2026-11-20T09:30:00Z level=\"error\" msg=x", Level::Error),
            ("ts=1 lvl=dbg", Level::Debug),
            ("[ERROR] no disk", Level::Error),
            ("2026-11-20 09:30:00 [Warning] x", Level::Warn),
            ("E1120 09:30:00.123456       1 main.go:12] failed", Level::Error),
            ("I1120 09:30:00.123456       1 main.go:12] started", Level::Info),
            ("<11>Nov 20 09:30:00 host app: x", Level::Error),
            ("<190>x", Level::Info),
            ("2026/11/20 09:30:00 [emerg] 1#1: bind() failed", Level::Fatal),
            ("2026/11/20 09:30:00 [error] 29#29: *1 open() failed", Level::Error),
            ("nginx: [warn] conflicting server name", Level::Warn),
            ("2026-11-20 09:30:00.123  INFO 1 --- [main] o.s.Boot : started", Level::Info),
            ("09:30:00.123 [main] DEBUG com.example.App - x", Level::Debug),
            ("Nov 20, 2026 9:30:00 AM SEVERE: broken", Level::Error),
            ("WARNING:root:careful", Level::Warn),
            ("2026-11-20 09:30:00,123 - app - CRITICAL - x", Level::Fatal),
            ("INFO:     127.0.0.1:1234 - \"GET / HTTP/1.1\" 404", Level::Info),
            ("error: cannot open the file", Level::Error),
            ("app: warning: unused", Level::Warn),
            ("2026-11-20T09:30:00Z ERROR app: x", Level::Error),
            ("npm ERR! code ENOENT", Level::Error),
            ("1:M 20 Nov 2026 09:30:00.123 # WARNING overcommit", Level::Warn),
            ("2026-11-20 09:30:00 UTC [12] LOG:  ready", Level::Info),
            ("2026-11-20 09:30:00 UTC [12] FATAL:  role does not exist", Level::Fatal),
            ("[I] hello", Level::Info),
            ("ValueError: bad", Level::Error),
            ("Traceback (most recent call last):", Level::Error),
            ("thread 'main' panicked at src/main.rs:1:1:", Level::Fatal),
            ("panic: runtime error", Level::Fatal),
            ("10.0.0.1 - - [20/Nov/2026:09:30:00 +0000] \"GET / HTTP/1.1\" 200 612 \"-\" \"curl\"", Level::Info),
            ("10.0.0.1 - - [20/Nov/2026:09:30:00 +0000] \"GET /x HTTP/2.0\" 404 153", Level::Warn),
            ("10.0.0.1 - - [20/Nov/2026:09:30:00 +0000] \"POST /x HTTP/1.1\" 503 0", Level::Error),
        ] {
            assert_eq!(of(line), Some(level), "{line}");
        }
    }

    #[test]
    fn what_says_nothing_has_no_level() {
        for line in [
            "",
            "web one listens on 8080",
            "the error was mended",
            "no information was found",
            "DEBUG=true starts the debugger",
            "<999>x",
            "<html>",
            "E1120",
            "[main] hello",
            "\u{e4}\u{f6}\u{fc} \u{1f600}",
            "I am here",
            "fine: thank you, and you?",
        ] {
            assert_eq!(of(line), None, "{line}");
        }
        let late = format!("{} ERROR", "word ".repeat(20));
        assert_eq!(of(&late), None);
    }

    #[test]
    fn the_worse_is_the_greater() {
        assert!(Level::Fatal > Level::Error && Level::Error > Level::Warn && Level::Info > Level::Debug);
    }
}
