//! When a page is ready.

use wellspring_core::source::AddressPattern;

use super::*;

#[tokio::test]
async fn a_page_is_read_when_what_it_is_waited_for_is_there() {
    let origin = Origin::start().await;
    origin.script("/late", scripted(pages::LATE));
    let Some(lab) = Lab::open(&[&origin]).await else { return };
    let waited_for = Page { wait_for: Some("ul li".to_owned()), ..Page::default() };
    let expected = Page { expects: Some("li".to_owned()), ..Page::default() };
    for page in [waited_for, expected] {
        let rendered = lab.render(&origin.url("/late"), page).await.unwrap();
        assert!(document(&rendered).contains("<li>Two</li>"), "{}", document(&rendered));
        assert_eq!(rendered.seen.title, "Scripted");
        assert_eq!(rendered.bodies[0].url, origin.at("/late"));
    }
    lab.close().await;
}

#[tokio::test]
async fn what_never_appears_is_told_with_what_the_page_was_like() {
    let origin = Origin::start().await;
    origin.script("/asking", scripted(pages::ASKING));
    origin.script("/api/list", Answer::json(r#"[{"title":"One"}]"#));
    let Some(lab) = Lab::open(&[&origin]).await else { return };
    let waiting = Page { wait_for: Some("table.none".to_owned()), ..Page::default() };
    let mut request = request(&origin.url("/asking"), waiting);
    request.within = Duration::from_secs(2);
    let error = lab.browser.render(&request).await.unwrap_err();
    assert_eq!(error.failure().code.as_str(), "wait_failed");
    let words = error.to_string().replace(&origin.address().to_string(), "a.example");
    insta::assert_snapshot!(words, @r#"`table.none` never appeared on a.example within 2s; the page is called "Scripted", has 254 bytes and loaded JSON from http://a.example/api/list?page=1"#);
    lab.close().await;
}

#[tokio::test]
async fn what_scripts_have_loaded_is_taken_in_place_of_the_page() {
    let origin = Origin::start().await;
    origin.script("/asking", scripted(pages::ASKING));
    origin.script("/api/list", Answer::json(r#"[{"title":"One"}]"#));
    let Some(lab) = Lab::open(&[&origin]).await else { return };
    let capturing = Page { capture: AddressPattern::parse("**/api/list*"), ..Page::default() };
    let rendered = lab.render(&origin.url("/asking"), capturing).await.unwrap();
    let [body] = &rendered.bodies[..] else { panic!("{rendered:?}") };
    assert_eq!((&*body.body, body.url.path()), (&b"[{\"title\":\"One\"}]"[..], "/api/list"));
    assert_eq!(rendered.seen.answers.iter().map(|answer| (answer.status, answer.bytes)).collect::<Vec<_>>(), [(200, 17)]);
    lab.close().await;
}
