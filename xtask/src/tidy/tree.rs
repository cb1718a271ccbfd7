//! The files of the project.

use std::fs;
use std::path::Path;

use crate::steps::root;

/// A text file.
#[derive(Clone, Debug)]
pub(super) struct File {
    /// From the root of the repository, with `/`.
    pub(super) path: String,
    /// All of it.
    pub(super) text: String,
}

impl File {
    /// Its name without folders.
    pub(super) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// Whether it is Rust.
    pub(super) fn is_rust(&self) -> bool {
        Path::new(&self.path).extension().is_some_and(|extension| extension == "rs")
    }

    /// Whether all of it is test code.
    pub(super) fn is_test(&self) -> bool {
        self.name() == "tests.rs" || self.path.contains("/tests/")
    }

    /// Its path inside a crate's sources, where it is there.
    pub(super) fn within(&self, crate_name: &str) -> Option<&str> {
        self.path.strip_prefix("crates/")?.strip_prefix(crate_name)?.strip_prefix("/src/")
    }
}

/// Every text file of the repository, in order of path; what is built, fetched or hidden is left out.
pub(super) fn files() -> Vec<File> {
    let mut files = Vec::new();
    collect(&root(), "", &mut files);
    assert!(files.iter().any(|file| file.path == "crates/wellspring-core/src/lib.rs"), "the walk misses the sources");
    files
}

fn collect(folder: &Path, prefix: &str, files: &mut Vec<File>) {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(Result::unwrap).collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().into_string().unwrap();
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
        let kind = entry.file_type().unwrap();
        if kind.is_dir() && is_ours(&name, prefix) {
            collect(&entry.path(), &path, files);
        } else if kind.is_file() && name != ".git" {
            // What is no UTF-8, a picture, is there for who links to it, and has no text to judge.
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            files.push(File { path, text });
        }
    }
}

fn is_ours(name: &str, prefix: &str) -> bool {
    if name.starts_with('.') {
        return [".ci", ".cargo", ".github"].contains(&name);
    }
    !(name == "target" || name == "node_modules" || (prefix.is_empty() && name == "data"))
}
