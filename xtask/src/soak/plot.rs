//! A run as a picture: one small chart a figure, all over the same time. Plain SVG, readable on light and on dark.

use std::fmt::Write as _;

use super::sample::{Figure, Sample};

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 96.0;
const LEFT: f64 = 64.0;
const GAP: f64 = 34.0;

/// One chart: its title and its lines, the first of which is filled.
pub(super) struct Chart {
    pub(super) title: &'static str,
    pub(super) of: Figure,
}

/// The picture, with what was run in a line above.
pub(super) fn picture(title: &str, charts: &[Chart], samples: &[Sample]) -> String {
    let seconds = samples.last().map_or(1.0, |last| last.at.max(1.0));
    let whole = 40.0 + charts.len() as f64 * (HEIGHT + GAP);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {whole}\" font-family=\"system-ui, sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n<text x=\"12\" y=\"22\" font-size=\"14\" fill=\"#222\">{title}</text>\n",
        LEFT + WIDTH + 24.0
    );
    for (at, chart) in charts.iter().enumerate() {
        draw(&mut svg, chart, samples, seconds, 56.0 + at as f64 * (HEIGHT + GAP));
    }
    svg.push_str("</svg>\n");
    svg
}

fn draw(svg: &mut String, chart: &Chart, samples: &[Sample], seconds: f64, top: f64) {
    let most = round_up(samples.iter().map(chart.of).fold(0.0, f64::max));
    let place = |sample: &Sample| (LEFT + sample.at / seconds * WIDTH, top + HEIGHT - (chart.of)(sample) / most * HEIGHT);
    let line: Vec<String> = samples.iter().map(place).map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let bottom = top + HEIGHT;
    let _ = writeln!(svg, "<text x=\"{LEFT}\" y=\"{:.0}\" fill=\"#222\">{}</text>", top - 6.0, chart.title);
    for part in [0.0, 0.5, 1.0] {
        let y = top + HEIGHT * (1.0 - part);
        let _ = writeln!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{:.0}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#ddd\"/><text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#555\">{}</text>",
            LEFT + WIDTH,
            LEFT - 6.0,
            y + 4.0,
            told(most * part)
        );
    }
    for part in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let x = LEFT + WIDTH * part;
        let _ = writeln!(
            svg,
            "<text x=\"{x:.0}\" y=\"{:.0}\" text-anchor=\"middle\" fill=\"#555\">{} min</text>",
            bottom + 15.0,
            told(seconds * part / 60.0)
        );
    }
    let _ = writeln!(svg, "<polyline points=\"{}\" fill=\"none\" stroke=\"#1769aa\" stroke-width=\"1.5\"/>", line.join(" "));
}

/// The next round number: 1, 2 or 5 times a power of ten.
fn round_up(most: f64) -> f64 {
    if most.is_nan() || most <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(most.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * power).find(|round| *round >= most).unwrap_or(most)
}

fn told(value: f64) -> String {
    if value >= 1_000_000.0 {
        format!("{:.1} M", value / 1e6)
    } else if value.fract() == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.1}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_a_line_through_every_sample() {
        let samples: Vec<Sample> = (0..5).map(f64::from).map(|at| Sample { at: at * 60.0, memory: at, ..Sample::default() }).collect();
        let svg = picture("run", &[Chart { title: "memory, MB", of: |s| s.memory }], &samples);
        let line = svg.lines().find(|line| line.starts_with("<polyline")).unwrap_or_default();
        assert_eq!(line.matches(',').count(), 5, "{svg}");
        assert!(svg.contains("4 min") && svg.contains("memory, MB"), "{svg}");
    }

    #[test]
    fn scales_end_in_round_numbers() {
        let rounds = [0.0, 0.3, 1.0, 3.0, 51.0, 4_300.0].map(|most| told(round_up(most)));
        assert_eq!(rounds, ["1", "0.5", "1", "5", "100", "5000"]);
    }
}
