//! What a refresh does however it goes.

use super::{Promise, Proof};

pub(super) const PROMISES: &[Promise] = &[Promise {
    id: "T4",
    name: "no stuck refresh",
    proofs: &[
        Proof::Tests { package: "wellspring-core", target: "--lib", filter: "refresh::tests::trust" },
        Proof::Tests { package: "wellspring-core", target: "--lib", filter: "refresh::walk::trust" },
        Proof::Tests { package: "wellspring", target: "--lib --features shuttle", filter: "engine::orders::trust" },
        Proof::Tests { package: "wellspring", target: "--test it", filter: "trust::schedules::" },
    ],
}];
