//! The threads that answer: one for each core, each with its own share of the connections.

use std::io;
use std::net::{self, IpAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tracing::warn;

use super::crowd::Guest;
use super::server::{Answers, connection};
use crate::lifecycle::Tasks;
use crate::lifecycle::lane::lane;

/// A connection that was accepted, and whose it is.
type Accepted = (net::TcpStream, IpAddr, Guest);

/// All of them.
#[derive(Debug)]
pub(super) struct Lanes(Vec<Lane>);

#[derive(Debug)]
struct Lane {
    accepted: mpsc::UnboundedSender<Accepted>,
    /// How many connections it has.
    open: Arc<AtomicUsize>,
    /// How many of them it cut at its end.
    cut: oneshot::Receiver<usize>,
}

/// A connection's place in the count of its lane, and of its address.
struct Place(Arc<AtomicUsize>, #[expect(dead_code, reason = "held for its end")] Guest);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Lanes {
    /// Starts one for each core, which answer by `service` and at the end let what is open finish for `patience`.
    ///
    /// # Errors
    /// Where the system refuses a thread.
    pub(super) fn start(service: &Answers, patience: Duration) -> io::Result<Self> {
        let cores = available_parallelism().map_or(1, usize::from);
        (0..cores).map(|_| Lane::start(service.clone(), patience)).collect::<io::Result<_>>().map(Self)
    }

    /// Gives a connection to the one that has the fewest; false where that one has broken off, and would be chosen for ever,
    /// since it has none.
    pub(super) fn take(&self, stream: net::TcpStream, client: IpAddr, guest: Guest) -> bool {
        let Some(lane) = self.0.iter().min_by_key(|lane| lane.open.load(Ordering::Relaxed)) else { return false };
        lane.open.fetch_add(1, Ordering::Relaxed);
        lane.accepted.send((stream, client, guest)).is_ok()
    }

    /// How many connections they have together.
    pub(super) fn open(&self) -> usize {
        self.0.iter().map(|lane| lane.open.load(Ordering::Relaxed)).sum()
    }

    /// How many connections each has, as it goes on.
    pub(super) fn counts(&self) -> Vec<Arc<AtomicUsize>> {
        self.0.iter().map(|lane| Arc::clone(&lane.open)).collect()
    }

    /// Takes no more, and waits for the end of what is open; how many connections were cut.
    pub(super) async fn drain(self) -> usize {
        let (accepted, cut): (Vec<_>, Vec<_>) = self.0.into_iter().map(|lane| (lane.accepted, lane.cut)).unzip();
        drop(accepted);
        let mut all = 0;
        for cut in cut {
            all += cut.await.unwrap_or(0);
        }
        all
    }
}

impl Lane {
    fn start(service: Answers, patience: Duration) -> io::Result<Self> {
        let (accepted, connections) = mpsc::unbounded_channel();
        let open = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&open);
        let cut = lane("answers", move || answer(connections, service, count, patience))?;
        Ok(Self { accepted, open, cut })
    }
}

async fn answer(mut accepted: mpsc::UnboundedReceiver<Accepted>, service: Answers, open: Arc<AtomicUsize>, patience: Duration) -> usize {
    let mut connections = Tasks::default();
    while let Some((stream, client, guest)) = accepted.recv().await {
        let place = Place(Arc::clone(&open), guest);
        match TcpStream::from_std(stream) {
            Ok(stream) => {
                let service = service.to(client);
                connections.spawn(async move {
                    connection(stream, service).await;
                    drop(place);
                });
            }
            Err(error) => warn!(%error, "a connection could not be watched"),
        }
    }
    connections.drain(patience).await
}
