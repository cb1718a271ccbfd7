//! What items are to feed readers and calendars.

use insta::{assert_debug_snapshot, assert_snapshot};

use super::*;

#[test]
fn a_mapping_names_fields_or_puts_texts_together() {
    let spec = one_with(
        "feed = { name = 'Films', home = 'https://a.example/', language = 'id', title = '{title} {now} {', image = 'img' }\n\
         calendar = { start = 'title' }\nparams.now = { default = 'x', values = ['x'] }\n",
    );
    assert_eq!(
        spec.feed.title,
        Some(Mapped::Text(vec![
            Piece::Name("title".to_owned()),
            Piece::Text(" ".to_owned()),
            Piece::Name("now".to_owned()),
            Piece::Text(" {".to_owned()),
        ]))
    );
    assert_eq!(spec.feed.image, Some(Mapped::Field("img".to_owned())));
    assert_eq!(spec.feed.link, None);
    assert_debug_snapshot!((spec.feed.name, spec.feed.home, spec.feed.language, spec.calendar.unwrap().start), @r#"
    (
        Some(
            "Films",
        ),
        Some(
            "https://a.example/",
        ),
        Some(
            "id",
        ),
        Some(
            Field(
                "title",
            ),
        ),
    )
    "#);
}

#[test]
fn what_no_item_has_is_pointed_at() {
    assert_snapshot!(told_with([
        "feed.title = 'titel'",
        "feed.titel = 'title'",
        "feed.link = 'https://a.example/{titel}'",
        "calendar.start = 'when is it'",
        "feed.summary = ' '",
        "feed.name = ''",
        "feed.name = '{title}'",
        "feed.home = 'a.example'",
        "feed.language = 'Bahasa Indonesia'",
        "feed = 'title'",
    ]), @r#"
    'titel'  there is no field `titel`
        did you mean `title`?
    titel  unknown key `titel`
        did you mean `title`?
    'https://a.example/{titel}'  there is no field `titel`
        did you mean `title`?
    'when is it'  there is no field `when is it`
        known here: title, img
    ' '  this must not be empty
        name a field, or write a text with {field} in it
    ''  `name` must not be empty
        an entry's title is `title`
    '{title}'  nothing is filled into `name`
        the name is the whole feed's; an entry's is `title`
    'a.example'  this is no address of a page
        write the whole address, as in home = "https://www.example.org/"
    'Bahasa Indonesia'  `Bahasa Indonesia` is no language
        write a tag such as "id" or "en-GB"
    'title'  expected a table, not a string
    "#);
    let hidden = SOUND.replace("title = \"a\"", "_title = \"a\"");
    assert_snapshot!(told([format!("{hidden}feed.title = '_title'\n")]), @"
    '_title'  `_title` is hidden: items are without it
        name one that items have, or take the `_` away
    ");
}

#[test]
fn items_taken_whole_and_programs_have_names_of_their_own() {
    one("[source.a]\nurl = 'https://a.example/'\nfresh_for = '1h'\nformat = 'json'\nfeed.title = 'headline'\n");
    one_with("transform = 'map({film: .title})'\nfeed.title = '{film}'\n");
    one_with("details = { url = 'https://a.example/{title}', format = 'html', fields = { text = 'p' } }\nfeed.summary = 'text'\n");
}
