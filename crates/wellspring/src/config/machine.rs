//! What the machine is called, and how much memory there is: what a browser may do at once follows from it.

use std::fs;
use std::path::{Path, PathBuf};

/// The longest name of a server, in bytes.
pub(super) const NAME: usize = 64;

/// What the machine is called; in a container, its id. Signs that no configured name may have are left out.
pub(super) fn host() -> String {
    named(rustix::system::uname().nodename().to_bytes())
}

fn named(name: &[u8]) -> String {
    let name: String = name.iter().filter(|byte| byte.is_ascii_graphic()).take(NAME).map(|&byte| char::from(byte)).collect();
    if name.is_empty() { "unnamed".to_owned() } else { name }
}

/// The memory that this process may use, in bytes: the machine's, or what its control groups leave it. `None` where the system does
/// not say.
pub(super) fn memory() -> Option<u64> {
    memory_below(Path::new("/"))
}

/// The same, of a system whose files are below `root`.
fn memory_below(root: &Path) -> Option<u64> {
    let machine = fs::read_to_string(root.join("proc/meminfo")).ok().and_then(|text| total(&text));
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    // Numbers alone: v2 says `max` where there is no limit, v1 a number larger than any machine.
    let limits = limits(&groups).into_iter().filter_map(|file| fs::read_to_string(root.join(file)).ok()?.trim().parse().ok());
    machine.into_iter().chain(limits).min()
}

/// `MemTotal:        2035436 kB`, in bytes.
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The files that may hold a limit: of the groups that the process is in, and of all around them, up to the one that a container
/// shows as its root.
fn limits(groups: &str) -> Vec<PathBuf> {
    let group = |line: &str| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        let (mount, file) = match controllers {
            "" => ("sys/fs/cgroup", "memory.max"),
            _ if controllers.split(',').any(|name| name == "memory") => ("sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            _ => return None,
        };
        let path = Path::new(path.trim_start_matches('/'));
        Some(path.ancestors().map(|group| Path::new(mount).join(group).join(file)).collect::<Vec<_>>())
    };
    groups.lines().filter_map(group).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn the_least_that_limits_it_counts() {
        let check = |files: &[(&str, &str)], expected: Option<u64>| {
            let root = tempfile::tempdir().unwrap();
            for (name, text) in files {
                let file = root.path().join(name);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, text).unwrap();
            }
            assert_eq!(memory_below(root.path()), expected, "{files:?}");
        };
        let machine = ("proc/meminfo", "MemTotal:        2097152 kB\nMemFree:          108852 kB\n");
        check(&[], None);
        check(&[machine], Some(2_048 * MIB));
        check(&[machine, ("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/memory.max", "max\n")], Some(2_048 * MIB));
        check(&[machine, ("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/memory.max", "536870912\n")], Some(512 * MIB));
        // A limit on the service, and one on what it stands in.
        let service = ("proc/self/cgroup", "0::/system.slice/wellspring.service\n");
        check(&[machine, service, ("sys/fs/cgroup/system.slice/wellspring.service/memory.max", "268435456\n")], Some(256 * MIB));
        check(
            &[
                machine,
                service,
                ("sys/fs/cgroup/system.slice/memory.max", "268435456"),
                ("sys/fs/cgroup/system.slice/wellspring.service/memory.max", "536870912"),
            ],
            Some(256 * MIB),
        );
        let old = ("proc/self/cgroup", "5:cpu,cpuacct:/\n4:memory:/docker/7f\n0::/\n");
        check(&[machine, old, ("sys/fs/cgroup/memory/memory.limit_in_bytes", "536870912\n")], Some(512 * MIB));
        check(&[machine, old, ("sys/fs/cgroup/memory/docker/7f/memory.limit_in_bytes", "9223372036854771712\n")], Some(2_048 * MIB));
        check(&[("proc/meminfo", "MemTotal: lots"), ("proc/self/cgroup", "nonsense")], None);
    }

    #[test]
    fn this_machine_says_how_much_it_has() {
        assert!(!cfg!(target_os = "linux") || memory().is_some_and(|bytes| bytes > MIB));
    }
}
