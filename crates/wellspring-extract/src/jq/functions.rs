//! Functions that jq programs have beside jaq's basic ones. jaq ships these too, but its regular expressions are a second engine, its
//! dates bring the machine's time zones along, and its `env` and `now` read the machine.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write as _;

use jaq_core::box_iter::box_once;
use jaq_core::native::{Filter, Fun, bome, run, v};
use jaq_core::{Cv, RunPtr, ValXs};
use jaq_json::{Error, Val, ValR};
use regex::Regex;

use super::{Program, pattern, time};

/// How many compiled patterns a run keeps: a program has few, unless it makes them of its items.
const MAX_PATTERNS: usize = 100;

/// Patterns that were compiled in this run, by flags and text.
#[derive(Default)]
pub(super) struct Patterns(RefCell<HashMap<(String, String), Regex>>);

impl Patterns {
    /// The pattern of this text and these flags.
    pub(super) fn find(&self, flags: &str, text: &str, compile: impl FnOnce() -> Result<Regex, Error>) -> Result<Regex, Error> {
        let key = (flags.to_owned(), text.to_owned());
        if let Some(known) = self.0.borrow().get(&key) {
            return Ok(known.clone());
        }
        let regex = compile()?;
        let mut known = self.0.borrow_mut();
        if known.len() >= MAX_PATTERNS {
            known.clear();
        }
        known.insert(key, regex.clone());
        Ok(regex)
    }
}

/// Every function that a program may call.
pub(super) fn all() -> impl Iterator<Item = Fun<Program>> {
    let own: [Box<[Filter<RunPtr<Program>>]>; 5] = [silent(), formats(), numbers(), pattern::functions(), time::functions()];
    // `halt` would end the process.
    let shipped = jaq_core::funs().chain(jaq_std::base_funs()).chain(jaq_json::funs()).filter(|(name, ..)| *name != "halt");
    shipped.chain(own.into_iter().flat_map(<[_]>::into_vec).map(run::<Program>))
}

/// What would print, and prints nothing.
fn silent() -> Box<[Filter<RunPtr<Program>>]> {
    Box::new([("debug_empty", v(0), |_| Box::new(std::iter::empty())), ("stderr", v(0), |cv| box_once(Ok(cv.1)))])
}

fn formats() -> Box<[Filter<RunPtr<Program>>]> {
    const MARKUP: [(&str, &str); 5] = [("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("'", "&#39;"), ("\"", "&quot;")];
    Box::new([
        ("escape_html", v(0), |cv| {
            text(&cv, |text| Ok(MARKUP.iter().fold(text.to_owned(), |text, (plain, escaped)| text.replace(plain, escaped))))
        }),
        ("unescape_html", v(0), |cv| {
            text(&cv, |text| Ok(MARKUP.iter().rev().fold(text.to_owned(), |text, (plain, escaped)| text.replace(escaped, plain))))
        }),
        ("encode_uri", v(0), |cv| text(&cv, |text| Ok(encode(text)))),
        ("decode_uri", v(0), |cv| text(&cv, |text| Ok(decode(text)))),
        ("encode_base64", v(0), |cv| text(&cv, |text| Ok(crate::base64::encode(text.as_bytes())))),
        ("decode_base64", v(0), |cv| {
            text(&cv, |text| crate::base64::decode(text).ok_or_else(|| Error::str(format_args!("{text:.40} is no base64"))))
        }),
    ])
}

fn numbers() -> Box<[Filter<RunPtr<Program>>]> {
    Box::new([
        ("sqrt", v(0), |cv| number(&cv.1, f64::sqrt)),
        ("cbrt", v(0), |cv| number(&cv.1, f64::cbrt)),
        ("exp", v(0), |cv| number(&cv.1, f64::exp)),
        ("exp2", v(0), |cv| number(&cv.1, f64::exp2)),
        ("exp10", v(0), |cv| number(&cv.1, |x| 10_f64.powf(x))),
        ("log", v(0), |cv| number(&cv.1, f64::ln)),
        ("log2", v(0), |cv| number(&cv.1, f64::log2)),
        ("log10", v(0), |cv| number(&cv.1, f64::log10)),
        ("fabs", v(0), |cv| number(&cv.1, f64::abs)),
        ("trunc", v(0), |cv| number(&cv.1, f64::trunc)),
        ("sin", v(0), |cv| number(&cv.1, f64::sin)),
        ("cos", v(0), |cv| number(&cv.1, f64::cos)),
        ("tan", v(0), |cv| number(&cv.1, f64::tan)),
        ("asin", v(0), |cv| number(&cv.1, f64::asin)),
        ("acos", v(0), |cv| number(&cv.1, f64::acos)),
        ("atan", v(0), |cv| number(&cv.1, f64::atan)),
        ("pow", v(2), |cv| numbers_of_two(cv, f64::powf)),
        ("atan2", v(2), |cv| numbers_of_two(cv, f64::atan2)),
        ("fmin", v(2), |cv| numbers_of_two(cv, f64::min)),
        ("fmax", v(2), |cv| numbers_of_two(cv, f64::max)),
        ("fmod", v(2), |cv| numbers_of_two(cv, |x, y| x % y)),
    ])
}

fn number<'a>(value: &Val, f: impl Fn(f64) -> f64) -> ValXs<'a, Val> {
    bome(float(value).map(|x| Val::from(f(x))))
}

fn numbers_of_two(mut cv: Cv<'_, Program>, f: impl Fn(f64, f64) -> f64) -> ValXs<'_, Val> {
    let y = cv.0.pop_var();
    let x = cv.0.pop_var();
    bome(float(&x).and_then(|x| Ok(Val::from(f(x, float(&y)?)))))
}

fn float(value: &Val) -> Result<f64, Error> {
    jaq_std::ValT::as_f64(value).ok_or_else(|| Error::typ(value.clone(), "number"))
}

fn text<'a>(cv: &Cv<'a, Program>, f: impl Fn(&str) -> Result<String, Error>) -> ValXs<'a, Val> {
    bome(as_text(&cv.1).and_then(f).map(Val::from) as ValR)
}

/// A text's characters.
pub(super) fn as_text(value: &Val) -> Result<&str, Error> {
    let bytes = jaq_std::ValT::as_utf8_bytes(value).ok_or_else(|| Error::typ(value.clone(), "string"))?;
    std::str::from_utf8(bytes).map_err(Error::str)
}

/// Percent-encodes all but what RFC 3986 leaves unreserved.
fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let pair = text.get(at + 1..at + 3).filter(|pair| byte == b'%' && pair.bytes().all(|b| b.is_ascii_hexdigit()));
        let encoded = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok());
        decoded.push(encoded.unwrap_or(byte));
        at += if encoded.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
