//! Lists by which a client says what it takes, and how much it likes each (RFC 9110 §12.4.2): `gzip;q=0.5, br`.

/// One member of such a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Member<'a> {
    /// What is taken; how it compares is for whoever knows what it names.
    pub(super) name: &'a [u8],
    /// How much it is liked, in thousandths. Zero is a refusal, and so is a weight that cannot be read.
    pub(super) weight: u16,
    parameters: &'a [u8],
}

/// The members of all lines together, in their order.
pub(super) fn members<'a>(lines: impl Iterator<Item = &'a [u8]>) -> impl Iterator<Item = Member<'a>> {
    lines.flat_map(|line| line.split(|b| *b == b',')).map(Member::of)
}

impl<'a> Member<'a> {
    fn of(text: &'a [u8]) -> Self {
        let end = text.iter().position(|b| *b == b';').unwrap_or(text.len());
        let (name, parameters) = text.split_at(end);
        let mut member = Self { name: name.trim_ascii(), weight: 1_000, parameters };
        if let Some(weight) = member.parameter("q") {
            member.weight = thousandths(weight);
        }
        member
    }

    /// The first parameter of this name, without the quotes around it.
    pub(super) fn parameter(&self, name: &str) -> Option<&'a [u8]> {
        let mut parameters = self.parameters.split(|b| *b == b';').map(<[u8]>::trim_ascii);
        let value = parameters.find_map(|parameter| {
            let (said, value) = parameter.split_at(parameter.iter().position(|b| *b == b'=')?);
            said.eq_ignore_ascii_case(name.as_bytes()).then_some(&value[1..])
        })?;
        Some(value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value))
    }
}

/// `0`, `0.5`, `1.000`.
fn thousandths(text: &[u8]) -> u16 {
    let (whole, fraction) = match text {
        [whole, b'.', fraction @ ..] if fraction.len() <= 3 && fraction.iter().all(u8::is_ascii_digit) => (*whole, fraction),
        [whole] => (*whole, &[][..]),
        _ => return 0,
    };
    let digit = |at: usize| fraction.get(at).map_or(0, |d| u16::from(d - b'0'));
    match whole {
        b'0' => digit(0) * 100 + digit(1) * 10 + digit(2),
        b'1' if fraction.iter().all(|d| *d == b'0') => 1_000,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_weights_and_parameters_are_told_apart() {
        let lines = ["text/plain;version=0.0.4;q=0.5, gzip ; Q=0.25", "br", "x;q=2;q=1", "a;b=\"c\";q=0.1234, ,"];
        let all: Vec<_> = members(lines.iter().map(|line| line.as_bytes())).collect();
        let told: Vec<_> = all.iter().map(|member| (std::str::from_utf8(member.name).unwrap(), member.weight)).collect();
        assert_eq!(told, [("text/plain", 500), ("gzip", 250), ("br", 1_000), ("x", 0), ("a", 0), ("", 1_000), ("", 1_000)]);
        assert_eq!(all[0].parameter("VERSION"), Some(&b"0.0.4"[..]));
        assert_eq!((all[4].parameter("b"), all[2].parameter("q")), (Some(&b"c"[..]), None));
    }
}
