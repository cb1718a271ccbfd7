//! What a feed or a calendar says of itself.

use std::time::Duration;

use url::Url;
use wellspring_core::key::{Key, Params};
use wellspring_core::policy::Fresh;
use wellspring_core::source::Alternative;
use wellspring_core::template::Template;

use super::{About, identity};

/// What is said above the items.
pub(super) struct Channel {
    pub(super) name: String,
    pub(super) description: String,
    /// The page that it is about. Not there where it would tell what is secret.
    pub(super) home: Option<String>,
    pub(super) language: Option<String>,
    /// What it is known by for good, a `urn:uuid:`.
    pub(super) id: String,
    /// How soon there may be something new.
    pub(super) period: Duration,
}

impl Channel {
    pub(super) fn of(about: &About<'_>) -> Self {
        let spec = about.spec;
        let described = spec.description.clone().unwrap_or_else(|| spec.name.as_str().to_owned());
        let name = spec.feed.name.clone().unwrap_or_else(|| described.clone());
        // Of several keys of a source, each says which it is, unless it is the one that is read without a query.
        let is_default = spec.default_key().is_none_or(|key| key.as_str() == about.key);
        let which = about.key.split_once('?').map(|(_, query)| query).filter(|_| !is_default);
        let name = which.map_or_else(|| name.clone(), |which| format!("{name} ({})", which.replace('&', ", ")));
        Self {
            name: clean(&name),
            description: clean(&described),
            home: spec.feed.home.clone().or_else(|| first_address(about)),
            language: spec.feed.language.clone(),
            id: identity::urn(&["feed", about.key, &host(about)]),
            period: match spec.policy.fresh {
                Fresh::For(period) => period,
                Fresh::Until { .. } => Duration::from_secs(24 * 60 * 60),
            },
        }
    }
}

fn clean(text: &str) -> String {
    super::text::line(&text.into()).unwrap_or_default()
}

fn usable<'a>(about: &About<'a>) -> Option<&'a Alternative> {
    about.spec.alternatives.iter().find(|alternative| alternative.usable)
}

/// The host of the first alternative, usable or not: the same with and without a key. Two servers that read a source of one name from
/// different hosts are different feeds.
fn host(about: &About<'_>) -> String {
    let last = about.spec.alternatives.last().map(|alternative| alternative.ask.url.to_string()).unwrap_or_default();
    last.split('/').nth(2).unwrap_or_default().to_owned()
}

/// The first address that a refresh asks for, as far as it is known and no secret.
fn first_address(about: &About<'_>) -> Option<String> {
    let alternative = usable(about)?;
    let params = Key::parse(about.key).map(|key| key.params()).unwrap_or_default();
    shown(&alternative.ask.url, &params)
}

/// An address up to the first part that is a secret or is only known while it is asked for.
fn shown(template: &Template, params: &Params) -> Option<String> {
    let is_known = !template.is_secret() && template.names().all(|name| params.contains_key(name));
    let address = if is_known {
        template.fill(params).to_string()
    } else {
        let text = template.to_string();
        let known = &text[..text.find(['{', '$']).unwrap_or(text.len())];
        let start = known.find("://")? + 3;
        let end = known.find(['?', '#']).or_else(|| known[start..].rfind('/').map(|at| start + at + 1))?;
        // A host that is cut off is none.
        known[start..].contains('/').then(|| known[..end.max(start)].to_owned())?
    };
    let mut url = Url::parse(&address).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.host().is_some())?;
    // What stands before an `@` is a password, wherever it came from.
    if !url.username().is_empty() || url.password().is_some() {
        url.set_username("").ok()?;
        url.set_password(None).ok()?;
    }
    url.set_fragment(None);
    Some(url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_ends_before_what_is_secret_or_unknown() {
        let environment = |_: &str| Some("s3cr3t".to_owned());
        let params = Params::from([("geo".to_owned(), "a b".to_owned())]);
        let check = |text: &str, expected: Option<&str>| {
            let template = Template::parse(text, &["geo", "day"], &environment).unwrap();
            assert_eq!(shown(&template, &params).as_deref(), expected, "{text}");
        };
        check("https://a.example/x?geo={geo}", Some("https://a.example/x?geo=a%20b"));
        check("https://a.example/x?geo={geo}&key=${KEY}", Some("https://a.example/x"));
        check("https://a.example/x/${KEY}/y", Some("https://a.example/x/"));
        check("https://a.example/x/day-{day}?a=b", Some("https://a.example/x/"));
        check("https://a.example?key=${KEY}", None);
        check("https://${KEY}/x", None);
        check("https://${KEY}.a.example/x", None);
        check("${KEY}", None);
        check("https://me:word@a.example/x#y", Some("https://a.example/x"));
        check("https://me:${KEY}@a.example/x", None);
    }
}
