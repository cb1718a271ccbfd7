//! Items as jq has them, and back.

use jaq_json::{Num, Val};
use serde_json::{Map, Number, Value};

use crate::columns::budget::MAX_HELD;
use crate::error::ExtractError;

/// How deep a program's values may nest: what can be sent on as JSON.
const MAX_DEPTH: usize = 100;

/// An item as jq has it.
pub(super) fn read(value: &Value) -> Val {
    match value {
        Value::Null => Val::Null,
        Value::Bool(is) => Val::Bool(*is),
        Value::Number(number) => number_read(number),
        Value::String(text) => Val::from(text.clone()),
        Value::Array(list) => list.iter().map(read).collect(),
        Value::Object(members) => Val::obj(members.iter().map(|(name, value)| (Val::from(name.clone()), read(value))).collect()),
    }
}

fn number_read(number: &Number) -> Val {
    if let Some(whole) = number.as_i64() {
        return Val::Num(Num::from_integral(whole));
    }
    if let Some(whole) = number.as_u64() {
        return Val::Num(Num::from_integral(whole));
    }
    number.as_f64().map_or(Val::Null, Val::from)
}

/// A program's list as items.
///
/// # Errors
/// [`ExtractError`] past the bounds on their size. Parts of jq's values may be shared, so that a short program can write items without
/// end; and it may nest them as deep as it likes.
pub(super) fn write(list: &[Val]) -> Result<Vec<Value>, ExtractError> {
    let mut room = Room(MAX_HELD);
    list.iter().map(|value| room.write(value, 0)).collect()
}

struct Room(usize);

impl Room {
    fn write(&mut self, value: &Val, depth: usize) -> Result<Value, ExtractError> {
        if depth > MAX_DEPTH {
            return Err(ExtractError::Transform { reason: format!("gave items nested deeper than {MAX_DEPTH} levels") });
        }
        self.take(size_of::<Value>())?;
        Ok(match value {
            Val::Null => Value::Null,
            Val::Bool(is) => Value::Bool(*is),
            Val::Num(number) => number_write(number),
            Val::BStr(bytes) | Val::TStr(bytes) => {
                self.take(bytes.len())?;
                Value::String(String::from_utf8_lossy(bytes).into_owned())
            }
            Val::Arr(list) => Value::Array(list.iter().map(|value| self.write(value, depth + 1)).collect::<Result<_, _>>()?),
            Val::Obj(members) => {
                let mut object = Map::new();
                for (name, value) in members.iter() {
                    let name = match name {
                        Val::BStr(bytes) | Val::TStr(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                        other => return Err(ExtractError::Transform { reason: format!("gave an object with {} for a name", kind(other)) }),
                    };
                    self.take(name.len())?;
                    object.insert(name, self.write(value, depth + 1)?);
                }
                Value::Object(object)
            }
        })
    }

    fn take(&mut self, bytes: usize) -> Result<(), ExtractError> {
        let too_much = || ExtractError::Transform { reason: format!("gave items of more than {} MiB", MAX_HELD >> 20) };
        self.0 = self.0.checked_sub(bytes).ok_or_else(too_much)?;
        Ok(())
    }
}

/// A number as it is written: whole where it is whole, null where JSON has no number for it.
fn number_write(number: &Num) -> Value {
    match number {
        Num::Int(whole) => Value::from(*whole),
        // What is too large for JSON readers everywhere is a float to them anyway.
        Num::BigInt(whole) => whole.to_string().parse::<Number>().map_or(Value::Null, Value::Number),
        Num::Float(float) => float_write(*float),
        Num::Dec(text) => text.parse().map_or(Value::Null, float_write),
    }
}

fn float_write(float: f64) -> Value {
    /// Up to here floats hold every whole number.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if float.fract() == 0.0 && float.abs() < EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "whole and within bounds")]
        return Value::from(float as i64);
    }
    Number::from_f64(float).map_or(Value::Null, Value::Number)
}

/// What a value is, for people.
pub(super) fn kind(value: &Val) -> &'static str {
    match value {
        Val::Null => "null",
        Val::Bool(_) => "true or false",
        Val::Num(_) => "a number",
        Val::BStr(_) | Val::TStr(_) => "a text",
        Val::Arr(_) => "a list",
        Val::Obj(_) => "an object",
    }
}
