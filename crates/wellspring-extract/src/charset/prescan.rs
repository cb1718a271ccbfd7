//! What a document says of its own charset, read before it is decoded (HTML Standard, "prescan a byte stream").

use encoding_rs::Encoding;

use super::in_document;

/// How far into a page the search goes. The standard asks for 1,024 bytes and starts the parser anew at a later `<meta>`; reading further at
/// once comes to the same.
const SCANNED: usize = 64 * 1024;

/// What a page's `<meta>` says.
pub(super) fn html(bytes: &[u8]) -> Option<&'static Encoding> {
    let bytes = &bytes[..bytes.len().min(SCANNED)];
    xml(bytes).or_else(|| metas(bytes).ok().flatten())
}

fn metas(bytes: &[u8]) -> Result<Option<&'static Encoding>, Ended> {
    let mut scan = Scan { bytes, at: 0 };
    while scan.at < scan.bytes.len() {
        let rest = &scan.bytes[scan.at..];
        if rest.starts_with(b"<!--") {
            // `<!-->` is a whole comment: its dashes may be those that opened it.
            scan.at += 2 + find(&rest[2..], b"-->").ok_or(Ended)? + 3;
        } else if is_meta(rest) {
            scan.at += 5;
            if let Some(encoding) = scan.meta()? {
                return Ok(Some(encoding));
            }
        } else if is_tag(rest) {
            scan.at += rest.iter().position(|b| b.is_ascii_whitespace() || *b == b'>').ok_or(Ended)?;
            while scan.attribute()?.is_some() {}
            scan.at += 1;
        } else if rest.starts_with(b"<!") || rest.starts_with(b"</") || rest.starts_with(b"<?") {
            scan.at += rest.iter().position(|b| *b == b'>').ok_or(Ended)? + 1;
        } else {
            scan.at += 1;
        }
    }
    Ok(None)
}

/// What an XML declaration says.
pub(super) fn xml(bytes: &[u8]) -> Option<&'static Encoding> {
    let bytes = bytes.trim_ascii_start();
    let declaration = bytes.strip_prefix(b"<?xml")?;
    let declaration = &declaration[..declaration.iter().position(|b| *b == b'>')?];
    let value = declaration[find(declaration, b"encoding")? + 8..].trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let (quote, value) = value.split_first().filter(|(quote, _)| matches!(quote, b'"' | b'\''))?;
    in_document(&value[..value.iter().position(|b| b == quote)?])
}

/// The charset in `text/html; charset=…`, quoted or not. No other text of a header or a `<meta content>` is looked at.
pub(super) fn charset_of(content: &[u8]) -> Option<&'static Encoding> {
    let lower = content.to_ascii_lowercase();
    let mut rest = &lower[..];
    loop {
        rest = rest[find(rest, b"charset")? + 7..].trim_ascii_start();
        let Some(value) = rest.strip_prefix(b"=") else { continue };
        let value = value.trim_ascii_start();
        let label = match value.split_first()? {
            (quote @ (b'"' | b'\''), quoted) => &quoted[..quoted.iter().position(|b| b == quote)?],
            _ => &value[..value.iter().position(|b| b.is_ascii_whitespace() || *b == b';').unwrap_or(value.len())],
        };
        return Encoding::for_label(label);
    }
}

/// The bytes ended within a tag: what it would have said is unknown, and the search is over.
struct Ended;

/// Its name and value.
type Attribute = (Vec<u8>, Vec<u8>);

struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Scan<'_> {
    /// Reads the attributes of a `<meta>`.
    fn meta(&mut self) -> Result<Option<&'static Encoding>, Ended> {
        let mut seen: Vec<Vec<u8>> = Vec::new();
        let (mut is_content_type, mut needs_pragma, mut encoding) = (false, false, None);
        while let Some((name, value)) = self.attribute()? {
            if seen.contains(&name) {
                continue;
            }
            match name.as_slice() {
                b"http-equiv" => is_content_type = value == b"content-type",
                b"content" if encoding.is_none() => {
                    if let Some(found) = charset_of(&value) {
                        (encoding, needs_pragma) = (Some(found), true);
                    }
                }
                b"charset" => (encoding, needs_pragma) = (Encoding::for_label(&value), false),
                _ => {}
            }
            seen.push(name);
        }
        self.at += 1;
        let usable = encoding.filter(|_| is_content_type || !needs_pragma);
        Ok(usable.and_then(|encoding| in_document(encoding.name().as_bytes())))
    }

    /// The next attribute of a tag, lower-case; `None` at its `>`.
    fn attribute(&mut self) -> Result<Option<Attribute>, Ended> {
        self.skip(|b| b.is_ascii_whitespace() || b == b'/')?;
        if self.peek()? == b'>' {
            return Ok(None);
        }
        let start = self.at;
        // A `=` in first place belongs to the name.
        self.at += 1;
        self.skip(|b| !(b.is_ascii_whitespace() || matches!(b, b'=' | b'/' | b'>')))?;
        let name = self.bytes[start..self.at].to_ascii_lowercase();
        self.skip(|b| b.is_ascii_whitespace())?;
        if self.peek()? != b'=' {
            return Ok(Some((name, Vec::new())));
        }
        self.at += 1;
        self.skip(|b| b.is_ascii_whitespace())?;
        let value = if let quote @ (b'"' | b'\'') = self.peek()? {
            self.at += 1;
            let start = self.at;
            self.skip(|b| b != quote)?;
            self.at += 1;
            &self.bytes[start..self.at - 1]
        } else {
            let start = self.at;
            self.skip(|b| !(b.is_ascii_whitespace() || b == b'>'))?;
            &self.bytes[start..self.at]
        };
        Ok(Some((name, value.to_ascii_lowercase())))
    }

    fn peek(&self) -> Result<u8, Ended> {
        self.bytes.get(self.at).copied().ok_or(Ended)
    }

    /// Goes on while the bytes are so.
    fn skip(&mut self, is_so: impl Fn(u8) -> bool) -> Result<(), Ended> {
        self.at += self.bytes[self.at..].iter().position(|b| !is_so(*b)).ok_or(Ended)?;
        Ok(())
    }
}

fn is_meta(rest: &[u8]) -> bool {
    rest.len() > 5 && rest[..5].eq_ignore_ascii_case(b"<meta") && (rest[5].is_ascii_whitespace() || rest[5] == b'/')
}

fn is_tag(rest: &[u8]) -> bool {
    match rest {
        [b'<', b'/', letter, ..] | [b'<', letter, ..] => letter.is_ascii_alphabetic(),
        _ => false,
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
