//! What comes in from upstreams: faults, addresses that lead where nobody is to go, bodies that are weapons.

use super::{Promise, Proof};

const fn lab(filter: &'static str) -> Proof {
    Proof::Tests { package: "wellspring", target: "--test it", filter }
}

pub(super) const PROMISES: &[Promise] = &[
    Promise { id: "T3", name: "upstream faults", proofs: &[lab("trust::upstream::")] },
    Promise {
        id: "T5",
        name: "address tricks",
        proofs: &[
            lab("trust::addresses::"),
            lab("trust::flips::"),
            lab("browser::tricks::trust"),
            Proof::Tests { package: "wellspring", target: "--lib", filter: "fetch::guard::tricks::trust" },
        ],
    },
    Promise { id: "T6", name: "hostile bodies", proofs: &[lab("trust::bodies::")] },
];
