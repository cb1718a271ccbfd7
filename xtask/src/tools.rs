//! What must be on the machine, and how it gets there. Later needs are further lines of [`NEEDED`].

use std::process::{Command, Stdio};

struct Tool {
    name: &'static str,
    /// Succeeds where the tool is there.
    probe: &'static [&'static str],
    from: Provider,
    /// What is missing without it.
    without: &'static str,
}

/// Where a tool comes from.
enum Provider {
    /// A component of the toolchain.
    Rustup(&'static str),
    /// A package of the system; needs root.
    Apt(&'static str),
}

/// Succeeds where there is a browser under one of the names that the program looks for.
const BROWSER: &str = "for name in chromium-headless-shell chrome-headless-shell chromium chromium-browser google-chrome \
    google-chrome-stable; do command -v $name && exit; done; exit 1";

const NEEDED: &[Tool] = &[
    Tool {
        name: "rustfmt",
        probe: &["cargo", "fmt", "--version"],
        from: Provider::Rustup("rustfmt"),
        without: "formatting is not checked",
    },
    Tool { name: "clippy", probe: &["cargo", "clippy", "--version"], from: Provider::Rustup("clippy"), without: "nothing is linted" },
    Tool { name: "a C compiler", probe: &["cc", "--version"], from: Provider::Apt("gcc"), without: "nothing is built" },
    Tool {
        name: "a browser",
        probe: &["sh", "-c", BROWSER],
        from: Provider::Apt("chromium-headless-shell"),
        without: "tests that render pages are skipped",
    },
    Tool {
        name: "libfaketime",
        probe: &["sh", "-c", "ls /usr/lib/*/faketime/libfaketime.so.1 /usr/lib/faketime/libfaketime.so.1 2>/dev/null | grep -q ."],
        from: Provider::Apt("faketime"),
        without: "the program by a clock that steps is skipped",
    },
    Tool {
        name: "redis-server",
        probe: &["sh", "-c", "command -v redis-server || command -v valkey-server"],
        from: Provider::Apt("redis-server"),
        without: "tests of the store in Redis fail",
    },
];

/// What benchmarks are run beside and with, which tests need not.
const BENCHES: &[Tool] = &[
    Tool { name: "wrk", probe: &["sh", "-c", "command -v wrk"], from: Provider::Apt("wrk"), without: "nothing is loaded" },
    Tool { name: "nginx", probe: &["nginx", "-v"], from: Provider::Apt("nginx-light"), without: "nginx is skipped" },
    Tool { name: "varnish", probe: &["varnishd", "-V"], from: Provider::Apt("varnish"), without: "Varnish is skipped" },
];

/// Installs what is missing. What cannot be installed here is named and left: the step that needs it will say more.
pub(crate) fn prepare() {
    bring(NEEDED);
}

/// The same for benchmarks.
pub(crate) fn prepare_benches() {
    bring(BENCHES);
}

/// The browser that the program would find.
pub(crate) fn browser() -> Option<String> {
    let found = Command::new("sh").args(["-c", BROWSER]).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&found.stdout).trim().to_owned())
}

fn bring(tools: &[Tool]) {
    for tool in tools.iter().filter(|tool| !succeeds(tool.probe)) {
        match install(tool) {
            Ok(()) => println!("{}: installed", tool.name),
            Err(way_out) => println!("{}: missing, so {}; not installed: {way_out}", tool.name, tool.without),
        }
    }
}

fn install(tool: &Tool) -> Result<(), String> {
    match tool.from {
        Provider::Rustup(component) => {
            let add = ["rustup", "component", "add", component];
            if succeeds(&add) { Ok(()) } else { Err(format!("`{}` failed", add.join(" "))) }
        }
        Provider::Apt(package) if !succeeds(&["apt-get", "--version"]) => Err(format!("there is no apt-get to bring `{package}`")),
        Provider::Apt(package) if !is_root() => Err(format!("packages need root; run `apt-get install {package}` as root")),
        Provider::Apt(package) => {
            let add = ["apt-get", "install", "--yes", "--no-install-recommends", package];
            if succeeds(&["apt-get", "update"]) && succeeds(&add) { Ok(()) } else { Err(format!("`{}` failed", add.join(" "))) }
        }
    }
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn succeeds(words: &[&str]) -> bool {
    let Some((program, arguments)) = words.split_first() else { return false };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::{BROWSER, NEEDED, succeeds};

    #[test]
    fn probes_tell_presence_from_absence() {
        assert!(succeeds(NEEDED[0].probe));
        assert!(!succeeds(&["no-such-program-anywhere", "--version"]));
        assert!(!succeeds(&[]));
        let finds = |folder: &str| succeeds(&["/usr/bin/env", &format!("PATH={folder}"), "/bin/sh", "-c", BROWSER]);
        assert!(!finds("/nowhere"));
        let folder = std::env::temp_dir().join(format!("xtask-browser-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let browser = folder.join("chromium");
        std::fs::write(&browser, "").unwrap();
        std::fs::set_permissions(&browser, std::fs::Permissions::from_mode(0o755)).unwrap();
        let found = finds(folder.to_str().unwrap());
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(found);
    }
}
