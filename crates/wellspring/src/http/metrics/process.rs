//! What every program tells of itself by the same names, as far as `/proc` says it.

use std::fs;

use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

use super::exposition::Page;
use super::whole;
use crate::clock;

/// Adds it. Children (the browser, workers) are processes of their own and not in it.
pub(super) fn tell(page: &mut Page) {
    page.counter("process_cpu_seconds", "How long this process has computed, on all cores together.")
        .of_seconds(clock::cpu().as_secs_f64());
    let memory = memory();
    page.gauge("process_resident_memory_bytes", "Memory that this process holds.", memory.map(|(_, resident)| whole(resident)));
    page.gauge("process_virtual_memory_bytes", "Addresses that it has reserved.", memory.map(|(reserved, _)| whole(reserved)));
    page.gauge("process_open_fds", "Files and sockets that are open.", open_files().map(whole));
    page.gauge("process_max_fds", "How many may be.", getrlimit(Resource::Nofile).current.map(whole));
    page.gauge("process_start_time_seconds", "When it was started.", started());
}

/// Reserved and resident, in bytes.
fn memory() -> Option<(u64, u64)> {
    let text = fs::read_to_string("/proc/self/statm").ok()?;
    let mut pages = text.split(' ').map_while(|word| word.parse::<u64>().ok());
    let size = u64::try_from(page_size()).ok()?;
    Some((pages.next()? * size, pages.next()? * size))
}

fn open_files() -> Option<u64> {
    // Looking opens one more.
    let count = fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1);
    u64::try_from(count).ok()
}

/// In seconds since 1970.
fn started() -> Option<f64> {
    let own = fs::read_to_string("/proc/self/stat").ok()?;
    let machine = fs::read_to_string("/proc/stat").ok()?;
    let booted: u64 = machine.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(whole(booted) + whole(ticks(&own)?) / whole(clock_ticks_per_second()))
}

/// When a process started, in ticks since the machine did: the 22nd word. The second, its name, is in brackets and may hold anything.
fn ticks(stat: &str) -> Option<u64> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_blanks_hides_nothing() {
        let stat = "42 (a) b (c)) S 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 9 0 1234567 99 100";
        assert_eq!(ticks(stat), Some(1_234_567));
        assert_eq!(ticks("42"), None);
    }

    #[test]
    fn this_process_was_started_before_now_and_holds_something() {
        let now = clock::Clock::now(&clock::SystemClock).wall.as_second();
        let begun = started().unwrap();
        assert!(begun > 0.0 && begun <= whole(u64::try_from(now).unwrap()) + 1.0, "{begun} {now}");
        assert!(memory().unwrap().1 > 1 << 20 && open_files().unwrap() >= 3);
    }
}
