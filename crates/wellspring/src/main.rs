//! wellspring
fn main() {}
