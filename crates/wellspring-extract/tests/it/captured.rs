//! Real bodies, kept outside the project.

use crate::support::captured;

#[test]
fn placeholder() {
    let _ = captured("seed");
}
