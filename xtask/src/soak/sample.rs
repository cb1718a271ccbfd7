//! What a process holds, looked at from outside.

use std::fs;
use std::path::Path;

/// One look.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sample {
    /// Since the start, in seconds.
    pub(super) at: f64,
    /// Resident memory of the server, in MB.
    pub(super) memory: f64,
    /// The same of its children (workers, the browser).
    pub(super) children: f64,
    /// Files and sockets that are open.
    pub(super) files: f64,
    /// Threads.
    pub(super) threads: f64,
    /// Tasks, beside those of connections.
    pub(super) tasks: f64,
    /// The folder of the store, in MB.
    pub(super) store: f64,
    /// Answers so far.
    pub(super) answers: f64,
}

/// One of its figures.
pub(super) type Figure = fn(&Sample) -> f64;

/// What a sample is made of, for tables and pictures.
pub(super) const COLUMNS: [(&str, Figure); 8] = [
    ("seconds", |s| s.at),
    ("memory_mb", |s| s.memory),
    ("children_mb", |s| s.children),
    ("open_files", |s| s.files),
    ("threads", |s| s.threads),
    ("tasks", |s| s.tasks),
    ("store_mb", |s| s.store),
    ("answers", |s| s.answers),
];

impl Sample {
    /// Looks at a process and its folder.
    pub(super) fn of(process: u32, folder: &Path, at: f64, tasks: f64, answers: f64) -> Self {
        let own = format!("/proc/{process}");
        Self {
            at,
            memory: resident(process),
            children: descendants(process).into_iter().map(resident).sum(),
            files: fs::read_dir(format!("{own}/fd")).map_or(f64::NAN, |all| all.count() as f64),
            threads: fs::read_dir(format!("{own}/task")).map_or(f64::NAN, |all| all.count() as f64),
            tasks,
            store: size(folder),
            answers,
        }
    }
}

/// Every process that came from this one.
pub(super) fn descendants(process: u32) -> Vec<u32> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let with_parent: Vec<(u32, u32)> = all.filter_map(|id| Some((id, parent(id)?))).collect();
    let mut found = vec![process];
    let mut at = 0;
    while let Some(one) = found.get(at).copied() {
        found.extend(with_parent.iter().filter(|(_, parent)| *parent == one).map(|(id, _)| *id));
        at += 1;
    }
    found.split_off(1)
}

fn parent(id: u32) -> Option<u32> {
    // The second word, the name, is in brackets and may hold anything.
    fs::read_to_string(format!("/proc/{id}/stat")).ok()?.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

fn resident(id: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let kb = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse::<f64>().ok());
    kb.map_or(0.0, |kb| kb * 1_024.0 / 1e6)
}

fn size(folder: &Path) -> f64 {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|file| file.len() as f64).sum::<f64>() / 1e6
}
