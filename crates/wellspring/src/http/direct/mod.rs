//! The shortest way from a request to what is stored: read, answered and written on the connection's own thread, without hyper. What
//! is no plain hit is left to hyper as it came, with the connection: nothing is refused here, and nothing is read twice.

use std::cell::RefCell;
use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::access::Line;
use super::pace::Pace;
use super::server::draining;
use super::{Site, Stage};

mod answer;
mod head;
mod unsent;

pub(super) use answer::date;
use answer::{Out, answer};
use head::Head;
use unsent::Unsent;

/// How much is read at once, in bytes. A head that does not fit is hyper's.
const SPACE: usize = 16 << 10;
/// When so much is to be written, in bytes, further requests wait: a client that takes nothing must not fill the memory.
const ENOUGH: usize = 64 << 10;
/// How long a new connection may be silent.
const FIRST: Duration = Duration::from_secs(10);
/// How long a client may send nothing between requests: at least, and at most twice as long. While it is written to, its pace decides.
const SILENT: Duration = Duration::from_secs(30);

thread_local! {
    /// What is read and written passes through here, whichever connection of the thread it is: a thousand of them touch the same
    /// few lines of the cache.
    static SPACES: RefCell<(Vec<u8>, Out)> = RefCell::new((vec![0; SPACE], Out::default()));
}

/// Answers hits until something else is asked: hyper goes on then, from the bytes that are returned. `None` once the connection is
/// over, for its client is gone or was silent for too long, or the server drains.
pub(super) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, site: &Site, client: IpAddr) -> Option<Vec<u8>> {
    go_on(direct(stream, site, client)).await
}

/// One that has asked for nothing yet.
fn direct<'a, S>(stream: &'a mut S, site: &'a Site, client: IpAddr) -> Direct<'a, S> {
    let (unsent, pace) = (Unsent::default(), Pace::default());
    Direct { stream, site, client, unsent, pace, ahead: Vec::new(), left: false, active: false, last: false }
}

/// The same, from where a connection is.
async fn go_on<S: AsyncRead + AsyncWrite + Unpin>(mut direct: Direct<'_, S>) -> Option<Vec<u8>> {
    let (mut stage, mut changes) = (direct.site.stage.clone(), direct.site.stage.clone());
    let mut drains = pin!(draining(&mut stage));
    let mut patience = pin!(sleep(FIRST));
    let (mut waits, mut ends) = (false, false);
    poll_fn(|context| {
        loop {
            if let Poll::Ready(left) = direct.poll(context) {
                return Poll::Ready(left);
            }
            // Once polled, these two wake the task by themselves: asking them at every request is what would cost.
            let asks = !std::mem::replace(&mut waits, true);
            if !direct.last && (asks || ends || changes.has_changed().unwrap_or(true)) {
                // Seen a moment before those who wait for it are woken: asked again then.
                ends = *changes.borrow_and_update() == Stage::Draining;
                direct.last = drains.as_mut().poll(context).is_ready();
                if direct.last {
                    continue;
                }
            }
            // Who takes what it asked for is not silent.
            direct.active |= !direct.unsent.is_empty();
            if (asks || patience.is_elapsed()) && poll_silence(patience.as_mut(), &mut direct.active, context).is_ready() {
                return Poll::Ready(None);
            }
            return Poll::Pending;
        }
    })
    .await
}

/// Ready where a client was not active since the last time it was looked at.
fn poll_silence(mut patience: Pin<&mut Sleep>, active: &mut bool, context: &mut Context<'_>) -> Poll<()> {
    loop {
        ready!(patience.as_mut().poll(context));
        if !std::mem::take(active) {
            return Poll::Ready(());
        }
        patience.set(sleep(SILENT));
    }
}

/// A connection on the short way.
struct Direct<'a, S> {
    stream: &'a mut S,
    site: &'a Site,
    client: IpAddr,
    unsent: Unsent,
    pace: Pace,
    /// What was read and is not answered yet.
    ahead: Vec<u8>,
    /// That is hyper's.
    left: bool,
    /// Something was read or written since this was last false.
    active: bool,
    /// It ends when all is sent.
    last: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Direct<'_, S> {
    /// Ready as [`serve`] is.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Vec<u8>>> {
        loop {
            while !self.unsent.is_empty() {
                match self.unsent.poll_write(self.stream, context) {
                    Poll::Ready(Ok(taken)) => self.pace.took(taken),
                    Poll::Ready(Err(_)) => return Poll::Ready(None),
                    // Nothing more is read of a client before it has taken its answers.
                    Poll::Pending => return self.pace.poll_waits(context).map(|()| None),
                }
                self.active = true;
            }
            self.pace.rest();
            if self.left {
                return Poll::Ready(Some(std::mem::take(&mut self.ahead)));
            }
            if self.last {
                return Poll::Ready(None);
            }
            let goes_on = SPACES.with_borrow_mut(|(space, out)| {
                let ahead = std::mem::take(&mut self.ahead);
                if !ahead.is_empty() {
                    return Poll::Ready(self.turn(&ahead, out, context));
                }
                let mut read = ReadBuf::new(space);
                let took = ready!(Pin::new(&mut *self.stream).poll_read(context, &mut read));
                Poll::Ready(took.is_ok() && !read.filled().is_empty() && self.turn(read.filled(), out, context))
            });
            if !ready!(goes_on) {
                return Poll::Ready(None);
            }
        }
    }

    /// Answers the hits that these bytes begin with and keeps the rest; false where the client is gone.
    fn turn(&mut self, bytes: &[u8], out: &mut Out, context: &mut Context<'_>) -> bool {
        self.active = true;
        out.clear();
        let mut rest = bytes;
        while !rest.is_empty() && out.len() < ENOUGH {
            let Some(length) = self.answered(rest, out) else {
                self.left = true;
                break;
            };
            rest = &rest[length..];
        }
        if !rest.is_empty() {
            self.ahead = rest.to_vec();
        }
        self.unsent.send(out, self.stream, context).is_ok()
    }

    /// How long the request is that these bytes begin with, where it is answered.
    fn answered(&self, bytes: &[u8], out: &mut Out) -> Option<usize> {
        let head = Head::read(bytes)?;
        let answered = answer(self.site, &Head { target: self.site.base.rest_of(head.target), ..head }, out)?;
        if let Some(log) = &self.site.access_log {
            let line = Line {
                at: answered.now,
                client: self.client,
                method: if head.bodiless { "HEAD" } else { "GET" },
                target: head.target,
                status: answered.status.as_u16(),
                bytes: Some(answered.bytes as u64),
                cache_status: out.cache_status(),
            };
            log.add(&line, self.site.engine.clock());
        }
        Some(head.length)
    }
}

#[cfg(test)]
mod tests;
