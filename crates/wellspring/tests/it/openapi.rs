//! `GET /openapi.json` as clients meet it.

use http::Method;

use crate::support::app::Builder;
use crate::support::origin::{Answer, Origin};

fn source(origin: &Origin, name: &str) -> String {
    format!("[source.{name}]\nurl = \"{}\"\nfresh_for = \"1h\"\nformat = \"json\"\n", origin.url("/list"))
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_validated_by_its_tag_and_made_anew_by_data_and_by_a_reload() {
    let origin = Origin::start().await;
    origin.script("/list", Answer::json(r#"[{"title": "Up"}]"#));
    let builder = Builder::new().with_source(&(source(&origin, "films") + "warm = false\n"));
    let app = builder.start().await;
    let item = "/components/schemas/films.item/properties/title";

    let first = app.get("/openapi.json").await;
    assert_eq!((first.status.as_u16(), first.header("content-type"), first.header("cache-control")), (200, "application/json", "no-cache"));
    assert_eq!(first.json().pointer(item), None);
    let tag = first.header("etag").to_owned();
    let known = app.send(Method::GET, "/openapi.json", &[("if-none-match", &tag)]).await;
    assert_eq!((known.status.as_u16(), known.header("etag"), known.body.len()), (304, &*tag, 0));
    let head = app.send(Method::HEAD, "/openapi.json", &[]).await;
    assert_eq!((head.status.as_u16(), head.header("etag"), head.body.len()), (200, &*tag, 0));
    assert_eq!(head.header("content-length"), first.body.len().to_string());

    app.get("/api/films").await;
    let second = app.get("/openapi.json").await;
    assert!(second.json().pointer(item).is_some(), "{}", second.json());
    assert_ne!(second.header("etag"), tag);

    app.reload(&builder.with_source(&source(&origin, "other"))).await;
    assert!(app.get("/openapi.json").await.json()["paths"]["/api/other"].is_object());
    app.stop().await;
}
