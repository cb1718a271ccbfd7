//! XML that is no feed.

use wellspring_core::source::{Field, Format, Many, Nested, Origin, Rules};

use crate::support::{at, attribute, field, items, number, refusal, rules};

const CATALOG: &str = r#"<?xml version="1.0"?>
<catalog xmlns:g="urn:g" xml:base="https://books.example.org/">
  <updated>today</updated>
  <section name="one">
    <book id="b1" href="1.html"><title>Dune</title><g:price currency="EUR">12.50</g:price><tag>a</tag><tag>b</tag><note>A <b>long</b> one &amp; good</note></book>
    <book id="b2"><title><![CDATA[A & B]]></title><g:price currency="USD"/><empty/><copy><book id="b3"><title>Inner</title></book></copy></book>
  </section>
</catalog>"#;

fn with(selector: &str, fields: Vec<Field>) -> Rules {
    Rules { items: Some(at(selector)), fields, ..rules(Format::Xml) }
}

fn ids(selector: &str) -> String {
    items(&with(selector, vec![field("id", &["@id"])]), CATALOG).replace('\n', " ")
}

#[test]
fn items_are_named_from_the_root_or_at_any_depth() {
    insta::assert_snapshot!(ids("catalog/section/book"), @r#"{"id":"b1"} {"id":"b2"}"#);
    insta::assert_snapshot!(ids("/catalog/*/book"), @r#"{"id":"b1"} {"id":"b2"}"#);
    insta::assert_snapshot!(ids("//section/book"), @r#"{"id":"b1"} {"id":"b2"}"#);
    insta::assert_snapshot!(ids("book"), @r#"{"id":"b1"} {"id":"b2"} {"id":"b3"}"#);
    insta::assert_snapshot!(ids("//book//book"), @r#"{"id":"b3"}"#);
    insta::assert_snapshot!(ids("catalog//book"), @r#"{"id":"b1"} {"id":"b2"} {"id":"b3"}"#);
    insta::assert_snapshot!(ids("section/book"), @"");
    insta::assert_snapshot!(ids("nosuch"), @"");
}

#[test]
fn fields_are_paths_in_the_item() {
    let fields = vec![
        field("title", &["title"]),
        field("link", &["@href"]),
        number("price", &["price"]),
        field("currency", &["g:price@currency"]),
        field("other", &["x:price", "g:price/@currency"]),
        Field { many: Some(Many::List), ..field("tags", &["tag"]) },
        field("note", &["note"]),
        field("bold", &["//b"]),
        attribute("id", &["."], "id"),
    ];
    insta::assert_snapshot!(items(&with("catalog/section/book", fields), CATALOG), @r#"
    {"title":"Dune","link":"https://books.example.org/1.html","price":12.5,"currency":"EUR","other":"EUR","tags":["a","b"],"note":"A <b>long</b> one &amp; good","bold":"long","id":"b1"}
    {"title":"A & B","link":null,"price":null,"currency":"USD","other":"USD","tags":null,"note":null,"bold":null,"id":"b2"}
    "#);
    insta::assert_snapshot!(items(&with("book", vec![field("text", &["."])]), CATALOG), @r#"
    {"text":"Dune12.50abA long one & good"}
    {"text":"A & BInner"}
    {"text":"Inner"}
    "#);
    insta::assert_snapshot!(items(&with("title", vec![Field { regex: Some(at("^[A-Z]")), ..field("first", &[]) }]), CATALOG), @r#"
    {"first":"D"}
    {"first":"A"}
    {"first":"I"}
    "#);
}

#[test]
fn lists_within_an_item_are_lists_of_items() {
    let books = Nested { items: at("book"), fields: vec![field("id", &["@id"]), field("title", &["title"])] };
    let fields = vec![field("name", &["@name"]), Field::of("books", Origin::Rows(books))];
    insta::assert_snapshot!(items(&with("section", fields), CATALOG), @r#"{"name":"one","books":[{"id":"b1","title":"Dune"},{"id":"b2","title":"A & B"},{"id":"b3","title":"Inner"}]}"#);
}

#[test]
fn elements_are_taken_whole_where_no_fields_are_named() {
    insta::assert_snapshot!(items(&with("catalog/section/book", Vec::new()), CATALOG), @r##"
    {"@id":"b1","@href":"https://books.example.org/1.html","title":"Dune","g:price":{"@currency":"EUR","#text":"12.50"},"tag":["a","b"],"note":"A <b>long</b> one &amp; good"}
    {"@id":"b2","title":"A & B","g:price":{"@currency":"USD"},"empty":null,"copy":{"book":{"@id":"b3","title":"Inner"}}}
    "##);
    insta::assert_snapshot!(items(&rules(Format::Xml), CATALOG), @r##"
    "today"
    {"@name":"one","book":[{"@id":"b1","@href":"https://books.example.org/1.html","title":"Dune","g:price":{"@currency":"EUR","#text":"12.50"},"tag":["a","b"],"note":"A <b>long</b> one &amp; good"},{"@id":"b2","title":"A & B","g:price":{"@currency":"USD"},"empty":null,"copy":{"book":{"@id":"b3","title":"Inner"}}}]}
    "##);
}

#[test]
fn broken_xml_and_what_is_none_are_named() {
    let book = with("book", vec![field("id", &["@id"])]);
    insta::assert_snapshot!(items(&book, "<a><book id=1></a><book id=2>"), @r#"{"id":"1"}"#);
    insta::assert_snapshot!(items(&book, "<!DOCTYPE html><html><body>Gone</body></html>"), @"Permanent: the body is HTML, not XML: it begins `<!DOCTYPE ht…`");
    insta::assert_snapshot!(items(&book, "id,title\n"), @"Permanent: the body is plain text, not XML: it begins `id,title`");
    insta::assert_snapshot!(items(&book, "<a><book id='1'>"), @"Retryable: the body ends too early to be XML: `<a>` is not closed");
    insta::assert_snapshot!(items(&book, "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>"), @"Permanent: the body is XML that declares entities of its own (`<!ENTITY`), which are not read");
    insta::assert_snapshot!(items(&book, b"<?xml version='1.0' encoding='iso-8859-1'?><a><book id='caf\xe9'/></a>"), @r#"{"id":"café"}"#);
}

#[test]
fn paths_that_cannot_be_read_are_refused_with_their_place() {
    insta::assert_snapshot!(refusal(&with("a[1]", Vec::new())), @"
    10..16: `a[1]` is no path of element names
    help: write names from the outside in: `title`, `offers/offer@price`, `//name`, `@id`; `.` is the item's own text
    ");
    insta::assert_snapshot!(refusal(&with("a/@id", Vec::new())), @"
    10..17: items are elements
    help: name the elements: `item`, `catalog/book`, `//book`
    ");
    insta::assert_snapshot!(refusal(&with("book", vec![field("a", &["b/"])])), @"
    10..14: `b/` is no path of element names
    help: write names from the outside in: `title`, `offers/offer@price`, `//name`, `@id`; `.` is the item's own text
    ");
    insta::assert_snapshot!(refusal(&with("book", vec![field("a", &[""])])), @"
    10..12: `` is no path of element names
    help: write names from the outside in: `title`, `offers/offer@price`, `//name`, `@id`; `.` is the item's own text
    ");
    insta::assert_snapshot!(refusal(&with("book", vec![field("a", &["b@"])])), @"
    10..14: `b@` is no path of element names
    help: write names from the outside in: `title`, `offers/offer@price`, `//name`, `@id`; `.` is the item's own text
    ");
}
