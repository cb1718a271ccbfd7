//! HTTP/1.1 by hand, since a proper server cannot be made to misbehave.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::State;
use super::answer::{Answer, Manner};

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    /// As written.
    pub method: String,
    /// The target without its query.
    pub path: String,
    /// What follows the `?`.
    pub query: Option<String>,
    /// Names in lower case, in order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Recorded {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Answers the requests of one connection, one after the other.
pub(super) async fn serve(stream: TcpStream, state: &State) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream).await? {
        let path = request.path.clone();
        let answer = state.answer(request.clone()).await;
        let go_on = send(&mut stream, &request, answer).await;
        state.path(&path, |path| path.answered += 1);
        if !go_on? {
            break;
        }
    }
    Ok(())
}

async fn read(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Recorded>> {
    let Some(first) = line(stream).await? else { return Ok(None) };
    let mut words = first.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query.to_owned())));
    let mut request = Recorded { method: method.to_owned(), path: path.to_owned(), query, ..Recorded::default() };
    while let Some(header) = line(stream).await?.filter(|line| !line.is_empty()) {
        let (name, value) = header.split_once(':').unwrap_or((&header, ""));
        request.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
    request.body = vec![0; length];
    stream.read_exact(&mut request.body).await?;
    Ok(Some(request))
}

async fn line(stream: &mut BufReader<TcpStream>) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    let read = stream.read_until(b'\n', &mut line).await?;
    Ok((read > 0).then(|| String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned()))
}

/// Sends one answer; false where the connection is over.
async fn send(stream: &mut BufReader<TcpStream>, request: &Recorded, answer: Answer) -> io::Result<bool> {
    let asked = request.header("if-none-match");
    if answer.etag.is_some() && asked == answer.etag.as_deref() {
        stream.write_all(head(304, &answer.headers, None).as_bytes()).await?;
        return Ok(true);
    }
    let Answer { status, headers, body, .. } = &answer;
    let whole = head(*status, headers, Some(&format!("content-length: {}", body.len())));
    let chunked = head(*status, headers, Some("transfer-encoding: chunked"));
    let half = &body[..body.len() / 2];
    match answer.manner {
        Manner::Whole => {
            stream.write_all(whole.as_bytes()).await?;
            if request.method != "HEAD" {
                stream.write_all(body).await?;
            }
            return Ok(true);
        }
        Manner::Chunked => {
            stream.write_all(chunked.as_bytes()).await?;
            for part in body.chunks(body.len().div_ceil(3).max(1)) {
                stream.write_all(&chunk(part)).await?;
            }
            stream.write_all(b"0\r\n\r\n").await?;
            return Ok(true);
        }
        Manner::Truncated => {
            stream.write_all(whole.as_bytes()).await?;
            stream.write_all(half).await?;
        }
        Manner::Unfinished => {
            stream.write_all(chunked.as_bytes()).await?;
            stream.write_all(&chunk(half)).await?;
        }
        Manner::Reset => {
            stream.write_all(whole.as_bytes()).await?;
            stream.write_all(half).await?;
            stream.flush().await?;
            stream.get_ref().set_zero_linger()?;
        }
        Manner::Hang => until_gone(stream).await,
        Manner::Drip => {
            stream.write_all(chunked.as_bytes()).await?;
            let mut tick = tokio::time::interval(Duration::from_millis(5));
            loop {
                tick.tick().await;
                stream.write_all(&chunk(b"x")).await?;
            }
        }
        Manner::Endless => {
            stream.write_all(chunked.as_bytes()).await?;
            loop {
                stream.write_all(&chunk(body)).await?;
            }
        }
        Manner::Raw => stream.write_all(body).await?,
        Manner::Stall => {
            stream.write_all(body).await?;
            until_gone(stream).await;
        }
        Manner::Flood => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n").await?;
            loop {
                stream.write_all(body).await?;
            }
        }
        Manner::Close => {}
        Manner::Vanish => stream.get_ref().set_zero_linger()?,
        Manner::Tunnel(to) => {
            let mut target = TcpStream::connect(to).await?;
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
            tokio::io::copy_bidirectional(stream, &mut target).await?;
        }
    }
    Ok(false)
}

fn head(status: u16, headers: &[(String, String)], length: Option<&str>) -> String {
    let mut lines = vec![format!("HTTP/1.1 {status} Scripted")];
    lines.extend(headers.iter().map(|(name, value)| format!("{name}: {value}")));
    lines.extend(length.map(str::to_owned));
    lines.join("\r\n") + "\r\n\r\n"
}

fn chunk(part: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat()
}

/// Waits until the client closes its side.
async fn until_gone(stream: &mut BufReader<TcpStream>) {
    let mut rest = [0; 256];
    while stream.read(&mut rest).await.is_ok_and(|read| read > 0) {}
}
