//! A client on real sockets: one connection, kept alive.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use wellspring::fetch::bounded::{self, BodyError};

/// How long a condition may take to be met.
const PATIENCE: Duration = Duration::from_secs(60);

/// One connection to a server.
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    address: SocketAddr,
}

/// What a server answered.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the server listens");
        stream.set_nodelay(true).unwrap();
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        wellspring::lifecycle::spawn(connection);
        Self { sender, address }
    }

    /// Sends one request and reads its whole answer.
    pub async fn send(&mut self, method: Method, path: &str, headers: &[(&str, &str)]) -> Reply {
        self.try_send(method, path, headers).await.expect("an answer")
    }

    /// The same, where the server may go away.
    pub async fn try_send(&mut self, method: Method, path: &str, headers: &[(&str, &str)]) -> Result<Reply, hyper::Error> {
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            request = request.header("host", self.address.to_string());
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.sender.ready().await?;
        let response = self.sender.send_request(request.body(Full::default()).unwrap()).await?;
        let (head, body) = response.into_parts();
        let body = match bounded::read_body(body, 64 << 20).await {
            Ok(body) => body,
            Err(BodyError::Broken(error)) => return Err(error),
            Err(error) => panic!("{error}"),
        };
        Ok(Reply { status: head.status, headers: head.headers, body })
    }

    pub async fn get(&mut self, path: &str) -> Reply {
        self.send(Method::GET, path, &[]).await
    }
}

/// One request on a connection of its own.
pub async fn get(address: SocketAddr, path: &str) -> Reply {
    Connection::open(address).await.get(path).await
}

/// One POST on a connection of its own.
pub async fn post(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Reply {
    Connection::open(address).await.send(Method::POST, path, headers).await
}

/// Asks for a status until it satisfies a condition; the status.
pub async fn until(address: SocketAddr, source: &str, condition: impl Fn(&Value) -> bool) -> Value {
    let mut connection = Connection::open(address).await;
    let path = format!("/api/{source}/status");
    let mut last = Value::Null;
    let met = async {
        loop {
            last = connection.get(&path).await.json();
            if condition(&last) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    let met = tokio::time::timeout(PATIENCE, met).await;
    assert!(met.is_ok(), "the condition was never met: {last:#}");
    last
}

impl Reply {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("no JSON ({e}): {:?}", self.body))
    }

    /// A member of the body.
    pub fn member(&self, name: &str) -> Value {
        self.json()[name].clone()
    }

    /// The value of a field in every item.
    pub fn items(&self, field: &str) -> Vec<String> {
        let json = self.json();
        let items = json["items"].as_array().unwrap_or_else(|| panic!("no items: {json}"));
        items.iter().map(|item| item[field].as_str().unwrap_or_else(|| panic!("no {field}: {item}")).to_owned()).collect()
    }

    /// A header as text; empty where it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    /// `(from_cache, cache_valid, refreshing_in_background)`.
    pub fn flags(&self) -> (bool, bool, bool) {
        let json = self.json();
        let flag = |name: &str| json[name].as_bool().unwrap_or_else(|| panic!("no {name}: {json}"));
        (flag("from_cache"), flag("cache_valid"), flag("refreshing_in_background"))
    }

    /// `degraded.code`; empty where it is absent.
    pub fn degraded(&self) -> String {
        self.json()["degraded"]["code"].as_str().unwrap_or("").to_owned()
    }
}
