//! Queries: a key in one spelling, or refused; and whatever a reader sends, the host that is asked stays the config's.

use std::sync::LazyLock;

use jiff::Timestamp;
use url::Url;
use wellspring_core::key::Key;
use wellspring_core::source::{Defaults, RESERVED, SourceSpec, parse_sources};

use crate::http::query::{Params, Query};

const SOURCES: &str = r#"
[source.free]
url = "https://api.site.example/{path}/x?q={q}&n={n}#{q}"
format = "json"
fresh_for = "1h"
params.path = { pattern = ".*", default = "a" }
params.q = { pattern = "(?s).+", default = "b" }
params.n = { type = "integer", min = -5, max = 100, default = 1 }

[source.hosts]
url = "https://{city}.shops.site.example/{day}"
format = "json"
fresh_for = "1h"
params.city = { pattern = ".*", default = "a" }
params.day = { type = "date", default = "2025-01-23" }
params.loud = { type = "boolean", default = false }
params.geo = { values = ["ID", "S G", "ü"], default = "ID" }

[source.needed]
url = "https://api.site.example/{a}"
format = "json"
fresh_for = "1h"
params.a = { pattern = "[a-z./]+" }
"#;

static SPECS: LazyLock<Vec<SourceSpec>> = LazyLock::new(|| {
    let sources = parse_sources("keys", SOURCES, Defaults::default(), &|_| None);
    sources.unwrap_or_else(|found| panic!("{}", found[0])).into_iter().map(|source| source.value).collect()
});

/// Reads the first line as a query of each source, the rest as a key as stores hold it.
pub fn keys(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (query, held) = text.split_once('\n').unwrap_or((text, text));
    if let Ok(key) = Key::parse(held) {
        assert_eq!(key.as_str(), held);
        assert_eq!(key.params().len(), held.matches('=').count());
    }
    let now = Timestamp::from_second(1_737_633_600).unwrap_or_default();
    let Ok(read) = Query::parse(query, now) else { return };
    for spec in SPECS.iter() {
        if let Ok(key) = read.params.key(spec, &RESERVED) {
            judge(spec, &key);
        }
    }
    let _ = Params::with_wait(query);
}

fn judge(spec: &SourceSpec, key: &Key) {
    let text = key.as_str();
    assert!(text.bytes().all(|byte| byte.is_ascii_graphic()), "{text}");
    assert_eq!(Key::parse(text).as_ref(), Ok(key));
    assert_eq!(key.source(), spec.name.as_str());
    // Its own spelling is the same key.
    let own = text.split_once('?').map_or("", |(_, query)| query);
    let again = Params::parse(own).and_then(|params| params.key(spec, &[]));
    assert_eq!(again.as_ref().ok(), Some(key));
    let params = key.params();
    for alternative in &spec.alternatives {
        let Some(url) = &alternative.ask.url.fill(&params).expose().parse::<Url>().ok() else { continue };
        assert_eq!(url.scheme(), "https");
        assert!(url.host_str().is_some_and(|host| host.ends_with(".site.example")), "{url}");
        assert!(url.username().is_empty() && url.password().is_none() && url.port().is_none(), "{url}");
    }
}
