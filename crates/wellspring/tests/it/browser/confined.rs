//! What the browser's processes are and know, and programs that are no browser.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::*;

/// The processes of the running browser, by their command line and what `/proc` says of each: a group, of which one names its folder.
fn processes() -> Vec<(String, PathBuf)> {
    let folder = format!("wellspring-browser-{}-", std::process::id());
    let read = |entry: fs::DirEntry| {
        let (command, stat) = (fs::read_to_string(entry.path().join("cmdline")).ok()?, fs::read_to_string(entry.path().join("stat")).ok()?);
        let group = stat.rsplit_once(')')?.1.split_whitespace().nth(2)?.to_owned();
        Some((group, command, entry.path()))
    };
    let all: Vec<_> = fs::read_dir("/proc").unwrap().flatten().filter_map(read).collect();
    let groups: Vec<_> = all.iter().filter(|(_, command, _)| command.contains(&folder)).map(|(group, ..)| group.clone()).collect();
    all.into_iter().filter(|(group, ..)| groups.contains(group)).map(|(_, command, path)| (command, path)).collect()
}

fn line<'a>(status: &'a str, name: &str) -> &'a str {
    status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim()
}

#[tokio::test]
async fn the_browser_is_confined() {
    let origin = Origin::start().await;
    origin.script("/", scripted("fetch('/never')"));
    origin.hold("/never");
    let Some(lab) = Lab::open(&[&origin]).await else { return };
    // While a page is open: without one there is no process for pages. Nothing closes it before something is waited for again.
    let (url, waiting) = (origin.url("/"), Page { wait_for: Some("ul li".to_owned()), ..Page::default() });
    let processes = tokio::select! {
        rendered = lab.render(&url, waiting) => panic!("{rendered:?}"),
        processes = async {
            origin.wait_for_requests("/never", 1).await;
            processes()
        } => processes,
    };
    assert!(processes.len() >= 2, "{processes:?}");
    let own = fs::read_to_string("/proc/self/environ").unwrap();
    // Its folder and its language are its own.
    let own: Vec<_> = own.split('\0').filter(|pair| pair.starts_with("CARGO") || pair.starts_with("PATH=")).map(str::to_owned).collect();
    assert!(own.len() > 1, "{own:?}");
    for (command, process) in &processes {
        let limits = fs::read_to_string(process.join("limits")).unwrap();
        assert_eq!(line(&limits, "Max data size").split_whitespace().next(), Some("268435456"), "{command}");
        let status = fs::read_to_string(process.join("status")).unwrap();
        assert!(line(&status, "Uid:").split_whitespace().all(|user| user != "0"), "{command}: {status}");
        let environment = fs::read_to_string(process.join("environ")).unwrap_or_default();
        let leaked: Vec<&str> = own.iter().map(String::as_str).filter(|pair| environment.contains(pair)).collect();
        assert_eq!(leaked, Vec::<&str>::new(), "{command}");
        if command.contains("--type=renderer") {
            assert_eq!((line(&status, "Seccomp:"), line(&status, "NoNewPrivs:")), ("2", "1"), "{status}");
        }
    }
    assert!(processes.iter().any(|(command, _)| command.contains("--type=renderer")), "{processes:?}");
    lab.close().await;
}

fn program(folder: &Path, name: &str, script: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[tokio::test]
async fn what_is_no_browser_is_told_and_left_alone_for_a_while() {
    let folder = tempfile::tempdir().unwrap();
    // The browser's user must come to it.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    for (program, gives) in [
        (program(folder.path(), "speaks", "echo one >&2; echo two >&2; echo three >&2; exit 1"), "(exit code 1: one two three)"),
        (program(folder.path(), "hangs", "exec sleep 1000"), "in time"),
        (folder.path().join("missing"), "No such file"),
    ] {
        let hangs = program.ends_with("hangs");
        let located = program.clone();
        let Some(lab) = Lab::open_with(&[], |options| options.locate = Arc::new(move || Ok(located.clone()))).await else { return };
        let mut asked = request("http://public.example/", Page::default());
        asked.within = Duration::from_secs(if hangs { 1 } else { 20 });
        let error = lab.browser.render(&asked).await.unwrap_err();
        assert!(error.to_string().contains(gives), "{program:?}: {error}");
        if !hangs {
            assert!(matches!(error, FetchError::BrowserFailed(_)), "{error:?}");
            let again = lab.browser.render(&asked).await.unwrap_err().to_string();
            assert!(again.contains(gives) && again.contains("; it is tried again in "), "{again}");
        }
        lab.close().await;
    }
}
