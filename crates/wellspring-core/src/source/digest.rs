//! The digest of everything that decides which items come out.

use serde::Serialize;

use super::raw::{RawAlternative, RawSource};
use crate::snapshot::Digest;

/// Covers the usable alternatives and what is serialized of the source: comments, white space and policy are no part
/// of it, nor are the values of variables. An alternative that cannot be used decides nothing; one that becomes usable
/// joins the list and so changes the digest.
pub(super) fn rules_digest(source: &RawSource, usable: &[&RawAlternative]) -> Digest {
    #[derive(Serialize)]
    struct Rules<'a> {
        version: u32,
        source: &'a RawSource,
        usable: &'a [&'a RawAlternative],
    }
    let text = serde_json::to_vec(&Rules { version: 1, source, usable });
    // Serializing fails only for maps with keys that are no strings; these shapes have none.
    Digest::of(&text.unwrap_or_default())
}
