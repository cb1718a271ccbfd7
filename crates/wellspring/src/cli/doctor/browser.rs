//! Whether there is a browser, and whether it starts: one is started, shows an empty page, and is ended.

use wellspring_core::source::Render;

use super::Finding;
use crate::app;
use crate::cli::words::took;
use crate::config::{Config, find_browser};
use crate::engine::catalog::Recipe;
use crate::fetch::FetchError;
use crate::fetch::browser::{Probe, WITHOUT_SANDBOX, launch};

/// Sources that a browser matters to, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Wanting {
    /// Those that cannot be read without one.
    needing: Vec<String>,
    /// Those that plain HTTP may be enough for.
    liking: Vec<String>,
}

/// A browser, which a source may want. It needs no network.
pub(super) async fn look(config: &Config, recipes: &[&Recipe]) -> Finding {
    let wanting = Wanting::of(recipes);
    if let Err(way_out) = find_browser(config.browser.executable.as_deref()) {
        return match &config.browser.executable {
            Some(named) => {
                let words = format!("there is no file {}", named.display());
                Finding::fail("browser", words, "mend or remove `executable` under [browser]")
            }
            None => wanting.without(way_out),
        };
    }
    let browser = match app::browser(config) {
        Ok(browser) => browser,
        Err(error) => return Finding::fail("browser", error.to_string(), "free some of this machine's processes and memory"),
    };
    let probed = browser.probe().await;
    browser.close().await;
    match probed {
        Ok(probe) => started(&probe, config.browser.sandbox, launch::user()),
        Err(error) => wanting.unable(&error, config.browser.executable.is_some()),
    }
}

impl Wanting {
    fn of(recipes: &[&Recipe]) -> Self {
        let mut wanting = Self::default();
        for recipe in recipes {
            let name = || recipe.spec.name.to_string();
            let usable = recipe.spec.alternatives.iter().filter(|alternative| alternative.usable);
            let renders: Vec<Render> = usable.map(|alternative| alternative.render).collect();
            if !renders.is_empty() && renders.iter().all(|render| *render == Render::Always) {
                wanting.needing.push(name());
            } else if renders.iter().any(|render| *render != Render::Never) {
                wanting.liking.push(name());
            }
        }
        wanting
    }

    /// What it means that there is none.
    fn without(&self, way_out: String) -> Finding {
        let (needing, liking) = (self.needing.join(", "), self.liking.join(", "));
        match (self.needing.is_empty(), self.liking.is_empty()) {
            (true, true) => Finding::ok("browser", "none, and no source needs one"),
            (true, false) => {
                Finding::warn("browser", format!("none; {liking} may need one (`render`), and plain HTTP is all there is"), way_out)
            }
            (false, _) => Finding::fail("browser", format!("none, and without one {needing} cannot be read (`render`)"), way_out),
        }
    }

    /// What it means that there is one that does not start.
    fn unable(&self, error: &FetchError, is_named: bool) -> Finding {
        let words = error.to_string();
        let words = words.strip_prefix("the browser ").unwrap_or(&words);
        let (words, way_out) = match words.strip_suffix(WITHOUT_SANDBOX) {
            Some(words) => (words, WITHOUT_SANDBOX.trim_start_matches("; ")),
            None => (words, "see what it says of itself; another one can be named as `executable` under [browser]"),
        };
        if is_named || *self != Self::default() {
            Finding::fail("browser", words, way_out)
        } else {
            Finding::warn("browser", format!("{words}; no source needs it"), way_out)
        }
    }
}

/// One that works.
fn started(probe: &Probe, sandbox: bool, user: Option<u32>) -> Finding {
    let Probe { executable, version, took: time } = probe;
    let who = user.map_or_else(String::new, |user| format!(", as user {user}"));
    let time = took(*time);
    let words = format!("{} ({version}): shows a page after {time}", executable.display());
    if sandbox {
        return Finding::ok("browser", format!("{words}, in its sandbox{who}"));
    }
    let words = format!("{words}, WITHOUT its sandbox{who}: a page that breaks out of it can do whatever its user can");
    Finding::warn("browser", words, "allow user namespaces, and remove `sandbox = false` under [browser]")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn told(finding: &Finding) -> String {
        let way_out = finding.way_out.as_ref().map_or_else(String::new, |way_out| format!("  → {way_out}"));
        format!("{} {}{way_out}", finding.state.word(), finding.words)
    }

    fn wanting(needing: &[&str], liking: &[&str]) -> Wanting {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Wanting { needing: owned(needing), liking: owned(liking) }
    }

    #[test]
    fn sources_want_one_as_far_as_they_can_be_read_otherwise() {
        let toml = r#"
            [source.plain]
            url = "https://a.example/"
            fresh_for = "1h"
            format = "jsonld"
            [source.cheap]
            url = "https://a.example/"
            fresh_for = "1h"
            format = "jsonld"
            render = "auto"
            [source.hungry]
            url = "https://a.example/"
            fresh_for = "1h"
            format = "jsonld"
            render = "always"
            [source.either]
            fresh_for = "1h"
            format = "jsonld"
            [[source.either.from]]
            url = "https://a.example/"
            render = "always"
            [[source.either.from]]
            url = "https://a.example/plain"
            [source.keyless]
            fresh_for = "1h"
            format = "jsonld"
            [[source.keyless.from]]
            url = "https://a.example/"
            render = "always"
            [[source.keyless.from]]
            when_env = "NO_SUCH_KEY"
            url = "https://a.example/plain"
            [source.unusable]
            fresh_for = "1h"
            format = "jsonld"
            [[source.unusable.from]]
            when_env = "NO_SUCH_KEY"
            url = "https://a.example/"
            render = "always"
        "#;
        let config = Config::parse("wellspring.toml", toml, &|_| None).unwrap();
        let recipes = app::recipes(&config).unwrap();
        let recipes: Vec<&Recipe> = recipes.iter().map(|recipe| &**recipe).collect();
        let mut found = Wanting::of(&recipes);
        found.needing.sort();
        found.liking.sort();
        assert_eq!(found, wanting(&["hungry", "keyless"], &["cheap", "either"]));
    }

    #[test]
    fn none_matters_as_far_as_a_source_wants_one() {
        let told = |wanting: &Wanting| told(&wanting.without("apt install it".to_owned()));
        insta::assert_snapshot!(
            [told(&wanting(&[], &[])), told(&wanting(&[], &["a", "b"])), told(&wanting(&["c", "d"], &["a"]))].join("\n"),
            @"
            ok none, and no source needs one
            warn none; a, b may need one (`render`), and plain HTTP is all there is  → apt install it
            FAIL none, and without one c, d cannot be read (`render`)  → apt install it
            "
        );
    }

    #[test]
    fn one_that_does_not_start_says_why() {
        let no_sandbox = FetchError::BrowserFailed(format!("/a does not start (killed: No usable sandbox!){WITHOUT_SANDBOX}"));
        let broken = FetchError::BrowserFailed("/a does not start (it exited with 1: no library)".to_owned());
        insta::assert_snapshot!(
            [
                told(&wanting(&["a"], &[]).unable(&no_sandbox, false)),
                told(&wanting(&[], &["a"]).unable(&broken, false)),
                told(&wanting(&[], &[]).unable(&broken, true)),
                told(&wanting(&[], &[]).unable(&broken, false)),
            ]
            .join("\n"),
            @"
            FAIL /a does not start (killed: No usable sandbox!)  → its sandbox needs user namespaces: allow them (sysctl kernel.unprivileged_userns_clone=1, or the container's seccomp profile), or, where nothing else helps, set `sandbox = false` under [browser]
            FAIL /a does not start (it exited with 1: no library)  → see what it says of itself; another one can be named as `executable` under [browser]
            FAIL /a does not start (it exited with 1: no library)  → see what it says of itself; another one can be named as `executable` under [browser]
            warn /a does not start (it exited with 1: no library); no source needs it  → see what it says of itself; another one can be named as `executable` under [browser]
            "
        );
    }

    #[test]
    fn one_that_starts_says_as_whom_and_how_well_walled() {
        let probe = Probe { executable: "/a/shell".into(), version: "HeadlessChrome/156".into(), took: Duration::from_millis(240) };
        let told = |sandbox, user| told(&started(&probe, sandbox, user));
        insta::assert_snapshot!([told(true, Some(65_534)), told(true, None), told(false, Some(65_534)), told(false, None)].join("\n"), @"
        ok /a/shell (HeadlessChrome/156): shows a page after 240 ms, in its sandbox, as user 65534
        ok /a/shell (HeadlessChrome/156): shows a page after 240 ms, in its sandbox
        warn /a/shell (HeadlessChrome/156): shows a page after 240 ms, WITHOUT its sandbox, as user 65534: a page that breaks out of it can do whatever its user can  → allow user namespaces, and remove `sandbox = false` under [browser]
        warn /a/shell (HeadlessChrome/156): shows a page after 240 ms, WITHOUT its sandbox: a page that breaks out of it can do whatever its user can  → allow user namespaces, and remove `sandbox = false` under [browser]
        ");
    }
}
