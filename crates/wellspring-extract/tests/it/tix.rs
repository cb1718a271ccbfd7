//! The shipped sources' rules, on pages of tix.id's structure.

use std::fmt::Write as _;

use wellspring_core::source::{Format, Rules};

use crate::support::{at, extract, field, items, rules};

fn cinema() -> Rules {
    Rules {
        items: Some(at("ul.glide__slides li.glide__slide:has(a[href*='movie-detail'])")),
        fields: vec![field("img", &["a img@src"]), field("title", &["a span", "a@title", "img@alt", "a", "."])],
        unique_by: Some(at("title")),
        limit: Some(17),
        required: vec!["img".to_owned(), "title".to_owned()],
        ..rules(Format::Html)
    }
}

fn events() -> Rules {
    Rules {
        items: Some(at("div.swiper-wrapper > div.swiper-slide")),
        fields: vec![field("poster", &["img@src"]), field("event_title", &["img@alt", "a@title", "."])],
        limit: Some(19),
        required: vec!["poster".to_owned(), "event_title".to_owned()],
        ..rules(Format::Html)
    }
}

#[test]
fn films_take_the_first_title_that_is_there() {
    let page = r#"<!doctype html><ul class="glide__slides">
        <li class="glide__slide"><a href="/movie-detail/1"><img src="/a.webp"><span>
            The   First&nbsp;Film </span></a></li>
        <li class="glide__slide"><a href="/movie-detail/2" title=" The Second "><img src="//cdn.example.net/b.webp"><span> </span></a></li>
        <li class="glide__slide"><a href="/movie-detail/3"><img src="c.webp" alt="The Third"></a></li>
        <li class="glide__slide"><a href="/movie-detail/4"><img src="d.webp" alt="">The <b>Fourth</b></a></li>
        <li class="glide__slide"><a href="/movie-detail/5"><img src="e.webp"></a><p>The Fifth</p></li>
        <li class="glide__slide"><a href="/movie-detail/6"><img src="again.webp"><span>The First Film</span></a></li>
        <li class="glide__slide"><a href="/movie-detail/7"><span>No Picture</span></a></li>
        <li class="glide__slide"><a href="/promo/8"><img src="promo.webp"><span>A promotion</span></a></li>
      </ul>"#;
    insta::assert_snapshot!(items(&cinema(), page), @r#"
    {"img":"https://example.org/a.webp","title":"The First Film"}
    {"img":"https://cdn.example.net/b.webp","title":"The Second"}
    {"img":"https://example.org/films/c.webp","title":"The Third"}
    {"img":"https://example.org/films/d.webp","title":"The Fourth"}
    {"img":"https://example.org/films/e.webp","title":"The Fifth"}
    "#);
    let extraction = extract(&cinema(), page).unwrap();
    insta::assert_snapshot!(serde_json::to_string(&(extraction.tally, extraction.report)).unwrap(), @r#"[{"found":7,"dropped":1,"kept":5},{"fields":[{"name":"img","found":6,"by_candidate":[6],"defaulted":0},{"name":"title","found":7,"by_candidate":[3,1,1,1,1],"defaulted":0}],"dropped":[{"row":7,"missing":["img"],"begins":"No Picture"}],"duplicates":1,"cut":0}]"#);
}

#[test]
fn only_the_first_seventeen_films_stay() {
    let mut page = String::from("<ul class=glide__slides>");
    // A carousel repeats its slides at both ends.
    for n in (18..20).chain(0..20).chain(0..2) {
        write!(page, "<li class=glide__slide><a href=/movie-detail/{n}><img src=/{n}.webp><span>Film {n}</span></a>").unwrap();
    }
    let extraction = extract(&cinema(), page).unwrap();
    assert_eq!((extraction.tally.found, extraction.tally.dropped, extraction.tally.kept), (24, 0, 17));
    assert_eq!((extraction.report.duplicates, extraction.report.cut), (4, 3));
    assert_eq!(extraction.rows[0]["title"], "Film 18");
}

#[test]
fn events_keep_their_equals_and_their_order() {
    let page = r#"<div class="swiper-wrapper">
        <div class="swiper-slide"><a href="/e/1" title="not this"><img src="https://assets.example.net/1.webp" alt="Festival  One"></a></div>
        <div class="swiper-slide"><a href="/e/2" title="Festival Two"><img src="/2.webp"></a></div>
        <div class="swiper-slide"><img src="/3.webp"><p>Festival</p><p>Three</p></div>
        <div class="swiper-slide"><img src="/3.webp"><p>Festival</p><p>Three</p></div>
        <div><div class="swiper-slide"><img src="/nested.webp" alt="not a child"></div></div>
        <div class="swiper-slide swiper-slide-placeholder"></div>
      </div>"#;
    insta::assert_snapshot!(items(&events(), page), @r#"
    {"poster":"https://assets.example.net/1.webp","event_title":"Festival  One"}
    {"poster":"https://example.org/2.webp","event_title":"Festival Two"}
    {"poster":"https://example.org/3.webp","event_title":"Festival Three"}
    {"poster":"https://example.org/3.webp","event_title":"Festival Three"}
    "#);
}
