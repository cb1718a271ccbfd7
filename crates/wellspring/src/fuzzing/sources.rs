//! Config files: read and compiled, or refused with a place in them.

use wellspring_core::diagnostic::Diagnostic;
use wellspring_core::source::{Defaults, SourceSpec, parse_sources};

use crate::config::Config;
use crate::engine::extraction::RuledAlternative;

/// What variables hold, which nobody is told.
const SECRET: &str = "q7Vz0kWm";

/// Reads a text as a whole config, and as a file of sources.
pub fn sources(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if text.contains(SECRET) {
        return;
    }
    // Some variables are set.
    let environment = |name: &str| name.len().is_multiple_of(2).then(|| SECRET.to_owned());
    match Config::parse("fuzz.toml", text, &environment) {
        Ok(config) => {
            assert!(!format!("{config:?}").contains(SECRET), "a secret is printed");
            for source in &config.sources {
                compile(&source.spec);
                assert!(!source.shown().contains(SECRET), "a secret is shown");
            }
        }
        Err(found) => explain(&found, text),
    }
    match parse_sources("fuzz.toml", text, Defaults::default(), &environment) {
        Ok(sources) => sources.iter().for_each(|source| compile(&source.value)),
        Err(found) => explain(&found, text),
    }
}

fn compile(spec: &SourceSpec) {
    assert!(!spec.alternatives.is_empty());
    if let Some(key) = spec.default_key() {
        assert_eq!(key.source(), spec.name.as_str());
    }
    for alternative in &spec.alternatives {
        if let Err(error) = RuledAlternative::compile(alternative) {
            assert!(!error.message.is_empty());
        }
    }
}

/// Whoever wrote it is told what is wrong, and where.
fn explain(found: &[Diagnostic], text: &str) {
    assert!(!found.is_empty(), "refused without a reason");
    for diagnostic in found {
        let said = diagnostic.to_string();
        assert!(!said.is_empty() && !said.contains(SECRET), "{said}");
        if let Some((line, _)) = diagnostic.place {
            assert!(line <= text.split('\n').count().max(1), "{diagnostic}");
        }
    }
}
