//! Every path that a Rust file names, with `use` trees spread out, imported names put back, and `self` and `super` resolved.

use std::collections::HashMap;

use super::tokens::{Kind, Token, tokens};
use super::tree::File;

/// A path of two segments or more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// From a crate's root: `crate`, `std`, `tokio` … first.
    pub(super) segments: Vec<String>,
    pub(super) line: usize,
    pub(super) in_test: bool,
}

impl Named {
    /// Whether it is this path, lies below it, or takes it in with a `*`.
    pub(super) fn is_under(&self, path: &str) -> bool {
        let mut segments = self.segments.iter();
        for wanted in path.split("::") {
            match segments.next() {
                Some(segment) if segment == "*" => return true,
                Some(segment) if segment == wanted => {}
                _ => return false,
            }
        }
        true
    }

    pub(super) fn text(&self) -> String {
        self.segments.join("::")
    }
}

/// Every path in a file, and every crate that it imports whole.
pub(super) fn named(file: &File) -> Vec<Named> {
    let tokens = tokens(&file.text);
    let mut reader = Reader {
        tokens: &tokens,
        at: 0,
        home: home(&file.path),
        inline: Vec::new(),
        depth: 0,
        found: Vec::new(),
        imported: HashMap::new(),
    };
    reader.read();
    let Reader { mut found, imported, .. } = reader;
    for named in &mut found {
        // An imported name stands for what was imported, unless that import is the path itself.
        if let Some(full) = imported.get(&named.segments[0]).filter(|full| !named.segments.starts_with(full)) {
            named.segments.splice(..1, full.iter().cloned());
        }
    }
    found
}

struct Reader<'a> {
    tokens: &'a [Token<'a>],
    at: usize,
    /// The module that the file is.
    home: Vec<String>,
    /// Modules opened inside the file, with the depth of their braces.
    inline: Vec<(String, usize)>,
    depth: usize,
    found: Vec<Named>,
    /// Names that `use` brought in.
    imported: HashMap<String, Vec<String>>,
}

impl Reader<'_> {
    fn read(&mut self) {
        while let Some(token) = self.tokens.get(self.at) {
            match token.kind {
                Kind::Mark('{') => self.depth += 1,
                Kind::Mark('}') => {
                    self.depth = self.depth.saturating_sub(1);
                    self.inline.retain(|(_, depth)| *depth < self.depth + 1);
                }
                Kind::Word("mod") => self.open(),
                Kind::Word("use") => {
                    self.at += 1;
                    self.tree(&[]);
                    continue;
                }
                Kind::Word(_) => {
                    self.path();
                    continue;
                }
                _ => {}
            }
            self.at += 1;
        }
    }

    /// `mod name {` makes `super` reach one step less far.
    fn open(&mut self) {
        let name = self.tokens.get(self.at + 1).and_then(Token::word);
        let opens = self.tokens.get(self.at + 2).is_some_and(|token| token.is('{'));
        if let Some(name) = name.filter(|_| opens) {
            self.inline.push((name.to_owned(), self.depth + 1));
        }
    }

    /// A path in an expression, a type or a pattern.
    fn path(&mut self) {
        let first = self.at;
        let mut segments = Vec::new();
        while let Some(word) = self.word() {
            segments.push(word.to_owned());
            self.at += 1;
            if !self.at_separator() {
                break;
            }
            self.at += 1;
        }
        // What follows `.` is a method or a field.
        let is_member = first > 0 && self.tokens[first - 1].is('.');
        if segments.len() > 1 && !is_member {
            self.keep(&segments, first);
        }
    }

    /// What follows `use`, or one branch of its braces.
    fn tree(&mut self, prefix: &[String]) {
        let first = self.at;
        let mut segments = prefix.to_vec();
        if self.at_separator() {
            self.at += 1;
        }
        loop {
            if let Some(word) = self.word() {
                if word != "self" || segments.is_empty() {
                    segments.push(word.to_owned());
                }
                self.at += 1;
                if self.at_separator() {
                    self.at += 1;
                    continue;
                }
                return self.import(&segments, first);
            }
            let Some(token) = self.tokens.get(self.at) else { return };
            self.at += 1;
            if token.is('{') {
                while self.tokens.get(self.at).is_some_and(|token| !token.is('}')) {
                    self.tree(&segments);
                    if self.tokens.get(self.at).is_some_and(|token| token.is(',')) {
                        self.at += 1;
                    }
                }
                self.at += 1;
            } else if token.is('*') {
                segments.push("*".to_owned());
                self.keep(&segments, first);
            }
            return;
        }
    }

    fn import(&mut self, segments: &[String], first: usize) {
        let mut name = segments.last().cloned();
        if self.word() == Some("as") {
            self.at += 1;
            name = self.word().map(str::to_owned);
            self.at += 1;
        }
        if let Some((name, full)) = name.zip(self.keep(segments, first)) {
            self.imported.insert(name, full);
        }
    }

    fn keep(&mut self, segments: &[String], first: usize) -> Option<Vec<String>> {
        let token = self.tokens.get(first)?;
        let segments = self.resolve(segments);
        self.found.push(Named { segments: segments.clone(), line: token.line, in_test: token.in_test });
        Some(segments)
    }

    fn resolve(&self, segments: &[String]) -> Vec<String> {
        let mut here: Vec<String> = self.home.iter().cloned().chain(self.inline.iter().map(|(name, _)| name.clone())).collect();
        let mut rest = segments;
        if rest.first().is_some_and(|first| first == "self") {
            rest = &rest[1..];
        } else if rest.first().is_some_and(|first| first == "super") {
            while rest.first().is_some_and(|first| first == "super") {
                here.pop();
                rest = &rest[1..];
            }
        } else {
            return segments.to_vec();
        }
        std::iter::once("crate".to_owned()).chain(here).chain(rest.iter().cloned()).collect()
    }

    fn word(&self) -> Option<&str> {
        self.tokens.get(self.at).and_then(Token::word)
    }

    fn at_separator(&self) -> bool {
        self.tokens.get(self.at).is_some_and(|token| token.kind == Kind::Separator)
    }
}

/// The module that a file is: `fetch::http` for `…/src/fetch/http.rs`.
fn home(path: &str) -> Vec<String> {
    let inside = path.split_once("/src/").map_or(path, |(_, inside)| inside);
    let mut modules: Vec<String> = inside.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if modules.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
        modules.pop();
    }
    modules
}

#[cfg(test)]
mod tests {
    use super::super::tree::File;
    use super::named;

    #[track_caller]
    fn check(path: &str, text: &str, expected: &[&str]) {
        let found = named(&File { path: path.to_owned(), text: text.to_owned() });
        assert_eq!(found.iter().map(super::Named::text).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn use_trees_are_spread_out() {
        check(
            "crates/c/src/a.rs",
            "use std::{fs, io::{self, Read as _}, net::*}; pub use ::tokio::time; use serde;",
            &["std::fs", "std::io", "std::io::Read", "std::net::*", "tokio::time", "serde"],
        );
    }

    #[test]
    fn imported_names_stand_for_what_was_imported() {
        check(
            "crates/c/src/a.rs",
            "use std::time; use x::y as z; fn f() { time::Instant::now(); z::w() }",
            &["std::time", "x::y", "std::time::Instant::now", "x::y::w"],
        );
        // An import that begins with its own name is not put back again.
        check("crates/c/src/a.rs", "use http::http; fn f() { http::g() }", &["http::http", "http::http::g"]);
    }

    #[test]
    fn self_and_super_are_resolved_from_where_they_stand() {
        let text = "use super::store; fn f() { self::g(); } mod inner { use super::super::engine; use super::x; } use super::y;";
        check(
            "crates/c/src/fetch/http.rs",
            text,
            &["crate::fetch::store", "crate::fetch::http::g", "crate::fetch::engine", "crate::fetch::http::x", "crate::fetch::y"],
        );
        check("crates/c/src/fetch/mod.rs", "use super::store::Lease; pub(crate) fn f() {}", &["crate::store::Lease"]);
    }

    #[test]
    fn paths_in_code_are_found_and_members_are_not() {
        check(
            "crates/c/src/a.rs",
            "fn f(x: &crate::store::Lease) { x.iter::<u8>(); let _ = Vec::<std::fs::File>::new(); }",
            &["crate::store::Lease", "std::fs::File"],
        );
    }
}
