//! What the store keeps, whatever happens to the disk beneath it.

use super::{Promise, Proof};

const fn lab(filter: &'static str) -> Proof {
    Proof::Tests { package: "wellspring", target: "--test it", filter }
}

pub(super) const PROMISES: &[Promise] = &[
    Promise { id: "T2", name: "power loss", proofs: &[lab("trust::power::")] },
    Promise { id: "T7", name: "a full or broken disk", proofs: &[lab("trust::full::")] },
];
