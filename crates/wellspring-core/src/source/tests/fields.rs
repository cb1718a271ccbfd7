//! Fields: what their keys mean beside each other and in each format.

use insta::assert_snapshot;

use super::*;

/// The complaints about sources with such a field, as a table's keys.
fn fields<'t>(format: &str, tables: impl IntoIterator<Item = &'t str>) -> String {
    let items = if matches!(format, "html" | "json" | "xml") { "items = 'li'\n" } else { "" };
    let lines: Vec<String> =
        tables.into_iter().map(|table| format!("{items}fields = {{ list = {{ select = 'i', all = true }}, a = {{ {table} }} }}")).collect();
    told_of(format, lines.iter().map(String::as_str))
}

#[test]
fn keys_mean_something_beside_each_other() {
    assert_snapshot!(fields("html", [
        "compose = '{b}', select = 'b'",
        "compose = '{b}', all = true",
        "items = 'b', select = 'b', fields = { c = 'd' }",
        "items = 'b', regex = 'b', fields = { c = 'd' }",
        "items = 'b'",
        "items = '', fields = { c = 'd' }",
        "items = 'b', fields = { c = { selector = 'd' } }",
        "fields = {}",
        "fields = { c = 'd' }, select = 'b'",
        "fields = { c = 'd' }, all = true",
        "fields = { c = { parse = 'number' } }",
        "select = 'b', key = 'c'",
        "select = 'b', all = false, join = ','",
        "select = 'b', preceding = 'h2', ancestor = 'div'",
        "select = 'b', zone = 'Asia/Jakarta'",
        "select = 'b', parse = 'number', format = '%Y'",
        "select = 'b', parse = 'boolean', as = 'epoch'",
        "select = 'b', currency = 'IDR'",
        "select = 'b', parse = 'date', decimal = ','",
        "attr = 'b', parse = 'date'",
        "select = 'b', regexp = 'c'",
        "select = 'b', tz = 'c'",
    ]), @r#"
    'b'  `select` means nothing beside `compose`
        look for it in a field of its own, as in _part = "…", and write {_part} in the text
    true  `all` means nothing beside `compose`
        look for it in a field of its own, as in _part = "…", and write {_part} in the text
    'b'  `select` means nothing beside `items`
        `items` make a list of rows: say in their `fields` what each holds
    'b'  `regex` means nothing beside `items`
        `items` make a list of rows: say in their `fields` what each holds
    'b'  these rows have no `fields`
        say what each row holds: fields = { … }; for a list of texts write path = "…", all = true
    ''  `items` must not be empty
    selector  unknown key `selector`
        did you mean `select`?
    { fields = {} }  `a` holds nothing
        say what it holds: fields = { name = "h2" }
    'b'  `select` means nothing beside `fields`
        `fields` alone make one object of the item itself: write in each of them where it is found; with `items` they make a list of rows within
    true  `all` means nothing beside `fields`
        `fields` alone make one object of the item itself: write in each of them where it is found; with `items` they make a list of rows within
    { parse = 'number' }  `c` says nowhere to look
        add a place, as in select = "h2", or a default
    'c'  `key` means nothing without `lookup`
        add lookup = "$.films[*]"
    ','  `join` takes all that is found, and `all` is false
        keep one of them
    'div'  a field is looked for from one place
        keep one of `preceding`, `ancestor` and `lookup`
    'Asia/Jakarta'  `zone` says how dates are read, and this is read as text
        add parse = "date"
    '%Y'  `format` says how dates are read, and this is read as a number
        leave it out, or write parse = "date"
    'epoch'  `as` says how dates are given, and this is read as true or false
        leave it out, or write parse = "date"
    'IDR'  `currency` says how money is read, and this is read as text
        add parse = "money"
    ','  `decimal` says how numbers are read, and this is read as a date
        leave it out, or write parse = "number"
    { attr = 'b', parse = 'date' }  `a` says nowhere to look
        add a place, as in select = "h2", or a default
    regexp  unknown key `regexp`
        did you mean `regex`?
    tz  unknown key `tz`
        did you mean `zone`?
    "#);
}

#[test]
fn values_are_read_as_they_can_be() {
    assert_snapshot!(fields("html", [
        "select = 'b', parse = 'number', decimal = ';'",
        "select = 'b', parse = 'number', decimal = ', '",
        "select = 'b', parse = 'money', currency = 'Rp'",
        "select = 'b', parse = 'date', zone = 'Jakarta'",
        "select = 'b', parse = 'date', format = 'dd/mm/yyyy'",
        "select = 'b', parse = 'date', format = ['%d', '']",
        "select = 'b', parse = 'date', as = 'iso'",
    ]), @r#"
    ';'  a decimal mark is `.` or `,`
    ', '  expected a single character
    'Rp'  `Rp` is no code of a currency
        write the three letters of ISO 4217, as in "IDR" or "EUR"
    'Jakarta'  there is no time zone `Jakarta`
        did you mean `Asia/Jakarta`?
    'dd/mm/yyyy'  `dd/mm/yyyy` is no format of a date
        write what stands where: "%d/%m/%Y %H:%M" reads 23/01/2025 18:30; leave `format` out for the usual notations
    ''  `` is no format of a date
        write what stands where: "%d/%m/%Y %H:%M" reads 23/01/2025 18:30; leave `format` out for the usual notations
    'iso'  `iso` is not known here
        it is one of: rfc3339, epoch, epoch_ms, date, local
    "#);
    let field = "{ select = 'b', parse = 'date', format = ['%d.%m.%Y', '%d.%m.'], zone = 'Europe/Berlin', as = 'epoch_ms' }";
    let spec = one(&SOUND.replace("\"a\"", field));
    assert_snapshot!(format!("{:?}", spec.alternatives[0].rules.fields[0].parse), @r#"Date(DateRule { formats: ["%d.%m.%Y", "%d.%m."], zone: Some("Europe/Berlin"), output: EpochMs })"#);
}

#[test]
fn keys_mean_something_in_the_format() {
    let of = |format: &str, tables: &[&str]| fields(format, tables.iter().copied());
    assert_snapshot!([
        of("json", &["path = '$', attr = 'href'", "path = '$', preceding = 'h2'", "path = '$', ancestor = 'h2'", "path = '$', parse = 'html'"]),
        of("html", &["select = 'b', lookup = 'c', key = 'd', equals = 'e'"]),
        of("json", &["path = '$', lookup = '$.films[*]', key = '$.id'"]),
        of("feed", &["select = 'b', attr = 'href'", "items = 'b', fields = { c = 'd' }"]),
        of("csv", &["path = 'b', attr = 'href'"]),
        of("text", &["regex = 'b'"]),
    ].join("\n"), @r#"
    'href'  JSON has no attributes
        name the member in the path, as in "$.link.href"
    'h2'  only in a page is there a nearest element before the item
        it needs format = "html"
    'h2'  only in a page are there elements around the item
        it needs format = "html"
    'html'  only elements of a page have markup of their own
        it needs format = "html"; what holds markup as a text is given as it is
    'c'  only in JSON are rows looked up
        it needs format = "json"
    '$.films[*]'  `lookup` does not say which row is meant
        add equals = "$.filmId", the part of the item, and key = "$.id", the part of such a row
    'href'  only elements of a page or of XML have attributes
        leave `attr` out
    'b'  these items have no lists of rows within
        all = true takes all that is found as a list
    'href'  only elements of a page or of XML have attributes
        leave `attr` out
    'i'  plain text has no places to look at
        take it by a pattern: list = { regex = "…" }
    "#);
    assert_snapshot!([
        told_of("feed", ["items = 'entry'"]),
        told_of("ical", ["items = 'VEVENT'"]),
        told_of("csv", ["items = 'a'", "delimiter = '\"'", "delimiter = '::'"]),
        told_of("text", ["items = ''\nfields = { a = { regex = 'b' } }", "", "fields = { a = 'b' }"]),
        told_of("xml", ["", "items = 'a'\nback = '1d'"]),
        told_of("json", ["items = ''", "delimiter = ';'", "ahead = '2d'", "script = 'a'\nvariable = 'b'", "variable = ''", "transform = ' '"]),
        told_of("html", ["items = 'li'\nfields = { a = 'b' }\nscript = 'script'"]),
    ].join("\n"), @r#"
    'entry'  a feed's items are its entries
        leave `items` out
    'VEVENT'  a calendar's items are its events
        leave `items` out
    'a'  the items of CSV are its lines
        leave `items` out
    '"'  this cannot separate columns
        write a single ASCII character, as in ";" or "\t"
    '::'  expected a single character
    ''  `items` must not be empty
    a  this text has no `fields`
        take them by patterns: fields = { rate = { regex = "…" } }
    'b'  plain text has no places to look at
        take it by a pattern: a = { regex = "…" }
    a  this XML has no `items`
        name the elements from the outside in: items = "stations/station"
    '1d'  `back` says which events of a calendar are items, and this is none
        it needs format = "ical"
    ''  `items` must not be empty
    ';'  `delimiter` separates the columns of CSV, and this is none
        it needs format = "csv"
    '2d'  `ahead` says which events of a calendar are items, and this is none
        it needs format = "ical"
    'b'  `script` and `variable` both say where the JSON is
        keep one of them
    ''  this must not be empty
        script = "script#__NEXT_DATA__", or variable = "window.__STATE__"
    ' '  `transform` must not be empty
        write a jq program, as in "map(select(.price != null))"
    'script'  this says where in a page the JSON is, and the body is not read as JSON
        write format = "json"
    "#);
}

#[test]
fn texts_are_put_together_from_what_is_there() {
    let of = |fields: &str| format!("items = 'li'\nparams.page.values = ['1']\nfields = {{ {fields} }}");
    let cases = [
        "a = { compose = '{b}' }",
        "slug = 'a', a = { compose = '/{slog}' }",
        "a = { compose = '{a}' }",
        "page = { compose = '{page}' }",
        "a = { compose = '{b}' }, b = { compose = '{page}' }",
        "a = { compose = '{b}' }, b = { compose = '{a}' }",
        "a = { compose = '{b}' }, b = { select = 'i', all = true }",
        "a = { compose = '{b}' }, b = { items = 'i', fields = { c = 'd' } }",
        "a = { compose = '{b}' }, b = { fields = { c = 'd' } }",
        "a = { compose = 'always' }",
        "a = { compose = '${KEY}' }",
        "a = 'b', rows = { items = 'i', fields = { c = { compose = '{d}' } } }",
        "_a = 'b'",
    ]
    .map(of);
    assert_snapshot!(told_of("html", cases.iter().map(String::as_str)), @r#"
    '{b}'  `{b}` names no field, parameter or capture
        known here: page
    '/{slog}'  `{slog}` names no field, parameter or capture
        did you mean `slug`?
    '{a}'  `a` cannot be put together from itself
        name another field, parameter or capture
    '{page}'  `page` cannot be put together from itself
        call this field something else: here {page} means the field and nothing outside
    '{b}'  `{b}` is put together itself, further down
        fields are put together from top to bottom: move `b` above this one
    '{b}'  `{b}` is put together itself, further down
        fields are put together from top to bottom: move `b` above this one
    '{b}'  `{b}` is a list
        join = ", " makes one text of it
    '{b}'  `{b}` is a list of rows
        their `fields` may be put together, with the item's own
    '{b}'  `{b}` is an object
        its `fields` may be put together, with the item's own
    'always'  `compose` puts nothing together
        write {name} where a field, a parameter or a capture goes; a value that never changes is a default
    '${KEY}'  `${…}` is not read in `compose`
        variables of the environment are read in admin_token, body, cookies, form, headers, json, listen, own, proxy, replica, url, user_agent
    '{d}'  `{d}` names no field, parameter or capture
        known here: page, a, rows
    _a  all these fields are hidden
        names that begin with `_` are for other fields to use and are left out of the item
    "#);
    let spec = one(
        "[source.a]\nurl = 'https://a.example/'\nfresh_for = '1h'\nformat = 'html'\nitems = 'li'\nparams.page.values = ['1']\n[source.a.fields]\n'full name' = 'b'\na = { compose = '{full name}{page}' }\nb = { compose = 'x{a}{ id }{}{late}{', default = 1 }\nlate = { select = 'i', all = true, join = ', ' }\nrows = { items = 'i', fields = { c = { compose = '{late} {b}' } } }\n",
    );
    assert_snapshot!(format!("{:#?}", spec.alternatives[0].rules.fields[2].origin), @r#"
    Compose(
        [
            [
                Text(
                    "x",
                ),
                Name(
                    "a",
                ),
                Text(
                    "{ id }{}",
                ),
                Name(
                    "late",
                ),
                Text(
                    "{",
                ),
            ],
        ],
    )
    "#);
}

#[test]
fn hidden_fields_are_not_of_the_item() {
    assert_snapshot!(told([
        SOUND.replace("title =", "_title =") + "unique_by = '_title'\nexpect.required = ['_title', 'title']\n",
    ]), @"
    '_title'  `_title` is hidden: items are without it
        name one that items have, or take the `_` away
    '_title'  `_title` is hidden: items are without it
        name one that items have, or take the `_` away
    'title'  there is no field `title`
        did you mean `_title`?
    ");
}
