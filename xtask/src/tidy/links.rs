//! Links within the documents lead somewhere: to a file of the project, and to a heading that it has.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use regex::Regex;

use super::finding;
use super::tree::{File, files};
use crate::steps::root;

/// What a link can lead to: files and folders, and the headings of documents.
struct Targets {
    paths: HashSet<String>,
    headings: HashMap<String, HashSet<String>>,
}

impl Targets {
    fn of(files: &[File]) -> Self {
        let mut paths = HashSet::new();
        for file in files {
            let parents = file.path.match_indices('/').map(|(at, _)| file.path[..at].to_owned());
            paths.extend(parents.chain([file.path.clone()]));
        }
        let documents = files.iter().filter(|file| is_document(file));
        let headings = documents.map(|file| (file.path.clone(), headings(&file.text))).collect();
        Self { paths, headings }
    }
}

fn is_document(file: &File) -> bool {
    Path::new(&file.path).extension().is_some_and(|extension| extension == "md")
}

fn check(file: &File, targets: &Targets) -> Vec<String> {
    let mut findings = Vec::new();
    if !is_document(file) {
        return findings;
    }
    let Ok(link) = Regex::new(r"\]\(([^()\s]+)\)") else { return vec!["no pattern".to_owned()] };
    for (number, line) in prose(&file.text) {
        for found in link.captures_iter(&without_code(line)) {
            let to = &found[1];
            if to.contains("://") || to.starts_with("mailto:") {
                continue;
            }
            let (path, heading) = to.split_once('#').map_or((to, None), |(path, heading)| (path, Some(heading)));
            let path = if path.is_empty() { file.path.clone() } else { resolved(&file.path, path) };
            if !targets.paths.contains(&path) && !is_picture(&path) {
                findings.push(finding(file, number, &format!("the link `{to}` leads nowhere")));
            } else if heading.is_some_and(|heading| targets.headings.get(&path).is_some_and(|known| !known.contains(heading))) {
                findings.push(finding(file, number, &format!("the link `{to}` names a heading that is not there")));
            }
        }
    }
    findings
}

/// No text, so that it is not among the files that are read.
fn is_picture(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == "png") && root().join(path).is_file()
}

/// The lines that are no code, counted from 1.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_code = false;
    (1..).zip(text.lines()).filter(move |(_, line)| {
        let is_fence = line.trim_start().starts_with("```");
        in_code ^= is_fence;
        !in_code && !is_fence
    })
}

/// A line with what stands in backticks left out.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("`")
}

/// The names of a document's headings, as forges and mdBook make them.
fn headings(text: &str) -> HashSet<String> {
    let titles = prose(text).filter_map(|(_, line)| Some(line.strip_prefix('#')?.trim_start_matches('#').strip_prefix(' ')?.trim()));
    let name = |title: &str| {
        let kept = title.to_lowercase().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).collect::<String>();
        kept.replace(' ', "-")
    };
    titles.map(name).collect()
}

/// A path from the root, of one that is written in the document `from`.
fn resolved(from: &str, path: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in path.trim_end_matches('/').split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[test]
fn every_link_in_a_document_leads_somewhere() {
    let files = files();
    let targets = Targets::of(&files);
    assert!(targets.headings.len() > 10 && targets.headings["docs/config.md"].contains("the-server"));
    super::tree_passes(|file| check(file, &targets));
}

#[test]
fn every_document_of_the_book_is_in_its_summary() {
    let files = files();
    let summary = &files.iter().find(|file| file.path == "docs/SUMMARY.md").unwrap().text;
    let written = files.iter().filter(|file| is_document(file)).filter_map(|file| file.path.strip_prefix("docs/"));
    let missing: Vec<_> = written.filter(|path| *path != "SUMMARY.md" && !summary.contains(&format!("]({path})"))).collect();
    assert!(missing.is_empty(), "docs/SUMMARY.md lacks {missing:?}");
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let there = |path: &str, text: &str| File { path: path.to_owned(), text: text.to_owned() };
    let targets =
        Targets::of(&[there("docs/a.md", "# One\n## What it may do: *this*\n```\n# no heading\n```"), there("sources/a.toml", "")]);
    let text = "[a](a.md) [b](./a.md#one) [c](#here) [d](../sources) [e](../sources/a.toml)\n# Here\n[f](https://a.example/x.md)\n\
        [g](b.md)\n[h](a.md#two)\n[i](a.md#no-heading)\n[j](#there)\n`[k](gone.md)`\n```\n[l](gone.md)\n```\n[m](a.md#what-it-may-do-this)";
    let targets = Targets { headings: targets.headings.into_iter().chain([("docs/x.md".to_owned(), headings(text))]).collect(), ..targets };
    let targets = Targets { paths: targets.paths.into_iter().chain(["docs/x.md".to_owned()]).collect(), ..targets };
    super::plants(|file| check(file, &targets), "docs/x.md", text, &[4, 5, 6, 7]);
}
