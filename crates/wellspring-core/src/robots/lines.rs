//! The lines of a robots.txt.

use std::time::Duration;

use super::MOST_BYTES;

/// A line that says something.
pub(super) struct Line<'a> {
    /// From 1, as an editor counts.
    pub number: usize,
    pub record: Record<'a>,
}

/// What a line says. Values are trimmed, without comments.
#[derive(Clone, Copy)]
pub(super) enum Record<'a> {
    UserAgent(&'a [u8]),
    Rule { allows: bool, pattern: &'a [u8] },
    CrawlDelay(Duration),
}

/// Reads line by line, ended by CR, LF or both. Lines that say nothing (`Sitemap`, mistakes, HTML) are passed over: they end no group.
pub(super) struct Lines<'a> {
    rest: &'a [u8],
    number: usize,
}

impl<'a> Lines<'a> {
    /// The lines of a file, as far as it is read. A line that is cut there is left out: half a path means more than all of it.
    pub(super) fn of(file: &'a [u8]) -> Self {
        let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
        let rest = match file.get(..MOST_BYTES) {
            Some(head) if file.len() > MOST_BYTES => &head[..head.iter().rposition(|b| is_end(*b)).unwrap_or(0)],
            _ => file,
        };
        Self { rest, number: 0 }
    }

    fn next_line(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let end = self.rest.iter().position(|b| is_end(*b)).unwrap_or(self.rest.len());
        let (line, after) = self.rest.split_at(end);
        self.rest = after.strip_prefix(b"\r\n").or_else(|| after.get(1..)).unwrap_or_default();
        self.number += 1;
        Some(line)
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        loop {
            let line = self.next_line()?;
            if let Some(record) = record(line) {
                return Some(Line { number: self.number, record });
            }
        }
    }
}

fn is_end(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

fn record(line: &[u8]) -> Option<Record<'_>> {
    let line = line.split(|b| *b == b'#').next().unwrap_or_default().trim_ascii();
    let (name, value) = name_and_value(line)?;
    let is = |word: &str| name.eq_ignore_ascii_case(word.as_bytes());
    if is("user-agent") {
        Some(Record::UserAgent(value))
    } else if is("allow") || is("disallow") {
        Some(Record::Rule { allows: is("allow"), pattern: value })
    } else if is("crawl-delay") {
        let seconds: f64 = std::str::from_utf8(value).ok()?.parse().ok()?;
        Duration::try_from_secs_f64(seconds).ok().map(Record::CrawlDelay)
    } else {
        None
    }
}

/// What stands before and after the colon. One that is forgotten is forgiven where the line is two words, as the well-known readers do.
fn name_and_value(line: &[u8]) -> Option<(&[u8], &[u8])> {
    if let Some(colon) = line.iter().position(|b| *b == b':') {
        return Some((line[..colon].trim_ascii(), line[colon + 1..].trim_ascii()));
    }
    let (name, value) = line.split_at(line.iter().position(u8::is_ascii_whitespace)?);
    let value = value.trim_ascii();
    (!value.iter().any(u8::is_ascii_whitespace)).then_some((name, value))
}
