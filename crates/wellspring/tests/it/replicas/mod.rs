//! T17, simulated: several engines, each on a store of its own paired with one that they share, in time that is paused and by chance
//! that comes from a seed: links that break, hang and lose answers, replicas that stop, crash and come back, clocks that disagree, a
//! shared store that is emptied or comes back from an old backup, hints that are lost, late or told twice.

mod judge;
mod replica;
mod shared;
mod story;

use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::sync::Mutex;

use crate::trust::{judge as hold, long};
use story::{Control, Played, Told, play};

fn one(seed: u64, control: Control) -> Played {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let played = std::panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(play(seed, control))));
    let panicked = |_| Played { told: Told::default(), wrong: vec!["the simulation itself panicked".to_owned()], lines: Vec::new() };
    played.unwrap_or_else(panicked)
}

/// All of them, on both cores.
fn all(seeds: Range<u64>, control: Control) -> (Told, Vec<(u64, Played)>) {
    let found = Mutex::new((Told::default(), Vec::new()));
    let lanes = 2;
    #[expect(clippy::disallowed_methods, reason = "threads that end with the test")]
    std::thread::scope(|scope| {
        for lane in 0..lanes {
            let (found, seeds) = (&found, seeds.clone());
            scope.spawn(move || {
                for seed in seeds.filter(|seed| seed % lanes == lane) {
                    let played = one(seed, control);
                    let mut found = found.lock().unwrap();
                    found.0.add(&played.told);
                    if !played.wrong.is_empty() {
                        found.1.push((seed, played));
                    }
                }
            });
        }
    });
    let (told, mut broken) = found.into_inner().unwrap();
    broken.sort_by_key(|(seed, _)| *seed);
    (told, broken)
}

/// Plays one again: `WELLSPRING_SEED=17 cargo test -p wellspring --test it replicas::`.
fn asked_for() -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "whoever runs the test names the seed")]
    std::env::var("WELLSPRING_SEED").ok()?.parse().ok()
}

/// `WELLSPRING_SEEDS=500`, or `WELLSPRING_SEEDS=500..1000`.
fn seeds() -> Range<u64> {
    #[expect(clippy::disallowed_methods, reason = "whoever runs the test says how many seeds")]
    let asked = std::env::var("WELLSPRING_SEEDS").unwrap_or_default();
    let (from, to) = asked.split_once("..").unwrap_or(("0", &asked));
    let most = if long() { 1_000_000 } else { 10_000 };
    from.parse().unwrap_or(0)..to.parse().unwrap_or(most)
}

#[test]
fn simulated_replicas_keep_their_promises() {
    let seeds = asked_for().map_or_else(seeds, |seed| seed..seed + 1);
    let total = seeds.end - seeds.start;
    let (told, broken) = all(seeds, Control::None);
    for (seed, Played { wrong, lines, .. }) in broken.iter().take(3) {
        println!("seed {seed}: {}\n  {}\n", wrong.join("\n  "), lines.join("\n  "));
    }
    println!("broken: {:?}", broken.iter().map(|(seed, _)| seed).collect::<Vec<_>>());
    println!("{told:?}");
    let what = format!("simulation: seeds of {} replicas, {} fetches and {} faults", told.replicas, told.fetches, told.faults);
    hold("T17", &what, &format!("{} of {total}", total - broken.len() as u64), "all", broken.is_empty());
}

/// Without one of its protections the simulation fails.
#[track_caller]
fn fails(control: Control, seeds: u64, words: &str) {
    let (_, broken) = all(0..seeds, control);
    let found = broken.iter().filter(|(_, played)| played.wrong.iter().any(|wrong| wrong.contains(words))).count();
    assert!(found > 0, "{control:?}: none of {seeds} seeds says `{words}`; {} are broken", broken.len());
}

#[test]
fn a_store_that_hides_what_changed_is_found_out() {
    fails(Control::HidesChanges, 60, "fetched again");
}

#[test]
fn a_store_that_takes_what_an_old_holder_writes_is_found_out() {
    fails(Control::TakesOldLeases, 150, "old over new");
}

#[test]
fn a_lease_that_is_not_prolonged_is_found_out() {
    fails(Control::ProlongsNothing, 150, "fetched again");
}

/// What is drawn, is drawn from the seed: whoever plays one again that broke sees the same.
#[test]
fn a_seed_tells_the_same_story_twice() {
    let differ: Vec<String> = (0..200)
        .filter_map(|seed| {
            let (first, second) = (one(seed, Control::None).lines, one(seed, Control::None).lines);
            let at = first.iter().zip(&second).position(|(first, second)| first != second);
            let at = at.or_else(|| (first.len() != second.len()).then_some(first.len().min(second.len())))?;
            Some(format!("seed {seed}, line {at}: {:?} and {:?}", first.get(at), second.get(at)))
        })
        .collect();
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}
