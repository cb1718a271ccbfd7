//! Content codings: which one a client wants (RFC 9110 §12.5.3), and bytes in it.

use std::io::{self, Write};

use http::HeaderMap;
use http::header::{ACCEPT_ENCODING, HeaderValue};

use super::weighted::{Member, members};

/// Shorter bodies, in bytes, fit into a packet or two as they are: coding them would only cost.
pub const LEAST: u64 = 1_024;
/// Longer ones, in bytes, are coded less thoroughly, so that no one of them keeps a core for long.
const LARGE: usize = 1 << 20;

/// A coding that an answer can be in, beside none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// RFC 8878.
    Zstd,
    /// RFC 7932.
    Br,
    /// RFC 1952.
    Gzip,
}

impl Coding {
    /// In the order in which they are preferred where a client likes them equally.
    pub const ALL: [Self; 3] = [Self::Zstd, Self::Br, Self::Gzip];

    /// Its registered name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Br => "br",
            Self::Gzip => "gzip",
        }
    }

    /// `Content-Encoding`.
    pub const fn header(self) -> HeaderValue {
        HeaderValue::from_static(self.name())
    }

    /// Its place in [`Coding::ALL`].
    pub const fn place(self) -> usize {
        self as usize
    }
}

/// What a client takes: weights in thousandths, of [`Coding::ALL`] and of no coding at all. Zero is a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepts([u16; 4]);

/// The place of "no coding".
const IDENTITY: usize = 3;

impl Accepts {
    /// What a client takes that says nothing, or that it takes nothing.
    pub const PLAIN: Self = Self([0, 0, 0, 1]);

    /// By the request's `Accept-Encoding`.
    pub fn of(request: &HeaderMap) -> Self {
        Self::said(request.get_all(ACCEPT_ENCODING).iter().map(HeaderValue::as_bytes))
    }

    /// By the lines of `Accept-Encoding`. Allocates nothing; what browsers and curl send is known by heart.
    pub fn said<'a>(mut lines: impl Iterator<Item = &'a [u8]>) -> Self {
        let Some(first) = lines.next() else { return Self::PLAIN };
        let second = lines.next();
        match first {
            // Further lines go on where it ends.
            _ if second.is_some() => {}
            b"gzip, deflate, br, zstd" | b"deflate, gzip, br, zstd" => return Self([1_000, 1_000, 1_000, 1]),
            b"gzip, deflate, br" | b"deflate, gzip, br" | b"br, gzip, deflate" => return Self([0, 1_000, 1_000, 1]),
            b"gzip, deflate" | b"deflate, gzip" | b"gzip" => return Self([0, 0, 1_000, 1]),
            b"identity" => return Self::PLAIN,
            _ => {}
        }
        let mut named = [None; 4];
        let mut others = None;
        for Member { name, weight, .. } in members(std::iter::once(first).chain(second).chain(lines)) {
            let place = match name {
                b"*" => {
                    others = Some(weight);
                    continue;
                }
                _ if name.eq_ignore_ascii_case(b"identity") => IDENTITY,
                _ if name.eq_ignore_ascii_case(b"x-gzip") => Coding::Gzip.place(),
                _ => match Coding::ALL.iter().find(|c| name.eq_ignore_ascii_case(c.name().as_bytes())) {
                    Some(coding) => coding.place(),
                    None => continue,
                },
            };
            named[place] = Some(weight);
        }
        let [zstd, br, gzip, identity] = named;
        let listed = |weight: Option<u16>| weight.or(others).unwrap_or(0);
        // Taken even where nobody names it, but liked least.
        Self([listed(zstd), listed(br), listed(gzip), identity.or(others).unwrap_or(1)])
    }

    /// What it likes best; `None` is no coding, also where it refuses everything: better readable than right.
    pub fn preferred(self) -> Option<Coding> {
        let best = *self.0.iter().max()?;
        Coding::ALL.into_iter().find(|coding| best > 0 && self.0[coding.place()] == best)
    }

    /// True where a coding, or none, is acceptable.
    pub fn takes(self, coding: Option<Coding>) -> bool {
        self.0[coding.map_or(IDENTITY, Coding::place)] > 0
    }
}

/// The parts, one after another, in a coding. Takes a core for up to some tens of milliseconds a MiB.
///
/// # Errors
/// None in practice: nothing but memory is written to.
pub fn encode(parts: &[&[u8]], coding: Coding) -> io::Result<Vec<u8>> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let large = length > LARGE;
    let room = Vec::with_capacity(length / 4 + 64);
    match coding {
        Coding::Zstd => {
            let mut encoder = zstd::Encoder::new(room, if large { 1 } else { 3 })?;
            encoder.set_pledged_src_size(Some(length as u64))?;
            parts.iter().try_for_each(|part| encoder.write_all(part))?;
            encoder.finish()
        }
        Coding::Br => {
            let mut encoder = brotli::CompressorWriter::new(room, 4_096, if large { 3 } else { 5 }, 22);
            parts.iter().try_for_each(|part| encoder.write_all(part))?;
            Ok(encoder.into_inner())
        }
        Coding::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(room, flate2::Compression::new(if large { 3 } else { 6 }));
            parts.iter().try_for_each(|part| encoder.write_all(part))?;
            encoder.finish()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn wants(lines: &[&'static str]) -> &'static str {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(ACCEPT_ENCODING, HeaderValue::from_static(line));
        }
        Accepts::of(&headers).preferred().map_or("identity", Coding::name)
    }

    #[test]
    fn negotiation_follows_weights_then_our_preference() {
        let table: &[(&[&str], &str)] = &[
            (&[], "identity"),
            (&[""], "identity"),
            (&["gzip, deflate, br, zstd"], "zstd"),
            (&["gzip, deflate, br"], "br"),
            (&["deflate, gzip"], "gzip"),
            (&["gzip"], "gzip"),
            (&["x-gzip"], "gzip"),
            (&["GZip;Q=0.5"], "gzip"),
            (&["identity"], "identity"),
            (&["deflate"], "identity"),
            (&["*"], "zstd"),
            (&["*;q=0.5, zstd;q=0"], "br"),
            (&["gzip;q=1.0, br;q=0.9, zstd;q=0.8"], "gzip"),
            (&["gzip;q=0.5,br ; q=0.5 , identity;q=0.4"], "br"),
            (&["identity;q=1, gzip;q=0.999"], "identity"),
            (&["identity;q=0.5, *;q=0"], "identity"),
            (&["identity;q=0, gzip"], "gzip"),
            (&["identity;q=0"], "identity"),
            (&["*;q=0"], "identity"),
            (&["gzip;q=0"], "identity"),
            (&["gzip;q=0.001"], "gzip"),
            (&["gzip;q=2"], "identity"),
            (&["gzip;q=0.1234"], "identity"),
            (&["gzip;q=-1, br;q=x"], "identity"),
            (&["gzip", "br"], "br"),
            (&["gzip;foo=1;q=0.2, br;q=0.1"], "gzip"),
        ];
        for (lines, expected) in table {
            assert_eq!(wants(lines), *expected, "{lines:?}");
        }
    }

    #[test]
    fn what_is_refused_is_not_taken() {
        let takes = |text: &'static str, coding| {
            Accepts::of(&HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(text))])).takes(coding)
        };
        assert!(takes("gzip", None) && takes("gzip", Some(Coding::Gzip)) && !takes("gzip", Some(Coding::Br)));
        assert!(!takes("gzip, identity;q=0", None) && !takes("*;q=0", None) && takes("gzip, deflate, br, zstd", None));
    }

    #[test]
    fn every_coding_gives_the_parts_back_small_and_large() {
        let row = br#"{"title":"Dune","img":"https://a.example/dune.webp"},"#;
        for times in [20, 40_000] {
            let rows = row.repeat(times);
            let parts: [&[u8]; 3] = [b"{\"items\":[", &rows, b"0]}"];
            for coding in Coding::ALL {
                let coded = encode(&parts, coding).unwrap();
                let mut plain = Vec::new();
                let read = match coding {
                    Coding::Zstd => zstd::Decoder::new(&*coded).unwrap().read_to_end(&mut plain),
                    Coding::Br => brotli::Decompressor::new(&*coded, 4_096).read_to_end(&mut plain),
                    Coding::Gzip => flate2::read::GzDecoder::new(&*coded).read_to_end(&mut plain),
                };
                assert_eq!((read.unwrap(), plain == parts.concat()), (parts.concat().len(), true), "{coding:?}");
                assert!(coded.len() < plain.len() / 3, "{coding:?}: {} of {}", coded.len(), plain.len());
            }
        }
    }
}
