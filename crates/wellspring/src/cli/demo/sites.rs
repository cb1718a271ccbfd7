//! Slow sites with something new at every visit.

use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use axum::routing::get;
use http::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;

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
        .route("/posters/{film}", get(|Path(film): Path<String>| async move { picture(&film, 2) }))
        .route("/events/{event}", get(|Path(event): Path<String>| async move { picture(&event, 5) }))
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

/// A poster, always the same for the same name: two colours, a sun or a few hills, and no waiting.
fn picture(name: &str, salt: u32) -> impl IntoResponse + use<> {
    let seed = name.bytes().fold(salt, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
    let hue = seed % 360;
    let (far, near) = ((hue + 40) % 360, (hue + 200) % 360);
    let (x, y, r) = (30 + seed / 7 % 60, 40 + seed / 11 % 50, 14 + seed / 13 % 20);
    let (left, right) = (95 + seed / 17 % 40, 95 + seed / 19 % 40);
    let svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 120 180\"><defs><linearGradient id=\"a\" x2=\"0\" y2=\"1\">\
         <stop stop-color=\"hsl({hue} 45% 30%)\"/><stop offset=\"1\" stop-color=\"hsl({far} 70% 68%)\"/></linearGradient></defs>\
         <rect width=\"120\" height=\"180\" fill=\"url(#a)\"/><circle cx=\"{x}\" cy=\"{y}\" r=\"{r}\" fill=\"hsl({far} 90% 86%)\"/>\
         <path d=\"M0 {left}Q40 {} 70 {right}T120 {left}V180H0z\" fill=\"hsl({near} 35% 34%)\" opacity=\".75\"/>\
         <path d=\"M0 {}Q50 {} 120 {}V180H0z\" fill=\"hsl({near} 40% 20%)\"/></svg>",
        left - 40,
        right + 30,
        right - 5,
        left + 35
    );
    ([(CONTENT_TYPE, HeaderValue::from_static("image/svg+xml"))], svg)
}
