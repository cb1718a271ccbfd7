//! Slow sites with something new at every visit.

use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::get;
use http::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;

use super::posters::poster;
use crate::lifecycle::Tasks;

const FILMS: [&str; 20] = [
    "The Long Tide",
    "Paper Lanterns",
    "Seventh Station",
    "A Winter of Bees",
    "Glass Orchard",
    "The Cartographer's Silence",
    "Monsoon Radio",
    "Nine Doors Down",
    "Salt and Static",
    "The Understudy",
    "Kite Season",
    "Low Orbit",
    "The Last Typesetter",
    "Mangrove",
    "Afterimage",
    "Halfway to Harbour",
    "The Ferry at Dusk",
    "Quiet Engines",
    "Banyan",
    "Two Moons Over Bandung",
];
const EVENTS: [&str; 12] = [
    "Night Market of Sound",
    "Open Studio Weekend",
    "Batik in Motion",
    "Harbour Jazz",
    "Comics & Coffee Fair",
    "The Shadow Play Marathon",
    "Street Food Congress",
    "Gamelan Reimagined",
    "Robotics Day",
    "Poetry Under the Bridge",
    "Retro Games Expo",
    "City Half Marathon",
];
const SEARCHES: [&str; 14] = [
    "weather tomorrow",
    "train timetable",
    "rice price",
    "football results",
    "lunar eclipse",
    "school holidays",
    "exchange rate",
    "new phone",
    "concert tickets",
    "fried noodles recipe",
    "traffic now",
    "volcano status",
    "job fair",
    "film schedule",
];

/// A site that takes its time.
#[derive(Clone, Debug)]
struct Site {
    visits: Arc<AtomicU32>,
    delay: RangeInclusive<Duration>,
}

/// Serves the three sites until the task is dropped.
pub(super) async fn serve(listener: TcpListener, delay: RangeInclusive<Duration>) {
    let site = Site { visits: Arc::default(), delay };
    let router = Router::new()
        .route("/", get(|State(site): State<Site>| async move { page(&site, films).await }))
        .route("/tix-events/", get(|State(site): State<Site>| async move { page(&site, events).await }))
        .route("/trending/rss", get(|State(site): State<Site>| async move { page(&site, trends).await }))
        // At once: what is slow about such a site is its list.
        .route("/posters/{name}", get(poster))
        .route("/events/{name}", get(poster))
        .with_state(site);
    let mut connections = Tasks::default();
    while let Ok((stream, _)) = listener.accept().await {
        let service = TowerToHyperService::new(router.clone());
        connections.spawn(async move {
            // A visitor that leaves early is no matter of the site's.
            let _ = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn page(site: &Site, write: fn(usize) -> (&'static str, String)) -> impl IntoResponse + use<> {
    let visit = site.visits.fetch_add(1, Ordering::Relaxed);
    // Every visit takes another time, all within the range, the same ones in every demo.
    let spread = site.delay.end().saturating_sub(*site.delay.start());
    tokio::time::sleep(*site.delay.start() + spread * (visit * 37 % 101) / 100).await;
    let (content_type, text) = write(visit as usize);
    ([(CONTENT_TYPE, HeaderValue::from_static(content_type))], text)
}

fn films(visit: usize) -> (&'static str, String) {
    let mut slides = String::new();
    for title in FILMS.iter().cycle().skip(visit).take(18) {
        let slug = title.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        let _infallible = writeln!(
            slides,
            "<li class=\"glide__slide\"><a href=\"/movie-detail/{slug}\" title=\"{title}\"><img src=\"/posters/{slug}.webp\" alt=\"{title}\"><span>{title}</span></a></li>"
        );
    }
    ("text/html; charset=utf-8", format!("<!doctype html><title>Now showing</title><ul class=\"glide__slides\">\n{slides}</ul>\n"))
}

fn events(visit: usize) -> (&'static str, String) {
    let mut slides = String::new();
    for title in EVENTS.iter().cycle().skip(visit).take(10) {
        let slug = title.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        let alt = title.replace('&', "&amp;");
        let _infallible = writeln!(
            slides,
            "<div class=\"swiper-slide\"><a href=\"/event/{slug}\"><img src=\"/events/{slug}.webp\" alt=\"{alt}\"></a></div>"
        );
    }
    ("text/html; charset=utf-8", format!("<!doctype html><title>Events</title><div class=\"swiper-wrapper\">\n{slides}</div>\n"))
}

fn trends(visit: usize) -> (&'static str, String) {
    let mut items = String::new();
    for (rank, query) in SEARCHES.iter().cycle().skip(visit).take(12).enumerate() {
        let traffic = ["200K+", "100K+", "50,000+", "20,000+", "5000+"][rank.min(4)];
        let _infallible = writeln!(items, "<item><title>{query}</title><ht:approx_traffic>{traffic}</ht:approx_traffic></item>");
    }
    let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<rss version=\"2.0\" xmlns:ht=\"https://trends.google.com/trending/rss\"><channel><title>Daily Search Trends</title>";
    ("application/rss+xml", format!("{head}\n{items}</channel></rss>\n"))
}
