//! What a page says of itself.

use wellspring_core::source::{Format, Rules};

use crate::support::{at, field, items, refusal, rules};

fn of(kind: &str) -> Rules {
    Rules { items: Some(at(kind)), ..rules(Format::Jsonld) }
}

const SOUP: &str = r##"<!doctype html><html><head>
<meta property="og:title" content="Leek soup &amp; bread"><meta property="og:type" content="article">
<meta property="og:image" content="/soup.webp"><meta property="og:image:width" content="800"><meta name="og:image" content="//cdn.example.net/2.webp">
<meta property="article:tag" content="soup"><meta property="article:tag" content="leek"><meta property="fb:app_id" content="1"><meta property="og:url" content="">
<script type="Application/LD+JSON; charset=utf-8">
<!-- made by hand -->
{"@context": "https://schema.org", "@graph": [
  {"@type": "WebPage", "@id": "#page", "mainEntity": {"@type": ["Thing", "https://schema.org/Recipe"], "name": "Leek soup", "author": {"@id": "#me"}, "recipeIngredient": ["2 leeks", "1 l water",]}},
  {"@type": "schema:Person", "@id": "#me", "name": "A. Cook"}]}
</script>
<script type="application/ld+json">null</script><script type="application/ld+json">{"@type": "Broken", "name": </script>
<script type="application/ld+json">[{"@type": "BreadcrumbList"}]</script></head>
<body><div itemscope itemtype="http://schema.org/Recipe"><h1 itemprop="name">Leek soup</h1></div></body></html>"##;

#[test]
fn every_notation_gives_entities() {
    insta::assert_snapshot!(items(&rules(Format::Jsonld), SOUP), @r##"
    {"@type":"WebPage","@id":"#page","mainEntity":{"@type":["Thing","https://schema.org/Recipe"],"name":"Leek soup","author":{"@id":"#me"},"recipeIngredient":["2 leeks","1 l water"]}}
    {"@type":"schema:Person","@id":"#me","name":"A. Cook"}
    {"@type":"BreadcrumbList"}
    {"@type":"Recipe","name":"Leek soup"}
    {"@type":"OpenGraph","title":"Leek soup & bread","type":"article","image":["https://example.org/soup.webp","https://cdn.example.net/2.webp"],"image_width":"800","article_tag":["soup","leek"]}
    "##);
}

#[test]
fn a_type_is_found_wherever_it_stands_and_said_once() {
    let recipe = Rules { fields: vec![field("name", &["$.name"]), field("first", &["$.recipeIngredient[0]"])], ..of("Recipe") };
    insta::assert_snapshot!(items(&recipe, SOUP), @r#"{"name":"Leek soup","first":"2 leeks"}"#);
    insta::assert_snapshot!(items(&of("https://schema.org/Person"), SOUP), @r##"{"@type":"schema:Person","@id":"#me","name":"A. Cook"}"##);
    insta::assert_snapshot!(items(&of("schema:breadcrumbList"), SOUP), @r#"{"@type":"BreadcrumbList"}"#);
    insta::assert_snapshot!(items(&Rules { fields: vec![field("title", &["$.title"]), field("picture", &["$.image[1]"])], ..of("OpenGraph") }, SOUP), @r#"{"title":"Leek soup & bread","picture":"https://cdn.example.net/2.webp"}"#);
    insta::assert_snapshot!(items(&of("Event"), SOUP), @"");
}

#[test]
fn microdata_is_read_by_its_standard() {
    let page = r##"<base href="https://example.net/a/"><body>
      <article itemscope itemtype="https://schema.org/Event https://schema.org/MusicEvent http://vocabulary.example/Gig" itemid="#gig" itemref="more gone">
        <h1 itemprop="name">A <b>long</b>
          night<script>x()</script></h1>
        <meta itemprop="eventStatus" content=" EventScheduled "><time itemprop="startDate" datetime="2025-01-23">Thursday</time>
        <time itemprop="doorTime">19:00</time><a itemprop="url sameAs" href="gig">more</a><img itemprop="image" src="data:image/gif;base64,R0" data-src="p.webp">
        <data itemprop="sku" value="12">twelve</data><span itemprop="price" content="9.50">£9.50</span><link itemprop="availability" href="https://schema.org/InStock">
        <object itemprop="map" data="../m"></object><p itemprop="description">First<br>second <p itemprop="http://vocabulary.example/note">noted
        <div itemprop="location" itemscope itemtype="https://schema.org/Place"><b itemprop="name">Hall</b><i itemprop="name">Halle</i></div>
        <div itemprop="nothing" itemscope></div><template><i itemprop="name">hidden</i></template>
      </article>
      <ul id="more"><li itemprop="performer">One<li itemprop="performer">Two</ul>
      <div itemprop="stray" itemscope itemtype="https://schema.org/Thing"><i itemprop="name">left over</i></div></body>"##;
    insta::assert_snapshot!(items(&rules(Format::Jsonld), page), @r#"
    {"@type":["Event","MusicEvent","http://vocabulary.example/Gig"],"@id":"https://example.net/a/#gig","name":"A long night","eventStatus":"EventScheduled","startDate":"2025-01-23","doorTime":"19:00","url":"https://example.net/a/gig","sameAs":"https://example.net/a/gig","image":"https://example.net/a/p.webp","sku":"12","price":"9.50","availability":"https://schema.org/InStock","map":"https://example.net/m","description":"First\nsecond","http://vocabulary.example/note":"noted","location":{"@type":"Place","name":["Hall","Halle"]},"nothing":{},"performer":["One","Two"]}
    {"@type":"Thing","name":"left over"}
    "#);
}

#[test]
fn items_that_refer_to_themselves_or_nest_without_end_are_cut() {
    let cycle = r#"<div itemscope itemtype="A" itemref="b" id="a"><i itemprop="n">1</i></div>
      <div id="b"><div itemprop="to" itemscope itemtype="B" itemref="c b"><i itemprop="n">2</i></div></div><p id="c" itemprop="n">3</p>"#;
    insta::assert_snapshot!(items(&rules(Format::Jsonld), cycle), @r#"{"@type":"A","n":"1","to":{"@type":"B","n":["2","3"]}}"#);
    let nested = "<div itemprop=in itemscope>".repeat(600);
    assert_eq!(items(&rules(Format::Jsonld), nested).matches("in").count(), 31);
}

#[test]
fn a_document_of_jsonld_alone_is_read_too() {
    insta::assert_snapshot!(items(&of("Dataset"), r#"[{"@graph": {"@type": "Dataset", "name": "Tides"}}]"#), @r#"{"@type":"Dataset","name":"Tides"}"#);
    insta::assert_snapshot!(items(&of("Dataset"), "[1, 2]"), @"Permanent: the body is JSON or like it, not HTML: it begins `[1, 2]`");
    insta::assert_snapshot!(items(&of("Dataset"), ""), @"Retryable: the body is empty, HTML was expected");
}

#[test]
fn types_that_are_none_are_refused() {
    insta::assert_snapshot!(refusal(&of("$.recipes[*]")), @r#"
    10..24: `$.recipes[*]` is no type
    help: `items` is the type of the entities, as in `items = "Recipe"`
    "#);
    insta::assert_snapshot!(refusal(&of(" ")), @r#"
    10..13: `` is no type
    help: `items` is the type of the entities, as in `items = "Recipe"`
    "#);
}
