//! Whole extractions: rules and a body in, items out.

#[cfg(test)]
mod captured;
#[cfg(test)]
mod feeds;
#[cfg(test)]
mod fields;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod html;
#[cfg(test)]
mod json;
#[cfg(test)]
mod jsonld;
#[cfg(test)]
#[cfg(test)]
mod support;
#[cfg(test)]
mod tix;
#[cfg(test)]
mod values;
#[cfg(test)]
mod within;
