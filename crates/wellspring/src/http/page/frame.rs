//! What stands around every page.

use maud::{DOCTYPE, Markup, html};

use super::Viewer;

/// Which part of the site a page belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Sources,
    Reference,
}

/// A whole page. `live`: the sources whose changes its script follows.
pub(super) fn frame(viewer: &Viewer<'_>, part: Part, title: &str, content: &Markup) -> Markup {
    let up = viewer.up;
    let here = |other: Part| (part == other).then_some("page");
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { (title) " · Wellspring" }
                link rel="icon" type="image/svg+xml" href={ (up) "assets/icon.svg" };
                link rel="stylesheet" href={ (up) "assets/page.css" };
                script type="module" src={ (up) "assets/page.js" } {}
            }
            body data-root=[Some(if up.is_empty() { "./" } else { up })] data-now=(viewer.now.wall.as_millisecond()) {
                a.skip href="#content" { "Skip to the content" }
                header.top {
                    div.wide {
                        a.home href=(if up.is_empty() { "./" } else { up }) { (drop()) "Wellspring" }
                        nav aria-label="Site" {
                            a href=(if up.is_empty() { "./" } else { up }) aria-current=[here(Part::Sources)] { "Sources" }
                            a href={ (up) "docs" } aria-current=[here(Part::Reference)] { "Reference" }
                            a href={ (up) "demo" } { "Demo" }
                        }
                        span.pulse hidden data-pulse { span.dot aria-hidden="true" {} span data-pulse-word { "Live" } }
                    }
                }
                main #content tabindex="-1" { div.wide { (content) } }
                footer.bottom {
                    div.wide {
                        p { "Wellspring " (env!("CARGO_PKG_VERSION")) ". Looking at these pages fetches nothing; reading the API does." }
                        ul {
                            li { a href={ (up) "openapi.json" } { "openapi.json" } }
                            li { a href={ (up) "api" } { "Index" } }
                            li { a href={ (up) "ready" } { "Readiness" } }
                        }
                    }
                }
                p.said role="status" data-said {}
                dialog.ask data-ask aria-labelledby="ask-title" {
                    form method="dialog" {
                        h2 #ask-title { "The admin token, please" }
                        p data-ask-why { "This server refreshes only for who has it. It is kept until this tab is closed." }
                        label for="ask-token" { "Token" }
                        input #ask-token type="password" autocomplete="off" spellcheck="false" required;
                        div.row {
                            button.plain type="button" data-ask-no { "Cancel" }
                            button type="submit" value="yes" { "Refresh" }
                        }
                    }
                }
            }
        }
    }
}

/// The mark of the house.
fn drop() -> Markup {
    html! {
        svg.drop viewBox="0 0 32 32" width="22" height="22" aria-hidden="true" focusable="false" {
            path d="M16 3c5 7 9 11.500 9 17a9 9 0 0 1-18 0c0-5.500 4-10 9-17z" {}
            path.glint d="M11.500 20a4.500 4.500 0 0 0 4.500 4.500" {}
        }
    }
}
