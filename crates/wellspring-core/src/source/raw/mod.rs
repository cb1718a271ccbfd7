//! The shape of a `[source.NAME]` table as people write it. Doc comments here are what editors show.
//!
//! What is serialized of these shapes is what the rules digest covers: a new key is part of it unless it is marked
//! `skip_serializing`, which is for keys that cannot change which items come out. A key that is absent is no part of it, so
//! that a new one leaves the digests of those who do not use it alone.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::field::{RawField, RawFieldTable, RawParse, RawPlaces};
pub use self::mapping::{RawCalendarMapping, RawFeedMapping};
pub use self::page::RawClick;
pub use self::request::{RawDetails, RawEach, RawEachTable, RawMethod, RawStep, RawTime};
use super::words::{Literal, Period, Size, Table};
use super::{At, Format, Render};
use crate::policy::{HttpCache, RefreshMode};

mod field;
mod mapping;
mod page;
mod request;

/// Makes a source's shape and an alternative's. What stands on the source is the default of its alternatives, so all their keys are
/// the source's too: `decisive` ones say which items come out, `quiet` ones only how they are obtained.
macro_rules! shapes {
    (
        source { $($source:tt)* }
        decisive { $($(#[$decisive_doc:meta])+ $decisive:ident: $decisive_type:ty,)* }
        quiet { $($(#[$quiet_doc:meta])+ $quiet:ident: $quiet_type:ty,)* }
    ) => {
        /// One slow upstream, its rules and its freshness policy. Served as `/api/NAME`.
        #[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        #[schemars(rename = "Source")]
        pub struct RawSource {
            $($source)*
            $($(#[$decisive_doc])+ #[serde(skip_serializing)] pub $decisive: Option<$decisive_type>,)*
            $($(#[$quiet_doc])+ #[serde(skip_serializing)] pub $quiet: Option<$quiet_type>,)*
        }

        /// One way to obtain a source's items.
        #[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        #[schemars(rename = "Alternative")]
        pub struct RawAlternative {
            /// Used only where this variable of the environment is set and not empty; else it is skipped unread.
            #[serde(skip_serializing)]
            pub when_env: Option<At<String>>,
            $($(#[$decisive_doc])+ #[serde(skip_serializing_if = "Option::is_none")] pub $decisive: Option<$decisive_type>,)*
            $($(#[$quiet_doc])+ #[serde(skip_serializing)] pub $quiet: Option<$quiet_type>,)*
        }

        impl RawSource {
            /// An alternative's keys, with the source's own where it has none. A `url` is never taken from the source: it has one
            /// only where it has no alternatives.
            pub fn completing(&self, own: RawAlternative) -> RawAlternative {
                RawAlternative {
                    when_env: own.when_env,
                    $($decisive: own.$decisive.or_else(|| self.$decisive.clone()),)*
                    $($quiet: own.$quiet.or_else(|| self.$quiet.clone()),)*
                }
            }
        }
    };
}

shapes! {
    source {
        /// What it is, in a sentence for people.
        #[serde(skip_serializing)]
        pub description: Option<String>,
        /// How long data stays fresh after it was checked, as `6d`. Either this or `fresh_until`.
        #[serde(skip_serializing)]
        pub fresh_for: Option<At<Period>>,
        /// The time of day at which data turns stale, as `00:00 Asia/Jakarta`. Either this or `fresh_for`.
        #[serde(skip_serializing)]
        #[schemars(extend("examples" = ["00:00 Asia/Jakarta"]))]
        pub fresh_until: Option<At<String>>,
        /// Data older than this is served as `expired`. Without it, old data stays merely stale.
        #[serde(skip_serializing)]
        pub max_stale: Option<At<Period>>,
        /// How long readers wait where there is no data yet (default 8s).
        #[serde(skip_serializing)]
        pub cold_wait: Option<At<Period>>,
        /// The longest one whole refresh may take (default: `[fetch] deadline`).
        #[serde(skip_serializing)]
        pub deadline: Option<At<Period>>,
        /// The shortest time between two forced refreshes of a key (default 10s).
        #[serde(skip_serializing)]
        pub min_interval: Option<At<Period>>,
        /// Whether `POST /api/NAME/refresh` is allowed (default true).
        #[serde(skip_serializing)]
        pub manual_refresh: Option<bool>,
        /// Whether answers carry `cache_age_hours` (default false).
        #[serde(skip_serializing)]
        pub report_age: Option<bool>,
        /// What caches between the server and its readers may do with answers: `revalidate`, ask every time (default), or `shared`,
        /// serve them to others for the rest of the period, as a CDN does.
        #[serde(skip_serializing)]
        pub http_cache: Option<HttpCache>,
        /// When refreshes start: `demand`, when a read finds the data stale (default), or `always`, at expiry too.
        #[serde(skip_serializing)]
        pub refresh: Option<RefreshMode>,
        /// Whether it is fetched at start where it has no data (default true).
        #[serde(skip_serializing)]
        pub warm: Option<bool>,
        /// How many combinations of parameters are held (default 1000).
        #[serde(skip_serializing)]
        pub max_keys: Option<At<usize>>,
        /// What the list is called in the answer (default `items`).
        #[serde(skip_serializing)]
        pub items_key: Option<At<String>>,
        /// What the items are as entries of a feed, for `/api/NAME.rss` and `/api/NAME.atom`.
        #[serde(skip_serializing)]
        pub feed: Option<At<RawFeedMapping>>,
        /// What the items are as events of a calendar, for `/api/NAME.ics`.
        #[serde(skip_serializing)]
        pub calendar: Option<At<RawCalendarMapping>>,
        /// The parameters that a request may give, by name: `{name}` in `url`.
        #[serde(default)]
        pub params: Table<RawParam>,
        /// Alternatives in order: the first that can be used and passes its gate serves. The keys of an alternative that
        /// stand on the source itself are their defaults.
        #[serde(skip_serializing)]
        pub from: Option<At<Vec<At<RawAlternative>>>>,
    }
    decisive {
        /// The address, with `{parameter}` and `${VARIABLE}` filled in. A source with one needs no `from`.
        url: At<String>,
        /// `GET` (default) or, where something is sent, `POST`.
        method: At<RawMethod>,
        /// Headers to send, by name. `${VARIABLE}` and `{parameter}` are filled in.
        headers: Table<At<String>>,
        /// Cookies to send, by name, to the host of `url` only.
        cookies: Table<At<String>>,
        /// JSON to send: a table of whatever the API asks for. Its texts are filled in.
        json: At<Literal>,
        /// A form to send, by name.
        form: Table<At<String>>,
        /// A text to send as it stands.
        body: At<String>,
        /// Requests before the one that gives the items; what they capture fills the places of what follows.
        steps: Vec<At<RawStep>>,
        /// Asks once for each of several values: the name of what a step captured, or a table.
        each: At<RawEach>,
        /// A page of each item, whose fields join the item.
        details: At<RawDetails>,
        /// Moments that fill places, by name: `{today}`.
        times: Table<At<RawTime>>,
        /// How the page that gives the items is obtained: by plain HTTP (`never`, default), by a browser that runs its scripts
        /// (`always`), or by the cheaper of the two that gives the items (`auto`).
        render: At<Render>,
        /// What a rendered page is waited for, once it is clicked and scrolled: a CSS selector that must match. Without it, the page
        /// is given time for its `items`, or until it has loaded and is quiet.
        wait_for: At<String>,
        /// What is clicked in a rendered page, first of all: a CSS selector, or a list of them, one after the other. Each is waited
        /// for.
        click: At<RawClick>,
        /// How often a rendered page is scrolled to its end, for lists that grow as one reads: 1 to 50. It ends where the page grows
        /// no more.
        scroll: At<u32>,
        /// With `render = "always"` and `format = "json"`: the addresses whose JSON, as the page's scripts load it, is read in place
        /// of the page, as `**/api/list*`. `**` stands for anything, `*` for anything but a slash; a query may be left out.
        capture: At<String>,
        /// What the body is read as.
        format: At<Format>,
        /// Where in a page the JSON is: the CSS selector of the element (a script, mostly) that holds it.
        script: At<String>,
        /// Where in a page's scripts the JSON is: the name it is assigned to, as `window.__STATE__`.
        variable: At<String>,
        /// What selects the items: a CSS selector for `html`, JSONPath for `json`, a type for `jsonld`, names of elements for
        /// `xml`. Feeds, calendars and `csv` need none.
        items: At<String>,
        /// An item's fields and where each is found. Without any, JSON items, feed entries and the like are taken whole.
        fields: Table<At<RawField>>,
        /// A jq program that all items go through: an array in, an array out.
        transform: At<String>,
        /// The field by which only the first of equal items stays.
        unique_by: At<String>,
        /// How many items are kept.
        limit: At<usize>,
        /// What separates the columns of `csv` (default: whichever of `,` `;` tab `|` the first line has most of).
        delimiter: At<char>,
        /// Which events of a calendar are items: from how far back (default `1d`).
        back: At<Period>,
        /// Which events of a calendar are items: up to how far ahead (default `365d`).
        ahead: At<Period>,
        /// What a result must be like to replace the last good one.
        expect: RawExpect,
    }
    quiet {
        /// Whether robots.txt is honoured (default: `[fetch] robots`, which is true).
        robots: bool,
        /// Who asks (default: `[fetch] user_agent`).
        user_agent: At<String>,
        /// A proxy of its own. It is exempt from the guard against private addresses.
        proxy: At<String>,
        /// The longest one request may take (default: `[fetch] timeout`).
        timeout: At<Period>,
        /// The largest body after decompression (default: `[fetch] max_body`).
        max_body: At<Size>,
    }
}

impl RawAlternative {
    /// An alternative that says nothing but its address.
    pub fn of_url(url: At<String>) -> Self {
        Self { url: Some(url), ..Self::default() }
    }
}

/// A parameter that a request may give. It says what it takes by `values`, `pattern` or `type`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Parameter")]
pub struct RawParam {
    /// Its value where a request gives none; without one the request must.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<At<Literal>>,
    /// The values it takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values: Option<At<Vec<String>>>,
    /// A regular expression that the whole value must match.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pattern: Option<At<String>>,
    /// What it is, in place of `values` or `pattern`: `integer`, `boolean` or `date`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<At<RawKind>>,
    /// The least integer it takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<At<i64>>,
    /// The most it takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<At<i64>>,
}

/// What a result must be like to replace the last good one.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Expect")]
pub struct RawExpect {
    /// Fewer items than this are refused (default 1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_items: Option<At<u32>>,
    /// A row without one of these fields is dropped; over a fifth dropped, and the result is refused.
    #[serde(default)]
    pub required: Vec<At<String>>,
    /// Whether an empty result is a result (default false).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_empty: Option<bool>,
    /// The largest share of items that may go missing from one snapshot to the next, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_drop: Option<At<f64>>,
}

/// What a parameter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ParameterType", inline)]
pub enum RawKind {
    /// A whole number, between `min` and `max`.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// A day, as `2025-01-23`.
    Date,
}
