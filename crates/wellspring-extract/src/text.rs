//! Plain text: one row, or a row a match of a pattern. Fields are found by `regex`.

use regex::Regex;
use serde_json::{Value, json};
use wellspring_core::source::{Anchor, At, Rules};

use crate::columns::{Budget, Columns, Items, Kind};
use crate::error::{ExtractError, RuleError, is_binary};
use crate::value::read;
use crate::{Body, Context, charset};

const EXPECTED: &str = "plain text";

/// How many matches are rows.
const MAX_ROWS: usize = 200_000;

/// Rules for a text.
#[derive(Debug)]
pub(crate) struct Text {
    /// `None`: the whole text is the one row.
    items: Option<Regex>,
    fields: Columns<Text>,
}

impl Text {
    pub(crate) fn compile(rules: &Rules) -> Result<Self, RuleError> {
        Ok(Self { items: rules.items.as_ref().map(read::pattern).transpose()?, fields: Columns::compile(&rules.fields)? })
    }

    pub(crate) fn read(&self, body: &Body<'_>, context: &Context<'_>) -> Result<Items, ExtractError> {
        let text = charset::plain(body);
        let text: &str = &text;
        if is_binary(text) {
            return Err(ExtractError::unlike(text, EXPECTED));
        }
        let rows: Vec<&str> = match &self.items {
            Some(items) => items.find_iter(text).map(|found| found.as_str()).take(MAX_ROWS + 1).collect(),
            None => vec![text],
        };
        if rows.len() > MAX_ROWS {
            return Err(ExtractError::TooMany { expected: EXPECTED, limit: MAX_ROWS });
        }
        if self.fields.is_empty() {
            let mut budget = Budget::default();
            return Ok((rows.into_iter().map(|row| budget.spend(json!({"text": row}))).collect::<Result<_, _>>()?, Vec::new()));
        }
        self.fields.fill(rows, body.url, context)
    }
}

impl Kind for Text {
    type Row<'b> = &'b str;
    type Place = ();
    type Nested = Regex;
    type Anchor = std::convert::Infallible;

    fn place(at: &At<String>, attr: Option<&str>) -> Result<(), RuleError> {
        if at.value.trim() == "." && attr.is_none() {
            return Ok(());
        }
        Err(RuleError::at(at, "plain text has no places to name")
            .help("find the field by a pattern: { regex = '…' }; `.` is the whole text"))
    }

    fn nested(at: &At<String>) -> Result<Regex, RuleError> {
        read::pattern(at)
    }

    fn anchor(anchor: &Anchor) -> Result<Self::Anchor, RuleError> {
        Err(RuleError::at(anchor.rule(), "plain text has no elements"))
    }

    fn look<'b: 'b>(row: &&'b str, (): &()) -> impl IntoIterator<Item = Value> {
        [Value::from(*row)]
    }

    fn rows<'b: 'b>(row: &&'b str, nested: &Regex) -> Vec<&'b str> {
        nested.find_iter(row).map(|found| found.as_str()).take(MAX_ROWS).collect()
    }

    fn start<'b: 'b>(_: &&'b str, anchor: &Self::Anchor) -> Option<(usize, &'b str)> {
        match *anchor {}
    }

    fn whole(row: &&str) -> Option<Value> {
        Some(Value::from(*row))
    }
}
