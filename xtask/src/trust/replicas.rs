//! What several replicas on one store keep to.

use super::{Promise, Proof};

pub(super) const PROMISES: &[Promise] = &[Promise {
    id: "T17",
    name: "replicas",
    proofs: &[
        Proof::Many { package: "wellspring", target: "--test it", filter: "replicas::simulated" },
        Proof::Tests { package: "wellspring", target: "--test it", filter: "trust::replicas::" },
    ],
}];
