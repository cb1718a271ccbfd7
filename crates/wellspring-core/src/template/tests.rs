use super::*;

fn environment(name: &str) -> Option<String> {
    (name == "KEY").then(|| "s3cr3t".to_owned())
}

#[test]
fn secrets_are_used_and_never_shown() {
    let template = Template::parse("https://a.example/?k=${KEY}&g={geo}&j={\"a\":1}", &["geo"], &environment).unwrap();
    let filled = template.fill(&[("geo".to_owned(), "I D".to_owned())].into());
    assert_eq!(filled.expose(), "https://a.example/?k=s3cr3t&g=I%20D&j={\"a\":1}");
    assert!(filled.is_secret());
    for shown in [filled.to_string(), format!("{filled:?}"), template.to_string(), format!("{template:?}")] {
        assert!(!shown.contains("s3cr3t") && shown.contains("${KEY}"), "{shown}");
    }
}

#[test]
fn a_secret_is_recognised_in_what_an_upstream_echoes() {
    let environment = |name: &str| Some(if name == "KEY" { "S3cr/3t" } else { "abc" }.to_owned());
    let filled = Template::parse("https://${SHORT}.example/?k=${KEY}", &[], &environment).unwrap().fill(&Params::new());
    for echoed in ["/?k=S3cr/3t&b", "/S3cr%2F3t", "/s3CR%2f3T/", "https://s3cr%2f3t.example/"] {
        assert!(filled.gives_away(echoed), "{echoed}");
    }
    for clean in ["/", "https://abc.example/", "/?k=${KEY}", "%", "%2", "%zz", ""] {
        assert!(!filled.gives_away(clean), "{clean}");
    }
}

#[test]
fn a_host_is_open_where_a_place_may_make_it_any() {
    for (address, open) in [
        ("https://a.example/{x}?{y}", vec![]),
        ("https://a.example:{x}/", vec![]),
        ("https://{x}@a.example/", vec![]),
        ("https://{x}.a.example/{y}", vec![]),
        ("https://{x}.a.example:8080", vec![]),
        ("https://{x}/", vec!["x"]),
        ("https://{x}:80/{y}", vec!["x"]),
        ("https://{x}.{y}/", vec!["x", "y"]),
        ("https://{x}.example/", vec!["x"]),
        ("https://a.{x}?b.c", vec!["x"]),
        ("{x}/{y}", vec!["x"]),
    ] {
        let template = Template::parse(address, &["x", "y"], &environment).unwrap();
        assert_eq!(template.host_names(), open, "{address}");
    }
}

#[test]
fn a_value_of_dots_climbs_in_a_path_and_nowhere_else() {
    let climbs = |address: &str, value: &str| {
        Template::parse(address, &["x", "y"], &environment).unwrap().climbs(&[("x".to_owned(), value.to_owned())].into())
    };
    for (address, value) in [("https://a.example/p/{x}/q", ".."), ("https://a.example/{x}", "."), ("https://a.example/.{x}/", ".")] {
        assert!(climbs(address, value), "{address} {value}");
    }
    for (address, value) in [
        ("https://a.example/p/{x}/q", "..."),
        ("https://a.example/p/{x}/q", "a/../b"),
        ("https://a.example/p/{x}.json", ".."),
        ("https://a.example/?p={x}", ".."),
        ("https://a.example/../{x}", "a"),
        ("{x}", "https://a.example/b/../c"),
    ] {
        assert!(!climbs(address, value), "{address} {value}");
    }
}

#[test]
fn what_cannot_be_read_is_refused_by_name() {
    let parse = |text| Template::parse(text, &["geo"], &environment).unwrap_err();
    assert_eq!(parse("${NOPE}"), BadTemplate::MissingVariable("NOPE".into()));
    assert_eq!(parse("{city}"), BadTemplate::UnknownParameter("city".into()));
    assert_eq!(parse("a ${KEY"), BadTemplate::Unclosed);
}

#[test]
fn braces_are_places_only_around_names() {
    let known = ["geo", "_id", "bookingUrl", "full name"];
    for (text, names) in [
        ("{geo}{_id}/{bookingUrl}", vec!["geo", "_id", "bookingUrl"]),
        ("{full name}", vec!["full name"]),
        ("{ geo } { id } {} {1} {\"geo\": 1} {a: b} {geo", vec![]),
        ("{{geo}}", vec!["geo"]),
        ("$geo {${KEY}}", vec![]),
    ] {
        let template = Template::parse(text, &known, &environment).unwrap();
        assert_eq!(template.names().collect::<Vec<_>>(), names, "{text}");
        assert_eq!(template.to_string(), text);
    }
    let first = |text| Template::parse(text, &known, &environment).unwrap().first_name().map(str::to_owned);
    assert_eq!((first("{geo}/a"), first("/{geo}")), (Some("geo".to_owned()), None));
    // As long as a config may be, and read in no time.
    let braces = "{".repeat(1 << 20);
    assert_eq!(Template::parse(&braces, &known, &environment).unwrap().to_string(), braces);
}

#[test]
fn a_value_is_written_as_its_place_takes_it() {
    let filled = |text: &str, place| {
        let values: Params = [("a".to_owned(), "x/\"é".to_owned()), ("link".to_owned(), "https://b.example/?q=1".to_owned())].into();
        Template::parse(text, &["a", "link"], &environment).unwrap().fill_as(place, &values).expose().to_owned()
    };
    assert_eq!(filled("/{a}?k=${KEY}&", Place::Address), "/x%2F%22%C3%A9?k=s3cr3t&");
    assert_eq!(filled("/{a}&", Place::Verbatim), "/x/\"é&");
    assert_eq!(filled("/{a}&", Place::Form), "%2Fx%2F%22%C3%A9%26");
    assert_eq!(filled("\n{a}", Place::Json), "\\nx/\\\"é");
    // An address that was found is one already.
    assert_eq!(filled("{link}&from={link}", Place::Address), "https://b.example/?q=1&from=https%3A%2F%2Fb.example%2F%3Fq%3D1");
}

proptest::proptest! {
    #[test]
    fn any_text_reads_back_as_itself(text in "(\\{|\\}|\\$|[a-z_ ]|é|\\{a\\}|\\$\\{KEY\\}){0,12}") {
        if let Ok(template) = Template::parse(&text, &["a"], &environment) {
            proptest::prop_assert_eq!(template.to_string(), text);
            proptest::prop_assert!(template.names().all(|name| name == "a"));
            proptest::prop_assert!(!template.fill(&Params::new()).to_string().contains("s3cr3t"));
        }
    }
}

#[test]
fn a_setting_is_expanded_and_keeps_its_braces() {
    let filled = Template::expand("a{b}${KEY}", &environment).unwrap();
    assert_eq!((filled.expose(), filled.to_string().as_str()), ("a{b}s3cr3t", "a{b}${KEY}"));
    assert_eq!(Template::expand("${NOPE}", &environment), Err(BadTemplate::MissingVariable("NOPE".into())));
}

#[test]
fn a_secret_is_recognised_where_it_is_escaped_or_cut_off() {
    let secret = Template::expand("${KEY}", &|_| Some("open \"sesame\"/now".to_owned())).unwrap();
    let check = |text: &str, expected: bool| assert_eq!(secret.gives_away(text), expected, "{text}");
    check(r#"it said {"key":"open \"sesame\"\/now"}"#, true);
    check("it begins `open%20%22sesame%22%2Fnow`", true);
    check("it begins `OPEN \"ses…`", true);
    check("it begins `open%20%22se…`", true);
    check("it begins `open%20%2…`", true);
    check(r#"it begins `open \"s…` and ends"#, true);
    check("it begins `ope…`", false);
    check("it is shut …", false);
    check("open to all", false);
    check("100%", false);
    let short = Template::expand("${KEY}", &|_| Some("abc".to_owned())).unwrap();
    assert!(!short.gives_away("abc…"));
}
