//! Extracts a list of pages over and over, for the comparison of `cargo xtask bench extract`.
//!
//! Usage: pages_per_second JOB.json SECONDS. A job is a list of `{"file", "items", "fields": [[name, place], …]}`. Prints one JSON
//! line: pages a second of CPU, rows and characters found (so that both sides can be seen to have done the same), and peak memory.

use std::error::Error;
use std::fs;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;
use wellspring_core::source::{At, Field, Format, Rules};
use wellspring_extract::{Body, Compiled, Context};

#[derive(Deserialize)]
struct Page {
    file: String,
    items: String,
    fields: Vec<(String, String)>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [job, seconds] = &words[..] else { return Err("usage: pages_per_second JOB.json SECONDS".into()) };
    let pages: Vec<Page> = serde_json::from_slice(&fs::read(job)?)?;
    let patience = Duration::from_secs_f64(seconds.parse()?);
    let url = Url::parse("https://example.org/")?;
    let values = std::collections::BTreeMap::new();
    let context = Context { now: jiff::Timestamp::UNIX_EPOCH, values: &values };
    let prepared: Vec<(Vec<u8>, Compiled)> =
        pages.iter().map(|page| Ok((fs::read(&page.file)?, Compiled::compile(&rules(page))?))).collect::<Result<_, Box<dyn Error>>>()?;
    let (begun, cpu_before) = (Instant::now(), cpu()?);
    let (mut done, mut rows, mut characters, mut first) = (0_u64, 0, 0, true);
    while first || begun.elapsed() < patience {
        for (bytes, compiled) in &prepared {
            let body = Body { bytes, content_type: Some("text/html; charset=utf-8"), url: &url };
            let extraction = compiled.extract(&body, &context)?;
            if first {
                rows += extraction.rows.len();
                characters += extraction.rows.iter().map(length).sum::<usize>();
            }
            done += 1;
        }
        first = false;
    }
    let rate = done as f64 / cpu()?.saturating_sub(cpu_before).as_secs_f64();
    println!("{}", json!({"pages_per_second": rate, "rows": rows, "characters": characters, "peak_kb": peak()}));
    Ok(())
}

fn rules(page: &Page) -> Rules {
    let at = |text: &String| At { value: text.clone(), span: 0..0 };
    let fields = page.fields.iter().map(|(name, place)| Field::at(name, vec![at(place)])).collect();
    Rules { items: Some(at(&page.items)), ..Rules::whole(Format::Html, fields) }
}

/// The characters of an item's texts.
fn length(row: &Value) -> usize {
    row.as_object().into_iter().flatten().filter_map(|(_, value)| value.as_str()).map(|text| text.chars().count()).sum()
}

/// The time that this process has computed, which others on the machine do not lengthen.
fn cpu() -> Result<Duration, Box<dyn Error>> {
    let spent = fs::read_to_string("/proc/self/schedstat")?;
    Ok(Duration::from_nanos(spent.split(' ').next().unwrap_or_default().parse()?))
}

/// The most memory this process has held, in KiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches("kB").trim().parse().unwrap_or(0)
}
