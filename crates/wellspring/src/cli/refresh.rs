//! `wellspring refresh SOURCE`: forces a refresh at the running server.

use std::path::Path;
use std::process::ExitCode;

use http::Method;
use serde_json::Value;

use super::{client, configured, runtime};

/// Forces, waits and tells. Exit code 1 where it failed or was refused.
pub(super) fn run(config: Option<&Path>, source: &str) -> ExitCode {
    let asked = configured(config).and_then(|(config, _)| Ok((config, runtime()?)));
    let (config, runtime) = match asked {
        Ok(ready) => ready,
        Err(code) => return code,
    };
    let (name, query) = source.split_once('?').map_or((source, String::new()), |(name, query)| (name, format!("?{query}")));
    let path = format!("/api/{name}/refresh{query}");
    match runtime.block_on(client::ask(&config, Method::POST, &path)) {
        Ok((_, answer)) if answer["force_refreshed"] == true => {
            let count = answer.as_object().and_then(|o| o.values().find_map(Value::as_array)).map_or(0, Vec::len);
            println!("{source}: refreshed, {count} items as of {}", answer["fetched_at"].as_str().unwrap_or("now"));
            ExitCode::SUCCESS
        }
        Ok((status, answer)) => {
            let why = answer["degraded"]["message"].as_str().or_else(|| answer["detail"].as_str());
            let kept = if answer["degraded"].is_object() { "; the stored data stays" } else { "" };
            eprintln!("error: {source}: {}{kept}", why.map_or_else(|| format!("the server answered {status}"), str::to_owned));
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
