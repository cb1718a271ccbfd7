//! How a source's bodies are asked for: requests with open places, steps before the one that gives the rows, what is asked once
//! for each of several values, details of each row.

use std::time::Duration;

use jiff::tz::TimeZone;

use super::rules::Rules;
use crate::template::Template;

/// A request with its places open.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The address. Empty for an unusable alternative, whose variables are not read.
    pub url: Template,
    /// The method.
    pub method: Method,
    /// Headers in order, names in lower case. They may be secret.
    pub headers: Vec<(String, Template)>,
    /// Cookies that are sent from the start, to the host of `url` only.
    pub cookies: Vec<(String, Template)>,
    /// What is sent.
    pub payload: Option<Payload>,
    /// A proxy of its own.
    pub proxy: Option<Template>,
    /// The longest one request may take; the server's where absent.
    pub timeout: Option<Duration>,
    /// The largest body after decompression, in bytes; the server's where absent.
    pub max_body: Option<u64>,
}

impl Ask {
    /// All its texts.
    pub fn templates(&self) -> impl Iterator<Item = &Template> {
        let named = self.headers.iter().chain(&self.cookies).map(|(_, text)| text);
        std::iter::once(&self.url).chain(named).chain(&self.proxy).chain(self.payload.iter().flat_map(Payload::templates))
    }
}

impl Payload {
    fn templates(&self) -> Vec<&Template> {
        match self {
            Self::Json(json) => json.templates(),
            Self::Form(form) => form.iter().map(|(_, text)| text).collect(),
            Self::Text(text) => vec![text],
        }
    }
}

impl Json {
    fn templates(&self) -> Vec<&Template> {
        match self {
            Self::Text(text) => vec![text],
            Self::Bare(_) | Self::Plain(_) => Vec::new(),
            Self::List(list) => list.iter().flat_map(Self::templates).collect(),
            Self::Object(members) => members.iter().flat_map(|(_, json)| json.templates()).collect(),
        }
    }
}

/// The method of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// GET.
    #[default]
    Get,
    /// POST: the default where there is something to send.
    Post,
}

/// What a request sends.
#[derive(Clone, Debug)]
pub enum Payload {
    /// JSON, its texts with open places. `Content-Type: application/json` unless a header says otherwise.
    Json(Json),
    /// A form, percent-encoded. `Content-Type: application/x-www-form-urlencoded`.
    Form(Vec<(String, Template)>),
    /// A text as it stands. No `Content-Type` but a header's.
    Text(Template),
}

/// JSON whose texts have open places.
#[derive(Clone, Debug)]
pub enum Json {
    /// A text.
    Text(Template),
    /// A text that was nothing but the place of an `integer` or `boolean` parameter: the number or the truth value itself.
    Bare(String),
    /// Anything else that holds nothing.
    Plain(serde_json::Value),
    /// A list.
    List(Vec<Json>),
    /// An object.
    Object(Vec<(String, Json)>),
}

/// A request before the one that gives the rows. What it captures fills the places of what comes after.
#[derive(Clone, Debug)]
pub struct Step {
    /// What it is called where it fails; its number (from 1) stands beside.
    pub name: Option<String>,
    /// What is asked.
    pub ask: Ask,
    /// How its body is read: the first row's fields are what is captured. One that finds nothing fails the refresh.
    pub rules: Rules,
}

/// Asks once for each of several values, and takes the rows of all answers in that order.
#[derive(Clone, Debug)]
pub struct Each {
    /// The name under which a value fills places and composes fields.
    pub name: String,
    /// The values.
    pub values: EachValues,
    /// How many are asked for at most; the rest is cut, and said.
    pub limit: usize,
}

/// The values that are asked for.
#[derive(Clone, Debug)]
pub enum EachValues {
    /// What a step captured with `all = true`, under the same name.
    Captured,
    /// These.
    Listed(Vec<String>),
    /// Days from today on.
    Days {
        /// How many, today included.
        count: u32,
        /// How each is written.
        format: String,
        /// Whose today.
        zone: TimeZone,
    },
}

/// Asks for a page of each row and joins what it gives to the row.
#[derive(Clone, Debug)]
pub struct Details {
    /// What is asked; the row's own fields fill its places. A row for which one of them is missing goes without.
    pub ask: Ask,
    /// How its body is read: its first row's fields join the list's row, which keeps what it has.
    pub rules: Rules,
    /// How many rows are asked for; the rest of the rows is cut, and said.
    pub limit: usize,
}

/// A moment that fills places: today, a week from now.
#[derive(Clone, Debug)]
pub struct Time {
    /// The name of its places.
    pub name: String,
    /// How it is written.
    pub format: String,
    /// Whose time.
    pub zone: TimeZone,
    /// From the refresh's own time, in seconds; negative is back.
    pub offset: i64,
}
