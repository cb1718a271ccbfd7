//! What the server and a worker say to each other. A frame is two lengths (`u32`, little-endian), a head of JSON, and a payload of
//! bytes as they are: bodies and items are the bulk, and encoding them again would cost more than most extractions.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::pipe;
use url::Url;
use wellspring_core::failure::Failure;
use wellspring_core::gate::Tally;
use wellspring_core::snapshot::Digest;
use wellspring_core::source::Rules;
use wellspring_extract::{FieldReport, Report};

/// The largest head, in bytes: rules, captures and reports are far smaller.
pub const MAX_HEAD: usize = 16 << 20;
/// The largest payload, in bytes. What an extraction may hold is less.
pub const MAX_PAYLOAD: usize = 96 << 20;

/// One piece of work. Its payload is the body or the rows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job<'a> {
    /// Which rules.
    pub rules: Digest,
    /// The rules themselves, where this worker has not seen them yet.
    pub definition: Option<Cow<'a, Rules>>,
    /// Forget the rules seen before these: what a worker holds is bounded by whoever knows what it holds.
    pub forget: bool,
    /// The refresh's own time.
    pub now: Timestamp,
    /// Parameters, captures and times by name.
    pub values: Cow<'a, BTreeMap<String, String>>,
    /// What to do.
    pub task: Task<'a>,
}

/// What to do with a payload.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Task<'a> {
    /// Read a body's rows.
    Read(Origin<'a>),
    /// Finish rows, of which these fields were found.
    Finish(Cow<'a, [FieldReport]>),
    /// Both.
    Extract(Origin<'a>),
}

/// Where a body came from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Origin<'a> {
    /// What its relative addresses are relative to.
    pub url: Cow<'a, Url>,
    /// `Content-Type`, verbatim.
    pub content_type: Option<Cow<'a, str>>,
}

/// What came of a job. Its payload is the rows or the items, encoded.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reply {
    /// What came of it.
    pub outcome: Outcome,
    /// What the worker has in memory after it, in KiB; 0 where that is not known.
    pub resident: u64,
}

/// What came of a job.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Outcome {
    /// Rows, and what found their fields.
    Rows(Vec<FieldReport>),
    /// Items.
    Items {
        /// What the gates judge, and how many there are.
        tally: Tally,
        /// How they came about.
        report: Report,
    },
    /// Nothing.
    Failed(Failure),
}

/// A frame as it arrived.
#[derive(Debug)]
pub struct Frame {
    /// JSON.
    pub head: Vec<u8>,
    /// Whatever the head says it is.
    pub payload: Vec<u8>,
}

/// Reads a frame; `None` where the other end has closed.
///
/// # Errors
/// A pipe that breaks, and lengths past their bounds.
pub fn read(input: &mut impl Read) -> io::Result<Option<Frame>> {
    let mut lengths = [0; 8];
    match input.read_exact(&mut lengths) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let (head, payload) = bounded(lengths)?;
    let mut bytes = |length: usize| {
        let mut bytes = vec![0; length];
        input.read_exact(&mut bytes).map(|()| bytes)
    };
    Ok(Some(Frame { head: bytes(head)?, payload: bytes(payload)? }))
}

/// Writes a frame.
///
/// # Errors
/// A pipe that breaks, and a frame past its bounds, of which nothing is written.
pub fn write(output: &mut impl Write, head: &[u8], payload: &[u8]) -> io::Result<()> {
    let mut start = lengths(head, payload)?.to_vec();
    start.extend(head);
    output.write_all(&start)?;
    output.write_all(payload)?;
    output.flush()
}

/// Reads a frame.
///
/// # Errors
/// As with [`read`]; an end is one too.
pub async fn receive(input: &mut pipe::Receiver) -> io::Result<Frame> {
    let mut lengths = [0; 8];
    input.read_exact(&mut lengths).await?;
    let (head, payload) = bounded(lengths)?;
    let mut frame = Frame { head: vec![0; head], payload: vec![0; payload] };
    input.read_exact(&mut frame.head).await?;
    input.read_exact(&mut frame.payload).await?;
    Ok(frame)
}

/// Writes a frame.
///
/// # Errors
/// As with [`write()`].
pub async fn send(output: &mut pipe::Sender, head: &[u8], payload: &[u8]) -> io::Result<()> {
    let mut start = lengths(head, payload)?.to_vec();
    start.extend(head);
    output.write_all(&start).await?;
    output.write_all(payload).await
}

fn lengths(head: &[u8], payload: &[u8]) -> io::Result<[u8; 8]> {
    let length = |bytes: &[u8], most: usize| u32::try_from(bytes.len()).ok().filter(|_| bytes.len() <= most).ok_or_else(too_large);
    let (head, payload) = (length(head, MAX_HEAD)?, length(payload, MAX_PAYLOAD)?);
    Ok((u64::from(payload) << 32 | u64::from(head)).to_le_bytes())
}

fn bounded(lengths: [u8; 8]) -> io::Result<(usize, usize)> {
    let both = u64::from_le_bytes(lengths);
    let bounded = |length: u64, most: usize| usize::try_from(length).ok().filter(|length| *length <= most).ok_or_else(too_large);
    Ok((bounded(both & u64::from(u32::MAX), MAX_HEAD)?, bounded(both >> 32, MAX_PAYLOAD)?))
}

fn too_large() -> io::Error {
    io::Error::new(ErrorKind::InvalidData, "a frame is larger than any may be")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut pipe = Vec::new();
        write(&mut pipe, b"{}", b"\0\xff").unwrap();
        write(&mut pipe, b"", b"").unwrap();
        let mut pipe = &pipe[..];
        let first = read(&mut pipe).unwrap().unwrap();
        assert_eq!((&first.head[..], &first.payload[..]), (&b"{}"[..], &b"\0\xff"[..]));
        assert!(read(&mut pipe).unwrap().unwrap().payload.is_empty());
        assert!(read(&mut pipe).unwrap().is_none(), "an end between frames is an end");
    }

    #[test]
    fn lengths_are_judged_before_anything_is_held() {
        let wrong = |bytes: &[u8]| read(&mut &bytes[..]).unwrap_err().kind();
        assert_eq!(wrong(&[0xff; 8]), ErrorKind::InvalidData);
        assert_eq!(wrong(&[0, 0, 0, 0, 0xff, 0xff, 0xff, 0x7f]), ErrorKind::InvalidData);
        assert_eq!(wrong(&[2, 0, 0, 0, 0, 0, 0, 0, b'{']), ErrorKind::UnexpectedEof);
        let mut pipe = Vec::new();
        assert_eq!(write(&mut pipe, &vec![0; MAX_HEAD + 1], b"").unwrap_err().kind(), ErrorKind::InvalidData);
        assert!(pipe.is_empty());
    }
}
