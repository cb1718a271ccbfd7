//! The order in which fields are filled.

use wellspring_core::source::{Field, Origin, Piece};

use crate::error::RuleError;

/// What is found comes first, then what is put together, each after what it is put together from, then lists and objects within.
///
/// # Errors
/// Fields that are put together from each other.
pub(super) fn of(fields: &[Field]) -> Result<Vec<usize>, RuleError> {
    let places = (0..fields.len()).filter(|&index| matches!(fields[index].origin, Origin::Places(_)));
    let within = (0..fields.len()).filter(|&index| matches!(fields[index].origin, Origin::Rows(_) | Origin::Object(_)));
    let mut order: Vec<usize> = places.collect();
    let mut waiting: Vec<usize> = (0..fields.len()).filter(|&index| matches!(fields[index].origin, Origin::Compose(_))).collect();
    while !waiting.is_empty() {
        let (ready, rest): (Vec<usize>, Vec<usize>) =
            waiting.iter().partition(|&&index| !waiting.iter().any(|&other| other != index && uses(&fields[index], &fields[other].name)));
        if ready.is_empty() {
            let names: Vec<String> = rest.iter().map(|&index| format!("`{}`", fields[index].name)).collect();
            return Err(RuleError::new(0..0, format!("{} are put together from each other", names.join(", "))));
        }
        order.extend(ready);
        waiting = rest;
    }
    order.extend(within);
    Ok(order)
}

fn uses(field: &Field, name: &str) -> bool {
    let Origin::Compose(ways) = &field.origin else { return false };
    ways.iter().flatten().any(|piece| matches!(piece, Piece::Name(known) if known == name))
}
