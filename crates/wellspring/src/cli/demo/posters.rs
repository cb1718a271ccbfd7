//! Posters for what the demo's sites show: drawn from the words of an address, so that there is something to look at without a
//! network and without anybody's pictures.

use std::fmt::Write as _;

use axum::extract::Path;
use axum::response::IntoResponse;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};

/// Letters that fit into a line.
const LINE: usize = 13;

/// `/posters/paper-lanterns.webp`, which is no WebP: browsers go by what an answer says that it is.
pub(super) async fn poster(Path(name): Path<String>) -> impl IntoResponse {
    let headers = [(CONTENT_TYPE, HeaderValue::from_static("image/svg+xml")), (CACHE_CONTROL, HeaderValue::from_static("max-age=86400"))];
    (headers, drawn(name.split('.').next().unwrap_or_default()))
}

/// An SVG of 300 by 440 with the words in capitals.
fn drawn(slug: &str) -> String {
    let slug: String = slug.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(60).collect();
    let seed = slug.bytes().fold(17_u32, |seed, byte| seed.wrapping_mul(31).wrapping_add(u32::from(byte)));
    let (hue, other) = (seed % 360, (seed % 360 + 40 + seed / 360 % 80) % 360);
    let (x, y, size) = (40 + seed / 7 % 220, 70 + seed / 11 % 140, 50 + seed / 13 % 60);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 300 440\"><defs><linearGradient id=\"g\" x2=\"0.6\" y2=\"1\">\
         <stop stop-color=\"hsl({hue},58%,46%)\"/><stop offset=\"1\" stop-color=\"hsl({other},62%,17%)\"/></linearGradient></defs>\
         <rect width=\"300\" height=\"440\" fill=\"url(#g)\"/><circle cx=\"{x}\" cy=\"{y}\" r=\"{size}\" fill=\"hsl({hue},90%,82%)\" fill-opacity=\".85\"/>"
    );
    for wave in 0..4 {
        let (top, bend) = (230 + wave * 34, 20 + (seed >> (wave * 3)) % 50);
        let _infallible = write!(
            svg,
            "<path d=\"M0 {top}q75-{bend} 150 0t150 0V440H0z\" fill=\"hsl({other},55%,{}%)\" fill-opacity=\".45\"/>",
            34 - wave * 7
        );
    }
    let lines = lines(&slug);
    let first = 420 - 34 * lines.len().saturating_sub(1);
    for (n, line) in lines.iter().enumerate() {
        let _infallible = write!(
            svg,
            "<text x=\"20\" y=\"{}\" font-family=\"Georgia,serif\" font-size=\"30\" font-weight=\"700\" fill=\"#fff\">{line}</text>",
            first + 34 * n
        );
    }
    svg + "</svg>\n"
}

/// The words of a slug in lines.
fn lines(slug: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in slug.split('-').filter(|word| !word.is_empty()) {
        let word = if word.len() > 2 || lines.is_empty() { word[..1].to_uppercase() + &word[1..] } else { word.to_owned() };
        match lines.last_mut() {
            // What is left of a genitive.
            Some(line) if word == "s" => line.push_str("\u{2019}s"),
            Some(line) if line.len() + 1 + word.len() <= LINE => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_poster_shows_the_words_of_its_address_and_nothing_else_of_it() {
        assert_eq!(lines("the-cartographer-s-silence"), ["The", "Cartographer\u{2019}s", "Silence"]);
        let drawn = drawn("night-market\"><script>");
        assert!(drawn.contains(">Night</text>") && drawn.contains(">Marketscript</text>"), "{drawn}");
        assert!(!drawn.contains("<script"), "{drawn}");
    }
}
