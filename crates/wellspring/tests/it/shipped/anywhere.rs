//! The sources that ship and run where `use` names them, on answers of our own in the structure of theirs.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::program::{run, write_config};

/// What `check` makes of answers at these addresses with the shipped rules: its JSON and its exit code.
fn check(source: &str, answers: &[(&str, &str)]) -> (Value, Option<i32>) {
    let folder = tempfile::tempdir().unwrap();
    let name = source.split('?').next().unwrap();
    write_config(folder.path(), &format!("use = [\"{name}\"]\n"));
    save(&folder.path().join("saved"), answers);
    let output = run(folder.path(), &["check", source, "--replay", "saved", "--json", "--now", "2025-01-23T12:00:00Z"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    (serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text} {said}")), output.status.code())
}

/// A folder as `check --save` leaves it.
fn save(folder: &Path, answers: &[(&str, &str)]) {
    fs::create_dir(folder).unwrap();
    let mut index = Vec::new();
    for (number, (url, body)) in answers.iter().enumerate() {
        let file = format!("{number:03}.txt");
        fs::write(folder.join(&file), body).unwrap();
        index.push(json!({"file": file, "method": "GET", "url": url, "status": 200, "mime": "", "headers": [], "post": null}));
    }
    fs::write(folder.join("index.json"), Value::from(index).to_string()).unwrap();
}

#[track_caller]
fn passes(source: &str, answers: &[(&str, &str)]) -> Vec<Value> {
    let (checked, code) = check(source, answers);
    assert_eq!(code, Some(0), "{checked:#}");
    checked["items"].as_array().unwrap().clone()
}

#[test]
fn sembako_reads_the_table_of_prices() {
    let line = |cells: [&str; 5]| format!("<tr>{}</tr>", cells.map(|cell| format!("<td><span> {cell}\n</span></td>")).concat());
    let rows = [
        line(["Beras Medium", "kg", "Rp 14.500", "Rp 14.500", "-"]),
        line(["Minyak Goreng Curah", "lt", "Rp 18.000", "Rp 17.900", "-0,56%"]),
        line(["Cabai Rawit Merah", "kg", "Rp 51.600", "Rp 59.800", "15,89%"]),
        line(["Gula Pasir", "kg", "Rp 18.100", "Rp 18.100", "0,00%"]),
        line(["Telur Ayam Ras", "kg", "Rp 32.700", "Rp 32.800", "0,31%"]),
        "<tr><td colspan=5>Sumber: pantauan pasar</td></tr>".to_owned(),
    ]
    .concat();
    let page = format!(
        "<!doctype html><div class=\"v-table__wrapper\"><table><thead><tr><th>Komoditas<th>Satuan<th>28 Nov<th>01 Des<th>%</tr></thead>\
         <tbody>{rows}</tbody></table></div>"
    );
    let items = passes("sembako", &[("https://sp2kp.kemendag.go.id/", &page)]);
    assert_eq!(items.len(), 5);
    assert_eq!(items[0], json!({"komoditas": "Beras Medium", "unit": "kg", "yesterday": 14_500, "today": 14_500, "change": 0}));
    assert_eq!(items[1], json!({"komoditas": "Minyak Goreng Curah", "unit": "lt", "yesterday": 18_000, "today": 17_900, "change": -0.56}));
    assert_eq!(items[2]["change"], json!(15.89));
}

#[test]
fn sembako_is_fresh_until_midnight_in_jakarta() {
    let lines = "<tr><td>Beras</td><td>kg</td><td>Rp 1</td><td>Rp 2</td><td>-</td></tr>";
    let rows: String = (0..5).map(|n| lines.replace("Beras", &format!("Beras {n}"))).collect();
    let page = format!("<div class=\"v-table__wrapper\"><table><tbody>{rows}</tbody></table></div>");
    let (checked, _) = check("sembako", &[("https://sp2kp.kemendag.go.id/", &page)]);
    // Noon in UTC is seven in the evening there; its midnight is five hours away.
    assert_eq!(checked["fresh_until"], "2025-01-23T17:00:00Z");
}

#[test]
fn arrivals_put_the_four_parts_of_a_day_together() {
    let flight = |hour: &str, from: &str, numbers: &[&str], airlines: &[&str]| {
        let links = numbers.iter().map(|n| format!("<a href=\"/f/{n}\">{n}</a> ")).collect::<Vec<_>>().concat();
        let spans = airlines.iter().map(|a| format!("<span>{a}</span>")).collect::<Vec<_>>().concat();
        format!(
            "<div class=\"flight-row\"><div class=\"flight-col flight-col__dest-term\">{from}</div>\
             <div class=\"flight-col flight-col__hour\"> {hour} </div><div class=\"flight-col flight-col__flight\">{links}</div>\
             <div class=\"flight-col flight-col__airline\">{spans}</div><div class=\"flight-col flight-col__term\">Terminal 3</div>\
             <div class=\"flight-col flight-col__status\">Landed - On-time</div></div>"
        )
    };
    let page = |flights: &str| {
        let head = "<div class=\"flight-row flight-titol\"><div class=\"flight-col flight-col__hour\">Arrival</div></div>";
        format!("<!doctype html><div class=\"flights-info\">{head}{flights}</div>")
    };
    let pages = [
        page(&flight("05:10", "Doha (DOH)", &["ZZ 956"], &["First Air"])),
        page(""),
        page(
            &(flight("12:10", "Singapore (SIN)", &["ZZ 1", "YY 2"], &["First Air", "Second Air"])
                + &flight("13:00", "Medan", &["YY 3"], &["Second Air"])),
        ),
        page(&flight("23:55", "Tokyo (HND)", &["ZZ 7"], &["First Air"])),
    ];
    let urls = ["0", "6", "12", "18"].map(|hour| format!("https://www.jakarta-airport.com/cgk-arrivals?tp={hour}"));
    let answers: Vec<(&str, &str)> = urls.iter().map(String::as_str).zip(pages.iter().map(String::as_str)).collect();
    let items = passes("arrivals", &answers);
    let times: Vec<&str> = items.iter().map(|item| item["arrival_time"].as_str().unwrap()).collect();
    assert_eq!(times, ["05:10", "12:10", "13:00", "23:55"]);
    assert_eq!(
        items[1],
        json!({
            "origin": "Singapore (SIN)", "arrival_time": "12:10", "flight_numbers": ["ZZ 1", "YY 2"],
            "airlines": ["First Air", "Second Air"], "terminal": "Terminal 3", "status": "Landed - On-time",
        })
    );
}

#[test]
fn hacker_news_gives_questions_the_address_of_their_discussion() {
    let hits = json!({"hits": [
        {"objectID": "101", "title": "A small database", "url": "https://db.example/", "points": 321, "num_comments": 45, "author": "ada", "created_at_i": 1_737_600_000},
        {"objectID": "102", "title": "Ask: how do you keep notes?", "url": null, "points": 12, "author": "bo", "created_at_i": 1_737_603_600},
        {"objectID": "103", "title": "", "url": "https://nothing.example/"},
    ], "nbHits": 3});
    let url = "https://hn.algolia.com/api/v1/search?tags=front_page&hitsPerPage=2";
    let (checked, _) = check("hacker_news?count=2", &[(url, &hits.to_string())]);
    assert_eq!(
        checked["items"],
        json!([
            {"title": "A small database", "discussion": "https://news.ycombinator.com/item?id=101", "url": "https://db.example/",
             "points": 321, "comments": 45, "author": "ada", "posted": "2025-01-23T02:40:00+00:00"},
            {"title": "Ask: how do you keep notes?", "discussion": "https://news.ycombinator.com/item?id=102",
             "url": "https://news.ycombinator.com/item?id=102", "points": 12, "comments": 0, "author": "bo", "posted": "2025-01-23T03:40:00+00:00"},
        ])
    );
}

#[test]
fn earthquakes_come_strongest_first() {
    let quake = |place: &str, mag: Option<f64>, tsunami: u8| {
        json!({"type": "Feature", "geometry": {"type": "Point", "coordinates": [119.8, -0.2, 10.5]},
               "properties": {"place": place, "mag": mag, "time": 1_737_633_600_500_i64, "tsunami": tsunami, "url": "https://quakes.example/1"}})
    };
    let feed = json!({"type": "FeatureCollection", "features": [quake("near A", Some(4.6), 0), quake("near B", None, 0), quake("near C", Some(6.1), 1)]});
    let url = "https://earthquake.usgs.gov/earthquakes/feed/v1.0/summary/2.5_week.geojson";
    let items = passes("earthquakes?magnitude=2.5&period=week", &[(url, &feed.to_string())]);
    let places: Vec<&str> = items.iter().map(|item| item["place"].as_str().unwrap()).collect();
    assert_eq!(places, ["near C", "near A", "near B"]);
    assert_eq!(
        items[0],
        json!({"place": "near C", "magnitude": 6.1, "time": "2025-01-23T12:00:00.5+00:00", "depth_km": 10.5, "latitude": -0.2,
               "longitude": 119.8, "tsunami": true, "url": "https://quakes.example/1"})
    );
    // A quiet hour is a result.
    let url = "https://earthquake.usgs.gov/earthquakes/feed/v1.0/summary/4.5_day.geojson";
    assert!(passes("earthquakes", &[(url, r#"{"type": "FeatureCollection", "features": []}"#)]).is_empty());
}

#[test]
fn exchange_rates_are_read_from_the_innermost_cubes() {
    let cubes: String = [
        "USD 1.0404",
        "JPY 162.46",
        "IDR 16976.18",
        "GBP 0.84448",
        "CHF 0.945",
        "AUD 1.6584",
        "CAD 1.4959",
        "SEK 11.467",
        "NOK 11.73",
        "DKK 7.4608",
    ]
    .map(|pair| pair.split_once(' ').unwrap())
    .map(|(currency, rate)| format!("<Cube currency='{currency}' rate='{rate}'/>"))
    .concat();
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><gesmes:Envelope xmlns:gesmes=\"http://www.gesmes.org/xml/2002-08-01\">\
         <gesmes:subject>Reference rates</gesmes:subject><Cube><Cube time='2025-01-23'>{cubes}</Cube></Cube></gesmes:Envelope>"
    );
    let items = passes("exchange_rates", &[("https://www.ecb.europa.eu/stats/eurofxref/eurofxref-daily.xml", &xml)]);
    assert_eq!((items.len(), &items[0], &items[2]["rate"]), (10, &json!({"currency": "USD", "rate": 1.0404}), &json!(16_976.18)));
}

#[test]
fn holidays_are_this_years() {
    let days = json!([
        {"date": "2025-01-01", "localName": "Tahun Baru Masehi", "name": "New Year's Day", "global": true, "counties": null},
        {"date": "2025-08-17", "localName": "Hari Ulang Tahun Kemerdekaan", "name": "Independence Day", "global": true, "counties": null},
    ]);
    let items = passes("holidays", &[("https://date.nager.at/api/v3/PublicHolidays/2025/ID", &days.to_string())]);
    assert_eq!(
        items[1],
        json!({"date": "2025-08-17", "name": "Independence Day", "local_name": "Hari Ulang Tahun Kemerdekaan", "nationwide": true})
    );
}
