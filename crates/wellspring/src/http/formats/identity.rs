//! What tells one item from all others, for as long as it is the same item.

use std::collections::HashMap;

use wellspring_core::snapshot::Digest;

/// What is known of an item: what it is called by, and what tells it from others that are called the same.
pub(super) struct Known {
    /// Its id, its link or its title.
    pub(super) base: String,
    /// When it is.
    pub(super) when: String,
}

/// A name of its own for each item. Most are what they are called by; those of one name are told apart by when they are, then by all
/// that they hold, at last by their order.
pub(super) fn tell_apart(items: &[Known], whole: impl Fn(usize) -> String) -> Vec<Vec<String>> {
    let mut bases: HashMap<&str, usize> = HashMap::new();
    let mut times: HashMap<(&str, &str), usize> = HashMap::new();
    for item in items {
        *bases.entry(&item.base).or_default() += 1;
        *times.entry((&item.base, &item.when)).or_default() += 1;
    }
    let mut equal: HashMap<Vec<String>, usize> = HashMap::new();
    let mut names = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let is_alone = |count: Option<&usize>| count == Some(&1);
        let mut name = vec![item.base.clone()];
        if item.base.is_empty() || !is_alone(bases.get(&*item.base)) {
            name.push(item.when.clone());
            if item.base.is_empty() || !is_alone(times.get(&(&*item.base, &*item.when))) {
                name.push(Digest::of(whole(index).as_bytes()).to_string());
                let count = equal.entry(name.clone()).or_default();
                *count += 1;
                // Equal to the last letter: the second stays the second.
                if *count > 1 {
                    name.push(count.to_string());
                }
            }
        }
        names.push(name);
    }
    names
}

/// A UUID of some texts, the same for the same (RFC 9562, version 8).
pub(super) fn uuid(parts: &[&str]) -> String {
    let mut text = String::new();
    for part in parts {
        // Lengths keep `ab, c` and `a, bc` apart.
        text.push_str(&part.len().to_string());
        text.push(':');
        text.push_str(part);
    }
    let mut hex: Vec<char> = Digest::of(text.as_bytes()).to_string().chars().collect();
    hex[12] = '8';
    hex[16] = match hex[16] {
        '0' | '4' | '8' | 'c' => '8',
        '1' | '5' | '9' | 'd' => '9',
        '2' | '6' | 'a' | 'e' => 'a',
        _ => 'b',
    };
    let groups = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
    groups.map(|group| group.iter().collect::<String>()).join("-")
}

/// The same as an address.
pub(super) fn urn(parts: &[&str]) -> String {
    format!("urn:uuid:{}", uuid(parts))
}
