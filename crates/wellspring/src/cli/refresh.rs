//! `wellspring refresh SOURCE`: forces a refresh at the running server.

use std::path::Path;
use std::process::ExitCode;

use http::{Method, StatusCode};
use serde_json::Value;
use url::Url;

use super::{client, configured, output, runtime};

/// Forces, waits and tells. Exit code 1 where it failed or was refused.
pub(super) fn run(config: Option<&Path>, server: Option<&Url>, source: &str) -> ExitCode {
    let asked = configured(config).and_then(|(config, _)| Ok((config, runtime()?)));
    let (config, runtime) = match asked {
        Ok(ready) => ready,
        Err(code) => return code,
    };
    let answer = runtime.block_on(client::ask(&config, server, Method::POST, &path(source)));
    match answer.and_then(|(status, answer)| outcome(source, status, &answer)) {
        Ok(outcome) => output::print(outcome + "\n"),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The path of a key's forced refresh, whatever was written.
fn path(source: &str) -> String {
    let (name, query) = source.split_once('?').map_or((source, None), |(name, query)| (name, Some(query)));
    let mut url = Url::parse("http://server/api").ok();
    if let Some(url) = &mut url {
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend([name, "refresh"]);
        }
        url.set_query(query);
    }
    url.map_or_else(String::new, |url| url[url::Position::BeforePath..].to_owned())
}

/// What came of it: good news, or why not.
fn outcome(source: &str, status: StatusCode, answer: &Value) -> Result<String, String> {
    if answer["force_refreshed"] == true {
        let count = answer.as_object().and_then(|o| o.values().find_map(Value::as_array)).map_or(0, Vec::len);
        return Ok(format!("{source}: refreshed, {count} items as of {}", answer["fetched_at"].as_str().unwrap_or("now")));
    }
    if status == StatusCode::ACCEPTED {
        return Ok(format!("{source}: still refreshing; `wellspring status` tells how it went"));
    }
    if let Some(why) = answer["degraded"]["message"].as_str() {
        return Err(format!("{source}: {why}; the stored data stays"));
    }
    let why = answer["detail"].as_str().map_or_else(|| format!("{source}: the server answered {status}"), str::to_owned);
    Err(match (status, answer["known_sources"].as_array()) {
        (StatusCode::UNAUTHORIZED, _) => {
            format!("{why}; {}", client::OWN_TOKEN)
        }
        (_, Some(known)) if !why.contains("did you mean") => {
            let known: Vec<&str> = known.iter().filter_map(Value::as_str).collect();
            format!("{why}; the server has: {}", known.join(", "))
        }
        _ => why,
    })
}
