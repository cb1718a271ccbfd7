use std::fs;
use std::path::Path;

use url::Url;

use super::*;

fn check(read: fn(&Body<'_>) -> &'static Encoding, bytes: &[u8], content_type: Option<&str>, encoding: &str) {
    let url = Url::parse("https://example.org/").unwrap();
    assert_eq!(read(&Body { bytes, content_type, url: &url }).name(), encoding, "{}", String::from_utf8_lossy(bytes));
}

#[test]
fn transport_wins_over_the_page_and_the_page_over_a_guess() {
    let page = b"<meta charset=shift_jis>\xe3\x81\x82";
    check(html_encoding, page, Some("text/html; Charset=\"EUC-JP\""), "EUC-JP");
    check(html_encoding, page, Some("text/html"), "Shift_JIS");
    check(html_encoding, page, Some("text/html; charset=nonsense"), "Shift_JIS");
    check(html_encoding, "<p>naïve café, déjà vu".as_bytes(), None, "UTF-8");
    check(html_encoding, b"<p>na\xefve caf\xe9, d\xe9j\xe0 vu", None, "windows-1252");
}

#[test]
fn a_feed_with_a_wrong_label_is_read_all_the_same() {
    let utf8 = "<?xml version='1.0' encoding='iso-8859-1'?><rss>é</rss>".as_bytes();
    check(xml_encoding, utf8, None, "UTF-8");
    check(xml_encoding, utf8, Some("text/xml; charset=iso-8859-1"), "UTF-8");
    let latin = b"<?xml version='1.0' encoding='utf-8'?><rss>d\xe9j\xe0 vu, caf\xe9</rss>";
    check(xml_encoding, latin, None, "windows-1252");
    check(xml_encoding, b"\n <?xml version=\"1.0\" encoding=\"koi8-r\"?><rss>\xf2</rss>", None, "KOI8-R");
    check(xml_encoding, b"<?xml version='1.0' encoding='utf-16'?><rss/>", None, "UTF-8");
    check(xml_encoding, b"<\0r\0s\0s\0", None, "UTF-16LE");
}

#[test]
fn json_is_utf8_with_or_without_a_mark() {
    let url = Url::parse("https://example.org/").unwrap();
    let read = |bytes| json(&Body { bytes, content_type: None, url: &url }).into_owned();
    assert_eq!(read(b"\xef\xbb\xbf[1]"), "[1]");
    assert_eq!(read(b"\xff\xfe[\x001\x00]\x00"), "[1]");
}

#[test]
fn the_captured_cases_are_read_as_browsers_read_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/conformance/html5lib-encoding");
    let Ok(files) = fs::read_dir(&folder) else {
        println!("skipped: {} is absent", folder.display());
        return;
    };
    let url = Url::parse("https://example.invalid/").unwrap();
    let (mut right, mut wrong) = (0, Vec::new());
    for file in files.map(|file| file.unwrap().path()).filter(|path| path.extension().is_some_and(|known| known == "dat")) {
        for (data, label) in cases(&fs::read(file).unwrap()) {
            let found = html_encoding(&Body { bytes: &data, content_type: None, url: &url });
            if Encoding::for_label(label.as_bytes()) == Some(found) {
                right += 1;
            } else {
                wrong.push(format!("{} instead of {label}: {}", found.name(), String::from_utf8_lossy(&data[..data.len().min(200)])));
            }
        }
    }
    let all = right + wrong.len();
    println!("{right} of {all}\n{}", wrong.join("\n"));
    assert!(right * 100 >= all * 95, "{right} of {all}");
}

/// The bytes and the encoding's label of each case in one of html5lib's files.
fn cases(file: &[u8]) -> Vec<(Vec<u8>, String)> {
    let text = encoding_rs::mem::decode_latin1(file);
    let case = |case: &str| {
        let (data, label) = case.split_once("\n#encoding\n")?;
        Some((encoding_rs::mem::encode_latin1_lossy(data).into_owned(), label.lines().next()?.to_owned()))
    };
    text.split("#data\n").filter_map(case).collect()
}
