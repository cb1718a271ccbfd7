//! What other programs do to us and judge of us: browsers, fuzzers, readers of HTTP.

use super::{Promise, Proof};

pub(super) const PROMISES: &[Promise] = &[
    Promise {
        id: "T12",
        name: "nothing left of browsers",
        proofs: &[Proof::Tests { package: "wellspring", target: "--test it", filter: "browser::census::" }],
    },
    Promise {
        id: "T14",
        name: "fuzzers",
        proofs: &[
            Proof::Tests { package: "wellspring", target: "--lib", filter: "fuzzing::tests::corpus" },
            Proof::Slow("fuzz --seconds 60"),
        ],
    },
    Promise { id: "T15", name: "HTTP as others judge it", proofs: &[Proof::Xtask("lint-http")] },
];
