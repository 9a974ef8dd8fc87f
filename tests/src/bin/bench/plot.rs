//! Draws bars as SVG, by hand, for a picture beside the table. Text follows the reader's light or dark theme.

use std::fmt::Write as _;

/// A row of a plot: a label, and parts that stand one after the other.
pub(crate) struct Bar {
    pub(crate) label: String,
    pub(crate) parts: Vec<f64>,
    /// The product's own.
    pub(crate) is_own: bool,
}

const WIDTH: f64 = 860.0;
const LABELS: f64 = 250.0;
const NUMBERS: f64 = 120.0;
const ROW: f64 = 26.0;
const TOP: f64 = 44.0;

const STYLE: &str = "\
text { font: 13px system-ui, sans-serif; fill: #24292f }\n\
.title { font-weight: 600; font-size: 15px }\n\
.own { fill: #0969da }\n\
.other { fill: #8c959f }\n\
.rest { fill-opacity: 0.45 }\n\
@media (prefers-color-scheme: dark) {\n\
  text { fill: #e6edf3 }\n\
  .own { fill: #4493f8 }\n\
}\n";

/// The picture. `shown` writes a row's sum as its number.
pub(crate) fn bars(title: &str, bars: &[Bar], shown: impl Fn(f64) -> String) -> String {
    let sum = |bar: &Bar| bar.parts.iter().sum::<f64>();
    let longest = bars.iter().map(sum).fold(f64::MIN_POSITIVE, f64::max);
    let scale = (WIDTH - LABELS - NUMBERS) / longest;
    let height = bars.iter().fold(TOP, |height, _| height + ROW) + 8.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{0}\">\n\
         <style>\n{STYLE}</style>\n<text class=\"title\" x=\"8\" y=\"24\">{0}</text>\n",
        escaped(title)
    );
    let mut top = TOP;
    for bar in bars {
        let middle = top + 15.0;
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{middle}\" text-anchor=\"end\">{}</text>",
            LABELS - 8.0,
            escaped(&bar.label)
        );
        let mut left = LABELS;
        for (index, part) in bar.parts.iter().enumerate() {
            let class = if bar.is_own { "own" } else { "other" };
            let rest = if index == 0 { "" } else { " rest" };
            let width = part * scale;
            let _ = writeln!(
                svg,
                "<rect class=\"{class}{rest}\" x=\"{left:.1}\" y=\"{top}\" width=\"{width:.1}\" height=\"20\"/>"
            );
            left += width;
        }
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{middle}\">{}</text>",
            left + 6.0,
            escaped(&shown(sum(bar)))
        );
        top += ROW;
    }
    svg + "</svg>\n"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_bar_fills_the_space_and_the_others_are_to_its_scale() {
        let bar = |label: &str, parts: &[f64]| Bar {
            label: label.to_owned(),
            parts: parts.to_vec(),
            is_own: false,
        };
        let svg =
            bars("a < b", &[bar("one", &[100.0, 100.0]), bar("two", &[50.0])], |sum| format!("{sum} µs"));
        let widths: Vec<&str> =
            svg.split("width=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        assert_eq!(widths, ["245.0", "245.0", "122.5"]);
        assert!(svg.contains("a &lt; b") && svg.contains("200 µs") && svg.contains("50 µs"), "{svg}");
    }
}
