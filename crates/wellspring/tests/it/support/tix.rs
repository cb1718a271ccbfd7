//! Pages in tix.id's structure, and sources that read them.

use super::origin::{Answer, Origin};

/// A home page with these films.
pub fn page(titles: &[&str]) -> String {
    let slide = |title: &&str| {
        let slug = title.to_lowercase().replace(' ', "-");
        format!(
            "<li class=\"glide__slide\"><a href=\"/movie-detail/{slug}\"><img src=\"/poster/{slug}.webp\"><span> {title} </span></a></li>"
        )
    };
    format!("<!doctype html><ul class=\"glide__slides\">{}</ul>", titles.iter().map(slide).collect::<String>())
}

/// The page as an answer.
pub fn films(titles: &[&str]) -> Answer {
    Answer::html(page(titles))
}

/// A source that reads such a page from a path of the origin, with further lines before its tables.
pub fn source(name: &str, origin: &Origin, path: &str, lines: &str) -> String {
    format!(
        "[source.{name}]\nurl = \"{}\"\nformat = \"html\"\nitems = \"ul.glide__slides li.glide__slide:has(a[href*='movie-detail'])\"\nunique_by = \"title\"\nlimit = 17\n{lines}\n\
         [source.{name}.fields]\nimg = \"a img@src\"\ntitle = [\"a span\", \"a@title\", \"img@alt\", \"a\", \".\"]\n\
         [source.{name}.expect]\nrequired = [\"img\", \"title\"]\n",
        origin.url(path)
    )
}
