//! What came from the environment, kept out of what is written to disk.

use wellspring_core::key::percent_encode;
use wellspring_core::source::{Alternative, Ask};

use crate::engine::catalog::Recipe;

/// Shorter ones are found in anything.
const SHORTEST: usize = 4;

/// The secrets of all sources, each as it may be written, with what stands in its place.
#[derive(Debug, Default)]
pub(super) struct Secrets(Vec<Secret>);

/// Without a `Debug` that tells.
struct Secret {
    written: Vec<u8>,
    shown: String,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown)
    }
}

impl Secrets {
    /// Those that these sources send.
    pub(super) fn of<'r>(recipes: impl IntoIterator<Item = &'r Recipe>) -> Self {
        let mut secrets = Self::default();
        let alternatives = recipes.into_iter().flat_map(|recipe| &recipe.spec.alternatives);
        for text in alternatives.flat_map(Alternative::asks).flat_map(Ask::templates) {
            for (name, value) in text.variables() {
                secrets.add(name, value.expose());
            }
        }
        secrets
    }

    /// Writes `${NAME}` wherever a body repeats one.
    pub(super) fn hidden(&self, body: &[u8]) -> Vec<u8> {
        self.0.iter().fold(body.to_vec(), |body, secret| replaced(body, &secret.written, secret.shown.as_bytes()))
    }

    /// The same in a text.
    pub(super) fn hidden_in(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.hidden(text.as_bytes())).into_owned()
    }

    fn add(&mut self, name: &str, value: &str) {
        if value.len() < SHORTEST {
            return;
        }
        let mut encoded = String::new();
        percent_encode(value, &mut encoded);
        let form: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
        // JSON in a text of JSON is escaped twice.
        let json = escaped(value);
        let twice = escaped(&json);
        for written in [value, &encoded, &form, &json, &twice] {
            if !written.is_empty() && !self.0.iter().any(|secret| secret.written == written.as_bytes()) {
                self.0.push(Secret { written: written.as_bytes().to_vec(), shown: format!("${{{name}}}") });
            }
        }
        // One may be part of another.
        self.0.sort_by_key(|secret| std::cmp::Reverse(secret.written.len()));
    }
}

/// As it is written between the quotes of JSON.
fn escaped(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default().to_owned()
}

fn replaced(body: Vec<u8>, what: &[u8], with: &[u8]) -> Vec<u8> {
    let mut rest = &body[..];
    let mut all = Vec::new();
    while let Some(at) = rest.windows(what.len()).position(|window| window == what) {
        all.extend_from_slice(&rest[..at]);
        all.extend_from_slice(with);
        rest = &rest[at + what.len()..];
    }
    if all.is_empty() {
        return body;
    }
    all.extend_from_slice(rest);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_hidden_however_it_is_written() {
        let mut secrets = Secrets::default();
        secrets.add("KEY", "open \"sesame\"");
        secrets.add("PART", "sesame");
        secrets.add("SHORT", "abc");
        let text = r#"open "sesame" | open%20%22sesame%22 | open+%22sesame%22 | {"k": "open \"sesame\""} | {"t": "{\"k\": \"open \\\"sesame\\\"\"}"} | sesame | abc"#;
        assert_eq!(secrets.hidden_in(text), r#"${KEY} | ${KEY} | ${KEY} | {"k": "${KEY}"} | {"t": "{\"k\": \"${KEY}\"}"} | ${PART} | abc"#);
        assert!(!format!("{secrets:?}").contains("sesame"));
    }
}
