//! Whether bodies can be read: a worker is started and given one.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use url::Url;
use wellspring_core::snapshot::Validator;
use wellspring_core::source::{Format, Rules};

use super::Finding;
use crate::app;
use crate::clock::{Clock as _, SystemClock};
use crate::engine::extraction::{Extractor, Ruled, Setting};
use crate::fetch::Response;

/// What the worker is given.
const BODY: &str = r#"[{"read":true}]"#;

/// Has a worker read a small body.
pub(super) async fn look() -> Finding {
    let read = match app::extractor() {
        Ok(extractor) => read(&extractor).await,
        Err(error) => Err(error.to_string()),
    };
    match read {
        Ok(()) => Finding::ok("reader", "pages are read in a process of its own"),
        Err(words) => Finding::fail(
            "reader",
            format!("no page can be read: {words}"),
            "the program starts itself again to read pages: let it run from where it is, and /proc be mounted",
        ),
    }
}

async fn read(extractor: &Extractor) -> Result<(), String> {
    let rules = Ruled::compile(&Rules { items: None, ..Rules::whole(Format::Json, Vec::new()) }).map_err(|error| error.message)?;
    let url = Url::parse("http://localhost/").map_err(|error| error.to_string())?;
    let setting = Setting { now: SystemClock.now().wall, values: Arc::new(BTreeMap::new()) };
    let body = Bytes::from_static(BODY.as_bytes());
    let response = Response { status: 200, url, content_type: None, body, validator: Validator::default() };
    let read = extractor.extract(&rules, response, &setting).await;
    extractor.close().await;
    match read {
        Ok(finished) if **finished.items.json() == *BODY => Ok(()),
        Ok(finished) => Err(format!("{BODY} was read as {}", finished.items.json())),
        Err(failure) => Err(failure.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::worker::Options;

    #[tokio::test]
    async fn a_worker_that_cannot_be_started_is_told() {
        let nowhere = Extractor::workers(Options::new("/nowhere/wellspring".into())).unwrap();
        insta::assert_snapshot!(read(&nowhere).await.unwrap_err(), @"the process that extracts cannot be started: No such file or directory (os error 2)");
    }
}
