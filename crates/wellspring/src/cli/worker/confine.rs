//! What a worker takes from itself before it reads anything. What the system refuses is left: each of these is one wall of
//! several, and the parent's deadline stands behind them all.

use std::io;

use rustix::process::{Pid, Resource, Rlimit, Signal, getppid, getrlimit, nice, set_parent_process_death_signal, setrlimit};
use rustix::thread::set_no_new_privs;

use crate::clock;

/// What may be written to in memory, in bytes, the stack of the thread that extracts (64 MiB) included. Ordinary pages and documents of
/// 8 MiB take up to 260 MiB.
const DATA: u64 = 576 << 20;
/// Everything that is mapped, in bytes: where the system does not count data alone.
const MAPPED: u64 = 2 << 30;
/// Open files: the three pipes twice, and what is read of `/proc`.
const FILES: u64 = 16;
/// How long one job may compute, in seconds: longer than the parent waits, for a parent that does not look.
const COMPUTING: u64 = 30;
/// How much sooner than the server it is ended where memory is short, of 1,000.
const EXPENDABLE: &str = "500";
/// How far it stands back behind whatever answers requests.
const STANDS_BACK: i32 = 5;

/// Bounds this process, and ties its life to its parent's.
///
/// # Errors
/// Where the parent has ended already.
pub(super) fn this_process(parent: i32) -> io::Result<()> {
    // Named after the link that it was started by, otherwise.
    let _ = rustix::thread::set_name(c"wellspring");
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // A parent that ended before that call sends no signal any more.
    if getppid().map(Pid::as_raw_pid) != Some(parent) {
        return Err(io::Error::other("the server that started this process has ended"));
    }
    let _ = std::fs::write("/proc/self/oom_score_adj", EXPENDABLE);
    let _ = nice(STANDS_BACK);
    let _ = set_no_new_privs(true);
    limit(Resource::Data, DATA);
    limit(Resource::As, MAPPED);
    limit(Resource::Nofile, FILES);
    limit(Resource::Fsize, 0);
    limit(Resource::Core, 0);
    Ok(())
}

/// Takes from the thread that extracts the means to start another, or a process.
pub(super) fn this_thread() {
    limit(Resource::Nproc, 0);
}

/// Allows so much computing more.
pub(super) fn allow_one_job() {
    let until = clock::cpu().as_secs() + COMPUTING;
    let maximum = getrlimit(Resource::Cpu).maximum;
    let _ = setrlimit(Resource::Cpu, Rlimit { current: Some(maximum.map_or(until, |most| most.min(until))), maximum });
}

/// What this process has in memory, in KiB; 0 where that is not known.
pub(super) fn resident() -> u64 {
    let read = || -> Option<u64> {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.split_whitespace().next()?.parse().ok()
    };
    read().unwrap_or(0)
}

fn limit(resource: Resource, most: u64) {
    let _ = setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) });
}
