//! `GET /metrics`: what the server counts, for Prometheus and whoever reads its format.
//!
//! Labelled by source and never by key: keys come with readers, and a label that readers choose has no bound.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::response::{IntoResponse as _, Response};
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue, VARY};
use wellspring_core::moment::Moment;

use super::Site;
use super::crowd::{Crowd, Reason};
use super::headers::{Caching, lines};
use crate::engine::Engine;
use crate::engine::catalog::Source;
use crate::engine::crew::Replicas;
use crate::engine::reads::Read;
use crate::engine::tally::{Counted, Held};
use crate::lifecycle;
use crate::store::{Health, Partner};
use exposition::{Format, Page};

mod exposition;
mod process;

/// Who counts connections, so that they can be added up here: each lane its own, without another count on the way of a hit.
#[derive(Debug, Default)]
pub struct Gauges {
    /// One a lane, set when they are started; not told before.
    pub connections: OnceLock<Vec<Arc<AtomicUsize>>>,
}

impl Gauges {
    fn connections(&self) -> Option<u64> {
        let open: usize = self.connections.get()?.iter().map(|lane| lane.load(Ordering::Relaxed)).sum();
        u64::try_from(open).ok()
    }
}

/// Answers in the format that the scraper likes best. Looked up where blocking is allowed: a scrape of many keys, or of a disk that
/// hangs, holds up no refresh.
pub async fn answer(site: &Site, request: &HeaderMap) -> Response {
    let format = Format::of(lines(request, ACCEPT));
    let (engine, gauges, crowd) = (site.engine.clone(), Arc::clone(&site.gauges), Arc::clone(&site.crowd));
    let now = engine.clock().now();
    let made = site.walks.work(move |_| page(&engine, &gauges, &crowd, now, format)).await;
    let mut response = match made {
        Ok(text) => text.into_response(),
        Err(undone) => return undone.problem().into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
    headers.insert(CACHE_CONTROL, Caching::Never.header());
    headers.insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    response
}

/// The whole page.
fn page(engine: &Engine, gauges: &Gauges, crowd: &Crowd, now: Moment, format: Format) -> String {
    let mut page = Page::new(format);
    page.info("wellspring_build", "Which version runs.", &[("version", env!("CARGO_PKG_VERSION"))]);
    let catalog = engine.catalog();
    let sources: Vec<Told<'_>> = catalog.sources().map(|source| Told::of(source, now)).collect();
    counted(&mut page, &sources);
    held(&mut page, &sources);
    store(&mut page, engine);
    replicas(&mut page, engine, &sources, now);
    browser(&mut page, engine);
    let open = [
        ("wellspring_connections", "Connections of clients that are open.", gauges.connections()),
        ("wellspring_streams", "Event streams that are open.", u64::try_from(engine.listeners()).ok()),
        ("wellspring_tasks", "Tasks that are alive, beside those of connections.", u64::try_from(lifecycle::tasks()).ok()),
    ];
    for (name, help, value) in open {
        page.gauge(name, help, value.map(whole));
    }
    let mut refused = page.counter("wellspring_connections_refused", "Connections that were not taken, by why.");
    for reason in Reason::ALL {
        refused.of(&[("reason", reason.as_str())], crowd.refused(reason));
    }
    process::tell(&mut page);
    page.end()
}

/// A source and what is told of it.
struct Told<'a> {
    source: &'a Source,
    counted: Counted,
    held: Held,
}

impl<'a> Told<'a> {
    fn of(source: &'a Source, now: Moment) -> Self {
        Self { source, counted: source.tally.counted(), held: Held::of(source, now.mono) }
    }
}

/// What has only ever risen since the server started.
fn counted(page: &mut Page, sources: &[Told<'_>]) {
    let mut reads = page.counter("wellspring_reads", "Reads of a source, by what they found.");
    for told in sources {
        for read in Read::ALL {
            reads.of(&[("source", told.source.name()), ("result", read.as_str())], told.source.reads.of(read));
        }
    }
    let help = "Refreshes that ended, by how: stored, confirmed, cancelled, or the code of a failure.";
    let mut refreshes = page.counter("wellspring_refreshes", help);
    for told in sources {
        for (outcome, count) in &told.counted.outcomes {
            refreshes.of(&[("source", told.source.name()), ("outcome", outcome)], *count);
        }
    }
    let mut messages = page.counter("wellspring_notifications", "Messages about a source to [[notify]], by outcome: delivered or failed.");
    for told in sources {
        for (outcome, count) in &told.counted.told {
            messages.of(&[("source", told.source.name()), ("outcome", outcome)], *count);
        }
    }
    let mut took =
        page.histogram("wellspring_refresh_duration_seconds", "How long refreshes took from their turn on, failed ones included.");
    for told in sources {
        took.of(&[("source", told.source.name())], &told.counted.took);
    }
}

/// What is held now.
fn held(page: &mut Page, sources: &[Told<'_>]) {
    type Look = fn(&Told<'_>) -> Option<f64>;
    let gauges: [(&str, &str, Look); 11] = [
        ("wellspring_refreshes_in_flight", "Refreshes that run.", |t| Some(whole(t.held.in_flight))),
        ("wellspring_refreshes_queued", "Refreshes that wait for their turn.", |t| Some(whole(t.held.queued))),
        ("wellspring_snapshot_age_seconds", "Age of the oldest snapshot that is held.", |t| Some(t.held.oldest?.as_secs_f64())),
        ("wellspring_fresh_for_seconds", "How long a snapshot is fresh; a day where that ends at a time of day.", |t| {
            Some(t.source.recipe.spec.policy.period().as_secs_f64())
        }),
        ("wellspring_snapshot_items", "Items of all snapshots that are held.", |t| Some(whole(t.held.items))),
        ("wellspring_snapshot_bytes", "The same as JSON, in bytes.", |t| Some(whole(t.held.bytes))),
        ("wellspring_keys", "Keys that are held.", |t| Some(whole(t.held.keys))),
        ("wellspring_keys_degraded", "Keys whose last refresh failed or was refused.", |t| Some(whole(t.held.degraded))),
        ("wellspring_keys_stale", "Keys whose snapshot is stale or expired.", |t| Some(whole(t.held.stale))),
        ("wellspring_last_success_timestamp_seconds", "When a refresh of any key last succeeded.", |t| {
            Some(t.held.last_success?.as_duration().as_secs_f64())
        }),
        ("wellspring_max_stale_seconds", "From which age on a snapshot is expired; absent where it never is.", |t| {
            Some(t.source.recipe.spec.policy.max_stale?.as_secs_f64())
        }),
    ];
    for (name, help, look) in gauges {
        page.gauges(name, help, sources.iter().filter_map(|told| Some((told.source.name(), look(told)?))));
    }
}

fn store(page: &mut Page, engine: &Engine) {
    let store = engine.store();
    let figures = store.figures();
    page.gauge(
        "wellspring_store_up",
        "1 where everything that was answered is durable.",
        Some(whole(u64::from(store.durability() == Health::Ok))),
    );
    page.counter("wellspring_store_errors", "How often the store failed, tries to mend it included.").of(&[], figures.errors);
    page.gauge("wellspring_store_bytes", "What the store takes on disk.", figures.bytes.map(whole));
    let help = "How long the store took to make results durable.";
    page.histogram("wellspring_store_write_duration_seconds", help).of(&[], &engine.writes());
}

/// Those that share the store, where it is shared.
fn replicas(page: &mut Page, engine: &Engine, sources: &[Told<'_>], now: Moment) {
    let Some(Replicas { seen, partner, .. }) = engine.replicas() else { return };
    let there = u64::try_from(seen.len()).ok().filter(|there| *there > 0);
    page.gauge("wellspring_replicas", "Servers that share the store and are there, this one among them.", there.map(whole));
    let mut taken = page.counter("wellspring_refreshes_taken_over", "Results of other replicas that are served here.");
    for told in sources {
        taken.of(&[("source", told.source.name())], told.counted.taken);
    }
    let Some(Partner { away_since, waiting }) = partner else { return };
    let is_up = u64::from(away_since.is_none());
    page.gauge("wellspring_store_shared_up", "1 where the shared store can be reached and takes writes.", Some(whole(is_up)));
    let alone = away_since.map_or(Duration::ZERO, |since| now.wall.duration_since(since).try_into().unwrap_or_default());
    page.gauge("wellspring_store_alone_seconds", "For how long it has been out of reach.", Some(alone.as_secs_f64()));
    let help = "Keys that were refreshed alone and wait to be told to it.";
    page.gauge("wellspring_store_keys_waiting", help, u64::try_from(waiting).ok().map(whole));
}

fn browser(page: &mut Page, engine: &Engine) {
    let figures = engine.outward();
    page.gauge("wellspring_browser_running", "1 while a browser runs.", Some(whole(u64::from(figures.browser_running))));
    page.counter("wellspring_browser_starts", "Browsers that were started.").of(&[], figures.browser_starts);
    page.gauge("wellspring_browser_pages_in_flight", "Pages that are open in it.", Some(f64::from(figures.pages)));
}

/// A whole number as the format's only kind: exact up to 2⁵³.
#[expect(clippy::cast_precision_loss, reason = "what is counted here stays below 2^53, and a graph would not show the difference")]
fn whole(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_told_once_somebody_counts_them() {
        let gauges = Gauges::default();
        assert_eq!(gauges.connections(), None);
        gauges.connections.set([2, 3].map(AtomicUsize::new).map(Arc::new).to_vec()).unwrap();
        assert_eq!(gauges.connections(), Some(5));
    }
}
