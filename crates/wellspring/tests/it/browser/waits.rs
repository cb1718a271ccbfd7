//! When a page is ready.

use super::*;
use wellspring_core::source::AddressPattern;

#[tokio::test]
async fn a_page_is_read_when_what_it_is_waited_for_is_there() {
    let origin = Origin::start().await;
    origin.script("/late", scripted(pages::LATE));
    let Some(lab) = Lab::open(&[&origin]).await else { return };
    let waiting = Page { wait_for: Some("ul li".to_owned()), ..Page::default() };
    let started = std::time::Instant::now();
    let rendered = lab.render(&origin.url("/late"), waiting).await.unwrap();
    eprintln!("{:?}", started.elapsed());
    for _ in 0..3 {
        let started = std::time::Instant::now();
        let waiting = Page { wait_for: Some("ul li".to_owned()), ..Page::default() };
        lab.render(&origin.url("/late"), waiting).await.unwrap();
        eprintln!("{:?}", started.elapsed());
    }
    assert!(document(&rendered).contains("<li>Two</li>"), "{}", document(&rendered));
    assert_eq!(rendered.seen.title, "Scripted");
    let expecting = Page { expects: Some("li".to_owned()), ..Page::default() };
    let rendered = lab.render(&origin.url("/late"), expecting).await.unwrap();
    assert!(document(&rendered).contains("<li>Two</li>"));
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
    let error = lab.browser.render(&request).await.unwrap_err().to_string();
    eprintln!("{error}");
    let capturing = Page { capture: AddressPattern::parse("**/api/list*"), ..Page::default() };
    let rendered = lab.render(&origin.url("/asking"), capturing).await.unwrap();
    eprintln!("{rendered:?}");
    lab.close().await;
}
