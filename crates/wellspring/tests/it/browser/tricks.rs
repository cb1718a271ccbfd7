//! Address tricks by every way that a page has: gone to, framed, asked for by its elements and scripts, spoken to.

use std::collections::BTreeSet;

use super::*;
use crate::trust::addresses::{canary, tricks};
use crate::trust::judge;

/// Ends when all that was tried has come to an end, or nearly.
const ENDS: &str = "Promise.race([Promise.allSettled(waits), new Promise(done => setTimeout(done, 6000))]).then(() => setTimeout(() =>
    document.querySelector('ul').innerHTML = '<li>There</li>', 500))";

/// A way, and what a page's script does by it with each `t`; what it waits for is pushed to `waits`.
const WAYS: [(&str, &str); 3] = [
    (
        "browser navigation",
        "waits.push(new Promise(done => { const f = document.createElement('iframe'); f.onload = f.onerror = done; f.src = t; document.body.append(f) }))",
    ),
    (
        "subresource",
        "waits.push(fetch(t, { mode: 'no-cors' })); for (const [tag, at] of [['script', 'src'], ['object', 'data'], ['embed', 'src']]) {
         const e = document.createElement(tag); e[at] = t; document.body.append(e) }
         document.head.append(Object.assign(document.createElement('link'), { rel: 'stylesheet', href: t }));
         try { const x = new XMLHttpRequest(); x.open('GET', t); x.send() } catch (e) {}",
    ),
    (
        "WebSocket",
        "waits.push(new Promise(done => { const s = new WebSocket(t.trim().replace(/^h\\s*t\\s*t\\s*p/i, 'ws')); s.onclose = s.onerror = done }))",
    ),
];

fn page(way: &str, tricks: &[String]) -> Answer {
    let list = serde_json::to_string(tricks).unwrap().replace('<', "\\u003c");
    Answer::html(format!(
        "<!doctype html><title>Tries</title><ul></ul><body><script>const waits = [];
         for (const t of {list}) {{ try {{ {way} }} catch (e) {{}} }} {ENDS}</script>"
    ))
}

/// Where the guard lets pages go to the canary (`open`), each way is heard of; where it does not, none.
async fn reached(open: bool) -> Option<Vec<usize>> {
    let _turn = turn().await?;
    let (origin, canary) = (Origin::start().await, canary().await);
    let port = canary.address().port();
    let mut except = vec![origin.address()];
    if open {
        except.push(([127, 0, 0, 1], port).into());
    }
    let browser = Browser::wearing(options()?, Wear::default(), Guard::new(false).except(except), Arc::new(SystemClock)).unwrap();
    let mut heard = Vec::new();
    for (way, script) in WAYS {
        origin.script("/", page(script, &tricks(port)));
        let rendered = browser.render(&request(&origin.url("/"), Page { wait_for: Some("li".to_owned()), ..Page::default() })).await;
        let rendered = rendered.unwrap_or_else(|error| panic!("{way}: {error}"));
        assert!(document(&rendered).contains("<li>There</li>"), "{way}");
        heard.push(canary.connections());
    }
    browser.close().await;
    Some(heard)
}

#[tokio::test(flavor = "multi_thread")]
async fn trust_no_page_reaches_a_private_address_however_written() {
    let count = tricks(1).into_iter().collect::<BTreeSet<_>>().len();
    let Some(heard) = reached(false).await else { return };
    for ((way, _), connections) in WAYS.into_iter().zip(heard) {
        let figure = format!("{count}, {connections} reached a canary");
        judge("T5", &format!("tricks by {way}"), &figure, "150, 0", count >= 150 && connections == 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_would_be_heard_of() {
    let Some(heard) = reached(true).await else { return };
    assert!(heard.is_sorted_by(|a, b| a < b) && heard[0] > 0, "{heard:?}");
}

/// Asked for outright: no browser is sent there.
#[tokio::test(flavor = "multi_thread")]
async fn trust_no_render_goes_to_a_private_address_however_written() {
    let canary = canary().await;
    let Some(lab) = Lab::open(&[]).await else { return };
    let tricks = tricks(canary.address().port());
    for trick in &tricks {
        let error = lab.render(trick, Page::default()).await.unwrap_err();
        assert!(matches!(error, FetchError::Refused { .. } | FetchError::BadAddress(_)), "{trick:?}: {error}");
    }
    let figure = format!("{}, {} reached a canary", tricks.len(), canary.connections());
    judge("T5", "tricks asked of a browser", &figure, "150, 0", tricks.len() >= 150 && canary.connections() == 0);
    lab.close().await;
}
