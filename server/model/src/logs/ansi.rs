//! The escapes that programs write for terminals: colours and weights are read, all others are left out. What no escape is, is kept: other control
//! characters are shown by their pictures, and the beginning of an escape that never ends hides nothing behind it.

/// A colour as a program names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Colour {
    /// One of the sixteen that every terminal has, 0 to 15.
    Named(u8),
    /// Red, green, blue.
    Rgb(u8, u8, u8),
}

/// How a stretch of text is to look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Of the letters; none: as the page has it.
    pub foreground: Option<Colour>,
    /// Behind them.
    pub background: Option<Colour>,
    /// Heavier.
    pub bold: bool,
    /// Weaker.
    pub dim: bool,
    /// Slanted.
    pub italic: bool,
    /// With a line below.
    pub underline: bool,
    /// With a line through it.
    pub strike: bool,
    /// Letters and ground change places.
    pub inverse: bool,
}

/// A stretch of text of one look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its look.
    pub style: Style,
    /// Its text: never a control character but tabs and line ends.
    pub text: String,
}

/// Stretches of one look in a line, about; what follows looks like the page.
const MOST: usize = 2_000;

/// A text as stretches of one look each; without what the escapes were.
#[must_use]
pub fn spans(text: &str) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    let mut style = Style::default();
    // Where no end of a string for the terminal follows, none follows further on.
    let mut endless = false;
    let mut rest = text.strip_suffix('\r').unwrap_or(text);
    while let Some(c) = rest.chars().next() {
        if let Some(after) = introduced(rest) {
            let (sgr, next) = sequence(after);
            if let Some(parameters) = sgr {
                follow(&mut style, parameters);
            }
            rest = next;
            continue;
        }
        if c == '\u{1b}' {
            rest = other_escape(&rest[1..], &mut endless);
            continue;
        }
        push(&mut spans, style, shown(c));
        rest = &rest[c.len_utf8()..];
    }
    spans
}

fn push(spans: &mut Vec<Span>, style: Style, c: char) {
    let style = if spans.len() < MOST { style } else { Style::default() };
    match spans.last_mut() {
        Some(span) if span.style == style => span.text.push(c),
        _ => spans.push(Span { style, text: c.to_string() }),
    }
}

/// A control character as something that can be seen.
fn shown(c: char) -> char {
    match c {
        '\t' | '\n' => c,
        '\u{0}'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
        '\u{7f}' => '\u{2421}',
        '\u{80}'..='\u{9f}' => '\u{fffd}',
        _ => c,
    }
}

/// What follows a control sequence introducer, if there is one.
fn introduced(text: &str) -> Option<&str> {
    text.strip_prefix("\u{1b}[").or_else(|| text.strip_prefix('\u{9b}'))
}

/// The parameters of a control sequence if it is about looks, and what comes after it.
fn sequence(text: &str) -> (Option<&str>, &str) {
    let end = text.find(|c: char| !matches!(c, '\u{20}'..='\u{3f}')).unwrap_or(text.len());
    match text[end..].chars().next() {
        Some('m') if text[..end].bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b';' | b':')) => (Some(&text[..end]), &text[end + 1..]),
        Some('\u{40}'..='\u{7e}') => (None, &text[end + 1..]),
        // Not ended as it should be: what is there is shown.
        _ => (None, &text[end..]),
    }
}

/// What comes after an escape that is no control sequence; the escape character itself is gone already. `endless`: no string for the terminal ends in
/// what is left, and it need not be looked for again.
fn other_escape<'a>(text: &'a str, endless: &mut bool) -> &'a str {
    let Some(first) = text.chars().next() else { return text };
    match first {
        // A title, a link, a string for the terminal: until its end, if that comes.
        ']' | 'P' | 'X' | '^' | '_' => {
            let body = &text[1..];
            let end = if *endless { None } else { string_end(body) };
            *endless = end.is_none();
            end.map_or(body, |end| &body[end..])
        }
        // A set of characters: one more byte.
        ' '..='/' => {
            let rest = text.trim_start_matches(|c: char| matches!(c, ' '..='/'));
            rest.strip_prefix(|c: char| matches!(c, '0'..='~')).unwrap_or(rest)
        }
        '0'..='~' => &text[1..],
        _ => text,
    }
}

/// The place behind the end of a string for the terminal: a bell, or an escape with a backslash, whichever comes first.
fn string_end(body: &str) -> Option<usize> {
    let bytes = body.as_bytes();
    let end = (0..bytes.len()).find(|at| bytes[*at] == 7 || bytes[*at..].starts_with(b"\x1b\\"))?;
    Some(if bytes[end] == 7 { end + 1 } else { end + 2 })
}

/// Changes a look as these parameters say.
fn follow(style: &mut Style, parameters: &str) {
    let mut codes = parameters.split(';');
    while let Some(code) = codes.next() {
        let mut parts = code.split(':');
        let number = number(parts.next());
        match number {
            38 | 48 => {
                let colour = if code.contains(':') { colour_in(parts.collect()) } else { colour_of(&mut codes) };
                let place = if number == 38 { &mut style.foreground } else { &mut style.background };
                *place = colour.or(*place);
            }
            4 => style.underline = parts.next() != Some("0"),
            _ => simple(style, number),
        }
    }
}

/// An empty parameter is 0; what is no number changes nothing.
fn number(text: Option<&str>) -> u32 {
    match text {
        None | Some("") => 0,
        Some(text) => text.parse().unwrap_or(u32::MAX),
    }
}

fn simple(style: &mut Style, code: u32) {
    let named = |base: u32| u8::try_from(code - base).ok().map(Colour::Named);
    match code {
        0 => *style = Style::default(),
        1 => style.bold = true,
        2 => style.dim = true,
        3 => style.italic = true,
        7 => style.inverse = true,
        9 => style.strike = true,
        21 => style.underline = true,
        22 => (style.bold, style.dim) = (false, false),
        23 => style.italic = false,
        24 => style.underline = false,
        27 => style.inverse = false,
        29 => style.strike = false,
        30..=37 => style.foreground = named(30),
        39 => style.foreground = None,
        40..=47 => style.background = named(40),
        49 => style.background = None,
        90..=97 => style.foreground = named(82),
        100..=107 => style.background = named(92),
        _ => {}
    }
}

/// `5;N` or `2;R;G;B`, as parameters that follow.
fn colour_of<'a>(codes: &mut impl Iterator<Item = &'a str>) -> Option<Colour> {
    let mut next = || codes.next().map(|code| number(Some(code)));
    match next()? {
        5 => indexed(next()?),
        2 => {
            let mut part = || u8::try_from(next()?).ok();
            let (red, green, blue) = (part(), part(), part());
            Some(Colour::Rgb(red?, green?, blue?))
        }
        _ => None,
    }
}

/// `5:N`, `2:R:G:B` or `2::R:G:B`, within one parameter.
fn colour_in(parts: Vec<&str>) -> Option<Colour> {
    let byte = |at: usize| u8::try_from(number(parts.get(at).copied())).ok();
    match (number(parts.first().copied()), parts.len()) {
        (5, 2..) => indexed(number(parts.get(1).copied())),
        (2, 4) => Some(Colour::Rgb(byte(1)?, byte(2)?, byte(3)?)),
        (2, 5..) => Some(Colour::Rgb(byte(2)?, byte(3)?, byte(4)?)),
        _ => None,
    }
}

/// One of the 256.
fn indexed(index: u32) -> Option<Colour> {
    let index = u8::try_from(index).ok()?;
    Some(match index {
        0..=15 => Colour::Named(index),
        16..=231 => {
            let level = |step: u8| if step == 0 { 0 } else { 55 + step * 40 };
            let cube = index - 16;
            Colour::Rgb(level(cube / 36), level(cube / 6 % 6), level(cube % 6))
        }
        _ => {
            let grey = 8 + (index - 232) * 10;
            Colour::Rgb(grey, grey, grey)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        spans(text).into_iter().map(|span| span.text).collect()
    }

    /// The look of the first stretch.
    fn look(codes: &str) -> Style {
        spans(&format!("\u{1b}[{codes}mx"))[0].style
    }

    #[test]
    fn colours_are_read_in_every_spelling() {
        assert_eq!(look("31").foreground, Some(Colour::Named(1)));
        assert_eq!(look("97;104"), Style { foreground: Some(Colour::Named(15)), background: Some(Colour::Named(12)), ..Style::default() });
        assert_eq!(look("38;5;9").foreground, Some(Colour::Named(9)));
        assert_eq!(look("38;5;208").foreground, Some(Colour::Rgb(255, 135, 0)));
        assert_eq!(look("48;5;244").background, Some(Colour::Rgb(128, 128, 128)));
        for same in ["38;2;1;2;3", "38:2:1:2:3", "38:2::1:2:3"] {
            assert_eq!(look(same).foreground, Some(Colour::Rgb(1, 2, 3)), "{same}");
        }
        assert_eq!(look("38;2;1;2;3;1"), Style { foreground: Some(Colour::Rgb(1, 2, 3)), bold: true, ..Style::default() });
        assert_eq!(look("38;2;1;2;300"), Style::default(), "no such colour");
        assert_eq!(look("38;5"), Style::default());
        assert_eq!(look("31;39"), Style::default());
    }

    #[test]
    fn weights_come_and_go() {
        let all = look("1;2;3;4;7;9");
        assert!(all.bold && all.dim && all.italic && all.underline && all.inverse && all.strike);
        assert_eq!(look("1;2;3;4;7;9;22;23;24;27;29"), Style::default());
        assert_eq!(look("1;31;0"), Style::default());
        assert_eq!(look("1;31;"), Style::default(), "an empty one is 0");
        assert!(look("4:3").underline && !look("4;4:0").underline);
        let spans = spans("a\u{1b}[1mb\u{1b}[mc");
        assert_eq!(spans.iter().map(|span| (span.text.as_str(), span.style.bold)).collect::<Vec<_>>(), [("a", false), ("b", true), ("c", false)]);
    }

    #[test]
    fn other_escapes_are_left_out_and_nothing_else() {
        for (text, left) in [
            ("\u{1b}[2K\u{1b}[1Gdone", "done"),
            ("\u{1b}[?25lx", "x"),
            ("\u{1b}]0;a title\u{7}x", "x"),
            ("\u{1b}]8;;https://example.org\u{1b}\\link\u{1b}]8;;\u{1b}\\", "link"),
            ("\u{1b}(Bx", "x"),
            ("\u{1b}7x\u{1b}8", "x"),
            ("\u{9b}31mx", "x"),
            ("x\u{1b}", "x"),
            ("x\u{1b}[", "x"),
            ("x\u{1b}[31", "x"),
            ("\u{1b}]0;never ended", "0;never ended"),
            ("\u{1b}\u{e4}", "\u{e4}"),
            ("\u{1b}[31\u{e4}m", "\u{e4}m"),
            ("a\tb\r", "a\tb"),
            ("a\rb\u{8}\u{7}\u{7f}", "a\u{240d}b\u{2408}\u{2407}\u{2421}"),
        ] {
            assert_eq!(plain(text), left, "{text:?}");
        }
    }

    #[test]
    fn the_longest_line_is_looked_through_once() {
        let long = |unit: &str| unit.repeat((64 << 10) / unit.len());
        assert_eq!(plain(&long("\u{1b}]")), "");
        assert_eq!(plain(&long("\u{1b}]\u{1b}\\")), "");
        assert_eq!(plain(&long("\u{1b}P\u{7}")), "");
        assert_eq!(plain(&long("\u{1b}[")), "");
        assert_eq!(plain(&format!("\u{1b}]a\u{7}b{}", long("\u{1b}_c"))), format!("b{}", "c".repeat((64 << 10) / 3)));
        let colourful = long("\u{1b}[1mx\u{1b}[my");
        let shown = spans(&colourful);
        assert!(shown.len() <= MOST + 1, "{}", shown.len());
        assert_eq!(plain(&colourful).len(), 2 * ((64 << 10) / 9), "no letter is lost");
    }

    proptest::proptest! {
        #[test]
        fn no_text_of_a_stranger_is_too_strange(text in "[\\x1b\\[\\]0-9;:mK\u{e4}\u{9b}\\x07a]{0,60}") {
            let shown = plain(&text);
            proptest::prop_assert!(!shown.contains(|c: char| c.is_control() && c != '\t' && c != '\n'));
            proptest::prop_assert_eq!(shown.matches('a').count() <= text.matches('a').count(), true);
        }
    }
}
