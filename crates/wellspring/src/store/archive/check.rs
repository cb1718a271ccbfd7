//! Judges an archive line by line: nothing that it lets through has to be doubted later.

use serde::Deserialize;
use wellspring_core::key::Key;
use wellspring_core::snapshot::{Attempts, Digesting, Items, Renewal, Snapshot};

use super::{Bad, Counts, END, EndLine, FORMAT, HIGHEST, Header, KEY, KeyLine, REVISION, RevisionLine, items};

/// What a line holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// What this is.
    Header(Header),
    /// A key; the lines of its revisions follow.
    Key(Head),
    /// A revision of the key before, the latest last.
    Revision(Snapshot),
    /// All is there, and as it was written.
    End(Counts),
}

/// A key without its revisions.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// Whose it is.
    pub key: Key,
    /// The latest revision, its renewal and its fence; none where no refresh had succeeded yet.
    pub latest: Option<(u64, Renewal, u64)>,
    /// Failures, backoff, forced fetches.
    pub attempts: Attempts,
}

/// Takes the lines of an archive in order.
#[derive(Debug, Default)]
pub struct Checker {
    counts: Counts,
    /// Lines so far.
    line: u64,
    digest: Digesting,
    key: Option<Key>,
    /// The last revision of the key, and the one that is still to come; both none before its first and after its last.
    last: Option<u64>,
    latest: Option<u64>,
    is_over: bool,
}

impl Checker {
    /// Judges the next line, given without its end.
    ///
    /// # Errors
    /// What is wrong with it. Nothing that follows counts.
    pub fn take(&mut self, line: &[u8]) -> Result<Piece, Bad> {
        self.line += 1;
        let piece = self.judge(line).map_err(|what| Bad { line: self.line, what })?;
        if !self.is_over {
            self.digest.add(line);
            self.digest.add(b"\n");
            self.counts.bytes += line.len() as u64 + 1;
        }
        Ok(piece)
    }

    /// A line that is longer than any may be.
    pub fn too_long(&self) -> Bad {
        Bad { line: self.line + 1, what: "it is longer than any line of an archive: this is none, or it was altered".to_owned() }
    }

    /// Says that nothing follows.
    ///
    /// # Errors
    /// Where something had to.
    pub fn finish(&self) -> Result<Counts, Bad> {
        match (self.is_over, self.line) {
            (true, _) => Ok(self.counts),
            (false, 0) => Err(Bad { line: 1, what: "it is empty".to_owned() }),
            (false, line) => Err(Bad { line: line + 1, what: "it ends before its last line: it is truncated".to_owned() }),
        }
    }

    /// What came so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    fn judge(&mut self, line: &[u8]) -> Result<Piece, String> {
        if self.line == 1 {
            return header(line).map(Piece::Header);
        }
        if self.is_over {
            return Err("it stands after the last line".to_owned());
        }
        let text = std::str::from_utf8(line).map_err(|_| "it is no UTF-8: the archive was altered".to_owned())?;
        if line.starts_with(REVISION) {
            return self.revision(text).map(Piece::Revision);
        }
        if let (Some(key), Some(latest)) = (&self.key, self.latest) {
            return Err(format!("revision {latest} of `{key}` should stand here or further down: lines are missing"));
        }
        if line.starts_with(KEY) {
            return self.key(text).map(Piece::Key);
        }
        if line.starts_with(END) {
            return self.end(text).map(Piece::End);
        }
        Err("it is no line of an archive".to_owned())
    }

    fn key(&mut self, line: &str) -> Result<Head, String> {
        let KeyLine { key, latest, fence, renewal, attempts } = parse(line)?;
        if let Some(before) = self.key.as_ref().filter(|before| **before >= key) {
            let how = if *before == key { "stands twice" } else { "stands out of order" };
            return Err(format!("`{key}` {how}, after `{before}`"));
        }
        let latest = match (latest, renewal, fence) {
            (Some(revision), Some(renewal), Some(fence)) => {
                number("revision", revision, 1)?;
                number("fence", fence, 0)?;
                Some((revision, renewal, fence))
            }
            (None, None, None) => None,
            _ => return Err("`latest`, `renewal` and `fence` go together".to_owned()),
        };
        self.counts.keys += 1;
        self.key = Some(key.clone());
        (self.last, self.latest) = (None, latest.as_ref().map(|(revision, ..)| *revision));
        Ok(Head { key, latest, attempts })
    }

    fn revision(&mut self, line: &str) -> Result<Snapshot, String> {
        let RevisionLine { revision, made_at, how, count, digest, items } = parse(line)?;
        number("revision", revision, 1)?;
        let (Some(key), Some(latest)) = (&self.key, self.latest) else {
            return Err(format!("revision {revision} stands where no key wants one"));
        };
        if self.last.is_some_and(|last| revision <= last) || revision > latest {
            return Err(format!("revision {revision} of `{key}` stands out of order"));
        }
        let counted = items::count(items.get())?;
        if counted != count {
            return Err(format!("revision {revision} of `{key}` holds {counted} items and says {count}"));
        }
        let items = Items::from_stored(items.get(), count);
        if items.digest() != digest {
            return Err(format!("the items of revision {revision} of `{key}` do not match their digest: they were altered"));
        }
        let snapshot = Snapshot { key: key.clone(), revision, made_at, how, digest, items };
        self.counts.revisions += 1;
        self.last = Some(revision);
        self.latest = Some(latest).filter(|latest| *latest != revision);
        Ok(snapshot)
    }

    fn end(&mut self, line: &str) -> Result<Counts, String> {
        let EndLine { end } = parse(line)?;
        let (counts, digest) = (self.counts, self.digest.digest());
        if (end.keys, end.revisions) != (counts.keys, counts.revisions) {
            return Err(format!(
                "it counts {} keys and {} revisions, and {} and {} stand above: lines are missing or were added",
                end.keys, end.revisions, counts.keys, counts.revisions
            ));
        }
        if end.digest != digest {
            return Err("what stands above does not match the digest of all lines: it was altered".to_owned());
        }
        self.is_over = true;
        Ok(counts)
    }
}

/// A header says its format before anything else is read of it.
fn header(line: &[u8]) -> Result<Header, String> {
    #[derive(Deserialize)]
    struct Format {
        wellspring_archive: u64,
    }
    let foreign = || "this is no archive that `wellspring export` wrote".to_owned();
    let Format { wellspring_archive: format } = serde_json::from_slice(line).map_err(|_| foreign())?;
    if format > FORMAT {
        let known = FORMAT;
        return Err(format!("a newer version wrote this (archive format {format}, this one knows {known}); import it with that version"));
    }
    if format == 0 {
        return Err(foreign());
    }
    serde_json::from_slice(line).map_err(|error| format!("the header cannot be read ({})", words(&error)))
}

fn parse<'a, T: Deserialize<'a>>(line: &'a str) -> Result<T, String> {
    serde_json::from_str(line).map_err(|error| format!("it cannot be read ({})", words(&error)))
}

/// What a parser says of a line, which it takes for a text of its own. It may repeat a value of any length, and whatever a terminal obeys.
pub(super) fn words(error: &serde_json::Error) -> String {
    let plain = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    error.to_string().replace(" at line 1 column ", " at column ").chars().map(plain).take(300).collect()
}

fn number(what: &str, number: u64, least: u64) -> Result<(), String> {
    if (least..=HIGHEST).contains(&number) { Ok(()) } else { Err(format!("{what} {number} is out of range ({least} to {HIGHEST})")) }
}
