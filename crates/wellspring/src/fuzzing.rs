//! What fuzzers call, one function a target. Each takes any bytes and returns, or has found a defect: it fails by panicking, by
//! taking more than a second and by taking more than 512 MiB. Here only where tests or fuzzers are built; what they have found is
//! replayed from fuzz/corpus by the tests of this module.

mod extraction;
mod keys;
mod sources;
#[cfg(test)]
mod tests;

pub use crate::fetch::fuzzing::addresses;
pub use extraction::extraction;
pub use keys::keys;
pub use sources::sources;

/// What comes back from where others can write: the store's rows, and a worker's pipe. The first byte says which.
pub fn codec(bytes: &[u8]) {
    match bytes.split_first() {
        Some((b'f', frames)) => crate::engine::worker::fuzzing::frames(frames),
        Some((_, rows)) => crate::store::sqlite::fuzzing::rows(rows),
        None => {}
    }
}
