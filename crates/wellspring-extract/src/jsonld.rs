//! What a page says of itself: JSON-LD, microdata, OpenGraph. `items` is a type, fields are JSONPath in an entity.
//!
//! Whatever the notation, an entity is an object as JSON-LD has it: `@type`, `@id`, and a member for each property, with a list
//! where there are several values. Types and properties of schema.org go by their name alone, others by their whole address.
//! OpenGraph is one entity of type `OpenGraph` ([`opengraph`]).

use scraper::Html as Page;
use serde_json::Value;
use url::Url;
use wellspring_core::source::Rules;

use crate::columns::{Budget, Columns, Items};
use crate::error::{ExtractError, RuleError};
use crate::json::{lenient, row};
use crate::{Body, Context, charset, html};
use kind::Kind;

mod blocks;
mod kind;
mod microdata;
mod opengraph;

/// Rules for what a page says of itself.
#[derive(Debug)]
pub(crate) struct Jsonld {
    /// `None`: every entity that is no part of another.
    items: Option<Kind>,
    fields: Columns<row::Document>,
}

/// A page's entities by their notation, the most telling first.
struct Entities {
    /// A list of all.
    all: Value,
    /// Where each notation begins in it.
    starts: [usize; 3],
}

impl Jsonld {
    pub(crate) fn compile(rules: &Rules) -> Result<Self, RuleError> {
        Ok(Self { items: rules.items.as_ref().map(Kind::compile).transpose()?, fields: Columns::compile(&rules.fields)? })
    }

    pub(crate) fn read(&self, body: &Body<'_>, context: &Context<'_>) -> Result<Items, ExtractError> {
        let (entities, base) = entities(body)?;
        let rows = match &self.items {
            None => entities.all().iter().collect(),
            Some(kind) => entities.of(kind),
        };
        if self.fields.is_empty() {
            let mut budget = Budget::default();
            let whole = rows.into_iter().map(|row| budget.spend(row.clone())).collect::<Result<_, _>>()?;
            return Ok((whole, Vec::new()));
        }
        self.fields.fill(row::rows(&entities.all, rows), &base, context)
    }
}

impl Entities {
    fn new(jsonld: Vec<Value>, microdata: Vec<Value>, opengraph: Option<Value>) -> Self {
        let starts = [0, jsonld.len(), jsonld.len() + microdata.len()];
        Self { all: Value::Array(jsonld.into_iter().chain(microdata).chain(opengraph).collect()), starts }
    }

    fn all(&self) -> &[Value] {
        self.all.as_array().map_or(&[], Vec::as_slice)
    }

    /// The entities of a kind, within others too, in the first notation that has any: a page that says a thing twice means one.
    fn of(&self, kind: &Kind) -> Vec<&Value> {
        let [_, microdata, opengraph] = self.starts;
        let all = self.all();
        let notations = [&all[..microdata], &all[microdata..opengraph], &all[opengraph..]];
        let found = notations.into_iter().map(|entities| {
            let mut found = Vec::new();
            for entity in entities {
                kind.search(entity, &mut found);
            }
            found
        });
        found.into_iter().find(|found| !found.is_empty()).unwrap_or_default()
    }
}

fn entities(body: &Body<'_>) -> Result<(Entities, Url), ExtractError> {
    let source = charset::html(body);
    if source.trim_start().starts_with(['{', '[']) {
        // A document of JSON-LD by itself.
        let jsonld = blocks::flat(lenient::values(&charset::json(body)));
        if !jsonld.is_empty() {
            return Ok((Entities::new(jsonld, Vec::new(), None), body.url.clone()));
        }
    }
    html::refuse_other_formats(&source)?;
    let page = html::parse(&source)?;
    let base = html::base(&page, body.url);
    let entities = of_page(&page, &base)?;
    Ok((entities, base))
}

fn of_page(page: &Page, base: &Url) -> Result<Entities, ExtractError> {
    Ok(Entities::new(blocks::read(page), microdata::read(page, base)?, opengraph::read(page, base)))
}
