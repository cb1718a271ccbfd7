//! Bodies, headers and moments, filled in.

use jiff::Timestamp;

use super::*;
use crate::key::Params;

fn values(pairs: &[(&str, &str)]) -> Params {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn ask(lines: &str) -> Ask {
    let params = "params.page = { type = 'integer' }\nparams.all = { type = 'boolean' }\nparams.q.pattern = '.*'\n";
    one_with(&format!("{params}{lines}\n")).alternatives.remove(0).ask
}

fn payload(lines: &str) -> Payload {
    ask(lines).payload.unwrap()
}

#[test]
fn json_stays_json_whatever_is_filled_in() {
    let payload = payload(
        r#"json = { page = "{page}", texts = ["page {page}", "{q}", "{all}"], all = "{all}", key = "${KEY}", "odd\"name" = 1.5, deep = { on = true, query = "query {\n  films { id }\n}" } }"#,
    );
    let filled = payload.fill(&values(&[("page", "7"), ("all", "true"), ("q", "a\"b\\ é\n")]));
    assert_snapshot!(filled, @r#"{"page":7,"texts":["page 7","a\"b\\ é\n",true],"all":true,"key":"${KEY}","odd\"name":1.5,"deep":{"on":true,"query":"query {\n  films { id }\n}"}}"#);
    let sent: serde_json::Value = serde_json::from_str(filled.expose()).unwrap();
    assert_eq!(
        (&sent["page"], &sent["all"], &sent["texts"][1], &sent["key"]),
        (&7.into(), &true.into(), &"a\"b\\ é\n".into(), &SECRET.into())
    );
    assert!(filled.is_secret() && filled.gives_away(SECRET) && !format!("{filled:?} {payload:?}").contains(SECRET));
    assert_eq!(payload.content_type(), Some("application/json"));
    // No value, or none of the type, is a text: the body is JSON all the same.
    assert_snapshot!(self::payload("json = ['{page}', '{all}']").fill(&values(&[("all", "\"")])), @r#"["","\""]"#);
}

#[test]
fn forms_are_encoded_and_texts_are_not() {
    let values = values(&[("q", "a b&c=é")]);
    let form = payload("form = { 'a b' = '{q}+', key = '${KEY}&' }");
    let filled = form.fill(&values);
    assert_eq!(filled.expose(), format!("a%20b=a%20b%26c%3D%C3%A9%2B&key={SECRET}%26"));
    assert_eq!(filled.to_string(), "a%20b=a%20b%26c%3D%C3%A9%2B&key=${KEY}%26");
    assert_eq!(form.content_type(), Some("application/x-www-form-urlencoded"));
    let text = payload("body = '<q>{q}</q>'");
    assert_eq!((text.fill(&values).expose(), text.content_type()), ("<q>a b&c=é</q>", None));
    let ask = ask("headers = { X-Q = '{q}!' }\ncookies = { a = '${KEY}' }\nuser_agent = 'me/1'");
    let headers = ask.fill_headers(&values);
    assert_eq!(
        headers.iter().map(|(name, text)| (name.as_str(), text.expose())).collect::<Vec<_>>(),
        [("x-q", "a b&c=é!"), ("user-agent", "me/1")]
    );
    assert_eq!(ask.fill_cookies(&values)[0].1.to_string(), "${KEY}");
}

#[test]
fn a_secret_is_known_again_as_it_was_escaped() {
    let environment = |_: &str| Some("pass\"word é".to_owned());
    let text = "[source.a]\nurl = 'https://a.example'\nfresh_for = '1h'\nformat = 'json'\njson = { a = '${X}' }\n";
    let spec = parse_sources("f", text, Defaults::default(), &environment).unwrap().remove(0).value;
    let filled = spec.alternatives[0].ask.payload.as_ref().unwrap().fill(&Params::new());
    assert_eq!(filled.expose(), r#"{"a":"pass\"word é"}"#);
    for echoed in [r#"bad: pass\"word é"#, "bad: pass\"word é", "pass%22word%20%C3%A9"] {
        assert!(filled.gives_away(echoed), "{echoed}");
    }
    assert!(!format!("{spec:?}").contains("word"));
}

#[test]
fn moments_are_written_where_they_are_meant() {
    let times = |lines: &str| one_with(&format!("{lines}\n")).alternatives.remove(0).times.remove(0);
    let now: Timestamp = "2025-10-25T23:30:00Z".parse().unwrap();
    for (time, written) in [
        ("times.t = {}", "2025-10-25"),
        ("times.t = { zone = 'Asia/Jakarta' }", "2025-10-26"),
        ("times.t = { format = '%s' }", "1761435000"),
        ("times.t = { format = '%d %b %Y %H:%M', back = '1h' }", "25 Oct 2025 22:30"),
        // The clocks go back in that night: a day ahead is 25 hours.
        ("times.t = { format = '%Y-%m-%dT%H:%M%:z', zone = 'Europe/London', ahead = '1d' }", "2025-10-27T00:30+00:00"),
        ("times.t = { ahead = '500000w' }", "2025-10-25"),
    ] {
        assert_eq!(times(time).fill(now), written, "{time}");
    }
}

#[test]
fn days_are_those_of_the_zone() {
    let each = |lines: &str| one_with(&format!("{lines}\n")).alternatives.remove(0).each.unwrap().values;
    let now: Timestamp = "2024-02-27T20:00:00Z".parse().unwrap();
    let days = each("each = { name = 'd', days = 4, zone = 'Asia/Jakarta', format = '%d/%m' }").known(now).unwrap();
    assert_eq!(days, ["28/02", "29/02", "01/03", "02/03"]);
    assert_eq!(each("each = { name = 'd', days = 1 }").known(now).unwrap(), ["2024-02-27"]);
    assert_eq!(each("each = { name = 'd', values = ['b', 'a'] }").known(now).unwrap(), ["b", "a"]);
    let last = each("each = { name = 'd', days = 3 }").known(Timestamp::MAX).unwrap();
    assert!(last.len() <= 3, "{last:?}");
}

proptest! {
    #[test]
    fn a_body_is_json_whatever_readers_say(q in ".{0,20}", page in ".{0,20}") {
        let payload = payload("json = { a = ['{q}', 'x{q}y'], page = '{page}' }");
        let filled = payload.fill(&values(&[("q", &q), ("page", &page)]));
        let sent: serde_json::Value = serde_json::from_str(filled.expose()).unwrap();
        prop_assert_eq!(&sent["a"][0], &serde_json::Value::from(q.clone()));
        prop_assert_eq!(&sent["a"][1], &serde_json::Value::from(format!("x{q}y")));
        prop_assert!(!filled.is_secret());
    }
}
