//! Request heads that a hit can be answered by, and nothing else: whatever is unusual about one is for hyper to judge.

use std::mem::MaybeUninit;

use httparse::{Header, Request, Status};

use super::super::intake;

/// More headers than browsers and proxies send.
const MOST_HEADERS: usize = 48;

/// A request for what may be stored, without a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head<'a> {
    /// As it stands in the first line.
    pub target: &'a str,
    /// HEAD, not GET: its answer has no body.
    pub bodiless: bool,
    /// `Accept-Encoding`.
    pub codings: Option<&'a [u8]>,
    /// `If-None-Match`.
    pub known: Option<&'a [u8]>,
    /// `Origin`.
    pub origin: Option<&'a [u8]>,
    /// How many bytes it takes.
    pub length: usize,
}

impl<'a> Head<'a> {
    /// The head that these bytes begin with; `None` where it is not whole, cannot be read, or asks for anything out of the usual:
    /// a body, another version, a change of protocol, the end of the connection.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut space = [const { MaybeUninit::<Header<'_>>::uninit() }; MOST_HEADERS];
        let mut request = Request::new(&mut []);
        let Ok(Status::Complete(length)) = request.parse_with_uninit_headers(bytes, &mut space) else { return None };
        let bodiless = match request.method {
            Some("GET") => false,
            Some("HEAD") => true,
            _ => return None,
        };
        if request.version != Some(1) {
            return None;
        }
        let mut head = Self { target: request.path?, bodiless, codings: None, known: None, origin: None, length };
        let mut host = None;
        for header in request.headers.iter() {
            let is = |name: &str| header.name.eq_ignore_ascii_case(name);
            let place = match header.name.len() {
                4 if is("host") => &mut host,
                6 if is("origin") => &mut head.origin,
                13 if is("if-none-match") => &mut head.known,
                15 if is("accept-encoding") => &mut head.codings,
                10 if is("connection") && header.value.eq_ignore_ascii_case(b"keep-alive") => continue,
                6 if is("expect") => return None,
                7 if is("upgrade") => return None,
                10 if is("connection") => return None,
                14 if is("content-length") => return None,
                17 if is("transfer-encoding") => return None,
                _ => continue,
            };
            if place.replace(header.value).is_some() {
                return None;
            }
        }
        host.is_some_and(intake::is_host).then_some(head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_heads_are_read_and_all_others_left() {
        let read = |text: &str| Head::read(text.as_bytes()).map(|head| (head.target.to_owned(), head.bodiless, head.length));
        let usual = "GET /api/a?b=c HTTP/1.1\r\nHost: a.example\r\nConnection: Keep-Alive\r\nX: y\r\n\r\n";
        assert_eq!(read(&format!("{usual}GET")), Some(("/api/a?b=c".to_owned(), false, usual.len())));
        assert_eq!(read("HEAD / HTTP/1.1\r\nhost: a:1\r\n\r\n"), Some(("/".to_owned(), true, 30)));
        for line in [
            "Connection: close",
            "Connection: keep-alive, upgrade",
            "Content-Length: 0",
            "content-length: 5",
            "Transfer-Encoding: chunked",
            "Expect: 100-continue",
            "Upgrade: h2c",
            "Host: b.example",
            "Bad name: x",
            " folded",
        ] {
            assert_eq!(read(&usual.replace("X: y", line)), None, "{line}");
        }
        for (from, to) in [
            ("GET", "POST"),
            ("GET", "get"),
            ("HTTP/1.1", "HTTP/1.0"),
            ("HTTP/1.1", "HTTP/2.0"),
            ("a.example", "a/b"),
            ("Host", "Most"),
            ("\r\n\r\n", "\r\n"),
        ] {
            assert_eq!(read(&usual.replace(from, to)), None, "{to}");
        }
        let twice = |name: &str| usual.replace("X: y", &format!("{name}: a\r\n{name}: b"));
        for name in ["Accept-Encoding", "If-None-Match", "Origin"] {
            assert_eq!(read(&twice(name)), None, "{name}");
        }
        assert_eq!(read(&usual.replace("X: y\r\n", &"X: y\r\n".repeat(MOST_HEADERS))), None);
    }
}
