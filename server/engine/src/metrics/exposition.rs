//! Reads what an application tells of itself: Prometheus' text format. Pure.
//!
//! Of histograms and summaries their sums and counts are kept, and no buckets and quantiles. What has no type is a state, but for a name that ends with
//! `_total`, which by custom is a sum. Labels become part of the sample's label as they are written: `name{method="GET"}`.

use std::collections::{HashMap, HashSet};

use ::metrics::{Metric, Value};

/// Most series of one task.
pub(crate) const SERIES: usize = 100;

/// What was read.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Told {
    /// The samples.
    pub values: Vec<Value>,
    /// Series that were asked for and are not kept: more than there may be, or with labels that are too long.
    pub left_out: usize,
}

/// One series' line.
struct Line<'a> {
    name: &'a str,
    labels: Vec<(&'a str, &'a str)>,
    value: f64,
}

/// Reads all series whose names are asked for.
///
/// # Errors
/// The number of the first line that is not in the format.
pub(crate) fn read(text: &str, names: &[String]) -> Result<Told, usize> {
    let mut types: HashMap<&str, &str> = HashMap::new();
    let mut seen: HashSet<String> = HashSet::new();
    let mut told = Told::default();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(comment) = line.strip_prefix('#') {
            let mut words = comment.split_ascii_whitespace();
            if let (Some("TYPE"), Some(name), Some(kind)) = (words.next(), words.next(), words.next()) {
                types.insert(name, kind);
            }
            continue;
        }
        if line.is_empty() {
            continue;
        }
        let line = sample(line).ok_or(number + 1)?;
        let (base, metric) = meaning(line.name, &types);
        let Some(metric) = metric.filter(|_| asked_for(line.name, names) || asked_for(base, names)) else { continue };
        if !line.value.is_finite() {
            continue;
        }
        let label = label(&line);
        if label.len() > Value::LABEL || told.values.len() == SERIES {
            told.left_out += 1;
        } else if seen.insert(label.clone()) {
            told.values.push(Value::labelled(metric, label, line.value));
        }
    }
    Ok(told)
}

/// Whether a name stands in the list, or begins as one does that ends with a star.
fn asked_for(name: &str, names: &[String]) -> bool {
    names.iter().any(|wanted| match wanted.strip_suffix('*') {
        Some(begin) => name.starts_with(begin),
        None => name == wanted,
    })
}

/// The name under which its type was told, and what it is kept as; none: not at all.
fn meaning<'a>(name: &'a str, types: &HashMap<&str, &str>) -> (&'a str, Option<Metric>) {
    match types.get(name) {
        Some(&"counter") => return (name, Some(Metric::AppCounter)),
        // Quantiles.
        Some(&("histogram" | "summary" | "gaugehistogram")) => return (name, None),
        Some(_) => return (name, Some(Metric::AppGauge)),
        None => {}
    }
    for suffix in ["_sum", "_count", "_total", "_bucket", "_created"] {
        let Some(base) = name.strip_suffix(suffix) else { continue };
        match types.get(base) {
            Some(&("histogram" | "summary")) if matches!(suffix, "_sum" | "_count") => return (base, Some(Metric::AppCounter)),
            Some(&"counter") if suffix == "_total" => return (base, Some(Metric::AppCounter)),
            Some(&("histogram" | "summary" | "counter")) => return (base, None),
            _ => {}
        }
    }
    (name, Some(if name.ends_with("_total") { Metric::AppCounter } else { Metric::AppGauge }))
}

/// Its name with its labels.
fn label(line: &Line<'_>) -> String {
    if line.labels.is_empty() {
        return line.name.to_owned();
    }
    let labels: Vec<String> = line.labels.iter().map(|(key, value)| format!("{key}=\"{value}\"")).collect();
    format!("{}{{{}}}", line.name, labels.join(","))
}

/// A line with a name, labels, a number, and maybe a time.
fn sample(line: &str) -> Option<Line<'_>> {
    let end = line.find(|c: char| !is_part_of_a_name(c)).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    if !name.starts_with(|c: char| is_part_of_a_name(c) && !c.is_ascii_digit()) {
        return None;
    }
    let rest = rest.trim_start();
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Vec::new(), rest),
    };
    let value = match rest.split_ascii_whitespace().next()? {
        "+Inf" | "Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        "NaN" => f64::NAN,
        number => number.parse().ok()?,
    };
    Some(Line { name, labels, value })
}

fn is_part_of_a_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | ':')
}

/// Labels up to the closing brace, as they are written, and what follows.
fn labels(mut rest: &str) -> Option<(Vec<(&str, &str)>, &str)> {
    let mut labels = Vec::new();
    loop {
        rest = rest.trim_start();
        if let Some(rest) = rest.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (key, value) = rest.split_once('=')?;
        let key = key.trim();
        if key.is_empty() || !key.chars().all(is_part_of_a_name) {
            return None;
        }
        let value = value.trim_start().strip_prefix('"')?;
        let end = closing(value)?;
        labels.push((key, &value[..end]));
        rest = value[end + 1..].trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
}

/// Where a quoted text ends.
fn closing(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"# HELP http_requests_total The total number of HTTP requests.
# TYPE http_requests_total counter
http_requests_total{method="post",code="200"} 1027 1395066363000
http_requests_total{method="post",code="400",} 3 1395066363000

# Escaping in label values:
msdos_file_access_time_seconds{path="C:\\DIR\\FILE.TXT",error="Cannot find file:\n\"FILE.TXT\""} 1.458255915e9
# TYPE queue_length gauge
queue_length 12.47
something_weird{problem="division by zero"} +Inf -3982045
# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{le="0.05"} 24054
http_request_duration_seconds_bucket{le="+Inf"} 144320
http_request_duration_seconds_sum 53423
http_request_duration_seconds_count 144320
# TYPE rpc_duration_seconds summary
rpc_duration_seconds{quantile="0.01"} 3102
rpc_duration_seconds_sum 1.7560473e+07
rpc_duration_seconds_count 2693
no_type_total 5
no_type 6
"#;

    fn told(names: &[&str]) -> Vec<(Metric, String, f64)> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let told = read(TEXT, &names).expect("the format");
        told.values.into_iter().map(|value| (value.metric, value.label.into_owned(), value.value)).collect()
    }

    #[test]
    fn sums_and_states_are_told_apart() {
        let counter = |label: &str, value| (Metric::AppCounter, label.to_owned(), value);
        let gauge = |label: &str, value| (Metric::AppGauge, label.to_owned(), value);
        assert_eq!(
            told(&["http_requests_total", "queue_length", "no_type*"]),
            [
                counter(r#"http_requests_total{method="post",code="200"}"#, 1027.0),
                counter(r#"http_requests_total{method="post",code="400"}"#, 3.0),
                gauge("queue_length", 12.47),
                counter("no_type_total", 5.0),
                gauge("no_type", 6.0),
            ]
        );
        let escaped = r#"msdos_file_access_time_seconds{path="C:\\DIR\\FILE.TXT",error="Cannot find file:\n\"FILE.TXT\""}"#;
        assert_eq!(told(&["msdos*"]), [gauge(escaped, 1_458_255_915.0)]);
        assert!(told(&["something_weird"]).is_empty(), "what is no finite number is no sample");
    }

    #[test]
    fn of_histograms_and_summaries_sums_and_counts_are_kept() {
        let labels = |names: &[&str]| told(names).into_iter().map(|(metric, label, _)| (metric, label)).collect::<Vec<_>>();
        let kept = |base: &str| ["_sum", "_count"].map(|suffix| (Metric::AppCounter, format!("{base}{suffix}")));
        assert_eq!(labels(&["http_request_duration_seconds"]), kept("http_request_duration_seconds"), "by the name that its type has");
        assert_eq!(labels(&["rpc_duration_seconds*"]), kept("rpc_duration_seconds"));
        assert_eq!(labels(&["http_request_duration_seconds_sum"]), kept("http_request_duration_seconds")[..1]);
    }

    #[test]
    fn nothing_is_kept_that_is_not_asked_for() {
        assert!(told(&[]).is_empty());
        assert!(told(&["queue", "http_requests"]).is_empty());
    }

    #[test]
    fn there_is_a_most() {
        let many: String = (0..SERIES + 7).map(|at| format!("x{{at=\"{at}\"}} 1\n")).collect();
        let long = format!("x{{at=\"{}\"}} 1\n", "y".repeat(300));
        let found = read(&format!("{long}{many}"), &["x".to_owned()]).expect("the format");
        assert_eq!((found.values.len(), found.left_out), (SERIES, 8));
        let twice = read("x 1\nx 2\n", &["x".to_owned()]).expect("the format");
        assert_eq!(twice.values, [Value::labelled(Metric::AppGauge, "x", 1.0)]);
    }

    #[test]
    fn what_is_not_the_format_is_told_with_its_line() {
        for wrong in ["<html>", "x", "x{ 1", "x{a=\"b} 1", "x{=\"b\"} 1", "9x 1", "x one", "x{a=b} 1", "x{a-b=\"c\"} 1"] {
            assert_eq!(read(&format!("ok 1\n{wrong}\n"), &[]), Err(2), "{wrong}");
        }
        assert_eq!(read("", &[]), Ok(Told::default()));
    }
}
