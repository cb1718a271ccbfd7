//! Whether a run was flat: what the server held in its last quarter beside what it held in its second.

use super::sample::{Figure, Sample};

/// What must not grow.
pub(super) struct Bar {
    pub(super) what: &'static str,
    pub(super) of: Figure,
    /// By how much it may, in parts of what it was.
    pub(super) part: f64,
    /// And beyond that, in its unit.
    pub(super) more: f64,
}

/// The first quarter is for what comes once: keys that are met, heaps and files that find their size.
pub(super) const BARS: [Bar; 6] = [
    Bar { what: "memory, MB", of: |s| s.memory, part: 0.05, more: 3.0 },
    Bar { what: "memory of children, MB", of: |s| s.children, part: 0.15, more: 20.0 },
    Bar { what: "open files", of: |s| s.files, part: 0.05, more: 5.0 },
    Bar { what: "threads", of: |s| s.threads, part: 0.0, more: 3.0 },
    Bar { what: "tasks", of: |s| s.tasks, part: 0.1, more: 5.0 },
    Bar { what: "store, MB", of: |s| s.store, part: 0.1, more: 1.0 },
];

/// The medians of the second and of the last quarter.
pub(super) fn quarters(samples: &[Sample], of: Figure) -> (f64, f64) {
    let quarter = samples.len() / 4;
    let early = samples.get(quarter..2 * quarter).unwrap_or_default();
    let late = samples.get(3 * quarter..).unwrap_or_default();
    (median(early, of), median(late, of))
}

/// Prints a line a bar; true where all are held.
pub(super) fn judge(samples: &[Sample]) -> bool {
    let mut all = true;
    println!("\n{:<28} {:>12} {:>12}", "median of", "2nd quarter", "4th quarter");
    for bar in &BARS {
        let (early, late) = quarters(samples, bar.of);
        // What was not measured holds no bar.
        let held = late <= early * (1.0 + bar.part) + bar.more;
        all &= held;
        let may = format!("at most {:.0}% and {} more", bar.part * 100.0, bar.more);
        println!("{:<28} {early:>12.1} {late:>12.1}  {may}: {}", bar.what, if held { "held" } else { "NOT HELD" });
    }
    all
}

fn median(samples: &[Sample], of: Figure) -> f64 {
    let mut all: Vec<f64> = samples.iter().map(of).collect();
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(memory: impl Fn(f64) -> f64) -> Vec<Sample> {
        (0..100).map(f64::from).map(|at| Sample { at, memory: memory(at), ..Sample::default() }).collect()
    }

    #[test]
    fn what_grows_on_is_found_and_what_settles_is_not() {
        assert!(judge(&run(|at| 40.0 + at.min(20.0))));
        assert!(!judge(&run(|at| 40.0 + at / 4.0)));
    }

    #[test]
    fn what_was_not_measured_is_not_held() {
        assert!(!judge(&[]));
    }
}
