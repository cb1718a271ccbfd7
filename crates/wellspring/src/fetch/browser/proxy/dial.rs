//! Connections outwards: to what the guard let pass, or to the source's own proxy.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use url::Host;

use super::super::super::FetchError;
use super::super::super::guard::{Guard, ResolveError};
use super::super::super::http::CONNECT_WITHIN;
use super::super::super::http::blame::{broken, too_slow, unreachable, unresolved};
use super::answer::Line;
use super::meter::{Meter, Metered};
use super::target::Target;
use super::upstream::Upstream;
use crate::lifecycle;

/// How many names a page may have resolved at once.
const LOOKUPS: usize = 16;

/// Bytes both ways.
pub(super) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// Dials.
pub(super) struct Dialer {
    guard: Guard,
    upstream: Option<Upstream>,
    meter: Arc<Meter>,
    lookups: Arc<Semaphore>,
}

impl Dialer {
    pub(super) fn new(guard: Guard, upstream: Option<Upstream>, meter: Arc<Meter>) -> Self {
        Self { guard, upstream, meter, lookups: Arc::new(Semaphore::new(LOOKUPS)) }
    }

    /// The proxy that everything goes through.
    pub(super) fn upstream(&self) -> Option<&Upstream> {
        self.upstream.as_ref()
    }

    /// A connection to ask the target over: its own, or the upstream's.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) async fn dial(&self, target: &Target) -> Result<Metered, FetchError> {
        self.within(target, self.connect(target)).await
    }

    /// A connection whose other end is the target.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) async fn tunnel(&self, target: &Target, line: &Line) -> Result<Box<dyn Wire>, FetchError> {
        let tunnel = async {
            let stream = self.connect(target).await?;
            let far: Box<dyn Wire> = match &self.upstream {
                None => Box::new(stream),
                Some(upstream) => Box::new(upstream.tunnel(stream, target, line).await?),
            };
            Ok(far)
        };
        self.within(target, tunnel).await
    }

    /// One limit on the name, the connection and the upstream's tunnel.
    async fn within<T>(&self, target: &Target, connecting: impl Future<Output = Result<T, FetchError>>) -> Result<T, FetchError> {
        let connected = tokio::time::timeout(CONNECT_WITHIN, connecting).await;
        connected.unwrap_or_else(|_| Err(self.unreachable(target, &too_slow())))
    }

    async fn connect(&self, target: &Target) -> Result<Metered, FetchError> {
        let addresses = match &self.upstream {
            None => self.addresses(target).await.map_err(|error| unresolved(&error, &target.shown(), None))?,
            Some(upstream) => {
                let barred = |reason| unresolved(&ResolveError::Barred(reason), &target.shown(), None);
                self.guard.judge_url(target.url()).map_err(barred)?;
                let found = self.look_up(upstream.clone().addresses()).await;
                found.map_err(|error| unresolved(&error, &target.shown(), Some(upstream.shown())))?
            }
        };
        let stream = first(&addresses).await.map_err(|error| {
            let reason = broken(&error).map_or_else(|| error.to_string(), str::to_owned);
            self.unreachable(target, &reason)
        })?;
        // What is passed on is written as it comes.
        let _ = stream.set_nodelay(true);
        Ok(Metered::new(stream, self.meter.clone()))
    }

    /// The target's own addresses, judged.
    async fn addresses(&self, target: &Target) -> Result<Vec<SocketAddr>, ResolveError> {
        let (guard, host, port) = (self.guard.clone(), target.host(), target.port());
        match &host {
            Host::Domain(_) => self.look_up(async move { guard.targets(&host, port).await }).await,
            // Nothing to wait for, not even behind names.
            literal => guard.targets(literal, port).await,
        }
    }

    /// The system's resolver runs to its end on a thread of its own, whoever still waits for it. A page that asks for name after name
    /// and waits for none would take all of the program's threads, so the place is the lookup's own.
    async fn look_up(
        &self,
        lookup: impl Future<Output = Result<Vec<SocketAddr>, ResolveError>> + Send + 'static,
    ) -> Result<Vec<SocketAddr>, ResolveError> {
        let broke_off = || ResolveError::Unresolved("the lookup broke off".to_owned());
        let place = self.lookups.clone().acquire_owned().await.map_err(|_| broke_off())?;
        let lookup = lifecycle::spawn(async move {
            let found = lookup.await;
            drop(place);
            found
        });
        lookup.await.unwrap_or_else(|_| Err(broke_off()))
    }

    fn unreachable(&self, target: &Target, reason: &str) -> FetchError {
        unreachable(reason, &target.shown(), self.upstream.as_ref().map(Upstream::shown))
    }
}

/// The first of the addresses that takes a connection, in order, each within its share of the time.
async fn first(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut last = io::ErrorKind::AddrNotAvailable.into();
    let share: Duration = CONNECT_WITHIN / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
    for address in addresses {
        match tokio::time::timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}
