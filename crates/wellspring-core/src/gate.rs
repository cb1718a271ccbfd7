//! Is this result good enough to replace the last one?

use serde::{Deserialize, Serialize};

/// What a source's owner expects of a result.
#[derive(Clone, Debug, PartialEq)]
pub struct Expect {
    /// Fewer items than this are refused.
    pub min_items: u32,
    /// A row that lacks one of these fields is dropped.
    pub required: Vec<String>,
    /// An empty result is a result (`min_items` is then judged only when there are rows).
    pub allow_empty: bool,
    /// The largest share of items that may go missing from one snapshot to the next, 0 to 1.
    pub max_drop: Option<f64>,
}

impl Default for Expect {
    fn default() -> Self {
        Self { min_items: 1, required: Vec::new(), allow_empty: false, max_drop: None }
    }
}

/// What an extraction counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Rows that the rules matched.
    pub found: u32,
    /// Rows dropped for want of a required field.
    pub dropped: u32,
    /// Rows left after `unique_by` and `limit`.
    pub kept: u32,
}

/// One gate and its verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gate {
    /// `required`, `min_items` or `max_drop`.
    pub name: &'static str,
    /// Whether the result may pass.
    pub passed: bool,
    /// What was seen against what was expected.
    pub message: String,
}

/// Judges a result against what is expected and, for `max_drop`, against the count of the last good one.
pub fn judge(expect: &Expect, tally: Tally, previous: Option<u32>) -> Vec<Gate> {
    let mut gates = Vec::with_capacity(3);
    // Over a fifth dropped means the page changed, not that a few rows are odd.
    gates.push(Gate {
        name: "required",
        passed: u64::from(tally.dropped) * 5 <= u64::from(tally.found),
        message: format!("{} of {} rows lack a required field (at most a fifth may)", tally.dropped, tally.found),
    });
    let empty_is_fine = expect.allow_empty && tally.found == 0;
    gates.push(Gate {
        name: "min_items",
        passed: empty_is_fine || tally.kept >= expect.min_items,
        message: match (tally.found, expect.min_items) {
            (0, _) if empty_is_fine => "no row was found, which is allowed".to_owned(),
            (0, least) => {
                format!("no row was found where at least {least} was expected: has the page changed, or is it filled by JavaScript?")
            }
            (_, least) => format!("{} items, at least {least} expected", tally.kept),
        },
    });
    if let (Some(share), Some(before)) = (expect.max_drop, previous) {
        let lost = before.saturating_sub(tally.kept);
        gates.push(Gate {
            name: "max_drop",
            passed: f64::from(lost) <= f64::from(before) * share,
            message: format!("{} items after {before}: {lost} gone, at most {:.0}% may", tally.kept, share * 100.0),
        });
    }
    gates
}

/// The first gate that failed, if any.
pub fn refusal(gates: &[Gate]) -> Option<&Gate> {
    gates.iter().find(|gate| !gate.passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expect: &Expect, tally: (u32, u32, u32), previous: Option<u32>, refused_by: Option<&str>) {
        let gates = judge(expect, Tally { found: tally.0, dropped: tally.1, kept: tally.2 }, previous);
        assert_eq!(refusal(&gates).map(|g| g.name), refused_by, "{gates:?}");
    }

    #[test]
    fn a_fifth_may_be_dropped_and_no_more() {
        let expect = Expect::default();
        check(&expect, (10, 2, 8), None, None);
        check(&expect, (10, 3, 7), None, Some("required"));
    }

    #[test]
    fn an_empty_result_is_refused_unless_it_is_allowed() {
        check(&Expect::default(), (0, 0, 0), Some(9), Some("min_items"));
        let allowed = Expect { allow_empty: true, min_items: 3, ..Expect::default() };
        check(&allowed, (0, 0, 0), Some(9), None);
        // Rows that were all lost on the way are not an empty list.
        check(&allowed, (5, 0, 2), Some(9), Some("min_items"));
        check(&allowed, (1, 1, 0), Some(9), Some("required"));
    }

    #[test]
    fn a_list_may_not_shrink_past_max_drop() {
        let expect = Expect { max_drop: Some(0.5), ..Expect::default() };
        check(&expect, (10, 0, 10), Some(20), None);
        check(&expect, (9, 0, 9), Some(20), Some("max_drop"));
        check(&expect, (9, 0, 9), None, None);
        check(&expect, (40, 0, 40), Some(20), None);
    }
}
