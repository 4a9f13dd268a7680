//! Addresses in a text. Only what begins with `http://` or `https://` and names a plain host is one: nothing that a browser would run, nothing that
//! pretends to be another host.

use std::ops::Range;

/// Longer addresses are text.
const LONGEST: usize = 2_000;
/// Links of one line; the rest is text.
const MOST: usize = 50;

/// Where addresses stand in a text, in their order.
pub(super) fn find(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = text[from..].find("http").map(|at| from + at) {
        from = at + 4;
        // Not in the middle of a word.
        if text[..at].chars().next_back().is_some_and(char::is_alphanumeric) {
            continue;
        }
        if let Some(end) = address(&text[at..]) {
            found.push(at..at + end);
            from = at + end;
        }
        if found.len() == MOST {
            break;
        }
    }
    found
}

/// The length of the address that this begins with.
fn address(text: &str) -> Option<usize> {
    let scheme = ["https://", "http://"].into_iter().find(|scheme| text.starts_with(scheme))?.len();
    let end = text.find(ends).unwrap_or(text.len());
    let end = trimmed(&text[..end]);
    let inside = text.get(scheme..end)?;
    let host = inside.split(['/', '?', '#']).next()?;
    let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit())).map_or(host, |(name, _)| name);
    let name = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    // A name before an @ would be read as the host.
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':'));
    (plain && end <= LONGEST).then_some(end)
}

/// What no address holds as it is written in a text.
fn ends(c: char) -> bool {
    // Characters that turn the direction of writing around could show another address than the one that is opened.
    c.is_whitespace()
        || c.is_control()
        || matches!(c, '"' | '\'' | '<' | '>' | '`' | '|' | '\\' | '^' | '{' | '}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}')
}

/// Without what belongs to the sentence around it: a full stop, a bracket that was opened before.
fn trimmed(text: &str) -> usize {
    let mut end = text.len();
    loop {
        let rest = &text[..end];
        match rest.chars().next_back() {
            Some('.' | ',' | ';' | ':' | '!' | '?') => end -= 1,
            Some(')') if rest.matches(')').count() > rest.matches('(').count() => end -= 1,
            Some(']') if rest.matches(']').count() > rest.matches('[').count() => end -= 1,
            _ => return end,
        }
    }
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
}
