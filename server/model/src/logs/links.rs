//! Addresses in a text. Only what begins with `http://` or `https://` and names a plain host is one: nothing that a browser would run, nothing that
//! pretends to be another host. Each character is looked at a few times at most, whatever a stranger writes.

use std::ops::Range;

/// Longer addresses are text.
const LONGEST: usize = 2_000;
/// Links of one line; the rest is text.
const MOST: usize = 50;

/// Where addresses stand in a text, in their order.
pub(super) fn find(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut from = 0;
    let mut run = Run::default();
    while let Some(at) = text[from..].find("http").map(|at| from + at) {
        from = at + 4;
        // Not in the middle of a word.
        if text[..at].chars().next_back().is_some_and(char::is_alphanumeric) {
            continue;
        }
        let Some(scheme) = ["https://", "http://"].into_iter().find(|scheme| text[at..].starts_with(scheme)) else { continue };
        if at >= run.end {
            run = Run::at(text, at);
        }
        match address(text, at, scheme.len(), run) {
            Ok(end) => {
                found.push(at..end);
                from = run.end;
            }
            Err(next) => from = from.max(next),
        }
        if found.len() == MOST {
            break;
        }
    }
    found
}

/// Characters without a gap: an address ends where they do, but for what belongs to the sentence around it.
#[derive(Clone, Copy, Default)]
struct Run {
    /// From here on it is only what may belong to the sentence.
    core: usize,
    end: usize,
}

impl Run {
    fn at(text: &str, at: usize) -> Self {
        let end = text[at..].find(ends).map_or(text.len(), |long| at + long);
        Self { core: at + text[at..end].trim_end_matches(closes).len(), end }
    }
}

/// Where the address ends that begins `at` in a run; if there is none, where to look on.
fn address(text: &str, at: usize, scheme: usize, run: Run) -> Result<usize, usize> {
    let begin = at + scheme;
    let stop = text[begin..run.end].find(|c: char| !in_host(c)).map_or(run.end, |long| begin + long);
    if stop < run.core {
        // The host is here in full. No other address begins in it, but one whose first letters are its last ones.
        let whole = matches!(text.as_bytes()[stop], b'/' | b'?' | b'#');
        if !whole || !is_plain(&text[begin..stop]) {
            return Err(stop.saturating_sub("https:".len()));
        }
    }
    // Too long, and so is what is within it.
    if run.core - at > LONGEST {
        return Err(run.end);
    }
    let end = at + trimmed(&text[at..run.end]);
    let host = text.get(begin..end.max(begin)).and_then(|inside| inside.split(['/', '?', '#']).next()).unwrap_or_default();
    if is_plain(host) && end - at <= LONGEST { Ok(end) } else { Err(run.end) }
}

/// What a host with its port is written with.
fn in_host(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']')
}

/// Whether this names a host and nothing else: a name before an @ would be read as the host.
fn is_plain(host: &str) -> bool {
    let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit())).map_or(host, |(name, _)| name);
    let name = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':'))
}

/// What no address holds as it is written in a text.
fn ends(c: char) -> bool {
    // Characters that turn the direction of writing around could show another address than the one that is opened.
    c.is_whitespace()
        || c.is_control()
        || matches!(c, '"' | '\'' | '<' | '>' | '`' | '|' | '\\' | '^' | '{' | '}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}')
}

/// What may belong to the sentence around an address.
fn closes(c: char) -> bool {
    matches!(c, '.' | ',' | ';' | ':' | '!' | '?' | ')' | ']')
}

/// The length without what belongs to the sentence around it: a full stop, a bracket that was opened before.
fn trimmed(text: &str) -> usize {
    let count = |one: u8| text.bytes().filter(|byte| *byte == one).count();
    // Brackets that are closed and were not opened here.
    let (mut round, mut square) = (count(b')').saturating_sub(count(b'(')), count(b']').saturating_sub(count(b'[')));
    let mut end = text.len();
    for byte in text.bytes().rev() {
        match byte {
            b'.' | b',' | b';' | b':' | b'!' | b'?' => {}
            b')' if round > 0 => round -= 1,
            b']' if square > 0 => square -= 1,
            _ => break,
        }
        end -= 1;
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(text: &str) -> Vec<&str> {
        find(text).into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn addresses_are_found_without_what_is_around_them() {
        assert_eq!(links("see https://example.org/a?b=c#d."), ["https://example.org/a?b=c#d"]);
        assert_eq!(links("(http://10.0.0.1:8080/x) and <https://a.example>"), ["http://10.0.0.1:8080/x", "https://a.example"]);
        assert_eq!(links("https://en.example/wiki/A_(b)"), ["https://en.example/wiki/A_(b)"]);
        assert_eq!(links(r#"{"url":"https://a.example/x","n":1}"#), ["https://a.example/x"]);
        assert_eq!(links("http://[::1]:3000/"), ["http://[::1]:3000/"]);
        assert_eq!(links("https://a.example/\u{e4}\u{f6}, https://b.example"), ["https://a.example/\u{e4}\u{f6}", "https://b.example"]);
    }

    #[test]
    fn what_misleads_is_text() {
        for text in [
            "javascript:alert(1)",
            "https://",
            "http:///x",
            "https://good.example@evil.example/",
            "xhttps://a.example",
            "https://\u{202e}moc.example",
            "httpx",
            "https://a b",
        ] {
            let found = links(text);
            assert!(found.is_empty() || found == ["https://a"], "{text}: {found:?}");
        }
        assert!(links(&format!("https://a.example/{}", "x".repeat(3000))).is_empty());
    }

    #[test]
    fn what_stands_side_by_side_is_found() {
        assert_eq!(links("[http://a.example](http://b.example/x)."), ["http://b.example/x"]);
        assert_eq!(links("http://a]http://b.example"), ["http://b.example"]);
        assert_eq!(
            links("http://a.example! (http://b.example:80), http://c.example..."),
            ["http://a.example", "http://b.example:80", "http://c.example"]
        );
        assert_eq!(links("http://a.example/(x)))"), ["http://a.example/(x)"]);
        assert!(links("http://... http://:80 http://.").is_empty());
    }

    #[test]
    fn the_longest_line_is_looked_through_once() {
        let long = |unit: &str| unit.repeat((64 << 10) / unit.len());
        for begin in ["http://a", "http://a/((((((("] {
            assert_eq!(links(&format!("{begin}{}", long(")"))).len(), 1, "{begin}");
        }
        for unit in ["http://", "http://!", "http://a/(", "http://]/", "http://a@", "http", "http://a.", "https://a:b]"] {
            assert!(links(&long(unit)).iter().all(|link| link.len() <= LONGEST), "{unit}");
        }
        assert_eq!(links(&long("http://a/b ")).len(), MOST);
        let open = format!("{}{}", "http://a/(".repeat(190), long(")"));
        assert!(links(&open).iter().all(|link| link.len() <= LONGEST));
    }
}
