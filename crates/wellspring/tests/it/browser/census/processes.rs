//! The processes and folders of browsers, as the system lists them.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);
/// How far apart it looks.
const LOOKS: Duration = Duration::from_millis(20);

/// A process.
#[derive(Clone, Debug)]
pub(super) struct Process {
    pub id: u32,
    pub state: char,
    pub parent: u32,
    pub group: u32,
    pub line: String,
}

impl Process {
    /// By proc(5), `stat` and `cmdline`.
    fn read(id: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        let mut after = stat.rsplit_once(')')?.1.split_whitespace();
        let state = after.next()?.chars().next()?;
        let (parent, group) = (after.next()?.parse().ok()?, after.next()?.parse().ok()?);
        let line = fs::read_to_string(format!("/proc/{id}/cmdline")).unwrap_or_default().replace('\0', " ");
        Some(Self { id, state, parent, group, line })
    }

    pub(super) fn is_zombie(&self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }

    pub(super) fn is_renderer(&self) -> bool {
        self.line.contains("--type=renderer")
    }
}

/// All there are.
pub(super) fn all() -> Vec<Process> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| Process::read(entry.file_name().to_str()?.parse().ok()?)).collect()
}

/// The main process of the browser of a server's process.
pub(super) fn main_of(server: u32) -> Option<u32> {
    let folder = format!("/wellspring-browser-{server}-");
    let is_main = |process: &Process| process.line.contains(&folder) && !process.line.contains("--type=") && process.parent == server;
    all().into_iter().find(|process| is_main(process) && !process.is_zombie()).map(|process| process.id)
}

/// The processes of a group, and all that come from them, whatever group they are in now. Those that only the system's first process
/// has to reap do not count.
pub(super) fn of(group: u32) -> Vec<Process> {
    let all = all();
    let mut found: Vec<Process> = all.iter().filter(|process| process.group == group).cloned().collect();
    let mut at = 0;
    while at < found.len() {
        let parent = found[at].id;
        let known: Vec<u32> = found.iter().map(|process| process.id).collect();
        found.extend(all.iter().filter(|process| process.parent == parent && !known.contains(&process.id)).cloned());
        at += 1;
    }
    found.retain(|process| !(process.is_zombie() && process.parent == 1));
    found
}

/// The zombies that a process has to reap.
pub(super) fn zombies_of(parent: u32, group: u32) -> Vec<Process> {
    all().into_iter().filter(|process| process.is_zombie() && process.parent == parent && process.group == group).collect()
}

/// The folders of browsers of a server's process.
pub(super) fn folders_of(server: u32) -> Vec<PathBuf> {
    let begins = format!("wellspring-browser-{server}-");
    let entries = fs::read_dir(std::env::temp_dir()).unwrap().flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&begins)).map(|entry| entry.path()).collect()
}

/// What the processes hold that cannot be read from files again, in KiB.
pub(super) fn held_by(group: u32) -> u64 {
    let held = |process: &Process| -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", process.id)).unwrap_or_default();
        let lines = status.lines().filter_map(|line| line.strip_prefix("RssAnon:"));
        lines.filter_map(|line| line.split_whitespace().next()?.parse::<u64>().ok()).sum()
    };
    of(group).iter().map(held).sum()
}

/// Waits until something is so.
pub(super) async fn until(what: &str, within: Duration, mut is_so: impl FnMut() -> bool) {
    let waiting = async {
        let mut looks = tokio::time::interval(LOOKS);
        while !is_so() {
            looks.tick().await;
        }
    };
    assert!(tokio::time::timeout(within, waiting).await.is_ok(), "not within {within:?}: {what}");
}

/// Waits until nothing of a group is left.
pub(super) async fn until_gone(group: u32) {
    let waiting = async {
        let mut looks = tokio::time::interval(LOOKS);
        while !of(group).is_empty() {
            looks.tick().await;
        }
    };
    let is_gone = tokio::time::timeout(PATIENCE, waiting).await.is_ok();
    assert!(is_gone, "left: {:#?}", of(group));
}
