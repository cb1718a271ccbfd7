//! Which files a configuration is made of.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use wellspring_core::diagnostic::Diagnostic;
use wellspring_core::source::Document;

use super::raw::RawShipped;

/// The name of the config file where none is given.
const USUAL: &str = "wellspring.toml";

/// The largest file that is read, in bytes.
const LARGEST: u64 = 16 << 20;

/// A file's name as the user knows it, and its text.
#[derive(Clone)]
pub(super) struct File {
    pub name: Arc<str>,
    pub text: Arc<str>,
}

/// All files of one configuration.
#[derive(Clone, Default)]
pub(super) struct Files {
    /// The config file and its path; none where the shipped sources run.
    pub main: Option<(PathBuf, File)>,
    /// Files of sources beside it, by name.
    pub sources: Vec<File>,
}

impl File {
    pub(super) fn new(name: &str, text: &str) -> Self {
        Self { name: name.into(), text: text.into() }
    }

    /// Reads one as it is named by a person, who may name a pipe.
    fn read(path: &Path) -> Result<Self, Box<Diagnostic>> {
        let name = path.display().to_string();
        let mut bytes = Vec::new();
        match fs::File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes)) {
            Ok(_) if bytes.len() as u64 > LARGEST => {
                let message = format!("this file is larger than {} MiB", LARGEST >> 20);
                Err(Diagnostic::of_file(name, message).help("a config is text of some kilobytes; put data elsewhere").into())
            }
            Ok(_) => Self::of_bytes(&name, bytes),
            Err(error) => Err(Diagnostic::of_file(name, format!("this file cannot be read: {error}")).into()),
        }
    }

    /// Reads one as it was found in a folder: what is no file could hold us up for ever.
    fn read_found(path: &Path) -> Result<Self, Box<Diagnostic>> {
        match fs::metadata(path) {
            Ok(found) if !found.is_file() => Err(Diagnostic::of_file(path.display().to_string(), "this is no file").into()),
            _ => Self::read(path),
        }
    }

    fn of_bytes(name: &str, bytes: Vec<u8>) -> Result<Self, Box<Diagnostic>> {
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self { name: name.into(), text: text.into() }),
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                // Up to there it reads the same.
                let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
                let diagnostic = Document::new(name, &text).error(at..at + 1, "this file is not UTF-8 text");
                Err(diagnostic.help("save it as UTF-8").into())
            }
        }
    }
}

impl Files {
    /// One text, as if it were the config file.
    pub(super) fn of_text(name: &str, text: &str) -> Self {
        Self { main: Some((name.into(), File::new(name, text))), sources: Vec::new() }
    }

    pub(super) fn find(path: Option<&Path>) -> Result<Self, Vec<Diagnostic>> {
        let path = match path {
            Some(path) => path,
            None if Path::new(USUAL).exists() => Path::new(USUAL),
            None => return Ok(Self::default()),
        };
        let main = File::read(path).map_err(|diagnostic| match diagnostic.help {
            None => vec![diagnostic.help("name another one with --config FILE")],
            Some(_) => vec![*diagnostic],
        })?;
        let folder = path.parent().unwrap_or(Path::new("")).join("sources");
        let mut sources = Vec::new();
        let mut found = Vec::new();
        for path in tomls(&folder).map_err(|error| {
            let message = format!("this folder cannot be read: {error}");
            vec![Diagnostic::of_file(folder.display().to_string(), message)]
        })? {
            match File::read_found(&path) {
                Ok(file) => sources.push(file),
                Err(diagnostic) => found.push(*diagnostic),
            }
        }
        if found.is_empty() { Ok(Self { main: Some((path.to_owned(), main)), sources }) } else { Err(found) }
    }
}

/// The `*.toml` of a folder in the order of their names, hidden ones (editors' own) left out; none where there is no folder.
fn tomls(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.extension().is_some_and(|extension| extension == "toml") && !path.is_dir() {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

impl RawShipped {
    /// Those that run without a config file. The others run where `use` names them.
    pub(super) const UNASKED: [Self; 3] = [Self::Cinema, Self::Events, Self::GoogleTrend];

    /// Its file, which is part of the program.
    pub(super) fn file(self) -> File {
        macro_rules! shipped {
            ($name:literal) => {
                File::new(concat!("shipped sources/", $name, ".toml"), include_str!(concat!("../../../../sources/", $name, ".toml")))
            };
        }
        match self {
            Self::Cinema => shipped!("cinema"),
            Self::Events => shipped!("events"),
            Self::GoogleTrend => shipped!("google_trend"),
            Self::Sembako => shipped!("sembako"),
            Self::Arrivals => shipped!("arrivals"),
            Self::HackerNews => shipped!("hacker_news"),
            Self::Earthquakes => shipped!("earthquakes"),
            Self::ExchangeRates => shipped!("exchange_rates"),
            Self::Holidays => shipped!("holidays"),
        }
    }
}
