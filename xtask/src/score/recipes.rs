//! Recipes: one generic source for all pages that say of themselves what they are.

use serde_json::Value;

use super::Score;
use super::lab::{self, Answer, Lab};

pub(super) fn run(lab: &Lab) -> Result<Vec<Score>, String> {
    let generic = lab::text(&Lab::own("examples/recipe.toml"))?;
    let mut config = String::new();
    let mut answers = Vec::new();
    let mut expectations = Vec::new();
    for file in lab.files("recipes", &["json"]) {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let url = format!("http://recipes.test/{}", answers.len());
        config += &generic.replace("source.recipe", &format!("source.r{}", answers.len())).replace("https://www.example.org/recipe", &url);
        answers.push(Answer { url, file: file.with_extension("html"), mime: "application/octet-stream" });
        expectations.push((name, lab::json(&file)?));
    }
    let checked = lab.check(&lab.site(&answers)?, &config, &[])?;
    let (mut titles, mut wrong_titles, mut whole, mut incomplete) = (0, Vec::new(), 0, Vec::new());
    // A page with neither JSON-LD nor microdata gives no recipe, and is not meant to.
    for ((name, expected), checked) in expectations.iter().zip(&checked) {
        let Some(found) = checked["items"].get(0) else { continue };
        let (wanted, title) = (words(&expected["title"]), words(&found["title"]));
        if wanted == title {
            titles += 1;
        } else {
            wrong_titles.push(format!("{name}: {title:?} instead of {wanted:?}"));
        }
        let ingredients = list(&found["ingredients"]);
        let missing: Vec<String> = list(&expected["ingredients"]).into_iter().filter(|wanted| !ingredients.contains(wanted)).collect();
        if missing.is_empty() {
            whole += 1;
        } else {
            incomplete.push(format!("{name}: {} missing, {:.60}", missing.len(), missing[0]));
        }
    }
    let mut scores =
        vec![Score::of("titles", titles, wrong_titles, 0.97), Score::of("pages with all ingredients", whole, incomplete, 0.85)];
    for score in &mut scores {
        // The set has 51 pages with JSON-LD or microdata: fewer is a failure of its own.
        if score.cases < 51 {
            score.wrong.insert(0, format!("only {} of 51 pages gave a recipe", score.cases));
            score.got = 0.0;
        }
    }
    Ok(scores)
}

fn words(value: &Value) -> String {
    let text = value.as_str().unwrap_or_default().replace("&amp;", "&").replace("&#39;", "'").replace("&quot;", "\"");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The other reader puts spaces, brackets and bullets in order: letters and digits are compared.
fn list(value: &Value) -> Vec<String> {
    let letters = |line: &Value| words(line).chars().filter(|c| c.is_alphanumeric()).collect();
    value.as_array().into_iter().flatten().map(letters).collect()
}
