//! Whole extractions: rules and a body in, items out.

mod captured;
mod feeds;
mod hostile;
mod html;
mod json;
mod support;
mod tix;
