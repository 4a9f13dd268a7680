//! One line of a log as HTML. The server writes the first rows with it and the browser all others, so they are alike to the letter. Lines are texts of
//! strangers: everything of theirs goes through [`escaped`], and no address but http and https becomes a link.

use model::logs::{Budget, Level, Marks, Opened, Piece, open, paint, pieces};
use model::time::Millis;
use model::views::logs::{LogSource, LogView};

use super::who::{Twins, hue};

/// How the time of a line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Times {
    /// As the server has it.
    #[default]
    Utc,
    /// As the clock on the reader's wall.
    Local,
    /// How long ago.
    Relative,
}

impl Times {
    /// Every choice.
    pub(crate) const ALL: [Self; 3] = [Self::Utc, Self::Local, Self::Relative];

    /// The word that is kept in the browser.
    #[cfg(feature = "hydrate")]
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Utc => "utc",
            Self::Local => "local",
            Self::Relative => "relative",
        }
    }

    /// For people.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Utc => "UTC",
            Self::Local => "Local",
            Self::Relative => "Ago",
        }
    }
}

/// What rows have in common.
#[derive(Clone, Debug)]
pub(crate) struct RowLook {
    /// The address that shows a line among its neighbours, up to its id.
    pub link: String,
    /// Whether rows offer to show what is around them.
    pub around: bool,
    /// What a search looks for.
    pub marks: Marks,
    /// Whether JSON lines are shown as they came.
    pub raw: bool,
    /// How times are written.
    pub times: Times,
    /// The line that the address names.
    pub marked: Option<String>,
    /// Tasks that need more than their place to be told apart.
    pub twins: Twins,
    /// Whether arrows lead from row to row, so that Tab needs to stop at none.
    pub roving: bool,
}

impl RowLook {
    /// What keeps Tab from stopping at an element.
    fn stop(&self) -> &'static str {
        if self.roving { " tabindex=\"-1\"" } else { "" }
    }
}

/// Rows, oldest first; `before` is what stands above them.
pub(crate) fn rows<'a>(lines: impl IntoIterator<Item = &'a LogView>, before: Option<&LogView>, look: &RowLook, now: Millis) -> String {
    let (mut html, mut budget) = (String::new(), Budget::default());
    let mut day = before.map(|line| moment(line, look.times, now).0);
    for line in lines {
        let (today, time) = moment(line, look.times, now);
        let new = day.as_deref() != Some(today.as_str());
        row(&mut html, line, look, &mut budget, &time, new.then_some(today.as_str()), look.raw);
        day = Some(today);
    }
    html
}

/// The day and the time of a line, as they are written.
pub(crate) fn moment(line: &LogView, times: Times, now: Millis) -> (String, String) {
    let at = Millis(line.nanos.div_euclid(1_000_000));
    let stamp = match times {
        Times::Local => Millis(at.0 - offset(at)).rfc3339(),
        Times::Utc | Times::Relative => at.rfc3339(),
    };
    let part = |range: std::ops::Range<usize>| stamp.get(range).unwrap_or_default().to_owned();
    let time = if times == Times::Relative { crate::components::relative(now, at) } else { part(11..23) };
    (part(0..10), time)
}

/// How far the reader's clock is behind UTC at that time, in milliseconds.
#[cfg(feature = "hydrate")]
fn offset(at: Millis) -> i64 {
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "milliseconds of this age and minutes of a zone")]
    let minutes = js_sys::Date::new(&wasm_bindgen::JsValue::from_f64(at.0 as f64)).get_timezone_offset() as i64;
    minutes * 60_000
}

#[cfg(not(feature = "hydrate"))]
fn offset(_at: Millis) -> i64 {
    0
}

/// Writes one row. `budget` is that of all rows that are written at once; `day` is said where it differs from the row above.
pub(crate) fn row(html: &mut String, line: &LogView, look: &RowLook, budget: &mut Budget, time: &str, day: Option<&str>, raw: bool) {
    let id = escaped(&line.id);
    let day = day.map(|day| format!(" data-day=\"{}\"", escaped(day))).unwrap_or_default();
    let at = Millis(line.nanos.div_euclid(1_000_000)).rfc3339();
    if line.stream == LogSource::Gap {
        html.push_str(&format!(
            "<li id=\"l{id}\" data-id=\"{id}\" data-stream=\"gap\"{day}{}><time datetime=\"{at}\">{}</time><span class=\"line\">{}</span></li>",
            look.stop(),
            escaped(time),
            escaped(&line.text)
        ));
        return;
    }
    let opened = open(&line.text, &look.marks, budget);
    let marked = if look.marked.as_deref() == Some(line.id.as_str()) { " aria-current=\"true\"" } else { "" };
    let context = if line.context { " data-context" } else { "" };
    let level = opened.level.map(|level| format!(" data-level=\"{level}\"")).unwrap_or_default();
    html.push_str(&format!("<li id=\"l{id}\" data-id=\"{id}\" data-stream=\"{}\"{level}{day}{context}{marked}>", line.stream));
    html.push_str(&format!(
        "<a class=\"log-at\" href=\"{}{id}\" data-noscroll title=\"{at}\"{}><time datetime=\"{at}\">{}</time></a>",
        escaped(&look.link),
        look.stop(),
        escaped(time)
    ));
    html.push_str(&format!(
        "<span class=\"task\" data-hue=\"{}\" title=\"Task {} of revision {}, {}\">{}</span>",
        hue(line.slot, line.revision),
        line.slot,
        line.revision,
        line.task,
        look.twins.name(line.task, line.slot, line.revision)
    ));
    html.push_str(if line.stream == LogSource::Stderr {
        "<span class=\"log-source\" title=\"standard error\">err</span>"
    } else {
        "<span class=\"log-source\" title=\"standard output\">out</span>"
    });
    html.push_str(&mark(opened.level));
    said(html, line, &opened, look, budget, raw);
    if look.around {
        html.push_str(&format!("<a class=\"log-around\" href=\"{}{id}\"{}>Around</a>", escaped(&look.link), look.stop()));
    }
    html.push_str("</li>");
}

fn mark(level: Option<Level>) -> String {
    level.map_or_else(
        || String::from("<span class=\"log-level\"></span>"),
        |level| format!("<span class=\"log-level\" title=\"{level}\">{}</span>", level.mark()),
    )
}

fn said(html: &mut String, line: &LogView, opened: &Opened, look: &RowLook, budget: &mut Budget, raw: bool) {
    let (marks, stop) = (&look.marks, look.stop());
    html.push_str("<span class=\"line\">");
    if let Some(json) = &opened.json {
        html.push_str(&format!(
            "<button type=\"button\" class=\"log-json needs-script\" aria-pressed=\"{raw}\" aria-label=\"As it was written\" title=\"As it was written\"{stop}>{{}}</button> "
        ));
        if raw {
            painted(html, &opened.pieces, stop);
        } else {
            if let Some(message) = &json.message {
                html.push_str("<span class=\"log-message\">");
                painted(html, &pieces(message, marks, budget), stop);
                html.push_str("</span>");
            }
            for field in &json.fields {
                html.push_str(&format!(" <span class=\"log-field\"><b>{}</b>=", escaped(&plain(&field.name))));
                painted(html, &pieces(&field.value, marks, budget), stop);
                html.push_str("</span>");
            }
            if json.more > 0 {
                html.push_str(&format!(" <span class=\"log-field\">and {} more</span>", json.more));
            }
        }
    } else {
        painted(html, &opened.pieces, stop);
    }
    if line.cut {
        html.push_str(" <span class=\"log-cut\" title=\"The line was longer than is kept; its rest is left out.\">\u{2026} cut</span>");
    }
    html.push_str("</span>");
}

/// A text without its control characters.
fn plain(text: &str) -> String {
    model::logs::spans(text).into_iter().map(|span| span.text).collect()
}

fn painted(html: &mut String, pieces: &[Piece], stop: &str) {
    let mut within: Option<&str> = None;
    for piece in pieces {
        let style = &piece.style;
        let paint = paint(style);
        let weights = [(style.bold, "b"), (style.dim, "d"), (style.italic, "i"), (style.underline, "u"), (style.strike, "s")];
        let weights = weights.iter().filter(|(set, _)| *set).map(|(_, word)| *word).collect::<Vec<_>>().join(" ");
        let plain = weights.is_empty() && paint.named.is_none() && paint.css.is_none();
        // One address is one link, in however many colours; between two of them stands something else.
        let link = piece.link.as_deref();
        if within.is_some() && within != link {
            html.push_str("</a>");
        }
        if let Some(link) = link.filter(|_| within != link) {
            html.push_str(&format!("<a href=\"{}\" target=\"_blank\" rel=\"noopener noreferrer nofollow\"{stop}>", escaped(link)));
        }
        if !plain {
            html.push_str("<span");
            if !weights.is_empty() {
                html.push_str(&format!(" data-sgr=\"{weights}\""));
            }
            if let Some(named) = paint.named {
                html.push_str(&format!(" data-fg=\"{named}\""));
            }
            if let Some(css) = &paint.css {
                html.push_str(&format!(" style=\"{}\"", escaped(css)));
            }
            html.push('>');
        }
        html.push_str(if piece.hit { "<mark>" } else { "" });
        html.push_str(&escaped(&piece.text));
        html.push_str(if piece.hit { "</mark>" } else { "" });
        html.push_str(if plain { "" } else { "</span>" });
        within = link;
    }
    html.push_str(if within.is_some() { "</a>" } else { "" });
}

/// A text as HTML that says just that, in an element as in an attribute.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(id: &str, nanos: i64, text: &str) -> LogView {
        let task = "0192f0c1-7c1e-7b44-8d2a-3f6f1f0b5a11".parse().expect("an id");
        LogView {
            id: id.into(),
            at: String::new(),
            nanos,
            task,
            slot: 2,
            revision: 3,
            stream: LogSource::Stdout,
            text: text.into(),
            cut: false,
            context: false,
        }
    }

    fn look() -> RowLook {
        RowLook {
            link: String::from("?environment=local&line="),
            around: false,
            marks: Marks::none(),
            raw: false,
            times: Times::Utc,
            marked: None,
            twins: Twins::default(),
            roving: false,
        }
    }

    const NOW: Millis = Millis(1_795_161_600_000);

    fn html(text: &str) -> String {
        rows([&line("7-1", 1_795_161_600_000_000_000, text)], None, &look(), NOW)
    }

    #[test]
    fn nothing_of_a_line_becomes_markup() {
        for text in [
            "<script>alert(1)</script>",
            "\" onmouseover=\"x",
            "{\"<b>\":\"<img src=x onerror=y>\",\"msg\":\"<i>\"}",
            "https://a.example/\"><script>",
            "javascript:alert(1) https://a.example/'><b>",
            "\u{1b}[31m<b>\u{1b}[0m&amp;",
        ] {
            let html = html(text);
            for bad in ["<script", "<img", "<i>", "onmouseover=\"", "href=\"javascript"] {
                assert!(!html.contains(bad), "{text}: {html}");
            }
        }
        assert!(html("a & b").contains("a &amp; b"));
        assert!(html("<b>").contains("&lt;b&gt;"));
    }

    #[test]
    fn a_row_says_when_who_and_how_bad() {
        let html = html("ERROR no disk");
        assert!(html.contains("href=\"?environment=local&amp;line=7-1\""), "{html}");
        assert!(html.contains(">08:00:00.000</time>") && html.contains("data-day=\"2026-11-20\""), "{html}");
        assert!(html.contains(">r3.2</span>") && html.contains("data-level=\"error\"") && html.contains(">ERR</span>"), "{html}");
    }

    #[test]
    fn the_day_is_said_once() {
        let lines =
            [line("7-1", 1_795_161_600_000_000_000, "a"), line("7-2", 1_795_161_601_000_000_000, "b"), line("7-3", 1_795_261_600_000_000_000, "c")];
        assert_eq!(rows(&lines, None, &look(), NOW).matches("data-day").count(), 2);
        assert_eq!(rows(&lines[1..2], Some(&lines[0]), &look(), NOW).matches("data-day").count(), 0);
    }

    #[test]
    fn a_json_line_is_opened_or_as_it_came() {
        let text = r#"{"level":"warn","msg":"slow","ms":12}"#;
        let opened = html(text);
        assert!(opened.contains("<span class=\"log-message\">slow</span>") && opened.contains("<b>ms</b>=12"), "{opened}");
        let raw = rows([&line("7-1", 0, text)], None, &RowLook { raw: true, ..look() }, NOW);
        assert!(raw.contains("{&quot;level&quot;:&quot;warn&quot;") && raw.contains("aria-pressed=\"true\""), "{raw}");
    }

    #[test]
    fn hits_colours_and_links_are_shown() {
        let look = RowLook { marks: Marks::new("disk", false, false), ..look() };
        let html = rows([&line("7-1", 0, "\u{1b}[1;31mno disk\u{1b}[0m https://a.example/x")], None, &look, NOW);
        assert!(html.contains("<span data-sgr=\"b\" data-fg=\"1\"><mark>disk</mark></span>"), "{html}");
        assert!(html.contains("<a href=\"https://a.example/x\" target=\"_blank\" rel=\"noopener noreferrer nofollow\">"), "{html}");
    }

    #[test]
    fn an_address_in_many_colours_is_one_link() {
        let html = html(&format!("see https://a.example/{} and http://b.example", "\u{1b}[1mx\u{1b}[my".repeat(900)));
        assert_eq!((html.matches("<a href=\"http").count(), html.matches("https://a.example").count()), (2, 2), "{html}");
        assert_eq!(html.matches("<a ").count(), html.matches("</a>").count());
        assert!(html.contains("</a> and <a href=\"http://b.example\""), "{html}");
    }

    #[test]
    fn the_longest_line_becomes_no_more_than_a_few_times_as_much() {
        let long = |unit: &str| unit.repeat((64 << 10) / unit.len());
        for unit in ["http://", ")", "\u{1b}]", "\u{1b}[1mx\u{1b}[22;38;2;1;2;3my", "a ", "&"] {
            let html = rows([&line("7-1", 0, &long(unit))], None, &RowLook { marks: Marks::new("a", false, false), ..look() }, NOW);
            assert!(html.len() < 16 * (64 << 10), "{unit:?}: {}", html.len());
        }
    }

    #[test]
    fn tab_stops_at_no_row_where_arrows_lead_to_it() {
        let lines = [line("7-1", 0, "see https://a.example/x"), line("7-2", 0, r#"{"msg":"https://b.example"}"#)];
        let html = |roving| rows(&lines, None, &RowLook { roving, around: true, ..look() }, NOW);
        assert!(!html(false).contains("tabindex"));
        let html = html(true);
        assert_eq!(html.matches("tabindex=\"-1\"").count(), html.matches("<a ").count() + html.matches("<button ").count(), "{html}");
    }

    #[test]
    fn a_gap_is_shown_as_one() {
        let gap = LogView { stream: LogSource::Gap, ..line("7-9", 0, "12 lines are missing <here>") };
        let html = rows([&gap], None, &look(), NOW);
        assert!(html.contains("data-stream=\"gap\"") && html.contains("12 lines are missing &lt;here&gt;"), "{html}");
    }
}
