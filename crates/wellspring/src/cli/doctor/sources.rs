//! Sources that cannot be read as things are.

use super::Finding;
use crate::engine::catalog::Recipe;

/// Those of which no alternative can be used.
pub(super) fn unusable(recipes: &[&Recipe]) -> Vec<Finding> {
    let all = recipes.iter().filter(|recipe| recipe.spec.alternatives.iter().all(|alternative| !alternative.usable));
    let finding = |recipe: &&Recipe| {
        let missing: Vec<&str> = recipe.spec.alternatives.iter().filter_map(|a| a.when_env.as_deref()).collect();
        let words = format!("{}: no alternative of it can be used", recipe.spec.name);
        Finding::fail("source", words, format!("set {}", missing.join(" or ")))
    };
    all.map(finding).collect()
}
