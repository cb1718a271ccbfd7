//! Rust text as words: comments and the insides of literals are gone, and each word knows whether it belongs to a test.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    /// An identifier or keyword; raw ones without their `r#`.
    Word(&'a str),
    /// `::`
    Separator,
    /// Any other single character.
    Mark(char),
    /// A string, character or number.
    Literal,
}

/// A token and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind<'a>,
    /// From 1.
    pub(super) line: usize,
    /// Inside an item under `#[cfg(test)]` or `#[test]`.
    pub(super) in_test: bool,
}

impl<'a> Token<'a> {
    pub(super) fn is(&self, mark: char) -> bool {
        self.kind == Kind::Mark(mark)
    }

    pub(super) fn word(&self) -> Option<&'a str> {
        if let Kind::Word(word) = self.kind { Some(word) } else { None }
    }
}

/// Takes Rust text apart. Text that no compiler would take gives some tokens too.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = text;
    let mut line = 1;
    while let Some(first) = rest.chars().next() {
        let (length, kind) = next(rest, first);
        tokens.extend(kind.map(|kind| Token { kind, line, in_test: false }));
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    mark_tests(&mut tokens);
    tokens
}

/// The length of what comes next and what it is; nothing for white space and comments.
fn next(rest: &str, first: char) -> (usize, Option<Kind<'_>>) {
    if first.is_whitespace() {
        return (first.len_utf8(), None);
    }
    if rest.starts_with("//") {
        return (rest.find('\n').unwrap_or(rest.len()), None);
    }
    if rest.starts_with("/*") {
        return (block_comment(rest), None);
    }
    if rest.starts_with("::") {
        return (2, Some(Kind::Separator));
    }
    if let Some(length) = string(rest).or_else(|| character(rest)) {
        return (length, Some(Kind::Literal));
    }
    if is_word(first) {
        let start = if rest.starts_with("r#") { 2 } else { 0 };
        let length = start + rest[start..].find(|c| !is_word(c)).unwrap_or(rest.len() - start);
        let kind = if first.is_ascii_digit() { Kind::Literal } else { Kind::Word(&rest[start..length]) };
        return (length, Some(kind));
    }
    (first.len_utf8(), Some(Kind::Mark(first)))
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// The length of a string literal of any sort, prefix included.
fn string(rest: &str) -> Option<usize> {
    let prefix = rest.find(|c: char| !c.is_ascii_alphabetic())?;
    if !["", "b", "c", "r", "br", "cr"].contains(&&rest[..prefix]) {
        return None;
    }
    let hashes = rest[prefix..].bytes().take_while(|byte| *byte == b'#').count();
    let body = rest[prefix + hashes..].strip_prefix('"')?;
    let start = prefix + hashes + 1;
    if rest[..prefix].contains('r') {
        let end = format!("\"{}", "#".repeat(hashes));
        return Some(body.find(&end).map_or(rest.len(), |at| start + at + end.len()));
    }
    if hashes > 0 {
        return None;
    }
    let mut escaped = false;
    for (at, c) in body.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(start + at + 1),
            _ => {}
        }
    }
    Some(rest.len())
}

/// The length of a character literal; a lifetime is none.
fn character(rest: &str) -> Option<usize> {
    let start = if rest.starts_with("b'") { 2 } else { 1 };
    let body = rest.strip_prefix("b'").or_else(|| rest.strip_prefix('\''))?;
    let first = body.chars().next()?;
    if first == '\\' {
        let escape = 1 + body[1..].chars().next()?.len_utf8();
        return body[escape..].find('\'').map(|at| start + escape + at + 1);
    }
    body[first.len_utf8()..].starts_with('\'').then(|| start + first.len_utf8() + 1)
}

/// Marks every item whose attributes say that it is compiled for tests only.
fn mark_tests(tokens: &mut [Token<'_>]) {
    let mut at = 0;
    while at < tokens.len() {
        match attribute(tokens, at) {
            Some(end) if is_test_only(&tokens[at..end]) => {
                let item_end = item(tokens, end);
                tokens[at..item_end].iter_mut().for_each(|token| token.in_test = true);
                at = item_end;
            }
            Some(end) => at = end,
            None => at += 1,
        }
    }
}

/// Where the attribute that begins here ends.
pub(super) fn attribute(tokens: &[Token<'_>], at: usize) -> Option<usize> {
    if !tokens.get(at)?.is('#') || !tokens.get(at + 1)?.is('[') {
        return None;
    }
    let mut depth = 0;
    for (offset, token) in tokens[at + 1..].iter().enumerate() {
        depth += i32::from(token.is('[')) - i32::from(token.is(']'));
        if depth == 0 {
            return Some(at + 1 + offset + 1);
        }
    }
    None
}

fn is_test_only(attribute: &[Token<'_>]) -> bool {
    let words: Vec<&str> = attribute.iter().filter_map(Token::word).collect();
    match words.as_slice() {
        ["cfg", rest @ ..] => rest.contains(&"test") && !rest.contains(&"not"),
        [.., last] => *last == "test" || words.contains(&"tokio") && words.get(1) == Some(&"test"),
        [] => false,
    }
}

/// Where the item whose attributes begin here ends.
fn item(tokens: &[Token<'_>], mut at: usize) -> usize {
    while let Some(end) = attribute(tokens, at) {
        at = end;
    }
    let mut depth = 0;
    for (offset, token) in tokens[at..].iter().enumerate() {
        depth += i32::from(token.is('{')) - i32::from(token.is('}'));
        if depth == 0 && (token.is('}') || token.is(';')) {
            return at + offset + 1;
        }
    }
    tokens.len()
}

#[cfg(test)]
mod tests {
    use super::{Token, tokens};

    #[track_caller]
    fn check(text: &str, words: &[&str]) {
        assert_eq!(tokens(text).iter().filter_map(Token::word).collect::<Vec<_>>(), words);
    }

    #[test]
    fn comments_and_literals_hide_their_words() {
        check("a /* b /* c */ d */ e // f\ng", &["a", "e", "g"]);
        check(r##"a "b \" c" r#"d " e"# b"f" 'g' '\'' '\u{41}' b'h' 'life: r#type"##, &["a", "life", "type"]);
        check("é \"ü\" 'ß' 0..10_u8 z", &["é", "z"]);
    }

    #[test]
    fn lines_are_counted_through_literals_and_comments() {
        assert_eq!(tokens("\"a\nb\" /*\n*/ x").last().map(|token| token.line), Some(3));
    }

    #[test]
    fn only_test_items_are_marked() {
        let text = "fn a() {} #[cfg(test)] #[expect(x)] mod tests { fn b() { c } } fn d() {} #[tokio::test(start = 1)] async fn e() { f }
            #[cfg(not(test))] fn g() {} #[cfg(test)] mod out; fn h() {} #[derive(Debug)] struct I;";
        let tokens = tokens(text);
        let marked: Vec<_> = tokens.iter().filter(|token| token.in_test).filter_map(Token::word).collect();
        for (word, expected) in [
            ("a", false),
            ("b", true),
            ("c", true),
            ("d", false),
            ("e", true),
            ("f", true),
            ("g", false),
            ("out", true),
            ("h", false),
            ("I", false),
        ] {
            assert_eq!(marked.contains(&word), expected, "{word}");
        }
    }
}
