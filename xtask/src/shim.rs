//! The disk that fails for tests: `crates/wellspring/tests/shim/disk.c`, built once for all of a run.

use std::path::PathBuf;
use std::process::Command;

use crate::steps;

/// Tells the tests where it is; without it each of their processes builds its own.
const VARIABLE: &str = "WELLSPRING_DISK_SHIM";

/// The built one; removed when dropped.
pub(crate) struct Shim(PathBuf);

impl Shim {
    /// Builds it; `None`, and said why, where that fails: the tests then say so again, each for itself.
    pub(crate) fn build() -> Option<Self> {
        let source = steps::root().join("crates/wellspring/tests/shim/disk.c");
        // Of this run alone: another checkout may have another.
        let built = std::env::temp_dir().join(format!("wellspring-disk-{}.so", std::process::id()));
        let flags = "-std=c11 -O1 -Wall -Wextra -Werror -Wno-nonnull-compare -shared -fPIC -o";
        match Command::new("cc").args(flags.split(' ')).arg(&built).arg(&source).arg("-lpthread").status() {
            Ok(status) if status.success() => Some(Self(built)),
            Ok(status) => {
                eprintln!("{} does not compile: {status}", source.display());
                None
            }
            Err(error) => {
                eprintln!("there is no C compiler for the disk of the tests: {error}");
                None
            }
        }
    }

    /// The variable by which tests find it.
    pub(crate) fn variable(&self) -> (&'static str, String) {
        (VARIABLE, self.0.display().to_string())
    }
}

impl Drop for Shim {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::Shim;

    #[test]
    fn it_compiles_without_a_warning_where_there_is_a_compiler() {
        let there = std::process::Command::new("cc").arg("--version").output().is_ok();
        let built = Shim::build();
        assert_eq!(built.is_some(), there);
        let Some(built) = built else { return };
        let path = std::path::PathBuf::from(built.variable().1);
        assert!(path.exists());
        drop(built);
        assert!(!path.exists());
    }
}
