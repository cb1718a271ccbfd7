//! Talks to the running server, as a client would.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use url::Url;

use crate::config::Config;
use crate::fetch::bounded;
use crate::lifecycle;

/// The most that an answer may weigh, in bytes.
const LARGEST: u64 = 64 << 20;
/// How long a forced refresh may keep its asker waiting.
const PATIENCE: Duration = Duration::from_secs(600);

/// What to do about a token that is not the server's.
pub(super) const OWN_TOKEN: &str = "this command sends the one of its own config: give it the server's with --config FILE";

/// How long what is streamed may stop.
const SILENCE: Duration = Duration::from_secs(120);

/// How long whoever only wants to know whether it lives waits.
pub(super) const GLANCE: Duration = Duration::from_secs(4);

/// Where a server is, as `--server` takes it: `http://HOST:PORT`, `HOST:PORT`, with a path where a proxy has put one before it.
pub(super) fn server_url(text: &str) -> Result<Url, &'static str> {
    const HELP: &str = "write it as in http://127.0.0.1:5500";
    let url = if text.contains("://") { Url::parse(text) } else { Url::parse(&format!("http://{text}")) };
    let url = url.map_err(|_| HELP)?;
    match url.scheme() {
        "http" if url.has_host() && url.query().is_none() && url.fragment().is_none() && url.username().is_empty() => Ok(url),
        "https" => Err("https is not spoken here: name the address that the server itself listens on, as in http://127.0.0.1:5500"),
        _ => Err(HELP),
    }
}

/// Asks a server: this one, else that of the config. Its status and its JSON.
pub(super) async fn ask(config: &Config, server: Option<&Url>, method: Method, path: &str) -> Result<(StatusCode, Value), String> {
    ask_within(PATIENCE, config, server, method, path).await
}

/// The same, by whoever waits so long.
pub(super) async fn ask_within(
    patience: Duration,
    config: &Config,
    server: Option<&Url>,
    method: Method,
    path: &str,
) -> Result<(StatusCode, Value), String> {
    let exchange = async {
        let Conversation { address, response, driver } = open(config, server, method, path).await?;
        let status = response.status();
        let body = bounded::read_body(response.into_body(), LARGEST).await.map_err(|e| e.to_string())?;
        driver.abort();
        let value = serde_json::from_slice(&body).map_err(|_| stranger(&address, status))?;
        Ok((status, value))
    };
    let late = |_| format!("{} did not answer", server.map_or_else(|| reachable(config.server.listen).to_string(), authority));
    timeout(patience, exchange).await.map_err(late)?
}

/// Asks a server for what may be of any size and hands it on as it comes, once `judge` has let pass who answers, and with which headers.
///
/// # Errors
/// What the server says instead, or that it broke off.
pub(super) async fn download(
    config: &Config,
    server: Option<&Url>,
    path: &str,
    judge: &(dyn Fn(&str, &HeaderMap) -> Result<(), String> + Sync),
    take: &mut (dyn FnMut(&[u8]) -> Result<(), String> + Send),
) -> Result<(), String> {
    let Conversation { address, response, driver } =
        timeout(PATIENCE, open(config, server, Method::GET, path)).await.unwrap_or_else(|_| Err("the server did not answer".to_owned()))?;
    let status = response.status();
    if status != StatusCode::OK {
        let body = bounded::read_body(response.into_body(), LARGEST).await.map_err(|e| e.to_string())?;
        let answer: Value = serde_json::from_slice(&body).map_err(|_| stranger(&address, status))?;
        let why = answer["detail"].as_str().map_or_else(|| format!("the server answered {status}"), str::to_owned);
        return Err(if status == StatusCode::UNAUTHORIZED { format!("{why}; {OWN_TOKEN}") } else { why });
    }
    judge(&address, response.headers())?;
    let broken = |why: String| format!("the server on {address} broke off ({why})");
    let mut body = response.into_body();
    while let Some(frame) = timeout(SILENCE, body.frame()).await.map_err(|_| broken("it fell silent".to_owned()))? {
        if let Ok(piece) = frame.map_err(|error| broken(error.to_string()))?.into_data() {
            take(&piece)?;
        }
    }
    driver.abort();
    Ok(())
}

/// A request that was answered, as far as its head.
struct Conversation {
    address: String,
    response: Response<Incoming>,
    driver: JoinHandle<hyper::Result<()>>,
}

/// Asks, with the config's token.
async fn open(config: &Config, server: Option<&Url>, method: Method, path: &str) -> Result<Conversation, String> {
    let address = server.map_or_else(|| reachable(config.server.listen).to_string(), authority);
    let unreachable = |error: &dyn std::fmt::Display| {
        format!("no server answers on {address} ({error}); start one with `wellspring serve`, or say where it is with --server URL")
    };
    let path = format!("{}{path}", server.map_or("", |url| url.path().trim_end_matches('/')));
    let stream = TcpStream::connect(&address).await.map_err(|e| unreachable(&e))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|e| unreachable(&e))?;
    let driver = lifecycle::spawn(connection);
    // Where the server is told its names, it lets nobody force anything under another; a name that was asked for is meant.
    let named = server.is_some_and(|url| url.domain().is_some());
    let host = config.server.hosts.first().filter(|_| !named).cloned().unwrap_or_else(|| address.clone());
    let mut request = Request::builder().method(method).uri(path).header(HOST, host);
    if let Some(token) = &config.server.admin_token {
        request = request.header(AUTHORIZATION, format!("Bearer {}", token.expose()));
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(|e| e.to_string())?;
    let response = sender.send_request(request).await.map_err(|e| unreachable(&e))?;
    Ok(Conversation { address, response, driver })
}

fn stranger(address: &str, status: StatusCode) -> String {
    format!("what answers on {address} is no wellspring ({status}); say where it is with --server URL")
}

/// Host and port.
fn authority(url: &Url) -> String {
    format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(80))
}

/// Where a server that listens on all addresses can be reached from here.
fn reachable(listen: SocketAddr) -> SocketAddr {
    match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, listen.port()).into(),
        IpAddr::V6(ip) if ip.is_unspecified() => (Ipv6Addr::LOCALHOST, listen.port()).into(),
        _ => listen,
    }
}
