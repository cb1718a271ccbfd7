//! What a key is at a glance: fresh, stale, expired or without data; refreshing; degraded. In words and shapes, never in colour alone.

use jiff::Timestamp;
use maud::{Markup, html};
use wellspring_core::freshness::Freshness;
use wellspring_core::moment::Moment;
use wellspring_core::policy::RefreshMode;
use wellspring_core::source::SourceSpec;

use super::Viewer;
use super::words::{ago, ahead};
use crate::engine::Engine;
use crate::engine::cell::Cell;
use crate::engine::hot::Content;
use crate::engine::status::Status;

/// One key at one moment.
pub(super) struct Glance {
    pub(super) freshness: Freshness,
    pub(super) refreshing: bool,
    pub(super) status: Status,
    pub(super) content: Option<Content>,
    /// When it turns stale, or turned.
    pub(super) stale_at: Option<Timestamp>,
    /// When its freshness changes next by itself.
    pub(super) turns_at: Option<Timestamp>,
}

/// How urgently somebody should look, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Urgency {
    /// It fails, and what it had is too old or never was.
    Broken,
    /// It fails, and serves what it had.
    Failing,
    /// It is too old, and nothing has failed.
    Expired,
    /// Nobody has asked for it yet.
    Empty,
    /// Its next read refreshes it.
    Stale,
    /// It is being refreshed.
    Refreshing,
    /// All is well.
    Well,
}

impl Glance {
    pub(super) fn of(engine: &Engine, cell: &Cell, now: Moment) -> Self {
        let status = engine.status(cell, now);
        let inner = cell.lock();
        let horizon = inner.state.standing.as_ref().map(|standing| standing.horizon);
        let freshness = inner.state.freshness(now.mono);
        let wall = |at| {
            let ahead = jiff::SignedDuration::try_from(now.mono.until(at)).unwrap_or_default();
            let behind = jiff::SignedDuration::try_from(now.mono.since(at)).unwrap_or_default();
            now.wall.checked_add(ahead).and_then(|at| at.checked_sub(behind)).ok()
        };
        let turns = horizon.and_then(|horizon| match freshness {
            Freshness::Fresh => Some(horizon.stale_at),
            Freshness::Stale => horizon.expired_at,
            Freshness::Expired | Freshness::Absent => None,
        });
        Self {
            freshness,
            refreshing: inner.state.is_refreshing(),
            content: inner.content.clone(),
            stale_at: horizon.and_then(|horizon| wall(horizon.stale_at)),
            turns_at: turns.and_then(wall),
            status,
        }
    }

    /// What the stream's `status` would say, for the script: where it says something else, something has changed.
    pub(super) fn sign(&self) -> String {
        let status = &self.status;
        let or = |text: Option<String>| text.unwrap_or_default();
        let revision = or(status.revision.map(|revision| revision.to_string()));
        let checked = or(status.checked_at.map(|at| at.to_string()));
        format!("{revision}|{}|{checked}|{}", status.phase, or(status.last_error.as_ref().map(|error| error.message.clone())))
    }

    pub(super) fn is_degraded(&self) -> bool {
        self.status.last_error.is_some()
    }

    pub(super) fn urgency(&self) -> Urgency {
        let serves = matches!(self.freshness, Freshness::Fresh | Freshness::Stale);
        match (self.is_degraded(), self.freshness) {
            (true, _) if !serves => Urgency::Broken,
            (true, _) => Urgency::Failing,
            (false, Freshness::Expired) => Urgency::Expired,
            (false, _) if self.refreshing => Urgency::Refreshing,
            (false, Freshness::Absent) => Urgency::Empty,
            (false, Freshness::Stale) => Urgency::Stale,
            (false, Freshness::Fresh) => Urgency::Well,
        }
    }

    /// Its state as a class of styles.
    pub(super) fn class(&self) -> &'static str {
        if self.is_degraded() {
            return "is-degraded";
        }
        match self.freshness {
            Freshness::Fresh => "is-fresh",
            Freshness::Stale => "is-stale",
            Freshness::Expired => "is-expired",
            Freshness::Absent => "is-absent",
        }
    }

    /// Its state in words with their shapes.
    pub(super) fn badges(&self) -> Markup {
        let (class, word, meaning) = match self.freshness {
            Freshness::Fresh => ("fresh", "Fresh", "younger than its period"),
            Freshness::Stale => ("stale", "Stale", "older than its period; served, and refreshed by the next read"),
            Freshness::Expired => ("expired", "Expired", "older than it may be; still served, and marked"),
            Freshness::Absent => ("absent", "No data yet", "no refresh has succeeded so far"),
        };
        html! {
            ul.badges {
                li.badge.(class) title=(meaning) { (shape(class)) (word) }
                @if self.refreshing {
                    li.badge.refreshing title="a refresh is queued or runs" { (shape("refreshing")) "Refreshing" }
                }
                @if self.is_degraded() {
                    li.badge.degraded title="the last refresh failed; the last good data are served" { (shape("degraded")) "Degraded" }
                }
            }
        }
    }

    /// When it was checked, when it turns, and what happens next.
    pub(super) fn facts(&self, viewer: &Viewer<'_>, spec: &SourceSpec) -> Markup {
        let now = viewer.now.wall;
        html! {
            dl.facts {
                div {
                    dt { "Checked" }
                    dd {
                        @match self.status.checked_at { Some(at) => (ago(at, now, &viewer.told(at))), None => "never" }
                        @if let Some(name) = &self.status.refreshed_by { ", refreshed by " bdi { (name) } }
                    }
                }
                div {
                    @match (self.stale_at, self.freshness) {
                        (Some(at), Freshness::Fresh) => { dt { "Turns stale" } dd { (ahead(at, now, &viewer.told(at))) } }
                        (Some(at), _) => { dt { "Turned stale" } dd { (ago(at, now, &viewer.told(at))) } }
                        (None, _) => { dt { "Turns stale" } dd { "–" } }
                    }
                }
                div { dt { "Next refresh" } dd { (self.next(viewer, spec)) } }
                div { dt { "Items" } dd { @match self.status.items { Some(items) => (items), None => "–" } } }
            }
        }
    }

    fn next(&self, viewer: &Viewer<'_>, spec: &SourceSpec) -> Markup {
        let now = viewer.now.wall;
        html! {
            @match (self.status.phase, self.status.next_attempt, self.freshness) {
                ("queued", ..) => "waits for its turn",
                _ if self.refreshing => "running now",
                (_, Some(at), _) => (ahead(at, now, &viewer.told(at))),
                ("disabled", ..) => "not by itself",
                (_, _, Freshness::Fresh) if spec.policy.mode == RefreshMode::Always => {
                    @if let Some(at) = self.stale_at { (ahead(at, now, &viewer.told(at))) }
                },
                (_, _, Freshness::Fresh) => "on demand",
                _ => "by the next read",
            }
        }
    }

    /// Why the last refresh failed.
    pub(super) fn trouble(&self, viewer: &Viewer<'_>) -> Markup {
        let Some(error) = &self.status.last_error else { return html! {} };
        html! {
            p.trouble {
                strong { "The last refresh failed" }
                @if let Some(at) = error.at { " " (ago(at, viewer.now.wall, &viewer.told(at))) }
                ": " bdi { (error.message.trim_end_matches('.')) }
                @if self.status.failures > 1 { " (" (self.status.failures) " times in a row)" }
                "."
                @if self.content.is_some() { " What was there before is still served." }
            }
        }
    }
}

/// A shape for each state. It stands beside the word, so nobody hears of it.
pub(super) fn shape(state: &str) -> Markup {
    html! {
        svg.shape viewBox="0 0 16 16" width="14" height="14" aria-hidden="true" focusable="false" {
            @match state {
                "fresh" => { circle cx="8" cy="8" r="7" class="full" {} path d="M4.6 8.3l2.3 2.4 4.5-5" class="cut" {} },
                "stale" => { circle cx="8" cy="8" r="6" class="line" {} path d="M8 2a6 6 0 0 1 0 12z" class="full" {} },
                "expired" => { circle cx="8" cy="8" r="6" class="line" {} path d="M8 4.5V8l2.5 2" class="line" {} },
                "refreshing" => { circle cx="8" cy="8" r="6" class="faint" {} path d="M8 2a6 6 0 0 1 6 6" class="line" {} },
                "degraded" => { path d="M8 1.5l7 13H1z" class="full" {} path d="M8 6v4M8 12v.6" class="cut" {} },
                _ => { circle cx="8" cy="8" r="6" class="dashes" {} },
            }
        }
    }
}
