//! Files → [`Config`].

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::DeValue;
use wellspring_core::diagnostic::Diagnostic;
use wellspring_core::source::{At, Defaults, Document, SourceSpec, parse_source_table, parse_sources};
use wellspring_core::template::Environment;

use super::files::{File, Files};
use super::notify;
use super::raw::{RawShipped, SECTIONS};
use super::sections::{Reader, Sections};
use super::{Config, Source, Variable};

/// Reads all files. What is wrong in one does not hide what is wrong in another. `memory` is the machine's, in bytes, where known.
pub(super) fn read(files: &Files, environment: Environment<'_>, memory: Option<u64>) -> Result<Config, Vec<Diagnostic>> {
    let asked = RefCell::new(BTreeMap::new());
    let noting = |name: &str| {
        let value = environment(name);
        asked.borrow_mut().insert(name.to_owned(), value.as_ref().is_some_and(|value| !value.is_empty()));
        value
    };
    let config = read_asking(files, &noting, memory)?;
    let variables = asked.take().into_iter().map(|(name, is_set)| Variable { name, is_set }).collect();
    Ok(Config { variables, ..config })
}

fn read_asking(files: &Files, environment: Environment<'_>, memory: Option<u64>) -> Result<Config, Vec<Diagnostic>> {
    let mut found = Vec::new();
    let mut collected = Collected::default();
    let main = match &files.main {
        Some((_, file)) => read_main(file, environment, memory).map(|main| {
            collected.add(file, main.sources, &mut found);
            (main.sections, main.used)
        }),
        None => Reader::new(Document::new("", ""), environment).finish(memory).map(|sections| (sections, RawShipped::UNASKED.to_vec())),
    };
    // Without its sections the other files are read for what is wrong in them.
    let (sections, used) = match main {
        Ok((sections, used)) => (Some(sections), used),
        Err(more) => {
            found.extend(more);
            (None, Vec::new())
        }
    };
    let defaults = sections.as_ref().map_or(Defaults::default(), Sections::defaults);
    for file in &files.sources {
        match parse_sources(&file.name, &file.text, defaults, environment) {
            Ok(sources) => collected.add(file, sources, &mut found),
            Err(more) => found.extend(more),
        }
    }
    for shipped in used {
        let file = shipped.file();
        match parse_sources(&file.name, &file.text, defaults, environment) {
            Ok(sources) => collected.add_unless_replaced(&file, sources),
            Err(more) => found.extend(more),
        }
    }
    // Only now, and only where all of them could be read, is it known which sources there are.
    if let (Some(sections), Some((_, main)), true) = (&sections, &files.main, found.is_empty()) {
        let known: Vec<&str> = collected.sources.iter().map(|source| source.spec.name.as_str()).collect();
        found.extend(notify::unknown_sources(&Document::new(&main.name, &main.text), &sections.notify, &known));
    }
    let Some(sections) = sections.filter(|_| found.is_empty()) else { return Err(found) };
    Ok(Config {
        file: files.main.as_ref().map(|(path, _)| path.clone()),
        server: sections.server,
        store: sections.store,
        keep: sections.keep,
        fetch: sections.fetch,
        browser: sections.browser,
        notify: sections.notify.into_iter().map(|(notify, _)| notify).collect(),
        sources: collected.sources,
        variables: Vec::new(),
    })
}

struct Main {
    sections: Sections,
    used: Vec<RawShipped>,
    sources: Vec<At<SourceSpec>>,
}

fn read_main(file: &File, environment: Environment<'_>, memory: Option<u64>) -> Result<Main, Vec<Diagnostic>> {
    let document = Document::new(&file.name, &file.text);
    let mut reader = Reader::new(document, environment);
    let mut used: Vec<At<RawShipped>> = Vec::new();
    let mut sources: Option<Spanned<DeValue<'_>>> = None;
    for (key, value) in document.tables()? {
        match key.get_ref().as_ref() {
            "server" => reader.server(value),
            "store" => reader.store(value),
            "fetch" => reader.fetch(value),
            "browser" => reader.browser(value),
            "notify" => reader.notify(value),
            "use" => used = reader.section(value),
            "source" => sources = Some(value),
            word => {
                let unknown = document.unknown_key(&key, &SECTIONS);
                let help = section_of(word).map(|section| format!("it goes into [{section}]"));
                reader.found.push(Diagnostic { help: help.or(unknown.help), ..unknown });
            }
        }
    }
    let (sections, mut found) = match reader.finish(memory) {
        Ok(sections) => (Some(sections), Vec::new()),
        Err(found) => (None, found),
    };
    let defaults = sections.as_ref().map_or(Defaults::default(), Sections::defaults);
    let sources = sources.map_or(Ok(Vec::new()), |sources| parse_source_table(&document, sources, defaults, environment));
    match (sections, sources) {
        (Some(sections), Ok(sources)) => Ok(Main { sections, used: used.into_iter().map(|at| at.value).collect(), sources }),
        (_, sources) => {
            found.extend(sources.err().unwrap_or_default());
            Err(found)
        }
    }
}

/// Where a key belongs that stands above all sections.
fn section_of(key: &str) -> Option<&'static str> {
    Some(match key {
        "listen" | "replica" | "admin_token" | "timezone" | "hosts" | "cors_origins" | "access_log" => "server",
        "allow_private" | "proxy" | "timeout" | "deadline" | "max_body" | "per_host" | "gap" | "at_once" | "user_agent" | "robots" => {
            "fetch"
        }
        "sandbox" | "executable" | "idle" | "pages" | "memory" => "browser",
        _ => return None,
    })
}

/// The sources so far, and where each name stands.
#[derive(Default)]
struct Collected {
    sources: Vec<Source>,
    places: BTreeMap<String, String>,
}

impl Collected {
    /// Adds a file's sources; one whose name is taken is an error that names both places.
    fn add(&mut self, file: &File, sources: Vec<At<SourceSpec>>, found: &mut Vec<Diagnostic>) {
        let document = Document::new(&file.name, &file.text);
        for At { value, span } in sources {
            let name = value.name.as_str().to_owned();
            if let Some(place) = self.places.get(&name) {
                let diagnostic = document.error(span, format!("source `{name}` is defined twice"));
                found.push(diagnostic.help(format!("the first stands at {place}; rename or remove one of them")));
                continue;
            }
            self.places.insert(name, document.place(span.clone()));
            self.push(file, value, span);
        }
    }

    /// Adds a shipped source unless a table of the same name replaces it.
    fn add_unless_replaced(&mut self, file: &File, sources: Vec<At<SourceSpec>>) {
        for At { value, span } in sources {
            if self.places.insert(value.name.as_str().to_owned(), String::new()).is_none() {
                self.push(file, value, span);
            }
        }
    }

    fn push(&mut self, file: &File, spec: SourceSpec, span: Range<usize>) {
        self.sources.push(Source { spec, file: file.name.clone(), span, text: file.text.clone() });
    }
}
