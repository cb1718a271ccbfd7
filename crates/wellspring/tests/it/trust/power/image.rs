//! What may be on a disk after the power failed: replays a record and makes up one of the states that the disk may be in.
//!
//! What was synced is there. Of what was not, each write is there, is not, or is torn into sectors, of which each shows one of
//! its states since; a file may have any of its sizes since; names come, go and change in a folder only once that was synced,
//! until then each alone, in any order. After a sync that failed the kernel holds its pages for clean: they may never come,
//! however well the next sync goes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use crate::support::disk::{Record, Synced};

const SECTOR: usize = 512;

/// Numbers that are the same for the same seed (splitmix64).
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Below `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }
}

/// A disk, as far as it was recorded.
#[derive(Default)]
pub(super) struct Platter {
    files: HashMap<usize, Content>,
    /// Numbers of inodes are given again; those of files here are not.
    by_inode: HashMap<u64, usize>,
    /// The names that the process sees.
    live: BTreeMap<PathBuf, usize>,
    /// The names that are on the disk for sure.
    names: BTreeMap<PathBuf, usize>,
    folders: BTreeSet<PathBuf>,
    pending: Vec<Renaming>,
}

/// A change of a folder.
#[derive(Clone, Debug)]
struct Renaming {
    folder: PathBuf,
    removed: Option<PathBuf>,
    added: Option<(PathBuf, Named)>,
}

#[derive(Clone, Copy, Debug)]
enum Named {
    File(usize),
    Folder,
}

/// A file: what is on the disk for sure, and what came later.
#[derive(Default)]
struct Content {
    sure: Vec<u8>,
    later: Vec<(Act, Certainty)>,
}

enum Act {
    Write { at: usize, bytes: Vec<u8> },
    Resize(usize),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Certainty {
    /// Written after something doubtful, and synced.
    Sure,
    /// Not synced yet.
    Pending,
    /// Its sync failed.
    Doubtful,
}

/// How much of what is not sure reaches the disk.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Luck {
    Nothing,
    All,
    Some,
    Torn,
}

/// Names and contents after a crash.
pub(super) struct Image {
    pub(super) folders: Vec<PathBuf>,
    pub(super) files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Platter {
    pub(super) fn take(&mut self, record: &Record) {
        match record {
            Record::Create { path, inode } => {
                let number = self.files.len();
                self.files.insert(number, Content::default());
                self.by_inode.insert(*inode, number);
                self.live.insert(path.clone(), number);
                self.change(None, Some((path.clone(), Named::File(number))));
            }
            Record::Write { inode, at, bytes } => self.act(*inode, Act::Write { at: *at, bytes: bytes.clone() }),
            Record::Truncate { inode, length } => self.act(*inode, Act::Resize(*length)),
            Record::Rename { from, to } => {
                let number = self.live.remove(from).expect("it was there");
                self.live.insert(to.clone(), number);
                self.change(Some(from.clone()), Some((to.clone(), Named::File(number))));
            }
            Record::Link { from, to } => {
                let number = self.live[from];
                self.live.insert(to.clone(), number);
                self.change(None, Some((to.clone(), Named::File(number))));
            }
            Record::Unlink(path) => {
                self.live.remove(path);
                self.change(Some(path.clone()), None);
            }
            Record::Folder(path) => self.change(None, Some((path.clone(), Named::Folder))),
            Record::Sync { inode, outcome } => {
                if let Some(content) = self.content(*inode) {
                    content.synced(*outcome);
                }
            }
            Record::SyncFolder { path, outcome: Synced::Done } => {
                let (settled, rest): (Vec<_>, Vec<_>) =
                    std::mem::take(&mut self.pending).into_iter().partition(|change| change.folder == *path);
                self.pending = rest;
                for change in settled {
                    change.apply(&mut self.names, &mut self.folders);
                }
            }
            Record::SyncFolder { .. } | Record::Said(_) => {}
        }
    }

    fn content(&mut self, inode: u64) -> Option<&mut Content> {
        self.files.get_mut(self.by_inode.get(&inode)?)
    }

    fn act(&mut self, inode: u64, act: Act) {
        self.content(inode).expect("it was created").later.push((act, Certainty::Pending));
    }

    fn change(&mut self, removed: Option<PathBuf>, added: Option<(PathBuf, Named)>) {
        let path = added.as_ref().map(|(path, _)| path).or(removed.as_ref());
        let folder = path.and_then(|path| path.parent()).unwrap_or(Path::new("/")).to_owned();
        self.pending.push(Renaming { folder, removed, added });
    }

    /// One of the states that the disk may be in if the power fails now.
    pub(super) fn crash(&self, dice: &mut Dice) -> Image {
        let (mut names, mut folders) = (self.names.clone(), self.folders.clone());
        let luck = Luck::roll(dice);
        let prefix = dice.below(self.pending.len() + 1);
        for (n, change) in self.pending.iter().enumerate() {
            let kept = match luck {
                Luck::Nothing => false,
                Luck::All => true,
                Luck::Some => n < prefix,
                Luck::Torn => dice.below(2) == 0,
            };
            if kept {
                change.apply(&mut names, &mut folders);
            }
        }
        // What lies in a folder that is not there is not there.
        let reachable = |path: &PathBuf| {
            let made =
                |folder: &Path| self.pending.iter().any(|change| matches!(&change.added, Some((path, Named::Folder)) if path == folder));
            path.ancestors().skip(1).all(|folder| folders.contains(folder) || !made(folder))
        };
        let luck = Luck::roll(dice);
        let files = names.iter().filter(|(path, _)| reachable(path));
        let files = files.map(|(path, number)| (path.clone(), self.files[number].replayed(luck, dice))).collect();
        let folders = folders.iter().filter(|path| reachable(path)).cloned().collect();
        Image { folders, files }
    }
}

impl Renaming {
    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>, folders: &mut BTreeSet<PathBuf>) {
        if let Some(removed) = &self.removed {
            names.remove(removed);
        }
        match &self.added {
            Some((path, Named::File(number))) => drop(names.insert(path.clone(), *number)),
            Some((path, Named::Folder)) => drop(folders.insert(path.clone())),
            None => {}
        }
    }
}

impl Luck {
    fn roll(dice: &mut Dice) -> Self {
        [Self::Nothing, Self::All, Self::Some, Self::Torn, Self::Torn][dice.below(5)]
    }
}

impl Act {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Resize(size) => content.resize(*size, 0),
            Self::Write { at, bytes } => {
                let end = at + bytes.len();
                content.resize(content.len().max(end), 0);
                content[*at..end].copy_from_slice(bytes);
            }
        }
    }
}

impl Content {
    fn synced(&mut self, outcome: Synced) {
        let now = match outcome {
            Synced::Done => Certainty::Sure,
            Synced::Failed => Certainty::Doubtful,
            Synced::Swallowed => return,
        };
        self.later.iter_mut().filter(|(_, certainty)| *certainty == Certainty::Pending).for_each(|(_, certainty)| *certainty = now);
        if outcome == Synced::Failed {
            return;
        }
        if self.later.iter().all(|(_, certainty)| *certainty == Certainty::Sure) {
            self.later.drain(..).for_each(|(act, _)| act.apply(&mut self.sure));
        } else {
            // The size is no page: it is written with the file's description.
            let size = self.replayed(Luck::All, &mut Dice(0)).len();
            self.later.push((Act::Resize(size), Certainty::Sure));
        }
    }

    /// Beside what is on the disk goes what the process sees: a sector that is written is written as the process sees it.
    fn replayed(&self, luck: Luck, dice: &mut Dice) -> Vec<u8> {
        if self.later.is_empty() {
            return self.sure.clone();
        }
        let (mut seen, mut disk) = (self.sure.clone(), self.sure.clone());
        for (act, certainty) in &self.later {
            let mut whole = || match luck {
                _ if *certainty == Certainty::Sure => true,
                Luck::Nothing => false,
                Luck::All => true,
                Luck::Some | Luck::Torn => dice.below(2) == 0,
            };
            act.apply(&mut seen);
            match act {
                Act::Resize(size) => {
                    if whole() {
                        disk.resize(*size, 0);
                    }
                }
                Act::Write { at, bytes } => {
                    let end = at + bytes.len();
                    if end > disk.len() && whole() {
                        disk.resize(end, 0);
                    }
                    let written = whole();
                    for sector in at / SECTOR..end.div_ceil(SECTOR) {
                        let kept = if luck == Luck::Torn { whole() } else { written };
                        let (from, to) = (sector * SECTOR, ((sector + 1) * SECTOR).min(disk.len()).min(seen.len()));
                        if kept && from < to {
                            disk[from..to].copy_from_slice(&seen[from..to]);
                        }
                    }
                }
            }
        }
        disk
    }
}

impl Image {
    /// Puts it beneath a folder, in place of the one it was recorded in.
    pub(super) fn lay(&self, recorded: &Path, folder: &Path) {
        let there = |path: &Path| folder.join(path.strip_prefix(recorded).unwrap());
        for path in &self.folders {
            std::fs::create_dir_all(there(path)).unwrap();
        }
        for (path, bytes) in &self.files {
            std::fs::write(there(path), bytes).unwrap();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(at: usize, fill: u8, length: usize) -> Record {
        Record::Write { inode: 7, at, bytes: vec![fill; length] }
    }

    /// Every state that a thousand crashes find a file in, as `length:bytes at the start of each sector`.
    fn states(records: &[Record]) -> BTreeSet<Option<Vec<u8>>> {
        let mut platter = Platter::default();
        for record in records {
            platter.take(record);
        }
        let mut dice = Dice(1);
        let of = |image: Image| image.files.get(Path::new("/d/f")).map(|bytes| bytes.chunks(SECTOR).map(|sector| sector[0]).collect());
        (0..1_000).map(|_| of(platter.crash(&mut dice))).collect()
    }

    fn made() -> Vec<Record> {
        vec![Record::Create { path: "/d/f".into(), inode: 7 }]
    }

    const SYNC: Record = Record::Sync { inode: 7, outcome: Synced::Done };

    fn folder(outcome: Synced) -> Record {
        Record::SyncFolder { path: "/d".into(), outcome }
    }

    #[test]
    fn a_name_is_there_for_sure_once_its_folder_was_synced() {
        let unsynced = [made(), vec![write(0, 1, 512), SYNC]].concat();
        assert_eq!(states(&unsynced), [None, Some(vec![1])].into());
        assert_eq!(states(&[unsynced.clone(), vec![folder(Synced::Swallowed)]].concat()), [None, Some(vec![1])].into());
        assert_eq!(states(&[unsynced, vec![folder(Synced::Done)]].concat()), [Some(vec![1])].into());
    }

    #[test]
    fn what_was_not_synced_may_be_torn() {
        let records = [made(), vec![write(0, 1, 1_024), SYNC, folder(Synced::Done), write(0, 2, 1_024)]].concat();
        let all = [vec![1, 1], vec![2, 2], vec![1, 2], vec![2, 1]].map(Some);
        assert_eq!(states(&records), all.into());
        assert_eq!(states(&[records, vec![SYNC]].concat()), [Some(vec![2, 2])].into());
    }

    #[test]
    fn what_failed_to_be_synced_stays_in_doubt() {
        let failed = Record::Sync { inode: 7, outcome: Synced::Failed };
        let records = [made(), vec![folder(Synced::Done), write(0, 1, 512), SYNC, write(0, 2, 512), failed, SYNC]].concat();
        assert_eq!(states(&records), [Some(vec![1]), Some(vec![2])].into());
        assert_eq!(states(&[records, vec![write(0, 2, 512), SYNC]].concat()), [Some(vec![2])].into(), "written again, it is there");
    }
}
