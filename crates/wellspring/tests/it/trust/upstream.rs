//! Every way in which an upstream may fail: what was good stays, at once, and the next good answer is taken.

use std::fmt::Write as _;

use crate::support::client;
use crate::support::origin::{Answer, Origin};
use crate::support::program::{Program, write_config};
use crate::support::tix;

use super::{Hits, judge, judge_time, long, ms, p99};

/// A fault, and what is said of it.
struct Fault {
    name: &'static str,
    /// None where nobody listens any more.
    answer: Option<Answer>,
    code: &'static str,
}

fn fault(name: &'static str, answer: Answer, code: &'static str) -> Fault {
    Fault { name, answer: Some(answer), code }
}

fn faults() -> Vec<Fault> {
    let good = || Answer::html(tix::page(&["Up", "Heat"]));
    let many: String = (0..100_000).fold(String::new(), |mut text, n| {
        let _ = write!(text, "h{n}: 1\r\n");
        text
    });
    let garbage: Vec<u8> = (0..4_096_u32).map(|n| u8::try_from(n * 7_919 % 251).unwrap()).collect();
    let wide: Vec<u8> = tix::page(&["Up"]).encode_utf16().flat_map(u16::to_le_bytes).collect();
    vec![
        Fault { name: "refuses", answer: None, code: "upstream_unreachable" },
        fault("resets before the head", Answer::vanish(), "upstream_unreachable"),
        fault("closes before the head", Answer::close(), "upstream_unreachable"),
        fault("closes in the head", Answer::raw("HTTP/1.1 200 OK\r\ncontent-ty"), "upstream_unreachable"),
        fault("resets in the body", good().reset(), "upstream_unreachable"),
        fault("announces more than comes", good().truncated(), "upstream_unreachable"),
        fault("leaves out the last chunk", good().unfinished(), "upstream_unreachable"),
        fault("hangs before the head", Answer::hang(), "timeout"),
        fault("hangs in the head", Answer::stall("HTTP/1.1 200 OK\r\ncontent-type: te"), "timeout"),
        fault("hangs in the body", Answer::stall("HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n<ul"), "timeout"),
        fault("drips", Answer::drip(), "timeout"),
        fault("never ends", Answer::endless(), "body_too_large"),
        fault("announces terabytes", Answer::raw("HTTP/1.1 200 OK\r\ncontent-length: 99999999999999\r\n\r\n"), "body_too_large"),
        fault("500", good().with_status(500), "upstream_status"),
        fault("502", good().with_status(502), "upstream_status"),
        fault("503 with Retry-After", good().with_status(503).header("retry-after", "3600"), "upstream_status"),
        fault("429 with Retry-After", good().with_status(429).header("retry-after", "3600"), "upstream_status"),
        fault("403", good().with_status(403), "upstream_status"),
        fault("404", good().with_status(404), "upstream_status"),
        fault("204", Answer::status(204), "extract_failed"),
        fault("206 unasked", good().with_status(206), "upstream_status"),
        fault("304 unasked", Answer::status(304), "upstream_status"),
        fault("200 with garbage", Answer::ok(garbage), "extract_failed"),
        fault("200 with nothing", Answer::html(""), "extract_failed"),
        fault("the list emptied", tix::films(&[]), "gate_failed"),
        fault("a captcha with 200", Answer::html("<title>Are you human?</title><div id=captcha></div>"), "gate_failed"),
        fault("a redirect loop", Answer::redirect(302, "/"), "bad_redirect"),
        fault("a redirect to a metadata address", Answer::redirect(302, "http://169.254.169.254/latest/"), "address_refused"),
        fault("a redirect to a file", Answer::redirect(302, "file:///etc/passwd"), "bad_redirect"),
        fault("a picture", Answer::ok(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec()).header("content-type", "image/png"), "extract_failed"),
        fault("JSON instead", Answer::json("{\"error\": \"quota\"}"), "extract_failed"),
        fault("a wrong charset", Answer::html(wide), "extract_failed"),
        fault("no gzip under its name", good().header("content-encoding", "gzip"), "upstream_unreachable"),
        fault("a coding nobody asked for", good().header("content-encoding", "compress"), "upstream_unreachable"),
        fault("headers without end", Answer::flood("x-flood: yes\r\n".repeat(100)), "upstream_unreachable"),
        fault("100,000 headers", Answer::raw(format!("HTTP/1.1 200 OK\r\n{many}\r\n")), "upstream_unreachable"),
        fault("HTTP/0.9", Answer::raw(tix::page(&["Up"])), "upstream_unreachable"),
        fault("TLS where none is expected", Answer::raw(b"\x15\x03\x01\x00\x02\x02\x28".to_vec()), "upstream_unreachable"),
    ]
}

/// Reads a source until its refresh has ended, and so often at least.
async fn reading(server: &Program, path: &str, least: usize, hits: &mut Hits, expected: &[&str]) -> String {
    let address = server.address;
    let refresh = format!("{path}/refresh");
    let mut refreshing = wellspring::lifecycle::spawn(async move { client::post(address, &refresh, &[]).await });
    let mut made = 0;
    let mut ended = None;
    while ended.is_none() || made < least {
        assert_eq!(hits.hit(path).await.items("title"), expected, "{path}");
        made += 1;
        if ended.is_none() {
            tokio::select! {
                biased;
                reply = &mut refreshing => ended = Some(reply.unwrap()),
                () = std::future::ready(()) => {}
            }
        }
    }
    let reply = ended.unwrap();
    assert_eq!(reply.status, 200, "{path}");
    reply.degraded()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warm_source_serves_on_through_every_fault() {
    let faults = faults();
    let mut config = "[server]\nlisten = \"127.0.0.1:0\"\n[store]\nurl = \"memory:\"\n[fetch]\nallow_private = true\nrobots = false\n\
         timeout = \"700ms\"\ndeadline = \"2s\"\n"
        .to_owned();
    let mut origins = Vec::new();
    for n in 0..faults.len() {
        // Each on a port, so a host, of its own: what one does rests no other.
        let origin = Origin::start().await;
        origin.script("/", tix::films(&["Dune", "Big"]));
        config += &tix::source(&format!("s{n}"), &origin, "/", "fresh_for = \"6d\"\nmin_interval = \"0s\"\nwarm = false");
        origins.push(origin);
    }
    let folder = tempfile::tempdir().unwrap();
    write_config(folder.path(), &config);
    let server = Program::serve(folder.path());
    let least = if long() { 1_000 } else { 100 };
    let mut quiet = Hits::of(server.address).await;
    let mut during = Hits::of(server.address).await;
    let mut wrong = Vec::new();
    for (n, (fault, origin)) in faults.iter().zip(origins).enumerate() {
        let path = format!("/api/s{n}");
        assert_eq!(server.get(&path).await.items("title"), ["Dune", "Big"]);
        for _ in 0..least {
            quiet.hit(&path).await;
        }
        let address = origin.address();
        let origin = if let Some(answer) = &fault.answer {
            origin.script("/", answer.clone());
            Some(origin)
        } else {
            drop(origin);
            None
        };
        let code = reading(&server, &path, least, &mut during, &["Dune", "Big"]).await;
        let origin = match origin {
            Some(origin) => origin,
            None => Origin::start_again(address).await,
        };
        origin.script("/", tix::films(&["Up"]));
        let recovered = server.post(&format!("{path}/refresh")).await;
        let mended = recovered.member("force_refreshed") == true && recovered.degraded().is_empty();
        if code != fault.code || !mended {
            wrong.push(format!("{}: {code:?}, not {:?}; recovered: {mended}", fault.name, fault.code));
        }
        assert_eq!(server.get(&path).await.items("title"), ["Up"], "{}", fault.name);
    }
    let (total, whole) = (faults.len(), faults.len() - wrong.len());
    assert_eq!(wrong, Vec::<String>::new());
    let figure = format!("{whole} of {total}, {} hits all 200", during.took.len());
    judge("T3", "faults served through, named and recovered from", &figure, "25, all", whole == total && total >= 25);
    let (quiet, during) = (p99(&mut quiet.took), p99(&mut during.took));
    judge_time("T3", "hit p99 during them", &format!("{} beside {} quiet", ms(during), ms(quiet)), "2 × quiet", during <= 2 * quiet);
}
