//! `slipway logs`: a service's log as the portal keeps it, followed, searched, as text or as JSON lines. The portal sends the lines ready; here
//! they are only passed on.

use std::io::{IsTerminal as _, Write as _};

use clap::Args;
use model::ids::TaskId;
use model::time::Millis;
use model::views::logs::{CONTEXT_MAX, LogFilter, LogSource};

use crate::account::Which;
use crate::client::Portal;
use crate::error::{Error, Result};
use crate::target::Target;

/// Waiting before a log that broke off is followed again, at most.
const RETRY_MAX: std::time::Duration = std::time::Duration::from_secs(15);

/// Read a log.
#[derive(Debug, Args)]
pub struct Logs {
    /// The service, or one task of it: shop/web, shop/web.2
    target: Target,
    /// Go on while it runs.
    #[arg(long, short)]
    follow: bool,
    /// The last so many lines, or all.
    #[arg(long, short = 'n', value_parser = tail)]
    tail: Option<String>,
    /// Only lines with this text.
    #[arg(long, short)]
    grep: Option<String>,
    /// The text is a regular expression.
    #[arg(long, short = 'E', requires = "grep")]
    regex: bool,
    /// Upper and lower case are different.
    #[arg(long, requires = "grep")]
    case: bool,
    /// Lines of the same task before and after each hit.
    #[arg(long, short = 'C', requires = "grep", value_parser = clap::value_parser!(u32).range(0..=i64::from(CONTEXT_MAX)))]
    context: Option<u32>,
    /// Written after this: 10m, 2h, 2026-11-20T09:30:00Z
    #[arg(long, value_parser = since)]
    since: Option<String>,
    /// Written before this.
    #[arg(long, value_parser = until)]
    until: Option<String>,
    /// Of one revision, by its number.
    #[arg(long, value_parser = revision)]
    revision: Option<u32>,
    /// Of one task, by its id.
    #[arg(long)]
    task: Option<TaskId>,
    /// stdout or stderr alone, with what is missing in between; or gap: only where lines are missing.
    #[arg(long)]
    stream: Option<LogSource>,
    /// Of this environment, where there are several.
    #[arg(long, short)]
    environment: Option<String>,
    /// JSON lines instead of text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    which: Which,
}

fn tail(text: &str) -> std::result::Result<String, String> {
    let known = text == "all" || text.parse::<u32>().is_ok();
    if known { Ok(text.to_owned()) } else { Err("a number of lines, or all".into()) }
}

// What is no time is refused here already, with the portal's own words; what now is does not matter for that.

fn since(text: &str) -> std::result::Result<String, String> {
    let filter = LogFilter { since: text.to_owned(), ..LogFilter::default() };
    filter.since_nanos(Millis::default()).map_err(|error| error.message)?;
    Ok(filter.since)
}

fn until(text: &str) -> std::result::Result<String, String> {
    let filter = LogFilter { until: text.to_owned(), ..LogFilter::default() };
    filter.until_nanos(Millis::default()).map_err(|error| error.message)?;
    Ok(filter.until)
}

fn revision(text: &str) -> std::result::Result<u32, String> {
    text.parse().map_err(|_| "the number of a revision: 7".into())
}

impl Logs {
    fn query(&self) -> String {
        let mut pairs: Vec<(&str, String)> = Vec::new();
        let mut put = |key, value: Option<String>| pairs.extend(value.map(|value| (key, value)));
        put("environment", self.environment.clone());
        put("tail", self.tail.clone());
        put("grep", self.grep.clone());
        put("regex", self.regex.then(|| "true".into()));
        put("case", self.grep.is_some().then(|| self.case.to_string()));
        put("context", self.context.map(|lines| lines.to_string()));
        put("since", self.since.clone());
        put("until", self.until.clone());
        put("revision", self.revision.map(|number| number.to_string()));
        put("task", self.task.map(|task| task.to_string()));
        put("slot", self.target.slot.map(|slot| slot.to_string()));
        put("stream", self.stream.map(|stream| stream.to_string()));
        put("follow", self.follow.then(|| "true".into()));
        pairs.iter().map(|(key, value)| format!("{key}={}", crate::client::quoted(value))).collect::<Vec<_>>().join("&")
    }
}

/// Prints the lines as they come.
pub(crate) async fn run(order: Logs) -> Result<()> {
    let portal = order.which.portal()?;
    let path = format!("{}/logs", order.target.path());
    let done = if order.follow { follow(&portal, &path, &order).await } else { once(&portal, &path, &order).await };
    done.map_err(flagged)
}

/// What the portal calls a field was typed as a flag; only the task's number was not.
fn flagged(mut error: Error) -> Error {
    if let Error::Refused(problem) = &mut error {
        for wrong in problem.errors.iter_mut().filter(|wrong| wrong.field != "slot") {
            wrong.field = format!("--{}", wrong.field);
        }
    }
    error
}

async fn once(portal: &Portal, path: &str, order: &Logs) -> Result<()> {
    let path = format!("{path}?{}", order.query());
    if std::io::stdout().is_terminal() {
        let mut body = portal.stream(&path, "application/x-ndjson").await?;
        while let Some(line) = body.line().await? {
            print(&line, order.json)?;
        }
        return Ok(());
    }
    // Nobody looks: as the portal writes it.
    let mut body = portal.stream(&path, if order.json { "application/x-ndjson" } else { "text/plain" }).await?;
    let mut out = std::io::stdout().lock();
    while let Some(bytes) = body.next().await? {
        out.write_all(&bytes).map_err(Error::local("the output cannot be written"))?;
    }
    out.flush().map_err(Error::local("the output cannot be written"))
}

/// Follows through breaks of the connection: each line has an id, and the next request begins after the last one seen.
async fn follow(portal: &Portal, path: &str, order: &Logs) -> Result<()> {
    let (mut last, mut begun): (Option<String>, bool) = (None, false);
    let mut wait = std::time::Duration::from_millis(500);
    loop {
        let after = last.as_ref().map(|id| format!("&after={id}")).unwrap_or_default();
        let ended = match portal.stream(&format!("{path}?{}{after}", order.query()), "application/x-ndjson").await {
            Ok(mut body) => {
                begun = true;
                loop {
                    match body.line().await {
                        Ok(Some(line)) => {
                            wait = std::time::Duration::from_millis(500);
                            if let Some(id) = print(&line, order.json)? {
                                last = Some(id);
                            }
                        }
                        Ok(None) => break Ok(()),
                        Err(error) => break Err(error),
                    }
                }
            }
            // Where there never was a stream, none broke off.
            Err(error) if !begun => return Err(error),
            Err(error) => Err(error),
        };
        match ended {
            // The portal said why: it will say so again.
            Err(Error::Refused(problem)) if problem.status < 500 && problem.status != 429 => return Err(Error::Refused(problem)),
            Err(error @ (Error::Quiet | Error::Typed(_) | Error::Wrong(_) | Error::Local { .. })) => return Err(error),
            ended @ (Err(Error::Refused(_) | Error::Unreachable(_)) | Ok(())) => {
                let why = ended.err().map_or_else(|| String::from("the stream ended"), |error| error.to_string());
                crate::terminal::note(&format!("slipway: {why}; following again"))?;
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(RETRY_MAX);
            }
        }
    }
}

/// Prints one JSON line, as it is or as text; its id.
fn print(line: &str, json: bool) -> Result<Option<String>> {
    let value: serde_json::Value = serde_json::from_str(line).map_err(|_| Error::Unreachable("the portal sent a line that is none".into()))?;
    let text = match (json, Reader::of_output()) {
        (true, Reader::Program) => line.to_owned(),
        (true, _) => tame_json(line),
        (false, reader) => as_text(&value, reader),
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(Error::local("the output cannot be written"))?;
    Ok(value["id"].as_str().map(str::to_owned))
}

/// Who reads the output.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reader {
    /// A file or another program.
    Program,
    /// Somebody at a terminal who wants no colours, or whose terminal has none.
    Plain,
    /// Somebody at a terminal.
    Coloured,
}

impl Reader {
    fn of_output() -> Self {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        if !std::io::stdout().is_terminal() {
            Self::Program
        } else if set("NO_COLOR").is_some() || set("TERM").is_some_and(|terminal| terminal == "dumb") {
            Self::Plain
        } else {
            Self::Coloured
        }
    }
}

/// As the portal writes a line of text: the time, the task's number, the stream, the text; a gap between dashes. On a terminal in colours, and
/// nothing but colours of the text is obeyed there: a log must not move the cursor, change the title or answer in the reader's name.
fn as_text(value: &serde_json::Value, reader: Reader) -> String {
    let word = |key: &str| value[key].as_str().unwrap_or_default();
    let slot = value["slot"].as_i64().unwrap_or_default();
    let (at, stream, text) = (word("at"), word("stream"), word("text"));
    let gap = stream == "gap";
    let cut = if value["cut"] == true && !gap { " [cut]" } else { "" };
    let text = if reader == Reader::Program { text.to_owned() } else { tame(text, reader == Reader::Coloured) };
    if reader != Reader::Coloured {
        return if gap { format!("{at} {slot} gap -- {text} --") } else { format!("{at} {slot} {stream} {text}{cut}") };
    }
    if gap {
        return format!("\x1b[2m{at}\x1b[0m {slot} \x1b[33mgap -- {text} --\x1b[0m");
    }
    let task = 31 + slot.rem_euclid(6);
    let kind = if stream == "stderr" { 31 } else { 2 };
    format!("\x1b[2m{at}\x1b[0m \x1b[{task}m{slot}\x1b[0m \x1b[{kind}m{stream}\x1b[0m {text}\x1b[0m{cut}")
}

/// The same JSON without a control character that a terminal would obey: JSON escapes only the first 32 by itself.
fn tame_json(line: &str) -> String {
    let mut tamed = String::with_capacity(line.len());
    for character in line.chars() {
        if character.is_control() {
            tamed.push_str(&format!("\\u{:04x}", u32::from(character)));
        } else {
            tamed.push(character);
        }
    }
    tamed
}

/// Leaves tabs and, where they are wanted, colours (SGR), and shows other control characters as what they are.
fn tame(text: &str, colours: bool) -> String {
    let mut tamed = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_control() && c != '\t') {
        tamed.push_str(&rest[..at]);
        let sgr = rest[at..].strip_prefix("\x1b[").and_then(|after| {
            let end = after.find(|c: char| !(c.is_ascii_digit() || c == ';' || c == ':'))?;
            after[end..].starts_with('m').then_some(at + 2 + end + 1)
        });
        match sgr {
            Some(end) => {
                tamed.push_str(if colours { &rest[at..end] } else { "" });
                rest = &rest[end..];
            }
            None => {
                let control = rest[at..].chars().next().unwrap_or_default();
                tamed.extend(control.escape_default());
                rest = &rest[at + control.len_utf8()..];
            }
        }
    }
    tamed.push_str(rest);
    tamed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_cannot_steer_the_terminal_of_its_reader() {
        assert_eq!(tame("\x1b[1;31mred\x1b[0m\tok", true), "\x1b[1;31mred\x1b[0m\tok");
        assert_eq!(tame("\x1b[1;31mred\x1b[0m\tok", false), "red\tok", "who wants no colours gets none");
        for colours in [true, false] {
            let tame = |text| tame(text, colours);
            assert_eq!(tame("\x1b]0;title\x07x\x1b[2J\x1b[6n\rover"), "\\u{1b}]0;title\\u{7}x\\u{1b}[2J\\u{1b}[6n\\rover");
            assert_eq!(tame("\u{9b}2Jä\u{85}"), "\\u{9b}2Jä\\u{85}");
            assert_eq!(tame("\x1b["), "\\u{1b}[");
            assert_eq!(tame("plain ✓"), "plain ✓");
        }
    }

    #[test]
    fn json_cannot_either_and_says_the_same() {
        let line = "{\"text\":\"\u{9b}2J\u{7f}ä\\u001b\"}";
        let tamed = tame_json(line);
        assert_eq!(tamed, r#"{"text":"\u009b2J\u007fä\u001b"}"#);
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
        assert_eq!(read(&tamed), read(line));
    }

    #[test]
    fn a_line_is_as_the_portal_writes_it() {
        let gap = serde_json::json!({"at": "2026-11-20T08:00:00.000Z", "slot": 2, "stream": "gap", "text": "5 lines are missing", "cut": false});
        assert_eq!(as_text(&gap, Reader::Program), "2026-11-20T08:00:00.000Z 2 gap -- 5 lines are missing --");
        let mut line = serde_json::json!({"at": "2026-11-20T08:00:00.000Z", "slot": 1, "stream": "stdout", "text": "hello", "cut": false});
        assert_eq!(as_text(&line, Reader::Program), "2026-11-20T08:00:00.000Z 1 stdout hello");
        line["cut"] = true.into();
        assert_eq!(as_text(&line, Reader::Program), "2026-11-20T08:00:00.000Z 1 stdout hello [cut]");
        let seen = as_text(&line, Reader::Coloured);
        let plain: String =
            seen.split('\x1b').map(|part| part.strip_prefix('[').and_then(|part| part.split_once('m')).map_or(part, |(_, rest)| rest)).collect();
        assert_eq!(plain, as_text(&line, Reader::Program), "in colours it is the same text");
        line["text"] = "\x1b[31mred\x1b[2J".into();
        assert_eq!(as_text(&line, Reader::Plain), "2026-11-20T08:00:00.000Z 1 stdout red\\u{1b}[2J [cut]", "a terminal is safe without colours, too");
    }

    #[test]
    fn what_is_no_time_and_no_number_is_refused_with_what_would_be_right() {
        for right in ["10m", "2h", "2026-11-20T09:30:00Z", "1795166400"] {
            assert_eq!((since(right), until(right)), (Ok(right.to_owned()), Ok(right.to_owned())));
        }
        let wrong = [since("yesterday"), until("soon"), revision("v1").map(|number| number.to_string())];
        assert!(wrong.into_iter().zip(["10m", "10m", "number"]).all(|(wrong, right)| wrong.is_err_and(|told| told.contains(right))));
    }

    #[test]
    fn a_tail_is_a_number_or_all() {
        assert_eq!((tail("all"), tail("0")), (Ok("all".into()), Ok("0".into())));
        assert!(tail("some").is_err() && tail("-1").is_err() && tail("").is_err());
    }
}
