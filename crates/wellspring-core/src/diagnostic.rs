//! What is wrong with a config, where, and the way out.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// How many characters a message, or the help beside it, may have: more of what stands in a file helps nobody.
const LONGEST: usize = 600;
/// How many characters of a line are shown before the offending ones, and from there on.
const AROUND: usize = 100;

/// One pointed complaint about one place of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file as the user named it.
    pub file: Arc<str>,
    /// Line and column, from 1; `None` where the whole file is meant.
    pub place: Option<(usize, usize)>,
    /// The offending line as it stands in the file, and which of its characters (columns from 0).
    pub excerpt: Option<(String, Range<usize>)>,
    /// What is wrong.
    pub message: String,
    /// The way out, where there is one to name.
    pub help: Option<String>,
}

impl Diagnostic {
    /// About a whole file.
    pub fn of_file(file: impl Into<Arc<str>>, message: impl Into<String>) -> Self {
        Self { file: file.into(), place: None, excerpt: None, message: line_of(&message.into()), help: None }
    }

    /// About the bytes `span` of `text`. A span over several lines is cut at the end of its first.
    pub fn at(file: impl Into<Arc<str>>, text: &str, span: Range<usize>, message: impl Into<String>) -> Self {
        let mut start = span.start.min(text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line = text[line_start..].lines().next().unwrap_or("");
        let column = text[line_start..start].chars().count();
        let mut end = span.end.clamp(start, line_start + line.len().max(start - line_start)).min(text.len());
        while !text.is_char_boundary(end) {
            end += 1;
        }
        let width = text[start..end].chars().count().max(1);
        Self {
            file: file.into(),
            place: Some((text[..start].matches('\n').count() + 1, column + 1)),
            excerpt: Some((line.to_owned(), column..column + width)),
            message: line_of(&message.into()),
            help: None,
        }
    }

    /// Adds the way out.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(line_of(&help.into()));
        self
    }

    /// The same where there may be none; what it said before goes either way.
    #[must_use]
    pub fn help_if(self, help: Option<impl Into<String>>) -> Self {
        let without = Self { help: None, ..self };
        match help {
            Some(help) => without.help(help),
            None => without,
        }
    }
}

/// One line of a bounded length that a terminal shows as it is: what a file holds may be quoted in it. The middle of a longer one goes.
fn line_of(text: &str) -> String {
    let plain = |c: char| if is_odd(c) { c.escape_unicode().to_string() } else { c.to_string() };
    // Of what is far too long only the ends are looked at.
    let plain: String = if text.len() > 16 * LONGEST {
        let tail: Vec<String> = text.chars().rev().take(LONGEST).map(plain).collect();
        let head = text.chars().take(LONGEST).map(plain);
        head.chain(["…".to_owned()]).chain(tail.into_iter().rev()).collect()
    } else {
        text.chars().map(plain).collect()
    };
    let count = plain.chars().count();
    if count <= LONGEST {
        return plain;
    }
    let head: String = plain.chars().take(LONGEST * 2 / 3).collect();
    let tail: String = plain.chars().skip(count - (LONGEST / 3 - 1)).collect();
    format!("{head}…{tail}")
}

/// Whether a terminal would do something else than show it: move, colour, ring, or turn the line around.
fn is_odd(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// As much of a line as is worth showing, and where in it the marked characters are then.
fn shown(text: &str, marked: &Range<usize>) -> (String, Range<usize>) {
    let from = marked.start.saturating_sub(AROUND);
    let cut = if from > 0 { "…" } else { "" };
    let plain = |c: char| if is_odd(c) && c != '\t' { char::REPLACEMENT_CHARACTER } else { c };
    let mut line: String = cut.chars().chain(text.chars().skip(from).take(2 * AROUND).map(plain)).collect();
    if text.chars().nth(from + 2 * AROUND).is_some() {
        line.push('…');
    }
    let start = marked.start - from + cut.chars().count();
    (line, start..start + marked.len().clamp(1, AROUND))
}

/// As compilers print it: message, place, the line with the offending text underlined, help.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error: {}", self.message)?;
        let Some((line, column)) = self.place else {
            write!(f, "  --> {}", self.file)?;
            return self.help.iter().try_for_each(|help| write!(f, "\n  help: {help}"));
        };
        write!(f, "  --> {}:{line}:{column}", self.file)?;
        let gutter = line.to_string().len();
        if let Some((text, marked)) = self.excerpt.as_ref().map(|(text, marked)| shown(text, marked)) {
            // Tabs keep their width by standing in the line of marks as well.
            let pad: String = text.chars().take(marked.start).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
            write!(f, "\n{:gutter$} |\n{line} | {}\n{:gutter$} | {pad}{}", "", text.trim_end(), "", "^".repeat(marked.len()))?;
        }
        self.help.iter().try_for_each(|help| write!(f, "\n{:gutter$} = help: {help}", ""))
    }
}

/// The nearest of `known` to `word`, where one is near enough to be meant. Cheap however long the word is: strangers type it.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = word.chars().count();
    // A short word that shares nothing with another is not near it, however few letters differ.
    let near = |distance: usize, candidate: &str| distance <= 1 + candidate.len().max(word.len()) / 4 && distance < candidate.len();
    known
        .into_iter()
        // The distance is never smaller than the difference in length, and takes time and memory in their product.
        .filter(|candidate| near(candidate.chars().count().abs_diff(length), candidate))
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| near(*distance, candidate))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_any_length_is_compared_in_no_time() {
        let known: Vec<String> = (0..1_000).map(|i| format!("a_source_of_ours_{i}")).collect();
        let among = |word: &str| nearest(word, known.iter().map(String::as_str)).map(str::to_owned);
        // Compared letter by letter, this would take an hour.
        assert_eq!(among(&"x".repeat(10 << 20)), None);
        assert_eq!(among("a_sorce_of_ours_7").as_deref(), Some("a_source_of_ours_7"));
        assert_eq!(among(""), None);
    }

    #[test]
    fn a_diagnostic_points_at_its_text() {
        let text = "[server]\n\tlistn = \"ä\" # x\n";
        let start = text.find("listn").unwrap();
        let shown = Diagnostic::at("w.toml", text, start..start + 5, "unknown key `listn`").help("did you mean `listen`?");
        insta::assert_snapshot!(shown.to_string(), @r#"
        error: unknown key `listn`
          --> w.toml:2:2
          |
        2 | 	listn = "ä" # x
          | 	^^^^^
          = help: did you mean `listen`?
        "#);
    }

    #[test]
    fn what_a_terminal_would_obey_is_shown_and_what_is_long_is_cut() {
        let text = format!("{} = \u{1b}[2J\u{202e}é{}", "k".repeat(500), "x".repeat(5_000));
        let said = Diagnostic::at("w.toml", &text, 503..504, format!("unknown `\u{1b}[31m{}`\nerror: forged", "v".repeat(50_000)));
        assert_eq!((said.place, said.message.chars().count()), (Some((1, 504)), LONGEST));
        assert!(said.message.starts_with("unknown `\\u{1b}[31mvvv") && said.message.ends_with("vvv`\\u{a}error: forged"));
        let shown = Diagnostic { message: "m".into(), ..said }.help("a\rb").to_string();
        insta::assert_snapshot!(shown, @r"
        error: m
          --> w.toml:1:504
          |
        1 | …kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk = �[2J�éxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…
          |                                                                                                      ^
          = help: a\u{d}b
        ");
    }

    #[test]
    fn any_span_is_shown_without_a_panic() {
        let text = "ä = 1\n\nb = \"é";
        for start in 0..text.len() + 3 {
            for end in 0..text.len() + 3 {
                let _ = Diagnostic::at("f", text, start..end, "m").to_string();
            }
        }
    }

    #[test]
    fn the_nearest_word_is_one_that_could_be_meant() {
        let known = ["listen", "timezone", "hosts"];
        assert_eq!(nearest("listn", known), Some("listen"));
        assert_eq!(nearest("timezoen", known), Some("timezone"));
        assert_eq!(nearest("colour", known), None);
    }
}
