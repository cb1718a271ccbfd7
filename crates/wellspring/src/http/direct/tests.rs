use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::tz::TimeZone;
use tokio::io::AsyncReadExt as _;
use tokio::sync::watch;

use super::super::pace::{LEAST, SPAN};
use super::*;
use crate::clock::SystemClock;
use crate::engine::collect::Bounds;
use crate::engine::extraction::Extractor;
use crate::engine::limits::PerHost;
use crate::engine::{Engine, Parts, Settings, worker};
use crate::fetch::http::{HttpFetcher, Options};
use crate::http::admin::Admission;
use crate::http::headers::Cors;
use crate::http::proxies::Proxies;
use crate::http::render::Renderer;
use crate::http::{Stage, crowd};
use crate::store::Retention;
use crate::store::memory::MemoryStore;

/// A server without sources, that nobody runs.
fn site() -> Site {
    let fetcher = Arc::new(HttpFetcher::new(&Options::default()).unwrap());
    let extractor = Arc::new(Extractor::workers(worker::Options::new("/proc/self/exe".into())).unwrap());
    let parts = Parts { store: Arc::new(MemoryStore::new(Retention::default())), fetcher, clock: Arc::new(SystemClock), extractor };
    let bounds = Bounds {
        timeout: FIRST,
        max_body: 1,
        per_host: PerHost { at_once: 1, gap: Duration::ZERO },
        proxy: None,
        robots: false,
        agent: String::new(),
    };
    let caps = crowd::Bounds { connections: None, per_address: 1, streams: 1 };
    Site {
        engine: Engine::new(parts, Settings { bounds, at_once: 1, pages: 1 }),
        renderer: Arc::new(Renderer::new(TimeZone::UTC)),
        cors: Arc::new(Cors::Any),
        places: Arc::default(),
        walks: Arc::default(),
        afloat: Arc::default(),
        compared: Arc::default(),
        coder: Arc::default(),
        access_log: None,
        base: crate::http::base::BasePath::default(),
        proxies: Arc::default(),
        crowd: Arc::new(crowd::Crowd::new(caps, Arc::<Proxies>::default())),
        admission: Arc::new(ArcSwap::from_pointee(Admission { token: None, listen: ([127, 0, 0, 1], 0).into(), hosts: Vec::new() })),
        documents: Arc::default(),
        gauges: Arc::default(),
        exports: Arc::default(),
        // Without its sender, which is as if it drained: a test has one of its own.
        stage: watch::channel(Stage::Serving).1,
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_takes_little_is_given_up_however_steadily_and_a_slow_one_is_not() {
    for (part, is_borne) in [(0, false), (1, false), (LEAST / 4, false), (LEAST, true)] {
        let (stage, watched) = watch::channel(Stage::Serving);
        let site = Site { stage: watched, ..site() };
        let (mut ours, mut theirs) = tokio::io::duplex(LEAST);
        let mut out = Out::default();
        out.bytes = vec![b'x'; 12 * LEAST];
        let mut unsent = Unsent::default();
        unsent.send(&out, &mut ours, &mut Context::from_waker(std::task::Waker::noop())).unwrap();
        let client = [127, 0, 0, 1].into();
        let mut direct = direct(&mut ours, &site, client);
        direct.unsent = unsent;
        let takes = async {
            let mut space = vec![0; part];
            for _ in 0..8 {
                sleep(SPAN * 9 / 10).await;
                theirs.read_exact(&mut space).await.unwrap();
            }
        };
        tokio::select! {
            left = go_on(direct) => assert!(left.is_none() && !is_borne, "{part}"),
            () = takes => assert!(is_borne, "nobody waits four minutes for eight times {part} bytes"),
        }
        drop(stage);
    }
}

#[tokio::test(start_paused = true)]
async fn who_never_asks_is_given_up() {
    let (_stage, watched) = watch::channel(Stage::Serving);
    let site = Site { stage: watched, ..site() };
    let (mut ours, _theirs) = tokio::io::duplex(8);
    let given_up = serve(&mut ours, &site, [127, 0, 0, 1].into());
    assert_eq!(tokio::time::timeout(FIRST + Duration::from_secs(1), given_up).await, Ok(None));
}
