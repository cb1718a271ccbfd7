//! The life of the process: killed, stopped, told another config, and told another time.

use super::{Promise, Proof};

const fn it(filter: &'static str) -> Proof {
    Proof::Tests { package: "wellspring", target: "--test it", filter }
}

pub(super) const PROMISES: &[Promise] = &[
    Promise { id: "T1", name: "kill -9", proofs: &[it("trust::kills::")] },
    Promise { id: "T13", name: "clocks that step", proofs: &[it("trust::clocks::")] },
    Promise { id: "T16", name: "configs and signals", proofs: &[it("trust::configs::"), it("trust::stopping::")] },
];
