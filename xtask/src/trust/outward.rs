//! What clients can do: many, slow ones, those who may not, those who look for secrets, and what a page shows of strangers' words.

use super::{Promise, Proof};

const fn it(filter: &'static str) -> Proof {
    Proof::Tests { package: "wellspring", target: "--test it", filter }
}

pub(super) const PROMISES: &[Promise] = &[
    Promise { id: "T8", name: "slow connections", proofs: &[it("trust::slow::")] },
    Promise { id: "T9", name: "who may force a refresh", proofs: &[it("matrix::")] },
    Promise { id: "T10", name: "secrets", proofs: &[it("secrets::")] },
    Promise { id: "T11", name: "hostile words on pages", proofs: &[Proof::Xtask("lint-page xss")] },
];
