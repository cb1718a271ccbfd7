//! What an origin answers.

use std::io::Write;
use std::net::SocketAddr;

/// One scripted answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    pub(super) etag: Option<String>,
    pub(super) manner: Manner,
}

/// How it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// Whole, with its length.
    Whole,
    /// In chunks.
    Chunked,
    /// The head and half of the body, then the connection ends as if all were well.
    Truncated,
    /// The same, in chunks, without the last one.
    Unfinished,
    /// The head and half of the body, then the connection is reset.
    Reset,
    /// Nothing, until the client goes.
    Hang,
    /// A byte every few milliseconds, without end.
    Drip,
    /// The same body again and again in chunks, without end.
    Endless,
    /// The body as it is, without a head, then the connection ends.
    Raw,
    /// The body as it is, without a head, then nothing, until the client goes.
    Stall,
    /// The body as it is, again and again, after its head.
    Flood,
    /// Nothing: the connection ends.
    Close,
    /// Nothing: the connection is reset.
    Vanish,
    /// 200, then bytes go both ways between the client and this target, wherever the client asked to go.
    Tunnel(SocketAddr),
}

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

impl Answer {
    /// 200 with a body.
    pub fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, headers: Vec::new(), body: body.into(), etag: None, manner: Manner::Whole }
    }

    /// What is sent, before any coding.
    pub fn bytes(&self) -> &[u8] {
        &self.body
    }

    /// An HTML page.
    pub fn html(body: impl Into<Vec<u8>>) -> Self {
        Self::ok(body).header("content-type", "text/html; charset=utf-8")
    }

    /// A JSON document.
    pub fn json(body: impl Into<Vec<u8>>) -> Self {
        Self::ok(body).header("content-type", "application/json")
    }

    /// A status without a body.
    pub fn status(status: u16) -> Self {
        Self { status, ..Self::ok("") }
    }

    /// The same with another status.
    pub fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// A redirect.
    pub fn redirect(status: u16, to: impl Into<String>) -> Self {
        Self::status(status).header("location", to)
    }

    /// A body of `size` zeros, compressed.
    pub fn bomb(coding: Coding, size: usize) -> Self {
        Self::ok(vec![0; size]).compressed(coding)
    }

    /// Bytes as they are, head and all, then the end of the connection.
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self::ok(bytes).manner(Manner::Raw)
    }

    /// Bytes as they are, then nothing more.
    pub fn stall(bytes: impl Into<Vec<u8>>) -> Self {
        Self::ok(bytes).manner(Manner::Stall)
    }

    /// A status line, then the same bytes again and again, without end.
    pub fn flood(bytes: impl Into<Vec<u8>>) -> Self {
        Self::ok(bytes).manner(Manner::Flood)
    }

    /// No answer: the connection is reset.
    pub fn vanish() -> Self {
        Self::ok("").manner(Manner::Vanish)
    }

    /// Never an answer.
    pub fn hang() -> Self {
        Self::ok("").manner(Manner::Hang)
    }

    /// Never an end.
    pub fn drip() -> Self {
        Self::ok("").manner(Manner::Drip)
    }

    /// Never an end, at full speed.
    pub fn endless() -> Self {
        Self::ok(vec![b'x'; 16 << 10]).manner(Manner::Endless)
    }

    /// No answer: the connection is closed.
    pub fn close() -> Self {
        Self::ok("").manner(Manner::Close)
    }

    /// What a proxy answers to `CONNECT`.
    pub fn tunnel(to: SocketAddr) -> Self {
        Self::ok("").manner(Manner::Tunnel(to))
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Has an `ETag`, and answers 304 to whoever has it already.
    pub fn etag(mut self, etag: &str) -> Self {
        self.etag = Some(etag.to_owned());
        self.header("etag", etag)
    }

    /// Compresses the body and says so.
    pub fn compressed(mut self, coding: Coding) -> Self {
        let (name, body) = match coding {
            Coding::Gzip => {
                ("gzip", written(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best()), &self.body).finish().unwrap())
            }
            Coding::Deflate => {
                ("deflate", written(flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best()), &self.body).finish().unwrap())
            }
            Coding::Brotli => ("br", written(brotli::CompressorWriter::new(Vec::new(), 1 << 16, 5, 22), &self.body).into_inner()),
            Coding::Zstd => ("zstd", zstd::encode_all(self.body.as_slice(), 3).unwrap()),
        };
        self.body = body;
        self.header("content-encoding", name)
    }

    /// Compresses the body that often, one coding in the other, and says so.
    pub fn layered(mut self, codings: &[Coding]) -> Self {
        let mut named = Vec::new();
        for coding in codings {
            self = self.compressed(*coding);
            named.extend(self.headers.pop().map(|(_, name)| name));
        }
        self.header("content-encoding", named.join(", "))
    }

    /// Cuts the body in the middle, and says a length that fits what is left of it.
    pub fn halved(mut self) -> Self {
        self.body.truncate(self.body.len() / 2);
        self
    }

    /// Sends the body in chunks.
    pub fn chunked(self) -> Self {
        self.manner(Manner::Chunked)
    }

    /// Sends half of the body, then ends the connection.
    pub fn truncated(self) -> Self {
        self.manner(Manner::Truncated)
    }

    /// Sends half of the body in chunks, then ends the connection.
    pub fn unfinished(self) -> Self {
        self.manner(Manner::Unfinished)
    }

    /// Sends half of the body, then resets the connection.
    pub fn reset(self) -> Self {
        self.manner(Manner::Reset)
    }

    fn manner(self, manner: Manner) -> Self {
        Self { manner, ..self }
    }
}

fn written<W: Write>(mut writer: W, body: &[u8]) -> W {
    writer.write_all(body).unwrap();
    writer
}
