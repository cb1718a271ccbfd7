//! What the processes of a group hold in memory, by `/proc`.

use std::fs;

/// What Chromium tells a process that is for pages.
const RENDERER: &[u8] = b"--type=renderer";

/// What the processes of a group hold that cannot be read from files again, in bytes; 0 where that is not known.
pub(super) fn held_by(group: u32) -> u64 {
    let Ok(processes) = fs::read_dir("/proc") else { return 0 };
    let numbers = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    numbers.filter(|process| group_of(*process) == Some(group)).map(held).sum()
}

/// The processes of a group that each hold a page.
pub(super) fn renderers_of(group: u32) -> Vec<u32> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let numbers = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let line = |process: &u32| fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    let holds_page = |process: &u32| line(process).windows(RENDERER.len()).any(|part| part == RENDERER);
    numbers.filter(|process| group_of(*process) == Some(group)).filter(holds_page).collect()
}

/// True of a process whose memory is not given back yet. That of a zombie is, and its command line with it.
pub(super) fn holds(process: u32) -> bool {
    fs::read(format!("/proc/{process}/cmdline")).is_ok_and(|line| !line.is_empty())
}

/// The group of a process (proc(5), `stat`, field 5). What stands before it may hold blanks and brackets.
fn group_of(process: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, after) = stat.rsplit_once(')')?;
    after.split_whitespace().nth(2)?.parse().ok()
}

fn held(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let of = |name: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    (of("RssAnon:").unwrap_or(0) + of("RssShmem:").unwrap_or(0)) << 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_holds_what_its_processes_hold() {
        let own = group_of(std::process::id()).unwrap();
        let ballast = vec![1_u8; 8 << 20];
        assert!(held_by(own) >= ballast.len() as u64);
        assert_eq!(held_by(u32::MAX), 0);
    }

    #[test]
    fn what_has_ended_holds_nothing_before_it_is_reaped_and_after() {
        assert!(holds(std::process::id()));
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        child.kill().unwrap();
        let ended = rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT;
        rustix::process::waitid(rustix::process::WaitId::Pid(rustix::process::Pid::from_child(&child)), ended).unwrap();
        assert!(!holds(child.id()));
        child.wait().unwrap();
        assert!(!holds(child.id()));
    }
}
