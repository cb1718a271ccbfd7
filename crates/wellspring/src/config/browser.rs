//! Where a browser is, or how to come by one.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::program_folders;

/// Names that browsers go by: those without windows first, which take a third of the memory.
const BROWSERS: [&str; 6] =
    ["chromium-headless-shell", "chrome-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
/// Browsers without windows that are installed where no `PATH` leads: Fedora's.
const HIDDEN: [&str; 2] = ["usr/lib64/chromium-browser/headless_shell", "usr/lib/chromium-browser/headless_shell"];
/// Where distributions keep the programs that their scripts run.
const KEPT: [&str; 4] = ["usr/lib/chromium", "usr/lib/chromium-browser", "usr/lib64/chromium", "usr/lib64/chromium-browser"];
const CHROME: &str = "opt/google/chrome/chrome";
/// Folders whose scripts are a distribution's. One elsewhere is somebody's own, who wants it run.
const THEIRS: [&str; 5] = ["usr/bin", "bin", "usr/lib", "usr/lib64", "opt/google"];

/// The browser to run: the one that is named, or the first that is found. Where that is a script that a distribution puts before the
/// program, to add options of its own, it is the program.
///
/// # Errors
/// The way out, in words.
pub fn find_browser(named: Option<&Path>) -> Result<PathBuf, String> {
    System { root: Path::new("/"), folders: &program_folders() }.browser(named)
}

/// Where programs are looked for.
struct System<'a> {
    root: &'a Path,
    folders: &'a [PathBuf],
}

impl System<'_> {
    fn browser(&self, named: Option<&Path>) -> Result<PathBuf, String> {
        if let Some(named) = named {
            if !named.is_file() {
                return Err(format!("there is no file {}: mend or remove `executable` under [browser]", named.display()));
            }
            // It is started from another folder than the one that a relative path is meant from.
            let named = std::path::absolute(named).unwrap_or_else(|_| named.to_owned());
            return Ok(self.behind(&named).unwrap_or(named));
        }
        let in_path = |name: &&str| self.folders.iter().map(|folder| folder.join(name)).find(|file| file.is_file());
        let hidden = HIDDEN.iter().map(|file| self.root.join(file)).filter(|file| file.is_file());
        let mut found: Vec<PathBuf> = BROWSERS.iter().filter_map(in_path).collect();
        // Before those with windows, whose names are the last four.
        let shells = found.iter().filter(|file| BROWSERS[..2].iter().any(|name| file.ends_with(name))).count();
        found.splice(shells..shells, hidden);
        // A script that is taken for a browser may only say how to install one, as Ubuntu's, and a snap may see no folder but its own:
        // both come last.
        let program = found.iter().find_map(|file| self.behind(file).or_else(|| is_plain(file).then(|| file.clone())));
        program.or_else(|| found.first().cloned()).ok_or_else(|| self.way_out())
    }

    /// The program behind a distribution's script. `None` for a program, and for a script of which nobody knows what it runs.
    fn behind(&self, file: &Path) -> Option<PathBuf> {
        let target = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
        let theirs = |file: &Path| THEIRS.iter().any(|folder| file.starts_with(self.root.join(folder)));
        if !is_script(&target) || !(theirs(file) || theirs(&target)) {
            return None;
        }
        let name = file.file_name()?.to_str()?;
        let kept = |names: &[&str]| -> Vec<PathBuf> {
            names.iter().flat_map(|name| KEPT.iter().map(move |folder| self.root.join(folder).join(name))).collect()
        };
        let candidates = if name.starts_with("google-chrome") {
            vec![self.root.join(CHROME)]
        } else if name.contains("headless") {
            kept(&[name, "headless_shell"])
        } else {
            kept(&[name, "chromium", "chromium-browser", "chrome"])
        };
        candidates.into_iter().find(|program| program.is_file() && !is_script(program))
    }

    /// How to come by a browser on this distribution.
    fn way_out(&self) -> String {
        let release = ["etc/os-release", "usr/lib/os-release"].iter().find_map(|file| fs::read_to_string(self.root.join(file)).ok());
        let install = install(&release.unwrap_or_default());
        format!("{install}, or name one as `executable` under [browser]")
    }
}

/// True of what is a program itself: neither a script nor a name under which snaps are started.
fn is_plain(file: &Path) -> bool {
    !is_script(file) && !fs::canonicalize(file).is_ok_and(|target| target.ends_with("bin/snap"))
}

fn is_script(file: &Path) -> bool {
    let mut beginning = [0; 2];
    File::open(file).and_then(|mut file| file.read_exact(&mut beginning)).is_ok_and(|()| beginning == *b"#!")
}

/// The command of the first distribution that is known, of the one that it is and those that it is like.
fn install(release: &str) -> &'static str {
    let values = |key: &'static str| {
        let value = release.lines().find_map(move |line| line.strip_prefix(key)?.strip_prefix('='));
        value.unwrap_or_default().trim().trim_matches(['"', '\'']).split_whitespace()
    };
    let command = |id: &str| {
        Some(match id {
            "debian" => "apt install chromium-headless-shell (before Debian 12: chromium)",
            "linuxmint" => "apt install chromium",
            "ubuntu" => "install google-chrome-stable from https://www.google.com/chrome/ (Ubuntu itself has Chromium only as a snap)",
            "fedora" => "dnf install chromium-headless",
            "rhel" | "centos" => "dnf install epel-release, then dnf install chromium-headless",
            "alpine" => "apk add chromium",
            "arch" => "pacman -S chromium",
            "opensuse" | "suse" => "zypper install chromium",
            _ => return None,
        })
    };
    values("ID")
        .chain(values("ID_LIKE"))
        .find_map(command)
        .unwrap_or("apt install chromium-headless-shell (or whatever brings chromium here)")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A system with some files, as they are found there.
    struct Fake(tempfile::TempDir);

    impl Fake {
        fn with(files: &[(&str, &str)]) -> Self {
            let fake = Self(tempfile::tempdir().unwrap());
            for (name, text) in files {
                let file = fake.0.path().join(name);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                match text.strip_prefix("-> ") {
                    Some(target) => std::os::unix::fs::symlink(fake.0.path().join(target), file).unwrap(),
                    None => fs::write(file, text).unwrap(),
                }
            }
            fake
        }

        /// What is found, relative to the system's root.
        fn finds(&self, named: Option<&str>) -> String {
            let root = self.0.path();
            let folders: Vec<PathBuf> = ["usr/local/bin", "usr/bin", "snap/bin"].iter().map(|folder| root.join(folder)).collect();
            let named = named.map(|named| root.join(named));
            let found = System { root, folders: &folders }.browser(named.as_deref());
            let shown = found.map_or_else(|words| words, |file| file.display().to_string());
            shown.replace(&format!("{}/", root.display()), "")
        }
    }

    const PROGRAM: &str = "\x7fELF";
    const SCRIPT: &str = "#!/bin/sh\n";

    #[test]
    fn the_smallest_is_found_behind_its_script() {
        let check = |files: &[(&str, &str)], expected: &str| assert_eq!(Fake::with(files).finds(None), expected, "{files:?}");
        let debian = [("usr/bin/chromium-headless-shell", SCRIPT), ("usr/lib/chromium/chromium-headless-shell", PROGRAM)];
        check(&debian, "usr/lib/chromium/chromium-headless-shell");
        let both = [("usr/bin/chromium", SCRIPT), ("usr/lib/chromium/chromium", PROGRAM)];
        check(&both, "usr/lib/chromium/chromium");
        check(&[debian, both].concat(), "usr/lib/chromium/chromium-headless-shell");
        check(&[("usr/bin/chromium", PROGRAM), ("usr/lib/chromium/chromium", PROGRAM)], "usr/bin/chromium");
        let alpine = [
            ("usr/lib/chromium/chromium-launcher.sh", SCRIPT),
            ("usr/bin/chromium-browser", "-> usr/lib/chromium/chromium-launcher.sh"),
            ("usr/lib/chromium/chromium", PROGRAM),
        ];
        check(&alpine, "usr/lib/chromium/chromium");
        let fedora = [
            ("usr/lib64/chromium-browser/chromium-browser.sh", SCRIPT),
            ("usr/bin/chromium-browser", "-> usr/lib64/chromium-browser/chromium-browser.sh"),
            ("usr/lib64/chromium-browser/chromium-browser", PROGRAM),
        ];
        check(&fedora, "usr/lib64/chromium-browser/chromium-browser");
        check(
            &[&fedora[..], &[("usr/lib64/chromium-browser/headless_shell", PROGRAM)]].concat(),
            "usr/lib64/chromium-browser/headless_shell",
        );
        let chrome = [
            ("opt/google/chrome/google-chrome", SCRIPT),
            ("opt/google/chrome/chrome", PROGRAM),
            ("usr/bin/google-chrome-stable", "-> opt/google/chrome/google-chrome"),
        ];
        check(&chrome, "opt/google/chrome/chrome");
        // A script that only says how to install something.
        let stub = [("usr/bin/chromium-browser", SCRIPT)];
        check(&[&chrome[..], &stub].concat(), "opt/google/chrome/chrome");
        check(&stub, "usr/bin/chromium-browser");
        let snap = [("usr/bin/snap", PROGRAM), ("snap/bin/chromium", "-> usr/bin/snap")];
        check(&[&chrome[..], &snap].concat(), "opt/google/chrome/chrome");
        check(&snap, "snap/bin/chromium");
        check(&[("usr/local/bin/chrome-headless-shell", PROGRAM)], "usr/local/bin/chrome-headless-shell");
    }

    #[test]
    fn the_one_that_is_named_is_taken() {
        let system = Fake::with(&[
            ("usr/bin/chromium-headless-shell", PROGRAM),
            ("usr/bin/chromium", SCRIPT),
            ("usr/lib/chromium/chromium", PROGRAM),
            ("usr/local/bin/chromium", SCRIPT),
            ("srv/chrome", PROGRAM),
        ]);
        assert_eq!(system.finds(Some("srv/chrome")), "srv/chrome");
        assert_eq!(system.finds(Some("usr/bin/chromium")), "usr/lib/chromium/chromium");
        // Not a distribution's.
        assert_eq!(system.finds(Some("usr/local/bin/chromium")), "usr/local/bin/chromium");
        insta::assert_snapshot!(system.finds(Some("srv/chromium")), @"there is no file srv/chromium: mend or remove `executable` under [browser]");
        insta::assert_snapshot!(system.finds(Some("srv")), @"there is no file srv: mend or remove `executable` under [browser]");
    }

    #[test]
    fn without_one_the_way_to_it_is_told() {
        let told = |release: &str| Fake::with(&[("etc/os-release", release)]).finds(None);
        let all = [
            "ID=debian",
            "ID=ubuntu\nID_LIKE=debian",
            "ID=linuxmint\nID_LIKE=\"ubuntu debian\"",
            "ID=fedora",
            "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"",
            "ID=alpine",
            "ID=arch",
            "ID=mine\nID_LIKE='arch'",
            "ID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"",
            "ID=mine",
            "",
        ];
        insta::assert_snapshot!(all.map(told).join("\n"), @"
        apt install chromium-headless-shell (before Debian 12: chromium), or name one as `executable` under [browser]
        install google-chrome-stable from https://www.google.com/chrome/ (Ubuntu itself has Chromium only as a snap), or name one as `executable` under [browser]
        apt install chromium, or name one as `executable` under [browser]
        dnf install chromium-headless, or name one as `executable` under [browser]
        dnf install epel-release, then dnf install chromium-headless, or name one as `executable` under [browser]
        apk add chromium, or name one as `executable` under [browser]
        pacman -S chromium, or name one as `executable` under [browser]
        pacman -S chromium, or name one as `executable` under [browser]
        zypper install chromium, or name one as `executable` under [browser]
        apt install chromium-headless-shell (or whatever brings chromium here), or name one as `executable` under [browser]
        apt install chromium-headless-shell (or whatever brings chromium here), or name one as `executable` under [browser]
        ");
    }
}
