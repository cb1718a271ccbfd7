//! Pages that would keep a browser for themselves: each comes to an end in its time, and the next page is rendered as if nothing were.

use wellspring::clock::Clock as _;

use super::*;

/// A page that is met, and what comes of it.
struct Meeting {
    name: &'static str,
    answer: Answer,
    page: Page,
    /// How long it is given, in milliseconds.
    within: u64,
    /// What its document, or the error, has in it.
    gives: &'static str,
}

/// How much later than its deadline a page may end, with the machine as busy as it likes to be.
const GRACE: Duration = Duration::from_secs(5);

fn waiting(selector: &str) -> Page {
    Page { wait_for: Some(selector.to_owned()), ..Page::default() }
}

fn met(name: &'static str, script: &str, page: Page, within: u64, gives: &'static str) -> Meeting {
    Meeting { name, answer: scripted(script), page, within, gives }
}

/// Renders each, and a normal page after it.
async fn check(origin: &Origin, lab: &Lab, meetings: Vec<Meeting>) {
    origin.script("/normal", scripted("setTimeout(() => document.querySelector('ul').innerHTML = '<li>Normal</li>', 50)"));
    // Started before anything is timed.
    lab.render(&origin.url("/normal"), waiting("li")).await.unwrap();
    for Meeting { name, answer, page, within, gives } in meetings {
        let path = format!("/{}", name.replace(' ', "-"));
        origin.script(&path, answer);
        let mut hostile = request(&origin.url(&path), page);
        hostile.within = Duration::from_millis(within);
        let started = SystemClock.mono();
        let got = lab.browser.render(&hostile).await;
        let took = SystemClock.mono().since(started);
        let got = got.map_or_else(|error| error.to_string(), |rendered| document(&rendered));
        let mut next = request(&origin.url("/normal"), waiting("li"));
        next.within = Duration::from_secs(10);
        let next = lab.browser.render(&next).await;
        // How far a page comes that never rests depends on the machine: any of the words that tell so will do.
        let never_rests = ["its scripts never rest", "never appeared", "was not ready in time", "did not open it in time"];
        let is_told = got.contains(gives) || (gives == never_rests[0] && never_rests.iter().any(|words| got.contains(words)));
        assert!(is_told, "{name}: {got}");
        assert!(took < hostile.within + GRACE, "{name} took {took:?}");
        let next = next.unwrap_or_else(|error| panic!("after {name}: {error}"));
        assert!(document(&next).contains("<li>Normal</li>"), "after {name}: {}", document(&next));
    }
}

/// Fills the list.
const LIST: &str = "document.querySelector('ul').innerHTML = '<li>There</li>';";

#[tokio::test]
async fn pages_that_never_rest_are_read_when_they_show_what_is_wanted() {
    let origin = Origin::start().await;
    origin.hold("/hangs");
    origin.script("/poll", Answer::json("{}"));
    let Some(lab) = Lab::open(&[&origin]).await else { return };
    let expecting = || Page { expects: Some("li".to_owned()), ..Page::default() };
    let list = |rest: &str| format!("setTimeout(() => {{ {LIST} }}, 100);{rest}");
    let polls = "const poll = () => fetch('/poll').then(poll); poll();";
    let hangs = "fetch('/hangs'); document.head.append(Object.assign(document.createElement('script'), { src: '/hangs' }));";
    let frame = "document.body.append(Object.assign(document.createElement('iframe'), { src: '/hangs' }));";
    let many = "for (let i = 0; i < 10000; i++) fetch('/poll?' + i).catch(() => 0);";
    check(
        &origin,
        &lab,
        vec![
            met("polls for ever", &list(polls), waiting("li"), 5_000, "There"),
            met("polls for ever without a word on when it is ready", &list(polls), expecting(), 10_000, "There"),
            met("has a script that hangs", &list(hangs), waiting("li"), 3_000, "There"),
            met("has a frame that hangs", &list(frame), waiting("li"), 3_000, "There"),
            met("has a frame that is missing", &list(&frame.replace("/hangs", "/missing")), expecting(), 10_000, "There"),
            // The browser may run out of memory by it, and is another one for the next page.
            met("asks ten thousand times", &list(many), waiting("li"), 6_000, ""),
            met("changes its address", &list("history.pushState({}, '', '/elsewhere')"), waiting("li"), 3_000, "There"),
        ],
    )
    .await;
    lab.close().await;
}

#[tokio::test]
async fn scripts_that_never_end_are_ended() {
    let origin = Origin::start().await;
    let Some(lab) = Lab::open(&[&origin]).await else { return };
    let late = "setTimeout(() => { while (true); }, 300)";
    let storm = "const again = () => Promise.resolve().then(again); again()";
    check(
        &origin,
        &lab,
        vec![
            met("loops at once", "while (true);", waiting("li"), 1_600, "its scripts never rest"),
            met("loops a little later", late, waiting("li"), 1_600, "its scripts never rest"),
            met("loops when nothing is waited for", "while (true);", Page::default(), 1_600, "its scripts never rest"),
            met("storms", storm, waiting("li"), 1_600, "could not be rendered"),
        ],
    )
    .await;
    lab.close().await;
}

#[tokio::test]
async fn what_eats_memory_meets_its_limit() {
    let origin = Origin::start().await;
    let Some(lab) = Lab::open(&[&origin]).await else { return };
    let eats = |what: &str| format!("const held = []; const eat = () => {{ {what}; setTimeout(eat) }}; eat()");
    check(
        &origin,
        &lab,
        vec![
            met("eats arrays", &eats("held.push(new Array(1e6).fill({}))"), waiting("li"), 8_000, "could not be rendered"),
            met("eats buffers", &eats("held.push(new Uint8Array(16 << 20).fill(7))"), waiting("li"), 1_500, "127.0.0.1"),
            met(
                "eats strings",
                &eats("held.push('x'.repeat(1e6 + held.length).split('').reverse().join(''))"),
                waiting("li"),
                1_500,
                "127.0.0.1",
            ),
            met(
                "eats a document",
                &eats(
                    "const all = document.createElement('div'); all.innerHTML = '<p><b>x</b></p>'.repeat(50000); document.body.append(all)",
                ),
                waiting("li"),
                2_000,
                "127.0.0.1",
            ),
        ],
    )
    .await;
    lab.close().await;
}

#[tokio::test]
async fn pages_that_go_elsewhere_are_followed_as_long_as_there_is_time() {
    let origin = Origin::start().await;
    origin.script("/second", scripted(LIST));
    origin.script("/ping", Answer::html("<script>location = '/pong'</script>"));
    origin.script("/pong", Answer::html("<script>location = '/ping'</script>"));
    let Some(lab) = Lab::open(&[&origin]).await else { return };
    let replaces = "setTimeout(() => document.documentElement.replaceChildren(), 100);
      setTimeout(() => { document.open(); document.write('<ul><li>There</li></ul>'); document.close() }, 300)";
    let unloads = "onbeforeunload = e => { e.preventDefault(); e.returnValue = 'stay' }; setTimeout(() => location = '/second', 100)";
    check(
        &origin,
        &lab,
        vec![
            met("goes on late", "setTimeout(() => location = '/second', 500)", waiting("li"), 10_000, "There"),
            met("goes to and fro for ever", "location = '/ping'", waiting("li"), 2_500, "its scripts never rest"),
            met("reloads for ever", "location.reload()", Page::default(), 2_500, "its scripts never rest"),
            met("replaces everything", replaces, waiting("li"), 10_000, "There"),
            met("goes to nothing", "location = 'about:blank'", waiting("li"), 2_500, "`li` never appeared"),
            met("goes to data", "location = 'data:text/html,<li>There</li>'", waiting("li"), 2_500, "`li` never appeared"),
            met("goes to a script", "location = 'javascript:\"<ul><li>There</li></ul>\"'", waiting("li"), 2_500, "There"),
            met("asks to stay", unloads, waiting("li"), 10_000, "There"),
        ],
    )
    .await;
    lab.close().await;
}

#[tokio::test]
async fn what_asks_a_person_or_opens_things_gets_no_answer() {
    let origin = Origin::start().await;
    origin.script(
        "/file",
        Answer::ok("bytes").header("content-disposition", "attachment; filename=a.bin").header("content-type", "application/octet-stream"),
    );
    origin.script(
        "/worker.js",
        Answer::ok(
            "onfetch = e => e.respondWith(new Response('<li>Worker</li>', {headers: {'content-type': 'text/html'}}));
        oninstall = () => skipWaiting(); onactivate = e => e.waitUntil(clients.claim())",
        )
        .header("content-type", "text/javascript"),
    );
    let Some(lab) = Lab::open(&[&origin]).await else { return };
    let download = "const a = document.createElement('a'); a.href = '/file'; a.download = 'a.bin'; a.click(); location = '/file';";
    let worker =
        format!("navigator.serviceWorker.register('/worker.js').then(() => navigator.serviceWorker.ready).then(() => {{ {LIST} }})");
    let sockets = format!("for (let i = 0; i < 200; i++) new WebSocket('ws://{}/socket?' + i); {LIST}", origin.address());
    let calls = format!(
        "for (let i = 0; i < 200; i++) {{ const c = new RTCPeerConnection(); c.createDataChannel('x'); c.createOffer().then(o => c.setLocalDescription(o)) }} {LIST}"
    );
    check(
        &origin,
        &lab,
        vec![
            met("says something", &format!("alert('a'); if (confirm('b') || prompt('c')) throw 1; {LIST}"), waiting("li"), 10_000, "There"),
            met("says something for ever", "while (true) alert('a')", waiting("li"), 1_300, "its scripts never rest"),
            met("downloads", &format!("{download} setTimeout(() => {{ {LIST} }}, 300)"), waiting("li"), 10_000, "There"),
            met("opens windows", &format!("for (let i = 0; i < 100; i++) open('/normal?' + i); {LIST}"), waiting("li"), 10_000, "There"),
            met("prints", &format!("print(); {LIST}"), waiting("li"), 10_000, "There"),
            met("opens sockets", &sockets, waiting("li"), 10_000, "There"),
            met("keeps a worker", &worker, waiting("li"), 10_000, "There"),
            met("closes itself", "window.close(); self.close()", waiting("li"), 1_300, "`li` never appeared"),
            met("demands full screen", &format!("document.documentElement.requestFullscreen().catch(() => 0); navigator.geolocation.getCurrentPosition(() => 0); Notification.requestPermission(); {LIST}"), waiting("li"), 10_000, "There"),
            met("calls", &calls, waiting("li"), 10_000, "There"),
        ],
    )
    .await;
    lab.close().await;
}
