//! A connection's socket as hyper sees it. What hyper refuses by itself, with an empty answer, is told as a problem like every
//! other error, and whoever still sends when we close hears the answer before the connection is reset.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::pace::Pace;
use super::problem::Problem;

/// The largest head of a request, in bytes.
pub(super) const LARGEST_HEAD: usize = 64 << 10;
/// How long what still comes is taken after the last answer.
const LINGER: Duration = Duration::from_secs(2);
/// How much of it.
const LINGER_BYTES: usize = 8 << 20;

/// A socket between hyper and the system.
#[derive(Debug)]
pub(super) struct Socket<S> {
    inner: S,
    /// What was read of it before, and not yet by hyper.
    begun: Bytes,
    /// Whether a line has ended since the last answer: what is too large is the target, or the headers.
    line_ended: bool,
    /// An answer of ours in place of hyper's, and how far it is written.
    refusal: Option<(Vec<u8>, usize)>,
    /// The last request has a body that nobody read.
    owed: Arc<AtomicBool>,
    linger: Option<Linger>,
    /// How fast the peer takes what is written.
    pace: Pace,
}

#[derive(Debug)]
struct Linger {
    until: Pin<Box<Sleep>>,
    left: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// Wraps a stream of which these bytes were read; `owed` is told of each request whether it has a body.
    pub(super) fn new(inner: S, begun: Vec<u8>, owed: Arc<AtomicBool>) -> Self {
        Self { inner, begun: begun.into(), line_ended: false, refusal: None, owed, linger: None, pace: Pace::default() }
    }

    /// Takes hyper's own refusal out of its hands; true where this is one.
    fn refuses(&mut self, head: &[u8]) -> bool {
        self.line_ended = false;
        // All that most answers cost here.
        if !head.starts_with(b"HTTP/1.1 4") {
            return false;
        }
        let Some((status, date)) = refusal(head) else { return false };
        self.refusal = Some((told(status, date), 0));
        true
    }

    fn poll_refusal(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some((answer, done)) = &self.refusal
            && *done < answer.len()
        {
            let written = Pin::new(&mut self.inner).poll_write(context, &answer[*done..]);
            let more = ready!(self.patient(written, context))?;
            if more == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.refusal.iter_mut().for_each(|(_, done)| *done += more);
        }
        Poll::Ready(Ok(()))
    }

    /// Takes what still comes until the peer is done, for closing before that would reset the connection and lose the answer.
    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let linger = self.linger.get_or_insert_with(|| Linger { until: Box::pin(tokio::time::sleep(LINGER)), left: LINGER_BYTES });
        let mut space = [0; 8 << 10];
        while linger.left > 0 {
            let mut part = ReadBuf::new(&mut space);
            match Pin::new(&mut self.inner).poll_read(context, &mut part) {
                Poll::Ready(Ok(())) if !part.filled().is_empty() => linger.left = linger.left.saturating_sub(part.filled().len()),
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return linger.until.as_mut().poll(context),
            }
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Socket<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        if self.begun.is_empty() {
            ready!(Pin::new(&mut self.inner).poll_read(context, buffer))?;
        } else {
            let length = self.begun.len().min(buffer.remaining());
            buffer.put_slice(&self.begun.split_to(length));
        }
        if !self.line_ended {
            self.line_ended = buffer.filled()[before..].contains(&b'\n');
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        let line_ended = self.line_ended;
        if self.refuses(buffer) {
            if !line_ended {
                self.target_too_long();
            }
            return Poll::Ready(Ok(buffer.len()));
        }
        let written = Pin::new(&mut self.inner).poll_write(context, buffer);
        self.patient(written, context)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffers: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        // A refusal of hyper's is a head alone.
        if let [head] = buffers {
            return self.poll_write(context, head);
        }
        self.line_ended = false;
        let written = Pin::new(&mut self.inner).poll_write_vectored(context, buffers);
        self.patient(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_refusal(context))?;
        // Hyper comes here when all that it had is taken.
        self.pace.rest();
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_refusal(context))?;
        if self.linger.is_none() {
            ready!(Pin::new(&mut self.inner).poll_shutdown(context))?;
        }
        if self.refusal.is_some() || self.owed.load(Ordering::Relaxed) {
            ready!(self.poll_linger(context));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S> Socket<S> {
    /// What came of a write, or that its peer is too slow.
    fn patient(&mut self, written: Poll<io::Result<usize>>, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(bytes)) => self.pace.took(bytes),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => return self.pace.poll_waits(context).map(|()| Err(io::ErrorKind::TimedOut.into())),
        }
        written
    }

    /// Hyper counts a target that fills its space as headers too large.
    fn target_too_long(&mut self) {
        if let Some((answer, _)) = &mut self.refusal
            && answer.starts_with(b"HTTP/1.1 431")
        {
            let head = String::from_utf8_lossy(answer).into_owned();
            let date = head.lines().find(|line| line.starts_with("date: "));
            *answer = told(StatusCode::URI_TOO_LONG, date);
        }
    }
}

/// The status and the date of a head that hyper makes by itself: no type, no content, nothing after it.
fn refusal(head: &[u8]) -> Option<(StatusCode, Option<&str>)> {
    let lines = std::str::from_utf8(head).ok()?.strip_suffix("\r\n\r\n")?;
    let mut lines = lines.split("\r\n");
    let status = StatusCode::from_bytes(lines.next()?.as_bytes().get(9..12)?).ok()?;
    let mut date = None;
    for line in lines {
        match line.split_once(": ")?.0 {
            "date" => date = Some(line),
            "connection" => {}
            "content-length" if line == "content-length: 0" => {}
            _ => return None,
        }
    }
    Some((status, date))
}

/// The answer in its place.
fn told(status: StatusCode, date: Option<&str>) -> Vec<u8> {
    let limit = LARGEST_HEAD >> 10;
    let (code, detail) = match status {
        StatusCode::URI_TOO_LONG => ("target_too_long", format!("the request's target is too long: at most {limit} KiB are taken")),
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
            ("headers_too_large", format!("the request's headers are too many or too long: at most 100 and {limit} KiB are taken"))
        }
        _ => ("bad_request", "this is no HTTP/1.1 request: its first line, or one of its headers, cannot be read".to_owned()),
    };
    Problem::new(status, code, detail).closing(date)
}

#[cfg(test)]
mod tests {
    use super::super::pace::{LEAST, SPAN};
    use super::*;

    #[test]
    fn only_what_hyper_says_by_itself_is_replaced() {
        let own = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\ndate: Tue, 15 Nov 1994 08:12:31 GMT\r\n\r\n";
        assert_eq!(refusal(own), Some((StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, Some("date: Tue, 15 Nov 1994 08:12:31 GMT"))));
        for other in [
            &b"HTTP/1.1 404 Not Found\r\ncontent-type: application/problem+json\r\ncontent-length: 0\r\n\r\n"[..],
            b"HTTP/1.1 404 Not Found\r\ncontent-length: 5\r\n\r\n",
            b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\nbody",
            b"HTTP/1.1 4",
        ] {
            assert_eq!(refusal(other), None);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_no_refusal_is_given_up() {
        let (ours, _theirs) = tokio::io::duplex(16);
        let mut socket = Socket::new(ours, Vec::new(), Arc::default());
        let head = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n";
        tokio::io::AsyncWriteExt::write_all(&mut socket, head).await.unwrap();
        assert!(socket.refusal.is_some());
        assert_eq!(tokio::io::AsyncWriteExt::flush(&mut socket).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_little_is_given_up_however_steadily_and_a_slow_one_is_not() {
        for (part, is_borne) in [(0, false), (1, false), (LEAST / 4, false), (LEAST, true)] {
            let (ours, mut theirs) = tokio::io::duplex(LEAST);
            let mut socket = Socket::new(ours, Vec::new(), Arc::default());
            let body = vec![0; 12 * LEAST];
            let writes = tokio::io::AsyncWriteExt::write_all(&mut socket, &body);
            let takes = async {
                let mut space = vec![0; part];
                for _ in 0..8 {
                    tokio::time::advance(SPAN * 9 / 10).await;
                    tokio::io::AsyncReadExt::read_exact(&mut theirs, &mut space).await.unwrap();
                }
            };
            tokio::select! {
                written = writes => assert_eq!((written.unwrap_err().kind(), is_borne), (io::ErrorKind::TimedOut, false), "{part}"),
                () = takes => assert!(is_borne, "nobody waits four minutes for eight times {part} bytes"),
            }
        }
    }
}
