//! Bodies: whole or not at all, and never more than allowed.

use super::*;
use crate::support::origin::Coding;

const CODINGS: [Coding; 4] = [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd];

#[tokio::test]
async fn compressed_bodies_are_read() {
    for coding in CODINGS {
        assert_eq!(check(Answer::ok("plain").compressed(coding)).await, r#"200 None "plain""#, "{coding:?}");
        assert_eq!(check(Answer::ok("plain").compressed(coding).chunked()).await, r#"200 None "plain""#, "{coding:?}");
    }
}

#[tokio::test]
async fn trap_limit_applies_after_decompression() {
    for coding in CODINGS {
        let bomb = Answer::bomb(coding, 32 << 20);
        let said = check(bomb).await;
        assert_eq!(
            said, "Permanent body_too_large: 127.0.0.1:PORT sent more than 1048576 bytes after decompression (`max_body`)",
            "{coding:?}"
        );
    }
}

#[tokio::test]
async fn the_limit_is_exact() {
    let origin = Origin::start().await;
    let fetcher = strict(&[&origin]);
    let sent = |answer: Answer, max_body: u64| {
        origin.script("/", answer);
        let request = Request { max_body, ..get(origin.url("/")) };
        let fetcher = &fetcher;
        async move { fetcher.fetch(&request).await.is_ok() }
    };
    for answer in
        [Answer::ok(vec![b'x'; 1000]), Answer::ok(vec![b'x'; 1000]).chunked(), Answer::ok(vec![b'x'; 1000]).compressed(Coding::Gzip)]
    {
        assert!(sent(answer.clone(), 1000).await);
        assert!(!sent(answer, 999).await);
    }
    assert!(sent(Answer::ok(""), 0).await);
}

/// An announced length over the limit is believed at once; the body is not waited for.
#[tokio::test]
async fn an_announced_length_is_judged_before_the_body() {
    let huge = Answer::raw("HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n");
    assert!(check(huge).await.starts_with("Permanent body_too_large"));
}

#[tokio::test]
async fn an_endless_body_ends_at_the_limit() {
    assert!(check(Answer::endless()).await.starts_with("Permanent body_too_large"));
}

#[tokio::test]
async fn trap_half_a_body_is_none() {
    insta::assert_snapshot!(check(Answer::ok("0123456789").truncated()).await, @r#"Retryable upstream_unreachable: 127.0.0.1:PORT: the connection closed before the whole answer had arrived"#);
    insta::assert_snapshot!(check(Answer::ok("0123456789").unfinished()).await, @r#"Retryable upstream_unreachable: 127.0.0.1:PORT: the connection closed before the whole answer had arrived"#);
    insta::assert_snapshot!(check(Answer::ok("0123456789").reset()).await, @r#"Retryable upstream_unreachable: 127.0.0.1:PORT: the connection was reset"#);
    let text = (0..2000).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
    for coding in CODINGS {
        // The transfer is whole, what was compressed is not.
        let said = check(Answer::ok(text.clone()).compressed(coding).halved()).await;
        assert!(said.starts_with("Retryable upstream_unreachable: 127.0.0.1:PORT: its body cannot be decompressed"), "{coding:?}: {said}");
        let said = check(Answer::ok(text.clone()).compressed(coding).truncated()).await;
        assert!(said.starts_with("Retryable upstream_unreachable: 127.0.0.1:PORT: the connection closed"), "{coding:?}: {said}");
    }
}

#[tokio::test]
async fn what_is_not_http_is_told() {
    insta::assert_snapshot!(check(Answer::raw("SSH-2.0-OpenSSH\r\n")).await, @r#"Retryable upstream_unreachable: 127.0.0.1:PORT: its answer is no valid HTTP"#);
    insta::assert_snapshot!(check(Answer::raw("")).await, @r#"Retryable upstream_unreachable: 127.0.0.1:PORT: the connection closed before the whole answer had arrived"#);
    insta::assert_snapshot!(check(Answer::close()).await, @r#"Retryable upstream_unreachable: 127.0.0.1:PORT: the connection closed before the whole answer had arrived"#);
    insta::assert_snapshot!(check(Answer::ok("not gzip").header("content-encoding", "gzip")).await, @r#"Retryable upstream_unreachable: 127.0.0.1:PORT: its body cannot be decompressed: Invalid gzip header"#);
    insta::assert_snapshot!(check(Answer::ok("?").header("content-encoding", "compress")).await, @r#"Retryable upstream_unreachable: 127.0.0.1:PORT: its body is encoded as compress, which was not asked for"#);
    insta::assert_snapshot!(check(Answer::ok("fine").header("content-encoding", "identity")).await, @r#"200 None "fine""#);
    let many = (0..100_000).map(|n| format!("h{n}: 1")).collect::<Vec<_>>().join("\r\n");
    insta::assert_snapshot!(check(Answer::raw(format!("HTTP/1.1 200 OK\r\n{many}\r\n\r\n"))).await, @r#"Retryable upstream_unreachable: 127.0.0.1:PORT: the head of its answer is too large"#);
    let long = "x".repeat(1 << 20);
    insta::assert_snapshot!(check(Answer::raw(format!("HTTP/1.1 200 OK\r\nh: {long}\r\n\r\n"))).await, @r#"Retryable upstream_unreachable: 127.0.0.1:PORT: the head of its answer is too large"#);
}

const BOMBS: &str = "WELLSPRING_TEST_BOMBS";

/// Decoders that ask for the largest window they may, included.
#[tokio::test]
async fn bombs_take_little_memory() {
    let origin = Origin::start().await;
    let size = 64 << 20;
    for coding in CODINGS {
        origin.script(&format!("/{coding:?}"), Answer::bomb(coding, size));
    }
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(27).unwrap();
    std::io::copy(&mut std::io::Read::take(std::io::repeat(0), size as u64), &mut encoder).unwrap();
    origin.script("/window", Answer::ok(encoder.finish().unwrap()).header("content-encoding", "zstd"));
    in_a_child("fetch::bodies::defusing_bombs", &[(BOMBS, &origin.url(""))]).await;
    assert_eq!(origin.total(), 5);
}

#[tokio::test]
#[ignore = "a child of `bombs_take_little_memory`"]
async fn defusing_bombs() {
    let fetcher = HttpFetcher::guarded(Guard::new(true), USER_AGENT).unwrap();
    let before = peak_kib();
    for name in CODINGS.map(|coding| format!("{coding:?}")).iter().map(String::as_str).chain(["window"]) {
        let request = Request { max_body: 8 << 20, ..get(format!("{}/{name}", variable(BOMBS))) };
        let error = fetcher.fetch(&request).await.unwrap_err();
        assert!(matches!(error, FetchError::TooLarge { .. }), "{name}: {error}");
        let grown = peak_kib() - before;
        println!("{name}: at most {grown} KiB so far");
        assert!(grown < 64 << 10, "{name}: {grown} KiB");
    }
}

/// The most memory this process ever held.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:").or_else(|| line.strip_prefix("VmRSS:"))).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
