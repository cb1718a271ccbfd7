//! TLS, with names and certificates of our own making. A proxy's tunnel leads every name to a server here; what the process trusts
//! comes from its environment, so these tests run in processes of their own.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use wellspring::lifecycle;

use super::*;

const AUTHORITY: &str = "WELLSPRING_TEST_AUTHORITY_KEY";

/// An authority that tests trust: its key makes it anew in a child, its certificate is what the child is told to trust.
fn authority(key: KeyPair) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, key).unwrap()
}

/// A server with a certificate for one name, which answers over whatever version was agreed on, and says which.
async fn server(authority: &CertifiedIssuer<'static, KeyPair>, name: &str, valid_until: i32, alpn: &[&str]) -> SocketAddr {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2000, 1, 1);
    params.not_after = rcgen::date_time_ymd(valid_until, 1, 1);
    let certificate = params.signed_by(&key, authority).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    lifecycle::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            let service = service_fn(|request: http::Request<hyper::body::Incoming>| async move {
                let mut response = http::Response::new(format!("{:?} {}", request.version(), request.uri().path()));
                if request.uri().path() == "/down" {
                    *response.status_mut() = http::StatusCode::FOUND;
                    response.headers_mut().insert("location", "http://public.example/".parse().unwrap());
                }
                Ok::<_, Infallible>(response)
            });
            let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            let io = TokioIo::new(stream);
            lifecycle::spawn(async move {
                if h2 {
                    drop(hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(io, service).await);
                } else {
                    drop(hyper::server::conn::http1::Builder::new().serve_connection(io, service).await);
                }
            });
        }
    });
    address
}

/// A server that greets in plain text whoever comes.
async fn plain() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    lifecycle::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"220 smtp.example ready\r\n").await.unwrap();
        // The client hangs up first.
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    });
    address
}

/// What comes of `https://public.example` and a path where that name leads to `to`.
async fn by_tunnel(to: SocketAddr, path: &str) -> String {
    let proxy = Origin::start().await;
    proxy.script("public.example:443", Answer::tunnel(to));
    let request = Request { proxy: Some(Filled::plain(proxy.url(""))), url: secret(&format!("https://public.example{path}")), ..get("") };
    match strict(&[]).fetch(&request).await {
        Ok(Fetched::Body(response)) => String::from_utf8_lossy(&response.body).into_owned(),
        Ok(other) => format!("{other:?}"),
        Err(error) => format!("{}: {error}", error.failure().code),
    }
}

#[tokio::test]
async fn what_the_system_trusts_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let authority = authority(KeyPair::generate().unwrap());
    let file = folder.path().join("authority.pem");
    std::fs::write(&file, authority.pem()).unwrap();
    let (file, key) = (file.to_str().unwrap(), authority.key().serialize_pem());
    in_a_child("fetch::tls::with_a_trusted_authority", &[("SSL_CERT_FILE", file), (AUTHORITY, &key)]).await;
}

#[tokio::test]
#[ignore = "a child of `what_the_system_trusts_is_trusted`"]
async fn with_a_trusted_authority() {
    let authority = authority(KeyPair::from_pem(&variable(AUTHORITY)).unwrap());
    let both = ["h2", "http/1.1"];
    let good = server(&authority, "public.example", 4000, &both).await;
    let logged = Logged::start();
    assert_eq!(by_tunnel(good, "/?k=${KEY}").await, "HTTP/2.0 /");
    let text = logged.text();
    assert!(text.contains("h2::") && !text.contains(CANARY), "{text}");
    drop(logged);
    assert_eq!(by_tunnel(good, "/a").await, "HTTP/2.0 /a");
    assert_eq!(by_tunnel(server(&authority, "public.example", 4000, &["http/1.1"]).await, "/a").await, "HTTP/1.1 /a");
    assert_eq!(by_tunnel(server(&authority, "public.example", 4000, &[]).await, "/a").await, "HTTP/1.1 /a");
    insta::assert_snapshot!(by_tunnel(good, "/down").await, @"bad_redirect: public.example: it redirects from https to http");
    insta::assert_snapshot!(by_tunnel(server(&authority, "public.example", 2001, &both).await, "/").await, @"tls_failed: public.example: its certificate has expired");
    insta::assert_snapshot!(by_tunnel(server(&authority, "other.example", 4000, &both).await, "/").await, @"tls_failed: public.example: its certificate is for another name");
    insta::assert_snapshot!(by_tunnel(plain().await, "/").await, @"tls_failed: public.example: it does not speak TLS on this port");
}

/// A bare container has no certificates at all.
#[tokio::test]
async fn without_any_roots_the_built_in_ones_serve() {
    in_a_child("fetch::tls::with_no_roots", &[("SSL_CERT_FILE", "/nowhere/at/all.pem")]).await;
}

#[tokio::test]
#[ignore = "a child of `without_any_roots_the_built_in_ones_serve`"]
async fn with_no_roots() {
    let unknown = authority(KeyPair::generate().unwrap());
    let address = server(&unknown, "public.example", 4000, &["h2"]).await;
    insta::assert_snapshot!(by_tunnel(address, "/").await, @"tls_failed: public.example: its certificate is signed by nobody this machine trusts");
}

#[tokio::test]
async fn a_proxy_that_refuses_a_tunnel_is_named() {
    let proxy = Origin::start().await;
    proxy.script("public.example:443", Answer::status(403));
    let request = Request { proxy: Some(Filled::plain(proxy.url(""))), ..get("https://public.example/") };
    let said = strict(&[]).fetch(&request).await.unwrap_err().to_string();
    insta::assert_snapshot!(said.replace(&proxy.address().to_string(), "PROXY"), @r#"public.example: by the proxy PROXY: it opened no tunnel (unsuccessful)"#);
}
