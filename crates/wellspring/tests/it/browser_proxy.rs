//! The browser's way out, spoken to as a browser would, and as it never would.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;
use wellspring::fetch::FetchError;
use wellspring::fetch::browser::proxy::{Limits, Outlet, Upstream};
use wellspring::fetch::guard::Guard;
use wellspring_core::key::Params;
use wellspring_core::template::{Filled, Template};

use crate::support::origin::{Answer, Origin};

mod passing;
mod refusing;
mod upstream;

/// How long what must come is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// A strict way out that may reach these addresses on loopback all the same.
async fn outlet(except: impl IntoIterator<Item = SocketAddr>) -> Outlet {
    limited(except, Limits::default()).await
}

async fn limited(except: impl IntoIterator<Item = SocketAddr>, limits: Limits) -> Outlet {
    Outlet::open(Guard::new(false).except(except), None, limits).await.unwrap()
}

/// A connection to it, with something said.
async fn say(outlet: &Outlet, words: &str) -> TcpStream {
    let mut stream = TcpStream::connect(outlet.address()).await.unwrap();
    stream.write_all(words.replace('\n', "\r\n").as_bytes()).await.unwrap();
    stream
}

/// Everything up to the end of the connection.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset is an end too.
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
    assert!(read.is_ok(), "still open after {PATIENCE:?}: {}", String::from_utf8_lossy(&bytes));
    String::from_utf8_lossy(&bytes).replace("\r\n", "\n")
}

/// The head of an answer.
async fn head(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        let next = tokio::time::timeout(PATIENCE, stream.read_u8()).await.unwrap();
        bytes.push(next.unwrap_or_else(|e| panic!("{e} after {:?}", String::from_utf8_lossy(&bytes))));
    }
    String::from_utf8(bytes).unwrap().replace("\r\n", "\n")
}

/// One request on a connection of its own: everything that comes back.
async fn ask(outlet: &Outlet, words: &str) -> String {
    rest(&mut say(outlet, words).await).await
}

/// A plain GET of an address.
async fn get(outlet: &Outlet, url: &str) -> String {
    ask(outlet, &format!("GET {url} HTTP/1.1\nhost: x\nconnection: close\n\n")).await
}

/// What comes back from `CONNECT`: a status, with the tunnel where there is one.
async fn connect(outlet: &Outlet, authority: &str) -> (String, TcpStream) {
    let mut stream = say(outlet, &format!("CONNECT {authority} HTTP/1.1\nhost: {authority}\n\n")).await;
    let status = head(&mut stream).await.lines().next().unwrap_or_default().to_owned();
    (status, stream)
}

/// What is blamed for an address, with the host shown as it is.
fn blame(outlet: &Outlet, url: &str) -> Option<String> {
    let url = Url::parse(url).unwrap();
    let shown = url.port().map_or(url.host_str().unwrap().to_owned(), |port| format!("{}:{port}", url.host_str().unwrap()));
    outlet.blame(&url, &shown).map(|error| format!("{}: {error}", error.failure().code))
}

/// Sends back whatever comes, over every connection.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    wellspring::lifecycle::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            wellspring::lifecycle::spawn(async move {
                let (mut reading, mut writing) = stream.split();
                drop(tokio::io::copy(&mut reading, &mut writing).await);
            });
        }
    });
    address
}

/// Says something through a tunnel to an echo and hears it.
async fn hear(stream: &mut TcpStream, words: &str) {
    stream.write_all(words.as_bytes()).await.unwrap();
    let mut heard = vec![0; words.len()];
    tokio::time::timeout(PATIENCE, stream.read_exact(&mut heard)).await.unwrap().unwrap();
    assert_eq!(heard, words.as_bytes());
}

const CANARY: &str = "canary-s3cr3t";

/// Fills `${KEY}` with a secret.
fn secret(text: &str) -> Filled {
    Template::parse(text, &[], &|_| Some(CANARY.to_owned())).unwrap().fill(&Params::new())
}
