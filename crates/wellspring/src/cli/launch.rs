//! `wellspring __exec`: becomes the browser. Between the server and Chromium because what must happen in the new process, and only
//! there (limits, another user, a death that follows the parent's), is done here without unsafe code. See `fetch/browser/launch`.

use std::ffi::OsString;
use std::io::{self, stdin, stdout};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode, Stdio};

use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use rustix::process::{Gid, Pid, Resource, Rlimit, Signal, Uid, geteuid, getppid, nice, set_parent_process_death_signal, setrlimit};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use super::{BAD_CONFIG, BROKEN};
use crate::fetch::browser::launch::{COMMAND, READ_FROM, WRITE_TO};

/// The largest file that the browser may write, in bytes: its profile is small and thrown away.
const FILE: u64 = 256 << 20;
/// The stack of each thread, in bytes. Counted as memory that it may write to, whether it does or not: with the usual 8 MiB, what a
/// page has threads for (workers, windows) would take all of that from the browser itself.
const STACK: u64 = 2 << 20;
/// How much sooner than the server it is ended where memory is short, of 1,000.
const EXPENDABLE: &str = "600";
/// How far it stands back behind whatever answers requests.
const STANDS_BACK: i32 = 5;

/// What the server says.
struct Orders {
    /// The server's process.
    parent: i32,
    /// The user to be, where it is another one.
    user: Option<u32>,
    /// What each process may write to in memory, in bytes.
    memory: u64,
    program: OsString,
    args: Vec<OsString>,
}

/// Becomes another program where the command line asks for it.
pub(super) fn run_if_meant() -> Option<ExitCode> {
    let mut args = std::env::args_os().skip(1);
    if args.next().is_none_or(|arg| arg != COMMAND) {
        return None;
    }
    let Some(orders) = read(args) else {
        eprintln!("error: `{COMMAND}` is internal: the server starts the browser by it; see `wellspring --help`");
        return Some(ExitCode::from(BAD_CONFIG));
    };
    become_it(&orders);
    Some(ExitCode::from(BROKEN))
}

fn read(mut args: impl Iterator<Item = OsString>) -> Option<Orders> {
    let mut number = || args.next()?.to_str()?.parse::<u64>().ok();
    let (parent, user, memory) = (number()?, number()?, number()?);
    let program = args.next()?;
    let user = u32::try_from(user).ok()?;
    Some(Orders { parent: i32::try_from(parent).ok()?, user: (user > 0).then_some(user), memory, program, args: args.collect() })
}

/// Comes back only where it fails, and says why.
fn become_it(orders: &Orders) {
    let say = |error: io::Error| eprintln!("{}: {error}", orders.program.display());
    match prepare(orders) {
        Ok(pipes) => {
            say(Command::new(&orders.program).args(&orders.args).stdin(Stdio::null()).stdout(Stdio::null()).exec());
            // Closed by the end of this process, not before: the server takes their end for the browser's, and kills what is left of it.
            std::mem::forget(pipes);
        }
        Err(error) => say(error),
    }
}

fn prepare(orders: &Orders) -> io::Result<[OwnedFd; 2]> {
    let _ = std::fs::write("/proc/self/oom_score_adj", EXPENDABLE);
    let _ = nice(STANDS_BACK);
    let limit = |resource, most| setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) });
    limit(Resource::Data, orders.memory)?;
    limit(Resource::Fsize, FILE)?;
    limit(Resource::Core, 0)?;
    limit(Resource::Stack, STACK)?;
    // There is one thread yet, so what holds for it holds for the process.
    if let Some(user) = orders.user {
        set_thread_groups(&[])?;
        let (user, group) = (Uid::from_raw(user), Gid::from_raw(user));
        set_thread_res_gid(group, group, group)?;
        set_thread_res_uid(user, user, user)?;
    }
    if geteuid().is_root() {
        return Err(io::Error::other("a browser is not run as root"));
    }
    // After the change of user, which clears it.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // A parent that ended before that call sends no signal any more.
    if getppid().map(Pid::as_raw_pid) != Some(orders.parent) {
        return Err(io::Error::other("the server that started this process has ended"));
    }
    Ok([placed(stdin().as_fd().try_clone_to_owned()?, READ_FROM)?, placed(stdout().as_fd().try_clone_to_owned()?, WRITE_TO)?])
}

/// A pipe under the number at which the browser looks for it.
fn placed(pipe: OwnedFd, number: i32) -> io::Result<OwnedFd> {
    let pipe = if pipe.as_raw_fd() == number { pipe } else { fcntl_dupfd_cloexec(pipe, number)? };
    if pipe.as_raw_fd() != number {
        return Err(io::Error::other(format!("descriptor {number} is taken")));
    }
    fcntl_setfd(&pipe, FdFlags::empty())?;
    Ok(pipe)
}
