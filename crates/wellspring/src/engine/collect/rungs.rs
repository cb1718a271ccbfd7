//! One alternative, tried by plain HTTP, by a browser, or by one after the other.

use wellspring_core::failure::{Code, Failure, Kind};
use wellspring_core::key::Params;
use wellspring_core::rung::{self, Rung};

use super::alternative::Collection;
use super::places::Terms;
use super::story::Try;
use super::{Collector, Harvest};
use crate::engine::catalog::Recipe;

impl Collector {
    /// Tries an alternative by each means that may serve, in turn, until one does. The story of each joins `tries`.
    pub(super) async fn climb(
        &self,
        recipe: &Recipe,
        index: usize,
        params: &Params,
        terms: Terms<'_>,
        tries: &mut Vec<Try>,
    ) -> Result<Harvest, Failure> {
        let begun = tries.len();
        let mut ladder = terms.known.rungs.ladder(index, recipe.spec.alternatives[index].render, terms.started.wall);
        if terms.known.from_a_file {
            // By the next one it would be the same file.
            ladder = &ladder[..1];
        }
        for (at, rung) in ladder.iter().enumerate() {
            let mut attempt = Try::new(index, *rung);
            let failure = match Collection::new(self, recipe, index, &ladder[..=at], params, terms).run(&mut attempt).await {
                Ok(harvest) => {
                    tries.push(attempt);
                    return Ok(harvest);
                }
                Err(failure) => failure,
            };
            let ends = !rung::may_help(&failure);
            attempt.failure = Some(failure);
            tries.push(attempt);
            if ends {
                break;
            }
        }
        Err(failure_of(&tries[begun..]).unwrap_or_else(|| Failure::new(Kind::Permanent, Code::NoAlternative, "it was not tried")))
    }
}

/// One failure for the tries of one alternative.
pub(super) fn failure_of(tries: &[Try]) -> Option<Failure> {
    let failed: Vec<(Rung, &Failure)> = tries.iter().filter_map(|one| Some((one.rung, one.failure.as_ref()?))).collect();
    rung::joined(&failed)
}
