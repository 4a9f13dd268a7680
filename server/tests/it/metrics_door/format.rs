//! A strict reader of Prometheus' text format 0.0.4: what the format does not allow, or what its guidelines ask for and is not there, fails the test.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::{Command, Stdio};

type Labels = BTreeMap<String, String>;

/// What was read.
pub struct Exposition {
    kinds: BTreeMap<String, String>,
    samples: Vec<(String, Labels, f64)>,
}

impl Exposition {
    pub fn parse(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line ends as all others");
        let mut read = Self { kinds: BTreeMap::new(), samples: Vec::new() };
        let mut helped: Option<String> = None;
        let mut family: Option<(String, String)> = None;
        let mut seen: BTreeSet<(String, Labels)> = BTreeSet::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').unwrap_or_else(|| panic!("no help: {line}"));
                assert!(is_name(name, true) && !help.is_empty(), "{line}");
                helped = Some(name.to_owned());
                continue;
            }
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap_or_else(|| panic!("no type: {line}"));
                assert_eq!(helped.take().as_deref(), Some(name), "each family has its help before its type: {line}");
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                assert_eq!(kind == "counter", name.ends_with("_total"), "counters are called so, and nothing else: {line}");
                assert!(read.kinds.insert(name.to_owned(), kind.to_owned()).is_none(), "a family stands in one place: {line}");
                family = Some((name.to_owned(), kind.to_owned()));
                continue;
            }
            let (name, labels, value) = sample(line);
            let (of, kind) = family.as_ref().unwrap_or_else(|| panic!("a sample without a family: {line}"));
            let fits = match kind.as_str() {
                "histogram" => ["_bucket", "_sum", "_count"].iter().any(|end| name.strip_suffix(*end) == Some(of.as_str())),
                _ => name == *of,
            };
            assert!(fits, "{line} does not belong to {of}");
            assert!(kind == "gauge" || value >= 0.0, "no counter is below zero: {line}");
            assert!(seen.insert((name.clone(), labels.clone())), "a series stands there once: {line}");
            read.samples.push((name, labels, value));
        }
        read.check_histograms();
        read
    }

    /// Buckets grow, and the last one holds all.
    fn check_histograms(&self) {
        let mut last: BTreeMap<(String, Labels), (f64, f64)> = BTreeMap::new();
        for (name, labels, value) in self.samples.iter().filter(|(name, ..)| self.is_bucket(name)) {
            let mut labels = labels.clone();
            let bound = labels.remove("le").unwrap_or_else(|| panic!("{name} without a bound"));
            let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().expect("a bound") };
            let before = last.insert((name.clone(), labels), (bound, *value));
            assert!(before.is_none_or(|before| before.0 < bound && before.1 <= *value), "{name}: buckets are cumulative");
        }
        for ((name, labels), (bound, value)) in last {
            let count = name.replace("_bucket", "_count");
            let labels: Vec<(&str, &str)> = labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            assert_eq!((bound, Some(value)), (f64::INFINITY, self.value(&count, &labels)), "{name}");
        }
    }

    fn is_bucket(&self, name: &str) -> bool {
        name.strip_suffix("_bucket").is_some_and(|family| self.kinds.get(family).is_some_and(|kind| kind == "histogram"))
    }

    /// Whether there is a sample of this name.
    pub fn has(&self, name: &str) -> bool {
        self.samples.iter().any(|(known, ..)| known == name)
    }

    /// The one series with just these labels.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let wanted: Labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.samples.iter().find(|(known, labels, _)| known == name && *labels == wanted).map(|(_, _, value)| *value)
    }

    /// The values that a label has, in order.
    pub fn labels(&self, name: &str, label: &str) -> Vec<String> {
        let of = self.samples.iter().filter(|(known, ..)| known == name);
        let values: BTreeSet<String> = of.filter_map(|(_, labels, _)| labels.get(label).cloned()).collect();
        values.into_iter().collect()
    }
}

fn is_name(text: &str, colons: bool) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || colons && c == ':';
    !text.is_empty() && !text.starts_with(|c: char| c.is_ascii_digit()) && text.chars().all(fits)
}

fn sample(line: &str) -> (String, Labels, f64) {
    let end = line.find(['{', ' ']).unwrap_or_else(|| panic!("no sample: {line:?}"));
    let (name, mut rest) = line.split_at(end);
    assert!(is_name(name, true), "{line}");
    let mut labels = Labels::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, after) = rest.split_once("=\"").unwrap_or_else(|| panic!("no label: {line}"));
            assert!(is_name(label, false), "{line}");
            let (value, after) = quoted(after, line);
            assert!(labels.insert(label.to_owned(), value).is_none(), "a label twice: {line}");
            match after.strip_prefix(',') {
                Some(more) => rest = more,
                None => {
                    rest = after.strip_prefix('}').unwrap_or_else(|| panic!("the labels do not end: {line}"));
                    break;
                }
            }
        }
    }
    let value = rest.strip_prefix(' ').unwrap_or_else(|| panic!("no value: {line}"));
    let value = match value {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        text => text.parse().unwrap_or_else(|_| panic!("no number: {line}")),
    };
    (name.to_owned(), labels, value)
}

/// A label's value up to its closing quote, and what follows.
fn quoted<'a>(text: &'a str, line: &str) -> (String, &'a str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &text[at + 1..]),
            '\\' => match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, c @ ('\\' | '"'))) => value.push(c),
                other => panic!("no escape: {other:?} in {line}"),
            },
            c => value.push(c),
        }
    }
    panic!("the value does not end: {line}")
}

/// Where Prometheus' own tool is installed it reads the same. That it would call some name otherwise (its exit code is 3 then) is no mistake: they are
/// the names that cAdvisor and node_exporter gave.
pub fn promtool(text: &str) {
    let child = Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let Ok(mut child) = child else { return };
    child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("written");
    let done = child.wait_with_output().expect("an end");
    assert!(matches!(done.status.code(), Some(0 | 3)), "{}", String::from_utf8_lossy(&done.stderr));
}
