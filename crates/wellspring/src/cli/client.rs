//! Talks to the running server over loopback, as a client would.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST};
use http::{Method, Request, StatusCode};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::config::Config;
use crate::fetch::bounded;
use crate::lifecycle;

/// The most that an answer may weigh, in bytes.
const LARGEST: u64 = 64 << 20;
/// How long a forced refresh may keep its asker waiting.
const PATIENCE: Duration = Duration::from_secs(600);

/// Asks the server of this config; its status and its JSON.
pub(super) async fn ask(config: &Config, method: Method, path: &str) -> Result<(StatusCode, Value), String> {
    let address = reachable(config.server.listen);
    let unreachable = |error: &dyn std::fmt::Display| {
        format!("no server answers on {address} ({error}); start one with `wellspring serve`, or name its config with --config FILE")
    };
    let stranger =
        |status: StatusCode| format!("what answers on {address} is no wellspring ({status}); name the server's config with --config FILE");
    let exchange = async {
        let stream = TcpStream::connect(address).await.map_err(|e| unreachable(&e))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|e| unreachable(&e))?;
        let driver = lifecycle::spawn(connection);
        // Where the server is told its names, it lets nobody force anything under another.
        let host = config.server.hosts.first().cloned().unwrap_or_else(|| address.to_string());
        let mut request = Request::builder().method(method).uri(path).header(HOST, host);
        if let Some(token) = &config.server.admin_token {
            request = request.header(AUTHORIZATION, format!("Bearer {}", token.expose()));
        }
        let request = request.body(Empty::<Bytes>::new()).map_err(|e| e.to_string())?;
        let response = sender.send_request(request).await.map_err(|e| unreachable(&e))?;
        let status = response.status();
        let body = bounded::read_body(response.into_body(), LARGEST).await.map_err(|e| e.to_string())?;
        driver.abort();
        let value = serde_json::from_slice(&body).map_err(|_| stranger(status))?;
        Ok((status, value))
    };
    tokio::time::timeout(PATIENCE, exchange).await.map_err(|_| format!("{address} did not answer"))?
}

/// Where a server that listens on all addresses can be reached from here.
fn reachable(listen: SocketAddr) -> SocketAddr {
    match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, listen.port()).into(),
        IpAddr::V6(ip) if ip.is_unspecified() => (Ipv6Addr::LOCALHOST, listen.port()).into(),
        _ => listen,
    }
}
