//! How slowly a client may take its answers: whoever takes less than so much in so long is given up, however steadily.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

/// How much a client that is written to takes at least, in bytes, …
pub(super) const LEAST: usize = 64 << 10;
/// … in each span of this length.
pub(super) const SPAN: Duration = Duration::from_secs(30);
/// How much the system holds of what is not sent yet, in bytes. It asks for more when half of it has left, which must be well within
/// what a client has to take; and what it holds is memory too.
const HELD: u32 = 128 << 10;

/// The pace of one client. Costs nothing while whatever is written is taken at once.
#[derive(Debug, Default)]
pub(super) struct Pace {
    span: Option<Span>,
}

#[derive(Debug)]
struct Span {
    end: Pin<Box<Sleep>>,
    taken: usize,
}

impl Pace {
    /// Some of it was taken.
    pub(super) fn took(&mut self, bytes: usize) {
        if let Some(span) = &mut self.span {
            span.taken = span.taken.saturating_add(bytes);
        }
    }

    /// All that was to be written is taken: nobody waits for the client.
    pub(super) fn rest(&mut self) {
        self.span = None;
    }

    /// Nothing is taken now. Ready once the client has taken too little for too long.
    pub(super) fn poll_waits(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let span = self.span.get_or_insert_with(|| Span { end: Box::pin(sleep(SPAN)), taken: 0 });
            if span.end.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            if span.taken < LEAST {
                return Poll::Ready(());
            }
            self.span = None;
        }
    }
}

/// Has the system tell how fast a client takes: it would hold megabytes, and of those nobody sees how they leave.
pub(super) fn told_by(stream: &TcpStream) {
    // Where there is no such thing, a client is given up a little sooner.
    let _unsupported = socket2::SockRef::from(stream).set_tcp_notsent_lowat(HELD);
}
