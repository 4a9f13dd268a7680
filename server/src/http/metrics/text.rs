//! Prometheus' text format 0.0.4: families, each with its help, its type and all of its samples together.

use std::fmt::Write as _;

use domain::counters::Measured;

/// The answer as it is written.
#[derive(Default)]
pub(super) struct Text(String);

/// How a family's numbers are to be understood.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Text {
    /// Begins a family. Its samples follow at once.
    pub(super) fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// One sample. The labels are those of [`labels`], or none.
    pub(super) fn sample(&mut self, name: &str, labels: &str, value: f64) {
        self.0.push_str(name);
        if !labels.is_empty() {
            self.0.push('{');
            self.0.push_str(labels);
            self.0.push('}');
        }
        if value.is_infinite() {
            self.0.push_str(if value > 0.0 { " +Inf\n" } else { " -Inf\n" });
        } else {
            let _ = writeln!(self.0, " {value}");
        }
    }

    /// A family of one number without labels.
    pub(super) fn single(&mut self, name: &str, kind: Kind, help: &str, value: f64) {
        self.family(name, kind, help);
        self.sample(name, "", value);
    }

    /// The samples of one histogram.
    pub(super) fn histogram(&mut self, name: &str, labels: &str, measured: &Measured) {
        let comma = if labels.is_empty() { "" } else { "," };
        let bucket = format!("{name}_bucket");
        for (bound, count) in &measured.buckets {
            self.sample(&bucket, &format!("{labels}{comma}le=\"{bound}\""), *count as f64);
        }
        self.sample(&bucket, &format!("{labels}{comma}le=\"+Inf\""), measured.count as f64);
        self.sample(&format!("{name}_sum"), labels, measured.sum);
        self.sample(&format!("{name}_count"), labels, measured.count as f64);
    }

    /// The whole answer.
    pub(super) fn finish(self) -> String {
        self.0
    }
}

/// Labels with their values, as they stand between braces.
pub(super) fn labels(pairs: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(name);
        text.push_str("=\"");
        for c in value.chars() {
            match c {
                '\\' => text.push_str("\\\\"),
                '"' => text.push_str("\\\""),
                '\n' => text.push_str("\\n"),
                c => text.push(c),
            }
        }
        text.push('"');
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::counters::Histogram;

    use super::*;

    #[test]
    fn a_label_may_hold_anything() {
        assert_eq!(labels(&[("a", "x"), ("b", "say \"no\"\\\n")]), r#"a="x",b="say \"no\"\\\n""#);
    }

    #[test]
    fn families_are_written_as_the_format_says() {
        let mut text = Text::default();
        text.single("up", Kind::Gauge, "Whether it is.", 1.0);
        text.family("bytes_total", Kind::Counter, "How many.");
        text.sample("bytes_total", &labels(&[("to", "disk")]), 123_456_789_012.0);
        text.sample("bytes_total", "", f64::INFINITY);
        let expected = "# HELP up Whether it is.\n# TYPE up gauge\nup 1\n# HELP bytes_total How many.\n# TYPE bytes_total counter\n\
                        bytes_total{to=\"disk\"} 123456789012\nbytes_total +Inf\n";
        assert_eq!(text.finish(), expected);
    }

    #[test]
    fn a_histograms_buckets_are_cumulative_and_end_with_all() {
        const BOUNDS: &[Duration] = &[Duration::from_millis(5), Duration::from_secs(1)];
        let histogram = Histogram::new(BOUNDS);
        for took in [1, 500, 5_000] {
            histogram.observe(Duration::from_millis(took));
        }
        let mut text = Text::default();
        text.histogram("took_seconds", "route=\"/\"", &histogram.read());
        let expected = "took_seconds_bucket{route=\"/\",le=\"0.005\"} 1\ntook_seconds_bucket{route=\"/\",le=\"1\"} 2\n\
                        took_seconds_bucket{route=\"/\",le=\"+Inf\"} 3\ntook_seconds_sum{route=\"/\"} 5.501\ntook_seconds_count{route=\"/\"} 3\n";
        assert_eq!(text.finish(), expected);
    }
}
