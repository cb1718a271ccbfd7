//! The shape of `wellspring.toml` as people write it. Doc comments here are what editors show.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use wellspring_core::source::At;
use wellspring_core::source::raw::RawSource;
use wellspring_core::source::words::{Period, Size, Table};
use wellspring_core::telling::{Change, Receiver};

/// What stands at the top of the file, in the order of the schema. A test holds it equal to [`RawConfig`].
pub(super) const SECTIONS: [&str; 7] = ["use", "server", "store", "fetch", "browser", "notify", "source"];

/// `wellspring.toml`. Files in the folder `sources` beside it hold further `[source.NAME]` tables.
#[derive(JsonSchema)]
#[schemars(rename = "Wellspring", title = "The configuration of Wellspring", deny_unknown_fields)]
#[expect(dead_code, reason = "describes the file to editors; sections are read one by one, so that each can be complained about")]
pub(super) struct RawConfig {
    /// Shipped sources to run beside one's own.
    #[schemars(rename = "use")]
    used: Option<Vec<RawShipped>>,
    /// How clients are served.
    server: Option<RawServer>,
    /// Where snapshots are kept.
    store: Option<RawStore>,
    /// How upstreams are asked.
    fetch: Option<RawFetch>,
    /// How pages are rendered.
    browser: Option<RawBrowser>,
    /// Who is told how sources are, one table each.
    notify: Option<Vec<RawNotify>>,
    /// The sources by name: lower-case letters, digits and `_`.
    source: Option<BTreeMap<String, RawSource>>,
}

/// A source that ships.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Shipped")]
pub(super) enum RawShipped {
    /// Films now showing, from tix.id.
    Cinema,
    /// Events on sale, from tix.id.
    Events,
    /// Searches trending on Google.
    GoogleTrend,
    /// What staple goods cost in Indonesia.
    Sembako,
    /// Flights arriving at Jakarta's airport.
    Arrivals,
    /// The front page of Hacker News.
    HackerNews,
    /// Recent earthquakes.
    Earthquakes,
    /// What one euro is worth.
    ExchangeRates,
    /// Public holidays of a country.
    Holidays,
}

/// How clients are served.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Server")]
pub(super) struct RawServer {
    /// The address to listen on (default `127.0.0.1:5500`; `0.0.0.0:$PORT` where `PORT` is set).
    pub listen: Option<At<String>>,
    /// What this server is called among those that share its store (default: the name of the machine).
    pub replica: Option<At<String>>,
    /// What a client must show as bearer token to force a refresh, as `${WELLSPRING_TOKEN}`.
    pub admin_token: Option<At<String>>,
    /// The time zone of `cache_date`, as `Asia/Jakarta` (default: the system's).
    pub timezone: Option<At<String>>,
    /// Host names that may force a refresh where there is no token (default: the listen address and `localhost`).
    pub hosts: Option<Vec<At<String>>>,
    /// Whose pages may read answers: `*` (default) or a list of origins such as `https://a.example`.
    pub cors_origins: Option<At<RawOrigins>>,
    /// Write a JSON line for each request to standard output (default false).
    pub access_log: Option<bool>,
    /// The path under which a proxy shows the server, as `/wellspring` (default none). It is answered with and without it.
    pub base_path: Option<At<String>>,
    /// Addresses and networks of proxies whose `X-Forwarded-For` or `Forwarded` counts, as `127.0.0.1` or `10.0.0.0/8` (default none).
    pub trusted_proxies: Option<Vec<At<String>>>,
    /// The most connections at once (default 16384, or what the limit on open files leaves of that).
    pub max_connections: Option<At<usize>>,
    /// The most connections at once from one address (default 256); loopback and `trusted_proxies` are not counted.
    pub max_connections_per_address: Option<At<usize>>,
    /// The most event streams at once from one address (default 64); loopback and `trusted_proxies` are not counted.
    pub max_streams_per_address: Option<At<usize>>,
}

/// `*` or a list of origins.
#[derive(JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "Origins", inline)]
pub(super) enum RawOrigins {
    /// One, or `*`.
    One(String),
    /// Several.
    Many(Vec<At<String>>),
}

/// Where snapshots are kept.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Store")]
pub(super) struct RawStore {
    /// `sqlite:PATH` (default `sqlite:data/wellspring.db`), `memory:`, or for several servers that share one store
    /// `redis://USER:PASSWORD@HOST:PORT/DATABASE` (`rediss:` with TLS, `redis+sentinel:` behind sentinels).
    pub url: Option<At<String>>,
    /// With a store in Redis: where each server keeps a copy of its own, for as long as Redis is away. `sqlite:PATH` (default
    /// `sqlite:data/wellspring.db`) or `memory:`.
    pub own: Option<At<String>>,
    /// How many revisions of each key are kept, the latest included (default 20).
    pub keep_revisions: Option<At<usize>>,
    /// How many bytes of items of each key are kept (default 16MiB); the latest revision is kept whatever it weighs.
    pub keep_bytes: Option<At<Size>>,
}

/// How upstreams are asked.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Fetch")]
pub(super) struct RawFetch {
    /// Whether sources may read private and loopback addresses (default false).
    pub allow_private: Option<bool>,
    /// A proxy for all sources without their own. It is exempt from the guard against private addresses.
    pub proxy: Option<At<String>>,
    /// The longest one request may take (default 30s).
    pub timeout: Option<At<Period>>,
    /// The longest one whole refresh may take (default 2m).
    pub deadline: Option<At<Period>>,
    /// The largest body after decompression (default 8MiB).
    pub max_body: Option<At<Size>>,
    /// Requests to one host at once (default 4).
    pub per_host: Option<At<usize>>,
    /// The shortest time between the starts of two requests to one host (default none).
    pub gap: Option<At<Period>>,
    /// Refreshes at once, in all (default 16).
    pub at_once: Option<At<usize>>,
    /// What it calls itself to upstreams.
    pub user_agent: Option<At<String>>,
    /// Whether the robots.txt of hosts is honoured (default true); a source may say otherwise for itself.
    pub robots: Option<bool>,
}

/// How pages are rendered.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Browser")]
pub(super) struct RawBrowser {
    /// Whether the browser's sandbox is on (default true): false only where the kernel refuses user namespaces.
    pub sandbox: Option<bool>,
    /// The browser to run, a path (default: the first that is found of `chromium-headless-shell`, `chrome-headless-shell`, `chromium`,
    /// `chromium-browser`, `google-chrome`, `google-chrome-stable`).
    pub executable: Option<At<String>>,
    /// How long an unused browser is kept (default 30s).
    pub idle: Option<At<Period>>,
    /// How many pages are rendered at once, 1 to 8 (default 1 below 1 GiB of memory, else 2).
    pub pages: Option<At<usize>>,
    /// How much memory each of the browser's processes may write to (default 256MiB, at least 128MiB). One that wants more ends, and
    /// with it its page.
    pub memory: Option<At<Size>>,
}

/// Who is told by webhook how sources are: once for each change.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Notify")]
pub(super) struct RawNotify {
    /// A name, for the log and for `wellspring notify` (default: the kind). What was told is remembered by it.
    pub name: Option<At<String>>,
    /// Where to, as `${SLACK_WEBHOOK}`.
    pub url: At<String>,
    /// What takes it: `json` (default), `slack`, `discord` or `ntfy`.
    pub kind: Option<Receiver>,
    /// Of which sources (default: all).
    pub sources: Option<Vec<At<String>>>,
    /// What of: `degraded`, `recovered`, `gate_held` (default: all).
    pub on: Option<Vec<Change>>,
    /// How many refreshes must fail in a row before `degraded` is told (default 3).
    pub after: Option<At<u32>>,
    /// The words of a message, as in `{source}: {state} — {message}`; for `json` the whole body. Places: `{id}`, `{at}`, `{source}`, `{key}`,
    /// `{state}`, `{code}`, `{message}`, `{failures}`, `{since}`, `{revision}`, `{items}`, `{url}`.
    pub template: Option<At<String>>,
    /// Further headers, as `{ Authorization = "Bearer ${TOKEN}" }`.
    pub headers: Option<Table<At<String>>>,
    /// Whether it may be at a private or loopback address (default: as `allow_private` under `[fetch]`). It is dialled directly then.
    pub allow_private: Option<bool>,
}

impl<'de> Deserialize<'de> for RawOrigins {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Origins;
        impl<'de> Visitor<'de> for Origins {
            type Value = RawOrigins;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"*\" or a list of origins such as \"https://a.example\"")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<RawOrigins, E> {
                Ok(RawOrigins::One(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<RawOrigins, A::Error> {
                Deserialize::deserialize(SeqAccessDeserializer::new(seq)).map(RawOrigins::Many)
            }
        }
        deserializer.deserialize_any(Origins)
    }
}
