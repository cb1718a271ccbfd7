//! The two formats of metrics: Prometheus text 0.0.4 and `OpenMetrics` 1.0. They differ in how counters are named and how a page ends.

use std::fmt::Write as _;

use super::super::weighted::members;
use crate::engine::tally::Spread;

/// In which words metrics are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Prometheus text 0.0.4.
    Text,
    /// `OpenMetrics` 1.0.
    Open,
}

/// A page that is being written.
#[derive(Debug)]
pub(super) struct Page {
    format: Format,
    text: String,
}

/// The samples of a family of counters.
pub(super) struct Counters<'a> {
    page: &'a mut Page,
    name: &'a str,
}

/// The samples of a family of histograms.
pub(super) struct Histograms<'a> {
    page: &'a mut Page,
    name: &'a str,
}

type Labels<'a> = &'a [(&'a str, &'a str)];

impl Format {
    /// The one that a scraper likes best, by its `Accept`: text unless the other is liked more.
    pub(super) fn of<'a>(accepts: impl Iterator<Item = &'a [u8]>) -> Self {
        let (mut open, mut text) = (0, 0);
        for member in members(accepts) {
            let in_version = |known: &[u8]| member.parameter("version").is_none_or(|version| version == known);
            if member.name.eq_ignore_ascii_case(b"application/openmetrics-text") && in_version(b"1.0.0") {
                open = open.max(member.weight);
            } else if member.name.eq_ignore_ascii_case(b"text/plain") && in_version(b"0.0.4") {
                text = text.max(member.weight);
            }
        }
        if open > text { Self::Open } else { Self::Text }
    }

    /// Its name.
    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::Open => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

impl Page {
    pub(super) fn new(format: Format) -> Self {
        Self { format, text: String::with_capacity(16 << 10) }
    }

    /// A family of counters. `name` is without the `_total` of its samples.
    pub(super) fn counter<'a>(&'a mut self, name: &'a str, help: &str) -> Counters<'a> {
        match self.format {
            Format::Text => self.head(&format!("{name}_total"), "counter", help),
            Format::Open => self.head(name, "counter", help),
        }
        Counters { page: self, name }
    }

    /// A family of histograms.
    pub(super) fn histogram<'a>(&'a mut self, name: &'a str, help: &str) -> Histograms<'a> {
        self.head(name, "histogram", help);
        Histograms { page: self, name }
    }

    /// One gauge, where it has a value.
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: Option<f64>) {
        if let Some(value) = value {
            self.head(name, "gauge", help);
            self.sample(name, "", &[], None, &value.to_string());
        }
    }

    /// One gauge a source.
    pub(super) fn gauges<'s>(&mut self, name: &str, help: &str, values: impl Iterator<Item = (&'s str, f64)>) {
        self.head(name, "gauge", help);
        for (source, value) in values {
            self.sample(name, "", &[("source", source)], None, &value.to_string());
        }
    }

    /// What is told by labels alone. `name` is without the `_info` of its sample.
    pub(super) fn info(&mut self, name: &str, help: &str, labels: Labels<'_>) {
        match self.format {
            Format::Text => self.head(&format!("{name}_info"), "gauge", help),
            Format::Open => self.head(name, "info", help),
        }
        self.sample(name, "_info", labels, None, "1");
    }

    /// The text.
    pub(super) fn end(mut self) -> String {
        if self.format == Format::Open {
            self.text.push_str("# EOF\n");
        }
        self.text
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, suffix: &str, labels: Labels<'_>, bound: Option<&str>, value: &str) {
        self.text.push_str(name);
        self.text.push_str(suffix);
        let mut before = '{';
        for (label, text) in labels.iter().copied().chain(bound.map(|bound| ("le", bound))) {
            let _ = write!(self.text, "{before}{label}=\"");
            escape(text, &mut self.text);
            self.text.push('"');
            before = ',';
        }
        self.text.push_str(if before == '{' { " " } else { "} " });
        self.text.push_str(value);
        self.text.push('\n');
    }
}

impl Counters<'_> {
    /// One, with its labels.
    pub(super) fn of(&mut self, labels: Labels<'_>, value: u64) {
        self.page.sample(self.name, "_total", labels, None, &value.to_string());
    }

    /// One of seconds, without labels.
    pub(super) fn of_seconds(&mut self, value: f64) {
        self.page.sample(self.name, "_total", &[], None, &value.to_string());
    }
}

impl Histograms<'_> {
    /// One, with its labels.
    pub(super) fn of(&mut self, labels: Labels<'_>, spread: &Spread) {
        let count = spread.count().to_string();
        for (bound, below) in spread.cumulated() {
            let bound = match self.page.format {
                Format::Text => bound.to_string(),
                // Always with a point, as the format's canonical numbers are.
                Format::Open => format!("{bound:?}"),
            };
            self.page.sample(self.name, "_bucket", labels, Some(&bound), &below.to_string());
        }
        self.page.sample(self.name, "_bucket", labels, Some("+Inf"), &count);
        self.page.sample(self.name, "_sum", labels, None, &spread.sum.to_string());
        self.page.sample(self.name, "_count", labels, None, &count);
    }
}

fn escape(text: &str, into: &mut String) {
    for c in text.chars() {
        match c {
            '\\' => into.push_str("\\\\"),
            '"' => into.push_str("\\\""),
            '\n' => into.push_str("\\n"),
            c => into.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_format_is_the_one_that_is_liked_best() {
        let check = |accept: &str, format| assert_eq!(Format::of(std::iter::once(accept.as_bytes())), format, "{accept}");
        check("", Format::Text);
        check("*/*", Format::Text);
        check("application/openmetrics-text", Format::Open);
        check("application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", Format::Open);
        check("application/openmetrics-text; version=1.0.0; q=0.2, text/plain;version=0.0.4;q=0.5", Format::Text);
        check("application/openmetrics-text;version=0.0.1", Format::Text);
        check("application/openmetrics-text;q=0", Format::Text);
        check("text/plain", Format::Text);
    }

    fn written(format: Format) -> String {
        let mut spread = Spread::new(&[0.25, 1.0]);
        spread.add(Duration::from_millis(500));
        let mut page = Page::new(format);
        page.info("a_build", "Which.", &[("version", "1\"\\\n")]);
        page.counter("a_reads", "Reads.").of(&[("source", "x"), ("result", "fresh")], 3);
        page.histogram("a_seconds", "How long.").of(&[("source", "x")], &spread);
        page.gauge("a_age", "Age.", Some(1.5));
        page.gauge("a_gone", "Gone.", None);
        page.end()
    }

    #[test]
    fn text() {
        insta::assert_snapshot!(written(Format::Text), @r#"
        # HELP a_build_info Which.
        # TYPE a_build_info gauge
        a_build_info{version="1\"\\\n"} 1
        # HELP a_reads_total Reads.
        # TYPE a_reads_total counter
        a_reads_total{source="x",result="fresh"} 3
        # HELP a_seconds How long.
        # TYPE a_seconds histogram
        a_seconds_bucket{source="x",le="0.25"} 0
        a_seconds_bucket{source="x",le="1"} 1
        a_seconds_bucket{source="x",le="+Inf"} 1
        a_seconds_sum{source="x"} 0.5
        a_seconds_count{source="x"} 1
        # HELP a_age Age.
        # TYPE a_age gauge
        a_age 1.5
        "#);
    }

    #[test]
    fn open_metrics() {
        insta::assert_snapshot!(written(Format::Open), @r#"
        # HELP a_build Which.
        # TYPE a_build info
        a_build_info{version="1\"\\\n"} 1
        # HELP a_reads Reads.
        # TYPE a_reads counter
        a_reads_total{source="x",result="fresh"} 3
        # HELP a_seconds How long.
        # TYPE a_seconds histogram
        a_seconds_bucket{source="x",le="0.25"} 0
        a_seconds_bucket{source="x",le="1.0"} 1
        a_seconds_bucket{source="x",le="+Inf"} 1
        a_seconds_sum{source="x"} 0.5
        a_seconds_count{source="x"} 1
        # HELP a_age Age.
        # TYPE a_age gauge
        a_age 1.5
        # EOF
        "#);
    }
}
