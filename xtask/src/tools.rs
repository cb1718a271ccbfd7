//! What must be on the machine, and how it gets there. Later needs are further lines of [`NEEDED`].

use std::process::{Command, Stdio};

struct Tool {
    name: &'static str,
    /// Succeeds where the tool is there.
    probe: &'static [&'static str],
    from: Provider,
}

/// Where a tool comes from.
enum Provider {
    /// A component of the toolchain.
    Rustup(&'static str),
    /// A package of the system; needs root.
    Apt(&'static str),
}

const NEEDED: &[Tool] = &[
    Tool { name: "rustfmt", probe: &["cargo", "fmt", "--version"], from: Provider::Rustup("rustfmt") },
    Tool { name: "clippy", probe: &["cargo", "clippy", "--version"], from: Provider::Rustup("clippy") },
    Tool { name: "a C compiler", probe: &["cc", "--version"], from: Provider::Apt("gcc") },
];

/// Installs what is missing. What cannot be installed here is named and left: the step that needs it will say more.
pub(crate) fn prepare() {
    for tool in NEEDED.iter().filter(|tool| !succeeds(tool.probe)) {
        match install(tool) {
            Ok(()) => println!("{}: installed", tool.name),
            Err(way_out) => println!("{}: missing, not installed: {way_out}", tool.name),
        }
    }
}

fn install(tool: &Tool) -> Result<(), String> {
    match tool.from {
        Provider::Rustup(component) => {
            let add = ["rustup", "component", "add", component];
            if succeeds(&add) { Ok(()) } else { Err(format!("`{}` failed", add.join(" "))) }
        }
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
    use super::{NEEDED, succeeds};

    #[test]
    fn probes_tell_presence_from_absence() {
        assert!(succeeds(NEEDED[0].probe));
        assert!(!succeeds(&["no-such-program-anywhere", "--version"]));
        assert!(!succeeds(&[]));
    }
}
