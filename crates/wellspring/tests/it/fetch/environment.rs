//! A proxy in the environment is none of ours.

use super::*;

const TARGET: &str = "WELLSPRING_TEST_TARGET";
const PROXIES: [&str; 6] = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

#[tokio::test]
async fn trap_a_proxy_in_the_environment_is_ignored() {
    let (origin, proxy) = (Origin::start().await, Origin::start().await);
    origin.script("/", Answer::ok("x"));
    let (target, address) = (origin.url("/"), proxy.url(""));
    let mut environment = vec![(TARGET, target.as_str())];
    environment.extend(PROXIES.map(|name| (name, address.as_str())));
    in_a_child("fetch::environment::as_a_child", &environment).await;
    assert_eq!((origin.count("/"), proxy.connections()), (1, 0));
}

#[tokio::test]
#[ignore = "a child of `trap_a_proxy_in_the_environment_is_ignored`"]
async fn as_a_child() {
    let _ = PROXIES.map(variable);
    let fetcher = HttpFetcher::guarded(Guard::new(true), USER_AGENT).unwrap();
    assert_eq!(body(&fetcher, &get(variable(TARGET))).await.body, "x");
}
