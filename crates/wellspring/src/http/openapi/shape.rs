//! What values are like: said by rules, or seen in data.

use serde_json::Value;
use utoipa::openapi::schema::SchemaType;
use utoipa::openapi::{Array, ArrayBuilder, ObjectBuilder, RefOr, Schema, Type};

/// Deeper than this a value may be anything: documents are for people too.
const DEEPEST: usize = 8;
/// An object with more members than this is a table by keys, which no schema lists.
const MOST_MEMBERS: usize = 64;

/// What a value may be. Nothing at all where nothing is known; then it may be anything.
#[derive(Clone, Default)]
#[expect(clippy::option_option, reason = "no object, any object and a known one merge as options of options do")]
pub(super) struct Shape {
    /// Whatever else is known, it may be anything.
    pub(super) anything: bool,
    /// The plain types that it may have, `null` included.
    plain: Vec<Type>,
    /// What the rows of a list are like, where it may be a list.
    list: Option<Box<Shape>>,
    /// The members of an object, where it may be one. `None` within: whatever they are called.
    object: Option<Option<Members>>,
}

/// Names and what is behind them, in order.
pub(super) type Members = Vec<(String, Shape)>;

impl Shape {
    /// May be anything.
    pub(super) fn anything() -> Self {
        Self { anything: true, ..Self::default() }
    }

    /// A plain type.
    pub(super) fn plain(kind: Type) -> Self {
        Self { plain: vec![kind], ..Self::default() }
    }

    /// A list of such rows.
    pub(super) fn list(rows: Self) -> Self {
        Self { list: Some(Box::new(rows)), ..Self::default() }
    }

    /// An object of these members.
    pub(super) fn object(members: Members) -> Self {
        Self { object: Some(Some(members)), ..Self::default() }
    }

    /// The shape of a value that was seen.
    pub(super) fn of(value: &Value) -> Self {
        Self::at(value, 0)
    }

    fn at(value: &Value, depth: usize) -> Self {
        match value {
            _ if depth > DEEPEST => Self::anything(),
            Value::Null => Self::plain(Type::Null),
            Value::Bool(_) => Self::plain(Type::Boolean),
            Value::Number(number) if number.is_f64() => Self::plain(Type::Number),
            Value::Number(_) => Self::plain(Type::Integer),
            Value::String(_) => Self::plain(Type::String),
            Value::Array(rows) => Self::list(rows.iter().fold(Self::default(), |shape, row| shape.or(Self::at(row, depth + 1)))),
            Value::Object(members) if members.len() > MOST_MEMBERS => Self { object: Some(None), ..Self::default() },
            Value::Object(members) => {
                Self::object(members.iter().map(|(name, value)| (name.clone(), Self::at(value, depth + 1))).collect())
            }
        }
    }

    /// May also be null.
    pub(super) fn or_null(self) -> Self {
        self.or(Self::plain(Type::Null))
    }

    /// An object whose members of such names are never null.
    pub(super) fn without_null_in(mut self, is_there: impl Fn(&str) -> bool) -> Self {
        for (_, shape) in self.object.iter_mut().flatten().flatten().filter(|(name, _)| is_there(name)) {
            shape.plain.retain(|kind| *kind != Type::Null);
        }
        self
    }

    /// May be this or that.
    pub(super) fn or(mut self, other: Self) -> Self {
        self.anything |= other.anything;
        for kind in other.plain {
            if !self.plain.contains(&kind) {
                self.plain.push(kind);
            }
        }
        if self.plain.contains(&Type::Number) {
            self.plain.retain(|kind| *kind != Type::Integer);
        }
        self.list = match (self.list, other.list) {
            (Some(mine), Some(theirs)) => Some(Box::new(mine.or(*theirs))),
            (mine, theirs) => mine.or(theirs),
        };
        self.object = match (self.object, other.object) {
            (Some(mine), Some(theirs)) => Some(mine.zip(theirs).and_then(|(mine, theirs)| together(mine, theirs))),
            (mine, theirs) => mine.or(theirs),
        };
        self
    }

    /// What was seen, of which more is to come: any member may be null one day.
    pub(super) fn loosened(self) -> Self {
        let members = |members: Members| members.into_iter().map(|(name, shape)| (name, shape.loosened().or_null())).collect();
        Self { list: self.list.map(|rows| Box::new(rows.loosened())), object: self.object.map(|known| known.map(members)), ..self }
    }

    /// What is known by rules, and by what was seen where they leave it open.
    pub(super) fn filled_by(self, seen: Option<&Self>) -> Self {
        if self.anything {
            return seen.cloned().unwrap_or_else(Self::anything);
        }
        let Some(Some(members)) = self.object else { return self };
        let seen = seen.and_then(|seen| seen.object.as_ref()).and_then(Option::as_ref);
        let known = |name: &str| seen?.iter().find(|(other, _)| other == name).map(|(_, shape)| shape);
        let members = members.into_iter().map(|(name, shape)| {
            let filled = shape.filled_by(known(&name));
            (name, filled)
        });
        Self { object: Some(Some(members.collect())), ..self }
    }

    /// The names of an object's members, where they are known.
    pub(super) fn names(&self) -> Vec<&str> {
        self.object.iter().flatten().flatten().map(|(name, _)| name.as_str()).collect()
    }

    /// As a schema. Members are never required: `fields` may leave any of them out.
    pub(super) fn schema(&self) -> RefOr<Schema> {
        if let (Some(rows), None, true) = (&self.list, &self.object, self.plain.iter().all(|kind| *kind == Type::Null))
            && !self.anything
        {
            let list = ArrayBuilder::from(Array::new(rows.schema())).schema_type(types(&[&[Type::Array], &*self.plain].concat()));
            return RefOr::T(Schema::Array(list.build()));
        }
        self.object_schema().into()
    }

    /// As a schema that can still be added to.
    pub(super) fn object_schema(&self) -> ObjectBuilder {
        let mut kinds = self.plain.clone();
        kinds.extend(self.object.as_ref().map(|_| Type::Object));
        kinds.extend(self.list.as_ref().map(|_| Type::Array));
        if self.anything || kinds.is_empty() {
            return ObjectBuilder::new().schema_type(SchemaType::AnyValue);
        }
        kinds.sort_by_key(|kind| *kind == Type::Null);
        let schema = ObjectBuilder::new().schema_type(types(&kinds));
        let members = self.object.iter().flatten().flatten();
        members.fold(schema, |schema, (name, shape)| schema.property(name, shape.schema()))
    }
}

fn together(mut mine: Members, theirs: Members) -> Option<Members> {
    for (name, shape) in theirs {
        match mine.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = std::mem::take(known).or(shape),
            None => mine.push((name, shape)),
        }
    }
    (mine.len() <= MOST_MEMBERS).then_some(mine)
}

fn types(kinds: &[Type]) -> SchemaType {
    if let [kind] = kinds { SchemaType::new(kind.clone()) } else { kinds.iter().cloned().collect() }
}
