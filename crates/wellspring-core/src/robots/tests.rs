use std::fmt::Write as _;

use super::*;

fn robots(file: &str) -> Robots {
    Robots::parse(file.as_bytes(), "wellspring")
}

/// The line that disallows a path, or nothing.
fn refusal(file: &str, path: &str) -> String {
    match robots(file).verdict(path) {
        Verdict::Allowed => String::new(),
        Verdict::Disallowed(rule) => rule.to_string(),
    }
}

#[test]
fn the_deciding_line_is_told() {
    let file = "# ours\nUser-agent: *\nDisallow: /private/ # not yours\nAllow: /private/open\n";
    assert_eq!(refusal(file, "/private/x?a=1"), "line 3: Disallow: /private/");
    assert_eq!(refusal(file, "/private/opened"), "");
    assert_eq!(refusal(file, "/"), "");
}

#[test]
fn groups_that_name_an_agent_are_one_and_end_those_for_everyone() {
    let file =
        "User-agent: *\nDisallow: /\n\nUser-Agent: WellSpring/2.0\nDisallow: /a\n\nuser-agent: other\nuser-agent: wellspring\nDisallow: /b";
    assert_eq!(refusal(file, "/a"), "line 5: Disallow: /a");
    assert_eq!(refusal(file, "/b"), "line 9: Disallow: /b");
    assert_eq!(refusal(file, "/c"), "");
    // Named without rules: everything is allowed.
    assert_eq!(refusal("User-agent: *\nDisallow: /\nUser-agent: wellspring\n", "/"), "");
    assert_eq!(refusal("User-agent: wellspring\nDisallow:\nUser-agent: *\nDisallow: /\n", "/"), "");
}

#[test]
fn a_name_is_compared_whole() {
    for other in ["wellspringbot", "well", "wellspring-news", "", "/", "wellspring2", "*bot"] {
        assert_eq!(refusal(&format!("User-agent: {other}\nDisallow: /"), "/"), "", "{other}");
    }
    for same in ["wellspring", "WELLSPRING/1", "wellspring (a bot)", "*", "* # all"] {
        assert_ne!(refusal(&format!("User-agent: {same}\nDisallow: /"), "/"), "", "{same}");
    }
    assert_eq!(product_token("wellspring/0.1 (+self-hosted)"), "wellspring");
    assert_eq!((product_token("bot2-x_y"), product_token("(none)"), product_token("")), ("bot2-x_y", "", ""));
}

#[test]
fn lines_end_as_they_like() {
    for file in [
        "User-agent: *\r\nDisallow: /a\r\n",
        "User-agent: *\rDisallow: /a\r",
        "\u{feff}User-agent: *\nDisallow: /a",
        "user-agent *\ndisallow /a",
    ] {
        assert_eq!(refusal(file, "/a"), "line 2: Disallow: /a", "{file:?}");
    }
    assert_eq!(refusal("User-agent: *\n\n\r\nDisallow\t:\t/a\t", "/a"), "line 4: Disallow: /a");
}

/// Whether a pattern matches a path.
fn check(pattern: &str, path: &str) -> bool {
    !refusal(&format!("User-agent: *\nDisallow: {pattern}"), path).is_empty()
}

#[test]
fn patterns_match_from_the_start_with_wildcards_and_an_end() {
    for (pattern, path) in [
        ("/", "/"),
        ("/", ""),
        ("/a", "/abc"),
        ("/*.html", "/x/y.html?z"),
        ("/*.html$", "/x.html.html"),
        ("/a*b*c", "/a-b-b-c-d"),
        ("/a*b$", "/abab"),
        ("*", "/"),
        ("*b", "/ab"),
        ("/*$", "/x"),
        ("/**a", "/ba"),
        ("/a$b", "/a$bc"),
        ("/a?b=*&c", "/a?b=1&c"),
    ] {
        assert!(check(pattern, path), "{pattern} {path}");
    }
    for (pattern, path) in
        [("/a", "/b"), ("/a$", "/ab"), ("/*.html$", "/x.html5"), ("/a*b$", "/abc"), ("/A", "/a"), ("a", "/a"), ("/a*aa$", "/aa"), ("", "/")]
    {
        assert!(!check(pattern, path), "{pattern} {path}");
    }
}

#[test]
fn escapes_are_compared_in_one_form() {
    for (pattern, path) in [
        ("/ツ", "/%E3%83%84"),
        ("/%e3%83%84", "/%E3%83%84"),
        ("/%62", "/b"),
        ("/b", "/%62"),
        ("/a b", "/a%20b"),
        ("/%2A", "/*"),
        ("/%2a", "/%2A"),
        ("/a%24", "/a$"),
        ("/%", "/%"),
        ("/%zz", "/%zz"),
    ] {
        assert!(check(pattern, path), "{pattern} {path}");
    }
    for (pattern, path) in [("/%2Fa", "//a"), ("/a/b", "/a%2Fb"), ("/%2A", "/b"), ("/a%24", "/a")] {
        assert!(!check(pattern, path), "{pattern} {path}");
    }
}

#[test]
fn the_longest_pattern_decides_and_allowing_wins_a_tie() {
    assert_eq!(refusal("User-agent: *\nDisallow: /a\nAllow: /a", "/a"), "");
    assert_eq!(refusal("User-agent: *\nAllow: /a\nDisallow: /*b", "/ab"), "line 3: Disallow: /*b");
    assert_eq!(refusal("User-agent: *\nAllow: /a\nDisallow: /a$", "/a"), "line 3: Disallow: /a$");
    assert_eq!(refusal("User-agent: *\nDisallow: /", "/robots.txt"), "");
}

#[test]
fn a_crawl_delay_is_a_number_of_seconds() {
    let delay = |file: &str| robots(file).crawl_delay();
    assert_eq!(delay("User-agent: *\nCrawl-delay: 2.5"), Some(Duration::from_millis(2_500)));
    assert_eq!(
        delay("User-agent: *\nCrawl-delay: 9\nUser-agent: wellspring\nCrawl-delay: 1\ncrawl-delay: 3\n"),
        Some(Duration::from_secs(3))
    );
    // It ends a list of agents as a rule does.
    assert_eq!(refusal("User-agent: wellspring\nCrawl-delay: 9\nUser-agent: other\nDisallow: /", "/"), "");
    for none in ["-1", "inf", "NaN", "1e400", "soon", "", "1,5"] {
        assert_eq!(delay(&format!("User-agent: *\nCrawl-delay: {none}")), None, "{none}");
    }
}

#[test]
fn what_is_no_robots_txt_says_nothing() {
    let page = "<!doctype html>\n<title>User-agent: *</title>\n<p>Disallow: /</p>\n<a href=\"x\">disallow all</a>";
    assert_eq!(refusal(page, "/"), "");
    assert!(matches!(Robots::parse(b"\xff\xfe\0user-agent: *\0\ndisallow: /", "wellspring").verdict("/"), Verdict::Allowed));
    assert_eq!(refusal("Disallow: /\n", "/"), "", "for nobody");
}

#[test]
fn a_file_is_read_up_to_its_bound() {
    let mut file = "User-agent: *\n".to_owned();
    while file.len() < MOST_BYTES - 8 {
        file.push_str("# padding\n");
    }
    let cut = file.clone() + "Disallow: /private/and/more\n";
    assert_eq!(refusal(&cut, "/"), "", "half a line is none");
    assert_eq!(refusal(&cut, "/private/and/more"), "");
    let long = format!("User-agent: *\nDisallow: /{}\nDisallow: /b", "a".repeat(9_000));
    assert_eq!(refusal(&long, "/b"), "line 3: Disallow: /b");
    assert!(refusal(&format!("User-agent: *\nDisallow: /{}\u{7}", "a".repeat(200)), &format!("/{}%07", "a".repeat(200))).ends_with("a…"));
}

/// What backtracks on these takes years.
#[test]
fn no_pattern_takes_long() {
    let mut file = "User-agent: *\n".to_owned();
    for i in 0..2_000 {
        let _infallible = writeln!(file, "Disallow: /{}b{i}$", "*a".repeat(100));
    }
    assert_eq!(refusal(&file, &format!("/{}", "a".repeat(2_000))), "");
}

/// The same by trying everything.
fn matches_by_trying(pattern: &[u8], path: &[u8]) -> bool {
    match pattern {
        [] => true,
        b"$" => path.is_empty(),
        [b'*', rest @ ..] => (0..=path.len()).any(|at| matches_by_trying(rest, &path[at..])),
        [first, rest @ ..] => path.first() == Some(first) && matches_by_trying(rest, &path[1..]),
    }
}

proptest::proptest! {
    #[test]
    fn taking_each_part_where_it_comes_first_misses_nothing(pattern in "[/*][ab*]{0,8}\\$?", path in "/[ab]{0,12}") {
        proptest::prop_assert_eq!(check(&pattern, &path), matches_by_trying(pattern.as_bytes(), path.as_bytes()));
    }
}
