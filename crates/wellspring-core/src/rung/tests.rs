use proptest::prelude::*;

use super::*;
use crate::failure::Kind;

const PLAIN_FIRST: &[Rung] = &[Rung::Http, Rung::Browser];
const BROWSER_FIRST: &[Rung] = &[Rung::Browser, Rung::Http];

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

/// Refreshes of a page that only a browser can read, so many seconds apart: whether plain HTTP was tried, each.
fn refreshes(gaps: &[i64]) -> Vec<bool> {
    let (mut rungs, mut now) = (Rungs::default(), at(0));
    let refresh = |gap: &i64| {
        now += SignedDuration::from_secs(*gap);
        let ladder = rungs.ladder(0, Render::Auto, now);
        let served = ladder.iter().position(|rung| *rung == Rung::Browser).unwrap();
        rungs = rungs.after(0, &ladder[..=served], now);
        ladder == PLAIN_FIRST
    };
    gaps.iter().map(refresh).collect()
}

#[test]
fn the_configuration_decides_where_it_says() {
    let rungs = Rungs::default().after(0, PLAIN_FIRST, at(0));
    for known in [Rungs::default(), rungs] {
        assert_eq!(known.ladder(0, Render::Never, at(1)), [Rung::Http]);
        assert_eq!(known.ladder(0, Render::Always, at(1)), [Rung::Browser]);
    }
}

#[test]
fn what_a_browser_served_is_rendered_at_once_until_the_eighth_or_a_day_later() {
    let plain = |gap: i64, count: usize| -> String { refreshes(&vec![gap; count]).iter().map(|p| if *p { 'p' } else { '-' }).collect() };
    assert_eq!(plain(60, 18), "p-------p-------p-");
    assert_eq!(plain(6 * 3_600, 9), "p---p---p");
    assert_eq!(plain(24 * 3_600, 3), "ppp");
}

#[test]
fn plain_http_that_serves_ends_the_matter() {
    let rendered = Rungs::default().after(0, PLAIN_FIRST, at(0));
    assert_eq!(rendered.ladder(0, Render::Auto, at(1)), BROWSER_FIRST);
    assert_eq!(rendered.ladder(1, Render::Auto, at(1)), PLAIN_FIRST, "another alternative is another matter");
    // The browser failed, and the page turned out to be static.
    let plain = rendered.after(0, BROWSER_FIRST, at(1));
    assert!(plain.is_empty());
    assert_eq!(plain.ladder(0, Render::Auto, at(2)), PLAIN_FIRST);
    // Another alternative serves for once: what is known of this one stays.
    let other = rendered.after(1, &[Rung::Http], at(1));
    assert_eq!((other.served(), other.ladder(0, Render::Auto, at(2))), (Rung::Http, BROWSER_FIRST));
}

#[test]
fn a_clock_that_was_set_back_keeps_nobody_from_plain_http() {
    let rendered = Rungs::default().after(0, PLAIN_FIRST, at(1_000_000));
    assert_eq!(rendered.ladder(0, Render::Auto, at(0)), PLAIN_FIRST);
}

#[test]
fn it_is_stored_as_little_as_there_is_to_remember() {
    let json = |rungs: &Rungs| serde_json::to_string(rungs).unwrap();
    assert_eq!(json(&Rungs::default()), "{}");
    assert_eq!(json(&Rungs::of(Rung::Browser)), r#"{"served":"browser"}"#);
    let rungs = Rungs::default().after(2, PLAIN_FIRST, at(0)).after(2, &[Rung::Browser], at(60));
    assert_eq!(json(&rungs), r#"{"served":"browser","rendered":{"2":{"tried_at":"2023-11-14T22:13:20Z","since":1}}}"#);
    assert_eq!(serde_json::from_str::<Rungs>(&json(&rungs)).unwrap(), rungs);
}

#[test]
fn another_means_helps_against_what_is_no_fault_of_the_host() {
    let helps = |code| may_help(&Failure::retryable(code, ""));
    for code in [Code::GateFailed, Code::ExtractFailed, Code::BrowserMissing, Code::BrowserFailed, Code::PageFailed, Code::WaitFailed] {
        assert!(helps(code), "{code}");
    }
    for code in [
        Code::UpstreamStatus,
        Code::Timeout,
        Code::DnsFailed,
        Code::RobotsRefused,
        Code::AddressRefused,
        Code::CaptureFailed,
        Code::HostResting,
    ] {
        assert!(!helps(code), "{code}");
    }
}

#[test]
fn a_failure_tells_of_every_means_and_decides_by_the_browsers() {
    let few = Failure::retryable(Code::GateFailed, "min_items: 0 items, at least 1 are needed");
    let missing =
        Failure::permanent(Code::BrowserMissing, "a browser is needed to render a.example, and there is none: apt install chromium");
    let never = Failure::retryable(Code::WaitFailed, "`li` never appeared");
    let down = Failure::retryable(Code::Timeout, "a.example did not answer");
    let check = |failed: &[(Rung, &Failure)]| {
        let joined = joined(failed).unwrap();
        (joined.kind, joined.code, joined.message)
    };
    let words = "plain HTTP: min_items: 0 items, at least 1 are needed; a browser is needed to render a.example, and there is none: apt install chromium";
    assert_eq!(check(&[(Rung::Http, &few), (Rung::Browser, &missing)]), (Kind::Permanent, Code::BrowserMissing, words.to_owned()));
    let words = "in a browser: `li` never appeared; plain HTTP: min_items: 0 items, at least 1 are needed";
    assert_eq!(check(&[(Rung::Browser, &never), (Rung::Http, &few)]), (Kind::Retryable, Code::WaitFailed, words.to_owned()));
    assert_eq!(check(&[(Rung::Browser, &missing), (Rung::Http, &down)]).1, Code::Timeout);
    assert_eq!(check(&[(Rung::Http, &few)]), (few.kind, few.code, few.message.clone()));
    assert_eq!(joined(&[]), None);
    assert!(!joined(&[(Rung::Http, &few), (Rung::Browser, &missing)]).unwrap().is_final(), "it is tried again by itself");
}

proptest! {
    #[test]
    fn plain_http_is_never_forgotten_and_never_asked_too_often(gaps in prop::collection::vec(1_i64..100_000, 1..60)) {
        let plain = refreshes(&gaps);
        for window in plain.windows(8) {
            prop_assert!(window.contains(&true), "{gaps:?} {plain:?}");
        }
        let mut since = i64::MAX / 2;
        let mut count = 0;
        for (gap, plain) in gaps.iter().zip(&plain) {
            since += gap;
            count += 1;
            prop_assert_eq!(*plain, since >= 24 * 3_600 || count == 8, "{} s, {} refreshes", since, count);
            if *plain {
                (since, count) = (0, 0);
            }
        }
    }
}
