//! What a listener does not know yet, as events.

use std::fmt::Write as _;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use wellspring_core::failure::Failure;
use wellspring_core::key::Key;
use wellspring_core::moment::Moment;

use super::asked::Asked;
use crate::engine::Engine;
use crate::engine::catalog::Catalog;
use crate::engine::cell::Cell;
use crate::engine::status::Glance;

/// The keys of one listener.
#[derive(Debug)]
pub(super) struct News {
    asked: Asked,
    /// Found in the catalog in force.
    heard: Vec<Heard>,
}

/// A key that is listened to.
#[derive(Debug)]
struct Heard {
    asked: Box<str>,
    key: Key,
    /// As it was told last; `None` where nobody has asked for the key yet.
    cell: Option<Arc<Cell>>,
}

/// `snapshot`: a key has a new revision.
#[derive(Serialize)]
struct Snapshot<'a> {
    source: &'a str,
    key: &'a str,
    asked: &'a str,
    revision: u64,
    count: u32,
    /// Seconds.
    age: Option<f64>,
}

/// `status`: the phase, the last check or what is wrong has changed.
#[derive(Serialize)]
struct Told<'a> {
    source: &'a str,
    key: Option<&'a str>,
    asked: &'a str,
    freshness: &'static str,
    phase: &'static str,
    refreshing: bool,
    revision: Option<u64>,
    checked_at: Option<Timestamp>,
    /// Seconds.
    age: Option<f64>,
    /// Seconds from now; negative since it is stale.
    fresh_for: Option<f64>,
    degraded: Option<Value>,
}

impl News {
    pub(super) fn new(asked: Asked) -> Self {
        Self { asked, heard: Vec::new() }
    }

    /// Adds what a listener does not know that knows all up to the change of this number.
    pub(super) fn tell(&mut self, engine: &Engine, since: Option<u64>, text: &mut String) {
        // Before a reload nothing was as it is now: whoever knows only that is told all of it.
        let moved = engine.catalog_changed();
        let since = since.filter(|since| *since >= moved);
        let now = engine.clock().now();
        let catalog = engine.catalog();
        if since.is_none() || self.heard.is_empty() {
            self.find(&catalog, text);
        }
        for heard in &mut self.heard {
            heard.tell(&catalog, since, now, text);
        }
    }

    /// Finds the keys in a new catalog, and says which of them have gone with the old one.
    fn find(&mut self, catalog: &Catalog, text: &mut String) {
        let before = std::mem::take(&mut self.heard);
        match &self.asked {
            Asked::All => {
                let default = |name: &str| catalog.source(name).and_then(|source| source.recipe.spec.default_key());
                for gone in before.iter().filter(|heard| default(heard.key.source()).is_none()) {
                    told(text, gone.key.source(), None, &gone.asked, &Glance::absent("gone"));
                }
                let names = catalog.sources().map(|source| source.name());
                self.heard = names.filter_map(|name| Some(Heard { asked: name.into(), key: default(name)?, cell: None })).collect();
            }
            Asked::These(words) => {
                for word in words {
                    match word.key(catalog) {
                        Ok(key) => self.heard.push(Heard { asked: word.text.as_str().into(), key, cell: None }),
                        Err(_) => told(text, word.source(), None, &word.text, &Glance::absent("gone")),
                    }
                }
            }
        }
    }
}

impl Heard {
    fn tell(&mut self, catalog: &Catalog, since: Option<u64>, now: Moment, text: &mut String) {
        let knows = |number: u64| since.is_some_and(|since| number <= since);
        let source = self.key.source();
        // Asked of the catalog only where that may say something new: a thousand listeners do this at each change.
        if self.cell.as_ref().is_none_or(|cell| !knows(cell.changed.state()) && cell.is_retired()) {
            let was_held = self.cell.is_some();
            self.cell = catalog.source(source).and_then(|source| source.cell(self.key.as_str()));
            if self.cell.is_none() && since.is_some() && !was_held {
                return;
            }
        }
        if self.cell.as_ref().is_some_and(|cell| knows(cell.changed.state())) {
            return;
        }
        let Some(cell) = &self.cell else { return told(text, source, Some(&self.key), &self.asked, &Glance::absent("idle")) };
        let glance = Glance::of(cell, now);
        if let Some((revision, count)) = glance.served
            && !knows(cell.changed.revision())
        {
            let key = self.key.as_str();
            event(text, "snapshot", &Snapshot { source, key, asked: &self.asked, revision, count, age: glance.age_seconds });
        }
        told(text, source, Some(&self.key), &self.asked, &glance);
    }
}

fn told(text: &mut String, source: &str, key: Option<&Key>, asked: &str, glance: &Glance) {
    let degraded = |failure: &Failure| json!({ "code": failure.code.as_str(), "message": failure.message });
    let told = Told {
        source,
        key: key.map(Key::as_str),
        asked,
        freshness: glance.freshness,
        phase: glance.phase,
        refreshing: glance.refreshing,
        revision: glance.served.map(|(revision, _)| revision),
        checked_at: glance.checked_at,
        age: glance.age_seconds,
        fresh_for: glance.fresh_for_seconds,
        degraded: glance.degraded.as_ref().map(degraded),
    };
    event(text, "status", &told);
}

fn event(text: &mut String, name: &str, data: &impl Serialize) {
    // JSON as it is written here has no line breaks, which would end the field.
    let data = serde_json::to_string(data).unwrap_or_default();
    let _infallible = write!(text, "event: {name}\ndata: {data}\n\n");
}
