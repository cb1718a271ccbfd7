//! How many clients there may be at once, in all and from one address: who holds a thousand connections open must leave others theirs.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;
use wellspring_core::moment::Mono;

use super::problem::Problem;
use super::proxies::{Client, Proxies};

/// What is left of the descriptors for the store, workers, the browser and upstreams.
const RESERVE: u64 = 256;
/// The most connections where nobody says how many.
const USUAL: usize = 16_384;
/// When one may come again who was turned away.
const AGAIN: Duration = Duration::from_secs(5);
/// How often it is said at most that clients are turned away.
const SAID: Duration = Duration::from_secs(60);

/// The bounds, as configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Connections in all; as many as there are descriptors for where nobody says.
    pub connections: Option<usize>,
    /// Connections of one address.
    pub per_address: usize,
    /// Event streams of one address.
    pub streams: usize,
}

/// Why a connection was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// There are as many as there may be.
    Full,
    /// Its address has as many as it may have.
    Address,
    /// The system did not give it.
    Accept,
}

/// Everyone who is connected or listens, by address.
#[derive(Debug)]
pub struct Crowd {
    most: usize,
    connections: Arc<Counts>,
    streams: Arc<Counts>,
    proxies: Arc<Proxies>,
    refused: [AtomicU64; 3],
}

/// How many there are of each address.
#[derive(Debug)]
struct Counts {
    most: usize,
    by_network: Mutex<HashMap<Network, usize>>,
}

/// An address of which so many first bits count.
type Network = (IpAddr, u8);

/// Of IPv6 whoever has an address has its /64, and whoever has a site has its /48: what may come from one of these, and how many times
/// as much from the other.
const HOUSE: u8 = 64;
const SITE: u8 = 48;
const HOUSES: usize = 8;

/// One that is counted, until it is dropped.
#[derive(Debug)]
pub struct Guest(Option<(Arc<Counts>, [Option<Network>; 2])>);

/// What is said of clients that are turned away, and when it was said last.
#[derive(Debug, Default)]
pub(super) struct Said {
    last: Option<Mono>,
    /// How many since.
    count: u64,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Full, Self::Address, Self::Accept];

    /// As metrics call it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "max_connections",
            Self::Address => "max_connections_per_address",
            Self::Accept => "accept_failed",
        }
    }
}

impl Crowd {
    /// An empty one. The process takes all the descriptors that it may have, and where they do not suffice for the bound, says so.
    pub fn new(bounds: Bounds, proxies: Arc<Proxies>) -> Self {
        let descriptors = descriptors();
        let most = most(bounds.connections, descriptors);
        if let Some(asked) = bounds.connections.filter(|asked| most < *asked) {
            warn!(asked, most, "`[server] max_connections` is more than there are descriptors for (`ulimit -n`): fewer are taken");
        }
        let counts = |most| Arc::new(Counts { most, by_network: Mutex::default() });
        Self { most, connections: counts(bounds.per_address), streams: counts(bounds.streams), proxies, refused: Default::default() }
    }

    /// Takes a connection of this address, or says why not. `open` is how many there are.
    ///
    /// # Errors
    /// The bound that it would exceed.
    pub fn connects(&self, address: IpAddr, open: usize) -> Result<Guest, Reason> {
        if open >= self.most {
            return Err(Reason::Full);
        }
        self.one_of(&self.connections, address).ok_or(Reason::Address)
    }

    /// Takes an event stream of this address; `None` where that has as many as it may have.
    pub fn listens(&self, client: Client) -> Option<Guest> {
        // All who hide behind words that nobody can read are one.
        if client.unread { self.streams.one_more(Ipv4Addr::UNSPECIFIED.into()) } else { self.one_of(&self.streams, client.address) }
    }

    /// Notes that a connection was not taken.
    pub(super) fn refuse(&self, reason: Reason) {
        self.refused[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How many connections were not taken for this.
    pub fn refused(&self, reason: Reason) -> u64 {
        self.refused[reason as usize].load(Ordering::Relaxed)
    }

    fn one_of(&self, counts: &Arc<Counts>, address: IpAddr) -> Option<Guest> {
        let address = address.to_canonical();
        // Behind a proxy the whole world has one address.
        if address.is_loopback() || self.proxies.trusts(address) { Some(Guest(None)) } else { counts.one_more(address) }
    }
}

impl Counts {
    fn one_more(self: &Arc<Self>, address: IpAddr) -> Option<Guest> {
        let mut counts = self.by_network.lock().unwrap_or_else(PoisonError::into_inner);
        let networks = networks(address);
        let held = |network: &Network| counts.get(network).copied().unwrap_or(0);
        let [house, site] = &networks;
        if house.as_ref().is_some_and(|house| held(house) >= self.most)
            || site.as_ref().is_some_and(|site| held(site) >= self.most.saturating_mul(HOUSES))
        {
            return None;
        }
        networks.iter().flatten().for_each(|network| *counts.entry(*network).or_default() += 1);
        Some(Guest(Some((Arc::clone(self), networks))))
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let Some((counts, networks)) = self.0.take() else { return };
        let mut counts = counts.by_network.lock().unwrap_or_else(PoisonError::into_inner);
        for network in networks.into_iter().flatten() {
            if let Some(count) = counts.get_mut(&network) {
                *count -= 1;
                if *count == 0 {
                    counts.remove(&network);
                }
            }
        }
    }
}

impl Said {
    /// Says it, unless it was said a short while ago.
    pub(super) fn say(&mut self, now: Mono, reason: Reason, error: Option<&std::io::Error>) {
        self.count += 1;
        if self.last.is_some_and(|last| last.until(now) < SAID) {
            return;
        }
        let count = std::mem::take(&mut self.count);
        self.last = Some(now);
        if let Some(error) = error {
            warn!(%error, count, "connections could not be accepted");
        } else {
            warn!(count, "connections were turned away: `[server] {}` is reached", reason.as_str());
        }
    }
}

/// Who is counted as one.
fn networks(address: IpAddr) -> [Option<Network>; 2] {
    match address {
        IpAddr::V4(_) => [Some((address, 32)), None],
        IpAddr::V6(address) => [HOUSE, SITE].map(|bits| {
            let network = address.to_bits() & u128::MAX << (128 - u32::from(bits));
            Some((Ipv6Addr::from_bits(network).into(), bits))
        }),
    }
}

/// How many connections there may be.
fn most(asked: Option<usize>, descriptors: Option<u64>) -> usize {
    // Of few descriptors half, so that there is a server at all.
    let room = descriptors.map_or(usize::MAX, |all| usize::try_from(all.saturating_sub(RESERVE).max(all / 2)).unwrap_or(usize::MAX));
    asked.unwrap_or(USUAL).min(room).max(1)
}

/// Takes as many descriptors as the system lets a process have; how many, `None` for any number.
fn descriptors() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let all = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if limit.current == limit.maximum || setrlimit(Resource::Nofile, all).is_err() { limit.current } else { limit.maximum }
}

/// The answer to those that are turned away.
pub(super) fn refusal() -> Vec<u8> {
    let detail = "there are more connections than are taken, in all or from one address";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "crowded", detail).retry_after(AGAIN).closing(None)
}

/// Says so to a client, as far as that takes no waiting.
pub(super) fn turn_away(mut stream: TcpStream, refusal: &[u8]) {
    // Over what was not read the system would reset the connection, and the answer be lost. The stream does not block.
    let _asked = stream.read(&mut [0; 4 << 10]);
    let _answered = stream.write(refusal);
    let _ended = stream.shutdown(Shutdown::Write);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn crowd(connections: usize) -> Crowd {
        let proxies = Proxies::new(vec![(ip("10.0.0.0"), 8)]);
        Crowd::new(Bounds { connections: Some(connections), per_address: 2, streams: 1 }, Arc::new(proxies))
    }

    #[test]
    fn an_address_has_so_many_and_no_more_until_one_goes() {
        let crowd = crowd(1_000);
        let check = |address: &str, expected: bool| {
            let guest = crowd.connects(ip(address), 0);
            assert_eq!(guest.is_ok(), expected, "{address}");
            guest.ok()
        };
        let first = check("203.0.113.1", true);
        let _second = check("203.0.113.1", true);
        check("203.0.113.1", false);
        check("::ffff:203.0.113.1", false);
        let _other = check("203.0.113.2", true);
        drop(first);
        drop(check("203.0.113.1", true));
        let _network = [check("2001:db8::1", true), check("2001:db8::2", true)];
        check("2001:db8::ffff:1:2:3", false);
        check("2001:db8:0:1::1", true);
        let _exempt: Vec<_> =
            ["127.0.0.1", "::1", "127.8.8.8", "10.1.2.3", "::ffff:10.1.2.3"].repeat(5).into_iter().map(|a| check(a, true)).collect();
        let listens = |address: &str, unread| crowd.listens(Client { address: ip(address), unread });
        let _streams = listens("203.0.113.1", false).expect("streams are counted by themselves");
        let _unread = listens("10.0.0.7", true).expect("the first of those who cannot be told apart");
        assert!(listens("10.0.0.8", true).is_none() && listens("10.0.0.7", false).is_some());
    }

    #[test]
    fn who_has_many_networks_of_one_site_is_bounded_too() {
        let crowd = crowd(1_000);
        let taken: Vec<_> =
            (0..100_u128).filter_map(|n| crowd.connects(Ipv6Addr::from_bits(ip_bits("2001:db8::") | n << 64).into(), 0).ok()).collect();
        assert_eq!(taken.len(), 2 * HOUSES);
        assert!(crowd.connects(ip("2001:db8:1::"), 0).is_ok());
        drop(taken);
        assert!(crowd.connects(ip("2001:db8::"), 0).is_ok());
    }

    fn ip_bits(text: &str) -> u128 {
        text.parse::<Ipv6Addr>().unwrap().to_bits()
    }

    #[test]
    fn nothing_is_kept_of_those_that_are_gone() {
        let crowd = crowd(1_000);
        for n in 0..1_000_u32 {
            let address = if n.is_multiple_of(2) { IpAddr::V4(n.into()) } else { Ipv6Addr::from_bits(u128::from(n) << 60).into() };
            let guests: Vec<_> = (0..5).map(|_| crowd.connects(address, 0)).collect();
            drop(guests);
        }
        assert!(crowd.connections.by_network.lock().unwrap().is_empty());
    }

    #[test]
    fn beyond_the_bound_nobody_is_taken_from_anywhere() {
        let crowd = crowd(10);
        assert!(crowd.connects(ip("127.0.0.1"), 9).is_ok());
        assert_eq!(crowd.connects(ip("127.0.0.1"), 10).unwrap_err(), Reason::Full);
    }

    #[test]
    fn the_bound_leaves_descriptors_for_the_rest() {
        assert_eq!(most(None, Some(1 << 20)), 16_384);
        assert_eq!(most(None, None), 16_384);
        assert_eq!(most(None, Some(1_024)), 768);
        assert_eq!(most(None, Some(256)), 128);
        assert_eq!(most(Some(5_000), Some(1_024)), 768);
        assert_eq!(most(Some(50_000), Some(1 << 20)), 50_000);
    }
}
