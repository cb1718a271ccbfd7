use super::*;

const BODY: usize = 512 * 1024;

fn repeated(unit: &str) -> String {
    unit.repeat(BODY / unit.len())
}

/// Parses with the cap and says how deep the tree got, how many nodes it has, and how often open elements were counted.
fn parse_counted(page: &str) -> (usize, usize, usize) {
    let page = StrTendril::from(page);
    let input = BufferQueue::default();
    input.push_back(page);
    let capped = run(&input, 0);
    let counts = capped.counts.get();
    let html = capped.builder.sink.finish();
    (deepest(&html), html.tree.nodes().len(), counts)
}

fn check(page: &str) {
    let (depth, nodes, _) = parse_counted(page);
    assert!(depth <= 2 * MAX_DEPTH, "{depth} deep");
    assert!(nodes <= MAX_NODES + MAX_DEPTH, "{nodes} nodes");
}

#[test]
fn trap_nested_tags_are_depth_capped() {
    for unit in ["<div>", "<b>", "<i><b>", "<a>", "<ul><li>", "<table><tr><td>", "<svg><g>", "<select><option>", "<template>"] {
        check(&repeated(unit));
    }
    let (depth, nodes, counts) = parse_counted(&repeated("<div>"));
    assert!((MAX_DEPTH - 8..=MAX_DEPTH + 2).contains(&depth), "{depth} deep");
    // Tags past the cap leave nothing behind, and nothing is counted for them: nothing could have closed.
    assert!(nodes < 600 && counts < 20, "{nodes} nodes, {counts} counts");
}

#[test]
fn trap_nested_tags_are_depth_capped_where_they_are_misnested() {
    for unit in [
        "<b><i></b>",
        "<b><p></b>",
        "<a><table>",
        "<table><a>",
        "<table><b><tr>x",
        "<a><div></a>",
        "<font><p>",
        "<b><div></b></p>",
        "<nobr><table><td><nobr>",
        "<form><table></form>",
        "<svg><desc><b>",
        "<math><mi><p><b></math>",
        "<select><table><b>",
    ] {
        check(&repeated(unit));
    }
}

#[test]
fn formatting_elements_that_multiply_are_stopped() {
    // Each is unlike the others, so each is reopened in every paragraph.
    let fonts = (0..400).map(|n| format!("<font size={n}>")).collect::<Vec<_>>().concat();
    let page = format!("<p>{fonts}{}", "</p><p>x".repeat(20_000));
    let error = parse(&page).expect_err("twenty thousand times two hundred elements");
    assert_eq!(error, ExtractError::TooMany { expected: "HTML", limit: MAX_NODES });
}

#[test]
fn what_is_deeper_than_the_cap_moves_up() {
    let page = format!("{}<p class=deep>text<script>'<p class=no>'</script>{}<h1>after</h1>", "<div>".repeat(600), "</div>".repeat(600));
    let html = parse(&page).unwrap();
    let text: String = html.root_element().text().collect();
    assert_eq!(text, "text'<p class=no>'after");
}

#[test]
fn a_long_page_that_does_not_nest_is_untouched() {
    let page = "<ul>".to_owned() + &"<li><p>text<td>".repeat(3000);
    let html = parse(&page).unwrap();
    let rows = html.select(&scraper::Selector::parse("li > p").unwrap()).count();
    assert_eq!(rows, 3000);
}
