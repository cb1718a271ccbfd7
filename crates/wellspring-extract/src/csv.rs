//! Comma-separated values, and those separated by `;`, tabs or `|`: a line of names, then a line a row.

use std::collections::HashMap;

use csv::{ReaderBuilder, StringRecord};
use serde_json::{Map, Value};
use wellspring_core::source::{Anchor, At, Rules};

use crate::columns::{Budget, Columns, Items, Kind};
use crate::error::{ExtractError, RuleError, is_binary};
use crate::{Body, Context, charset};

const EXPECTED: &str = "a table of comma-separated values";

/// How many rows a table may have.
const MAX_ROWS: usize = 200_000;

/// How many columns a table may have. Spreadsheets end at 16,384.
const MAX_COLUMNS: usize = 16_384;

/// What separates columns, the likeliest first.
const DELIMITERS: [char; 4] = [',', ';', '\t', '|'];

/// Rules for a table.
#[derive(Debug)]
pub(crate) struct Csv {
    delimiter: Option<char>,
    fields: Columns<Csv>,
}

/// The cells of a line, one after the other: records as the reader has them keep room for the widest.
struct Line {
    text: String,
    /// Where each cell ends.
    ends: Box<[usize]>,
}

/// The names of the columns.
#[derive(Default)]
pub(crate) struct Header {
    names: Vec<String>,
    /// In lower case.
    places: HashMap<String, usize>,
}

/// A line and the names of its columns.
#[derive(Clone, Copy)]
pub(crate) struct Row<'b> {
    header: &'b Header,
    line: &'b Line,
}

impl Csv {
    pub(crate) fn compile(rules: &Rules) -> Result<Self, RuleError> {
        if let Some(at) = &rules.items {
            return Err(RuleError::at(at, "the items of a table are its lines").help("leave `items` out"));
        }
        if let Some(delimiter) = rules.delimiter.filter(|delimiter| !delimiter.is_ascii() || matches!(delimiter, '"' | '\n' | '\r')) {
            return Err(RuleError::new(0..0, format!("{delimiter:?} cannot separate columns"))
                .help("`delimiter` is one ASCII character: \",\", \";\", \"\\t\" or \"|\""));
        }
        Ok(Self { delimiter: rules.delimiter, fields: Columns::compile(&rules.fields)? })
    }

    pub(crate) fn read(&self, body: &Body<'_>, context: &Context<'_>) -> Result<Items, ExtractError> {
        let text = charset::plain(body);
        let trimmed = text.trim_start();
        if trimmed.is_empty() || trimmed.starts_with('<') || is_binary(trimmed) {
            return Err(ExtractError::unlike(&text, EXPECTED));
        }
        let (delimiter, table) = match declared(trimmed) {
            Some((delimiter, table)) => (self.delimiter.unwrap_or(delimiter), table),
            None => (self.delimiter.unwrap_or_else(|| guess(trimmed)), trimmed),
        };
        let (header, lines) = read(table, delimiter)?;
        let rows = lines.iter().map(|line| Row { header: &header, line });
        if self.fields.is_empty() {
            let mut budget = Budget::default();
            return Ok((rows.map(|row| budget.spend(row.whole())).collect::<Result<_, _>>()?, Vec::new()));
        }
        self.fields.fill(rows, body.url, context)
    }
}

impl Kind for Csv {
    type Row<'b> = Row<'b>;
    /// The name of a column in lower case.
    type Place = String;
    type Nested = std::convert::Infallible;
    type Anchor = std::convert::Infallible;

    fn place(at: &At<String>, attr: Option<&str>) -> Result<String, RuleError> {
        if attr.is_some() {
            return Err(RuleError::at(at, "a table has no attributes").help("leave `attr` out"));
        }
        let name = at.value.trim();
        if name.is_empty() {
            return Err(RuleError::at(at, "this names no column").help("write a name of the first line, or a column's number from 1"));
        }
        Ok(name.to_lowercase())
    }

    fn nested(at: &At<String>) -> Result<Self::Nested, RuleError> {
        Err(RuleError::at(at, "a line of a table has no lists of its own"))
    }

    fn anchor(anchor: &Anchor) -> Result<Self::Anchor, RuleError> {
        Err(RuleError::at(anchor.rule(), "the fields of a table are found in the line itself"))
    }

    fn look<'b: 'b>(row: &Row<'b>, place: &String) -> impl IntoIterator<Item = Value> {
        let cell = row.header.place(place).and_then(|column| row.line.cell(column));
        cell.filter(|cell| !cell.is_empty()).map(Value::from)
    }

    fn rows<'b: 'b>(_: &Row<'b>, nested: &Self::Nested) -> Vec<Row<'b>> {
        match *nested {}
    }

    fn start<'b: 'b>(_: &Row<'b>, anchor: &Self::Anchor) -> Option<(usize, Row<'b>)> {
        match *anchor {}
    }

    /// The cells with a tab between.
    fn whole(row: &Row<'_>) -> Option<Value> {
        Some(Value::String(row.line.cells().collect::<Vec<_>>().join("\t")))
    }
}

impl Row<'_> {
    /// The line as an object. Columns that it lacks are empty, cells past the last name are left out.
    fn whole(&self) -> Value {
        let cells = self.line.cells().chain(std::iter::repeat(""));
        let members = self.header.names.iter().zip(cells).map(|(name, cell)| (name.clone(), Value::from(cell)));
        Value::Object(members.collect::<Map<_, _>>())
    }
}

impl Header {
    /// Names as they stand. One without a name gets its number, one that is there already is numbered: `date`, `date_2`.
    fn read(cells: &StringRecord) -> Result<Self, ExtractError> {
        if cells.len() > MAX_COLUMNS {
            return Err(ExtractError::TooMany { expected: EXPECTED, limit: MAX_COLUMNS });
        }
        let mut header = Self::default();
        let mut seen: HashMap<&str, usize> = HashMap::new();
        for (column, cell) in cells.iter().enumerate() {
            let cell = cell.trim();
            let wanted = if cell.is_empty() { (column + 1).to_string() } else { cell.to_owned() };
            let count = seen.entry(cell).or_insert(0);
            let mut name = wanted.clone();
            while header.places.contains_key(&name.to_lowercase()) {
                *count = (*count + 1).max(2);
                name = format!("{wanted}_{count}");
            }
            header.places.insert(name.to_lowercase(), column);
            header.names.push(name);
        }
        Ok(header)
    }

    /// The column of this name, else the one of this number.
    fn place(&self, name: &str) -> Option<usize> {
        let number = || name.parse::<usize>().ok()?.checked_sub(1).filter(|column| *column < self.names.len());
        self.places.get(name).copied().or_else(number)
    }
}

/// What a spreadsheet says of its own delimiter in a line before the names (`sep=;`), and the table after it.
fn declared(text: &str) -> Option<(char, &str)> {
    let rest = text.get(..4).filter(|word| word.eq_ignore_ascii_case("sep=")).map(|_| &text[4..])?;
    let delimiter = rest.chars().next().filter(|c| c.is_ascii() && !matches!(c, '"' | '\r' | '\n'))?;
    let table = rest[1..].strip_prefix("\r\n").or_else(|| rest[1..].strip_prefix('\n'))?;
    Some((delimiter, table))
}

/// The delimiter that the first line has most of, outside quotes.
fn guess(text: &str) -> char {
    let mut counts = [0_usize; DELIMITERS.len()];
    let mut is_quoted = false;
    for c in text.chars() {
        match c {
            '"' => is_quoted = !is_quoted,
            '\n' | '\r' if !is_quoted => break,
            c if !is_quoted => {
                if let Some(index) = DELIMITERS.iter().position(|delimiter| *delimiter == c) {
                    counts[index] += 1;
                }
            }
            _ => {}
        }
    }
    let mut best = 0;
    for (index, count) in counts.iter().enumerate() {
        if *count > counts[best] {
            best = index;
        }
    }
    DELIMITERS[best]
}

/// The names of the columns, and the lines with anything in them.
fn read(table: &str, delimiter: char) -> Result<(Header, Vec<Line>), ExtractError> {
    let delimiter = u8::try_from(delimiter).unwrap_or(b',');
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(table.as_bytes());
    let mut record = StringRecord::new();
    let mut header: Option<Header> = None;
    let mut lines = Vec::new();
    while reader.read_record(&mut record).map_err(|error| ExtractError::Broken { expected: EXPECTED, reason: error.to_string() })? {
        if record.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        let Some(header) = &header else {
            header = Some(Header::read(&record)?);
            continue;
        };
        if lines.len() >= MAX_ROWS {
            return Err(ExtractError::TooMany { expected: EXPECTED, limit: MAX_ROWS });
        }
        lines.push(Line::new(record.iter().take(header.names.len())));
    }
    Ok((header.unwrap_or_default(), lines))
}

impl Line {
    fn new<'a>(cells: impl Iterator<Item = &'a str>) -> Self {
        let mut text = String::new();
        let ends = cells.map(|cell| {
            text.push_str(cell.trim());
            text.len()
        });
        let ends = ends.collect();
        Self { text, ends }
    }

    fn cells(&self) -> impl Iterator<Item = &str> {
        (0..self.ends.len()).filter_map(|column| self.cell(column))
    }

    fn cell(&self, column: usize) -> Option<&str> {
        let start = column.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        self.text.get(start..*self.ends.get(column)?)
    }
}
