//! Whole extractions: rules and a body in, items out.

#[cfg(test)]
mod captured;
#[cfg(test)]
mod csv;
#[cfg(test)]
mod feeds;
#[cfg(test)]
mod fields;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod hostile_formats;
#[cfg(test)]
mod html;
#[cfg(test)]
mod ical;
#[cfg(test)]
mod jq;
#[cfg(test)]
mod json;
#[cfg(test)]
mod jsonld;
#[cfg(test)]
mod support;
#[cfg(test)]
mod text;
#[cfg(test)]
mod tix;
#[cfg(test)]
mod values;
#[cfg(test)]
mod within;
#[cfg(test)]
mod xml;
