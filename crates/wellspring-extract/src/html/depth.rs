//! Parses pages that may be hostile: depth and number of nodes are bounded in front of the tree builder.
//!
//! The tree builder walks its stack of open elements for nearly every tag, so a page of nothing but nested tags costs the square of
//! its length (512 KiB took 94 s). And it copies open formatting elements (`<b>`, `<font>`, `<a>`) into every paragraph after them,
//! so that nodes can multiply without a tag of their own.

use std::cell::{Cell, RefCell};

use ego_tree::Tree;
use ego_tree::iter::Edge;
use html5ever::buffer_queue::BufferQueue;
use html5ever::tendril::StrTendril;
use html5ever::tokenizer::{Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts};
use html5ever::tree_builder::{Tracer, TreeBuilder, TreeBuilderOpts, TreeSink};
use html5ever::{TokenizerResult, local_name};
use scraper::{Html, HtmlTreeSink, Node};

use crate::error::ExtractError;

type NodeId = <HtmlTreeSink as TreeSink>::Handle;

/// How many elements may be open at once, formatting elements to be reopened included. Browsers stop at 512 too.
pub(super) const MAX_DEPTH: usize = 512;

/// How many nodes a tree may have. The longest pages of the web have a third of this.
pub(super) const MAX_NODES: usize = 1_000_000;

/// How many bytes of a page make a node, most of the time.
const BYTES_A_NODE: usize = 32;

/// The most elements that one start tag opens: `<td>` in a table brings its `<tbody>` and `<tr>`.
const OPENED_BY_ONE_TAG: usize = 3;

/// Parses a page as a browser without scripts does, so that the content of `<noscript>` counts. Elements deeper than
/// [`MAX_DEPTH`] are left out, their text and children move up to the deepest one that is kept.
pub(crate) fn parse(page: &str) -> Result<Html, ExtractError> {
    parse_noting(page).map(|(page, _)| page)
}

/// Parses a page, and says which of some rare elements it has.
pub(super) fn parse_noting(page: &str) -> Result<(Html, Seen), ExtractError> {
    let input = BufferQueue::default();
    input.push_back(StrTendril::from(page));
    let capped = run(&input, page.len());
    if capped.is_full.get() {
        return Err(ExtractError::TooMany { expected: super::EXPECTED, limit: MAX_NODES });
    }
    let seen = capped.seen.get();
    let page = capped.builder.sink.finish();
    // Misplaced elements are moved about, so that a tree can be deeper than what was ever open.
    if deepest(&page) > 2 * MAX_DEPTH {
        return Err(ExtractError::TooDeep { expected: super::EXPECTED, limit: 2 * MAX_DEPTH });
    }
    Ok((page, seen))
}

/// Elements that few pages have.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    pub(super) base: bool,
    pub(super) template: bool,
}

fn run(input: &BufferQueue, length: usize) -> Capped {
    let options = TreeBuilderOpts { scripting_enabled: false, ..TreeBuilderOpts::default() };
    let mut document = Html::new_document();
    // About what a page of this length comes to: a tree that grows is copied each time.
    document.tree = Tree::with_capacity(Node::Document, length / BYTES_A_NODE);
    let builder = TreeBuilder::new(HtmlTreeSink::new(document), options);
    let tokenizer = Tokenizer::new(Capped::new(builder), TokenizerOpts::default());
    // It stops after each `</script>`, for a browser to run the script.
    while !matches!(tokenizer.feed(input), TokenizerResult::Done) {}
    tokenizer.end();
    tokenizer.sink
}

/// The depth of the deepest node.
fn deepest(page: &Html) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for edge in page.tree.root().traverse() {
        match edge {
            Edge::Open(_) => depth += 1,
            Edge::Close(_) => depth = depth.saturating_sub(1),
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// A tree builder that is not given the start tags it could choke on.
struct Capped {
    builder: TreeBuilder<NodeId, HtmlTreeSink>,
    /// Never less than the elements that are open or would be once the formatting elements are reopened: counted up at each start
    /// tag, counted anew when it reaches the cap.
    open_at_most: Cell<usize>,
    /// Whether anything that could close an element passed since it was counted.
    may_have_closed: Cell<bool>,
    is_full: Cell<bool>,
    /// Text that came and was not passed on yet. The tokenizer gives each line by itself; together they are one piece of the page, which
    /// costs the builder one step and no copy.
    text: RefCell<StrTendril>,
    seen: Cell<Seen>,
    /// How often the open elements were counted, for tests: the work this adds.
    counts: Cell<usize>,
}

impl Capped {
    fn new(builder: TreeBuilder<NodeId, HtmlTreeSink>) -> Self {
        Self {
            builder,
            open_at_most: Cell::new(0),
            may_have_closed: Cell::new(false),
            is_full: Cell::new(false),
            text: RefCell::default(),
            seen: Cell::default(),
            counts: Cell::new(0),
        }
    }

    /// True where one more element may be opened.
    fn has_room(&self, cap: usize) -> bool {
        if self.open_at_most.get() < cap {
            return true;
        }
        if self.may_have_closed.replace(false) {
            self.counts.set(self.counts.get() + 1);
            self.open_at_most.set(self.open());
        }
        self.open_at_most.get() < cap
    }

    /// Open elements and formatting elements, those that are open twice, and the three nodes that the builder always holds: not less
    /// than what is open after the next reopening.
    fn open(&self) -> usize {
        let counter = Counter(Cell::new(0));
        self.builder.trace_handles(&counter);
        counter.0.get()
    }

    fn nodes(&self) -> usize {
        self.builder.sink.0.borrow().tree.nodes().len()
    }

    fn lets_pass(&self, tag: &Tag) -> bool {
        if tag.kind == TagKind::EndTag {
            self.may_have_closed.set(true);
            return true;
        }
        if tag.name == local_name!("base") || tag.name == local_name!("template") {
            let Seen { base, template } = self.seen.get();
            let is_base = tag.name == local_name!("base");
            self.seen.set(Seen { base: base || is_base, template: template || !is_base });
        }
        // Elements without element children are kept a little deeper: leaving out `<script>` would turn its text into markup.
        if !(self.has_room(MAX_DEPTH) || is_leaf(tag) && self.has_room(MAX_DEPTH + OPENED_BY_ONE_TAG)) {
            return false;
        }
        self.open_at_most.set(self.open_at_most.get() + OPENED_BY_ONE_TAG);
        // It may close elements too: `<li>` after `<li>`.
        self.may_have_closed.set(true);
        true
    }
}

impl TokenSink for Capped {
    type Handle = NodeId;

    fn process_token(&self, token: Token, line_number: u64) -> TokenSinkResult<NodeId> {
        let token = match token {
            Token::CharacterTokens(text) if !self.is_full.get() => {
                self.text.borrow_mut().push_tendril(&text);
                return TokenSinkResult::Continue;
            }
            // Nobody hears of what is wrong with a page.
            Token::ParseError(_) => return TokenSinkResult::Continue,
            token => token,
        };
        let text = self.text.take();
        if !text.is_empty() {
            // The builder asks nothing of the tokenizer because of text.
            let _continue = self.builder.process_token(Token::CharacterTokens(text), line_number);
        }
        let passes = match &token {
            _ if self.is_full.get() => false,
            Token::TagToken(tag) => self.lets_pass(tag),
            _ => true,
        };
        if !passes && !matches!(token, Token::EOFToken) {
            return TokenSinkResult::Continue;
        }
        let result = self.builder.process_token(token, line_number);
        if self.nodes() > MAX_NODES {
            self.is_full.set(true);
        }
        result
    }

    fn end(&self) {
        self.builder.end();
    }

    fn adjusted_current_node_present_but_not_in_html_namespace(&self) -> bool {
        self.builder.adjusted_current_node_present_but_not_in_html_namespace()
    }
}

struct Counter(Cell<usize>);

impl Tracer for Counter {
    type Handle = NodeId;

    fn trace_handle(&self, _: &NodeId) {
        self.0.set(self.0.get() + 1);
    }
}

fn is_leaf(tag: &Tag) -> bool {
    matches!(
        &*tag.name,
        "area"
            | "base"
            | "br"
            | "col"
            | "embed"
            | "hr"
            | "iframe"
            | "img"
            | "input"
            | "link"
            | "meta"
            | "noembed"
            | "noframes"
            | "script"
            | "source"
            | "style"
            | "textarea"
            | "title"
            | "track"
            | "wbr"
            | "xmp"
    )
}

#[cfg(test)]
mod tests;
