//! The text of an element as a reader sees it.

use ego_tree::iter::Edge;
use scraper::{ElementRef, Html, Node};

use crate::value::collapse;

/// The text of an element with its white space collapsed. Scripts, styles and templates in it have none; blocks and line breaks
/// part words.
pub(crate) fn of(element: ElementRef<'_>) -> String {
    if is_silent(element.value().name()) {
        // Asked for by name, as with JSON in a script: given as it stands.
        return element.text().collect::<String>().trim().to_owned();
    }
    let mut text = String::new();
    walk(element, |piece| text.push_str(if let Piece::Text(piece) = piece { piece } else { " " }));
    collapse(&text)
}

/// The text of an element line by line, as it is shown: white space is collapsed within lines, and there are no blank ones.
pub(crate) fn lines(element: ElementRef<'_>) -> String {
    let mut lines = String::new();
    let mut line = String::new();
    let mut end = |line: &mut String| {
        let shown = collapse(line);
        if !lines.is_empty() && !shown.is_empty() {
            lines.push('\n');
        }
        lines.push_str(&shown);
        line.clear();
    };
    walk(element, |piece| match piece {
        Piece::Text(piece) => line.push_str(piece),
        Piece::Cell => line.push(' '),
        Piece::Break => end(&mut line),
    });
    end(&mut line);
    lines
}

/// What the text of an element is made of.
enum Piece<'t> {
    Text(&'t str),
    Cell,
    Break,
}

fn walk<'t>(element: ElementRef<'t>, mut take: impl FnMut(Piece<'t>)) {
    let mut silent: u32 = 0;
    for edge in element.traverse() {
        let (node, opens) = match edge {
            Edge::Open(node) => (node, true),
            Edge::Close(node) => (node, false),
        };
        match node.value() {
            Node::Element(inner) if is_silent(inner.name()) => silent = if opens { silent + 1 } else { silent.saturating_sub(1) },
            Node::Element(inner) if silent == 0 && matches!(inner.name(), "td" | "th") => take(Piece::Cell),
            Node::Element(inner) if silent == 0 && is_parting(inner.name()) => take(Piece::Break),
            Node::Text(piece) if opens && silent == 0 => take(Piece::Text(piece)),
            _ => {}
        }
    }
}

/// The `<template>`s of a page, whose content is no part of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Templates {
    /// Most pages have none, and asking each element for what is around it costs as much as a page is deep.
    any: bool,
}

impl Templates {
    pub(crate) fn of(page: &Html) -> Self {
        Self { any: page.tree.values().any(|node| matches!(node, Node::Fragment)) }
    }

    /// True of what lies in one.
    pub(crate) fn hide(self, element: ElementRef<'_>) -> bool {
        self.any && element.ancestors().any(|node| matches!(node.value(), Node::Fragment))
    }
}

fn is_silent(name: &str) -> bool {
    matches!(name, "script" | "style" | "template")
}

/// True of elements that start a new line where they are shown.
fn is_parting(name: &str) -> bool {
    matches!(
        name,
        "address"
            | "article"
            | "aside"
            | "blockquote"
            | "br"
            | "caption"
            | "dd"
            | "details"
            | "dialog"
            | "div"
            | "dl"
            | "dt"
            | "fieldset"
            | "figcaption"
            | "figure"
            | "footer"
            | "form"
            | "h1"
            | "h2"
            | "h3"
            | "h4"
            | "h5"
            | "h6"
            | "header"
            | "hgroup"
            | "hr"
            | "legend"
            | "li"
            | "main"
            | "nav"
            | "ol"
            | "option"
            | "p"
            | "pre"
            | "section"
            | "summary"
            | "table"
            | "tbody"
            | "tfoot"
            | "thead"
            | "tr"
            | "ul"
    )
}
