//! Scores the program on real captured input: every set goes through `wellspring check`, over a proxy that plays the captured
//! answers back, and is compared with what should come out.

mod cinema;
mod conformance;
mod feeds;
mod ical;
mod lab;
mod meetings;
mod recipes;
mod structured;
mod trends;

use std::process::ExitCode;

use lab::Lab;

/// What one set came to.
#[derive(Debug)]
struct Score {
    /// What was counted, in a few words.
    what: String,
    /// The share that is right, 0 to 1.
    got: f64,
    /// The least it must be.
    bar: f64,
    /// Of how many.
    cases: usize,
    /// Some of what is wrong, for people.
    wrong: Vec<String>,
}

struct Set {
    name: &'static str,
    run: fn(&Lab) -> Result<Vec<Score>, String>,
}

const SETS: &[Set] = &[
    Set { name: "cinema", run: cinema::run },
    Set { name: "meetings", run: meetings::run },
    Set { name: "recipes", run: recipes::run },
    Set { name: "structured", run: structured::run },
    Set { name: "feeds", run: feeds::run },
    Set { name: "ical", run: ical::run },
    Set { name: "trends", run: trends::run },
    Set { name: "conformance", run: conformance::run },
];

/// How much of what is wrong is shown.
const SHOWN: usize = 5;

/// `cargo xtask score [SET …] [--debug] [-v]`
pub(crate) fn run(words: &[String]) -> Result<ExitCode, String> {
    let (flags, names): (Vec<&String>, Vec<&String>) = words.iter().partition(|word| word.starts_with('-'));
    let verbose = flags.iter().any(|flag| *flag == "-v");
    let debug = flags.iter().any(|flag| *flag == "--debug");
    if let Some(unknown) = flags.iter().find(|flag| !["-v", "--debug"].contains(&flag.as_str())) {
        return Err(format!("there is no flag `{unknown}`; there are -v (show all that is wrong) and --debug (the debug build)"));
    }
    let known: Vec<&str> = SETS.iter().map(|set| set.name).collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(format!("there is no set `{unknown}`; there are {}", known.join(", ")));
    }
    let lab = match Lab::open(debug)? {
        Ok(lab) => lab,
        Err(absent) => {
            println!("skipped: {absent}");
            return Ok(ExitCode::SUCCESS);
        }
    };
    let mut held = true;
    for set in SETS.iter().filter(|set| names.is_empty() || names.iter().any(|name| *name == set.name)) {
        match (set.run)(&lab) {
            Ok(scores) => scores.iter().for_each(|score| held &= tell(set.name, score, verbose)),
            Err(error) => {
                println!("{:<12} could not be scored: {error}", set.name);
                held = false;
            }
        }
    }
    Ok(if held { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints a score; true where it is good enough.
fn tell(set: &str, score: &Score, verbose: bool) -> bool {
    let held = score.got >= score.bar && score.cases > 0;
    let verdict = if held { "held" } else { "NOT HELD" };
    println!("{set:<12} {:<44} {:.4}  at least {:.2}  of {:>5}  {verdict}", score.what, score.got, score.bar, score.cases);
    let shown = if verbose {
        usize::MAX
    } else if held {
        0
    } else {
        SHOWN
    };
    for line in score.wrong.iter().take(shown) {
        println!("             {line}");
    }
    held
}

impl Score {
    /// So many right of so many.
    fn of(what: impl Into<String>, right: usize, wrong: Vec<String>, bar: f64) -> Self {
        let cases = right + wrong.len();
        #[expect(clippy::cast_precision_loss, reason = "a few thousand cases")]
        let got = if cases == 0 { 0.0 } else { right as f64 / cases as f64 };
        Self { what: what.into(), got, bar, cases, wrong }
    }
}
