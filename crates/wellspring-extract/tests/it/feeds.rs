//! What names of a feed's elements mean.

use serde_json::json;
use wellspring_core::source::{Field, Format, Rules};

use crate::support::{at, field, items, number, refusal, rules};

const TRENDS: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<rss xmlns:ht="https://trends.example.org/rss" xmlns:atom="http://www.w3.org/2005/Atom" version="2.0"><channel>
  <title>Searches</title><atom:link href="https://example.org/rss" rel="self"/>
  <item><title>timnas
     indonesia</title><ht:approx_traffic>2000+</ht:approx_traffic><description/><link>/trends?a=1&amp;b=2</link>
    <pubDate>Thu, 1 Oct 2026 09:20:00 -0700</pubDate><ht:picture>https://example.org/p</ht:picture>
    <ht:news_item><ht:news_item_title>One</ht:news_item_title><ht:news_item_snippet/></ht:news_item>
    <ht:news_item><ht:news_item_title>Two</ht:news_item_title></ht:news_item></item>
  <item><title>gempa</title><ht:approx_traffic>200K+</ht:approx_traffic></item>
</channel></rss>"#;

const ATOM: &str = r#"<feed xmlns="http://www.w3.org/2005/Atom" xml:base="https://atom.example.org/blog/">
  <title>Blog</title><link href="/"/>
  <entry><title type="html">A &lt;b&gt;bold&lt;/b&gt; claim</title><id>urn:1</id><updated>2026-10-01T09:20:00Z</updated>
    <link rel="self" href="self"/><link href="posts/1"/><link rel="enclosure" href="a.mp3" length="7"/>
    <author><name>Box</name><uri>https://example.org</uri></author><category term="t" label="Label"/><category term="u"/>
    <summary type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml">Some <i>text</i></div></summary></entry>
</feed>"#;

fn with(fields: Vec<Field>) -> Rules {
    Rules { fields, ..rules(Format::Feed) }
}

#[test]
fn trap_a_namespaced_feed_element_reaches_a_field() {
    let fields = vec![
        field("query", &["title"]),
        number("search_volume", &["ht:approx_traffic"]),
        Field { default: Some(json!("Unknown")), ..field("category", &[]) },
        field("news", &["ht:news_item/ht:news_item_title"]),
    ];
    insta::assert_snapshot!(items(&with(fields), TRENDS), @r#"
    {"query":"timnas indonesia","search_volume":2000,"category":"Unknown","news":"One"}
    {"query":"gempa","search_volume":200000,"category":"Unknown","news":null}
    "#);
}

#[test]
fn an_entry_taken_whole_has_its_namespaced_elements_too() {
    insta::assert_snapshot!(items(&rules(Format::Feed), TRENDS), @r#"
    {"title":"timnas indonesia","link":"https://example.org/trends?a=1&b=2","published":"2026-10-01T09:20:00-07:00","summary":null,"id":null,"ht:approx_traffic":"2000+","ht:picture":"https://example.org/p","ht:news_item":[{"ht:news_item_title":"One","ht:news_item_snippet":null},{"ht:news_item_title":"Two"}]}
    {"title":"gempa","link":null,"published":null,"summary":null,"id":null,"ht:approx_traffic":"200K+"}
    "#);
    insta::assert_snapshot!(items(&rules(Format::Feed), ATOM), @r#"{"title":"A <b>bold</b> claim","link":"https://atom.example.org/blog/posts/1","published":"2026-10-01T09:20:00+00:00","summary":"Some <i>text</i>","id":"urn:1"}"#);
}

#[test]
fn rss_and_atom_answer_to_each_others_names() {
    let names = [
        "title",
        "link",
        "published",
        "pubDate",
        "updated",
        "summary",
        "description",
        "id",
        "guid",
        "author",
        "categories",
        "category",
        "category@term",
        "enclosure",
        "enclosure@url",
        "author/uri",
        "@xml:lang",
    ];
    let fields = || names.iter().map(|name| field(name, &[name])).collect();
    insta::assert_snapshot!(items(&with(fields()), ATOM), @r#"{"title":"A <b>bold</b> claim","link":"https://atom.example.org/blog/posts/1","published":"2026-10-01T09:20:00+00:00","pubDate":"2026-10-01T09:20:00+00:00","updated":"2026-10-01T09:20:00+00:00","summary":"Some <i>text</i>","description":"Some <i>text</i>","id":"urn:1","guid":"urn:1","author":"Box","categories":["Label","u"],"category":"Label","category@term":"t","enclosure":"https://atom.example.org/blog/a.mp3","enclosure@url":"https://atom.example.org/blog/a.mp3","author/uri":"https://example.org","@xml:lang":null}"#);
    let rss = r#"<rss version="2.0"><channel><item xml:lang="id"><title>T</title><guid>https://example.org/1</guid><pubDate>1 Oct 2026 09:20 GMT</pubDate>
        <description><![CDATA[<p>D</p>]]></description><author>box@example.org</author><category>a</category><category>b</category>
        <enclosure url="a.mp3" length="7" type="audio/mpeg"/></item></channel></rss>"#;
    insta::assert_snapshot!(items(&with(fields()), rss), @r#"{"title":"T","link":"https://example.org/1","published":"2026-10-01T09:20:00+00:00","pubDate":"2026-10-01T09:20:00+00:00","updated":null,"summary":"<p>D</p>","description":"<p>D</p>","id":"https://example.org/1","guid":"https://example.org/1","author":"box@example.org","categories":["a","b"],"category":"a","category@term":null,"enclosure":"https://example.org/films/a.mp3","enclosure@url":"https://example.org/films/a.mp3","author/uri":null,"@xml:lang":"id"}"#);
}

#[test]
fn rdf_and_prefixed_atom_are_feeds_too() {
    let fields = || vec![field("title", &["title"]), field("link", &["link"]), field("id", &["id"]), field("by", &["author"])];
    let rdf = r#"<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/">
        <channel rdf:about="https://example.org/"><title>C</title></channel>
        <item rdf:about="https://example.org/1"><title>One</title><link>https://example.org/1</link><dc:creator>Box</dc:creator></item></rdf:RDF>"#;
    insta::assert_snapshot!(items(&with(fields()), rdf), @r#"{"title":"One","link":"https://example.org/1","id":"https://example.org/1","by":"Box"}"#);
    let prefixed = r#"<a:feed xmlns:a="http://www.w3.org/2005/Atom"><a:entry><a:title>One</a:title><a:link href="1"/></a:entry></a:feed>"#;
    insta::assert_snapshot!(items(&with(fields()), prefixed), @r#"{"title":"One","link":"https://example.org/films/1","id":null,"by":null}"#);
}

#[test]
fn slightly_broken_feeds_are_read() {
    let fields = || vec![field("title", &["title"]), field("link", &["link"])];
    let read = |body: &[u8]| items(&with(fields()), body);
    let item = "<rss><channel><item><title>A&nbsp;caf&eacute; &amp; more & more</title><link>http://example.org/?a=1&b=2&copy=3</link></item></channel></rss>";
    insta::assert_snapshot!(read(format!("\u{feff}\n\n <?xml version='1.0'?>{item}").as_bytes()), @r#"{"title":"A café & more & more","link":"http://example.org/?a=1&b=2&copy=3"}"#);
    insta::assert_snapshot!(read(b"<?xml version='1.0' encoding='utf-8'?><rss><channel><item><title>caf\xe9</title></item></channel></rss>"), @r#"{"title":"café","link":null}"#);
    insta::assert_snapshot!(read(b"<rss><channel><item><title>one</b></title><br></item><item><title>two</title></item></channel></rss><script>"), @r#"
    {"title":"one","link":null}
    {"title":"two","link":null}
    "#);
    let netscape = format!(
        r#"<!DOCTYPE rss PUBLIC "-//Netscape Communications//DTD RSS 0.91//EN" "http://my.netscape.com/publish/formats/rss-0.91.dtd">{item}"#
    );
    insta::assert_snapshot!(read(netscape.as_bytes()), @r#"{"title":"A café & more & more","link":"http://example.org/?a=1&b=2&copy=3"}"#);
}

#[test]
fn bodies_that_are_no_feed_are_named() {
    let whole = rules(Format::Feed);
    insta::assert_snapshot!(items(&whole, "\n"), @"Retryable: the body is empty, a feed was expected");
    insta::assert_snapshot!(items(&whole, "<!doctype html><html><body>Gone</body></html>"), @"Permanent: the body is HTML, not a feed: it begins `<!doctype ht…`");
    insta::assert_snapshot!(items(&whole, "{\"items\": []}"), @r#"Permanent: the body is JSON or like it, not a feed: it begins `{"items": []…`"#);
    insta::assert_snapshot!(items(&whole, "<rss><channel><item><title>cut"), @"Retryable: the body ends too early to be a feed: `<rss>` is not closed");
    insta::assert_snapshot!(items(&whole, "<rss><channel><item><title>cut</ti"), @"Retryable: the body ends too early to be a feed: syntax error: tag not closed: `>` not found before end of input (byte 30)");
    insta::assert_snapshot!(items(&whole, format!("<rss>{}", "<a>".repeat(1000))), @"Permanent: the body is a feed nested deeper than 128 levels, which is not read");
    let bomb = r#"<!DOCTYPE rss [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><rss><channel><item><title>&b;</title></item></channel></rss>"#;
    insta::assert_snapshot!(items(&whole, bomb), @"Permanent: the body is a feed that declares entities of its own (`<!ENTITY`), which are not read");
}

#[test]
fn names_that_cannot_be_read_are_refused_with_their_place() {
    insta::assert_snapshot!(refusal(&with(vec![field("f", &["a b"])])), @"
    10..15: `a b` is no name of an entry's element
    help: write names as the feed has them: `title`, `ht:approx_traffic`, `media:group/media:title`, `enclosure@url`
    ");
    insta::assert_snapshot!(refusal(&with(vec![field("f", &["$.title"])])), @"
    10..19: `$.title` is no name of an entry's element
    help: write names as the feed has them: `title`, `ht:approx_traffic`, `media:group/media:title`, `enclosure@url`
    ");
    insta::assert_snapshot!(refusal(&Rules { items: Some(at("item")), ..rules(Format::Feed) }), @"
    10..16: a feed's items are its entries
    help: leave `items` out
    ");
}
