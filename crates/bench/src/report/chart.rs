//! Plots as SVG text: lines and areas over axes. Colours come from the page's style, so that they follow its theme.

use std::fmt::Write as _;

/// What one axis shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scale {
    /// From 0 to here.
    Linear(f64),
    /// From a power of ten to another.
    Log(f64, f64),
    /// Ranks in percent up to here, the last ones apart: 90, 99 and 99.9 are as far from each other.
    Rank(f64),
}

/// A line, or an area if it is filled.
#[derive(Clone, Debug)]
pub(super) struct Series {
    /// Which of the page's colours, from 1.
    pub(super) color: usize,
    pub(super) points: Vec<(f64, f64)>,
    pub(super) is_filled: bool,
    /// What is told of some of its points when one points at them.
    pub(super) marks: Vec<(f64, f64, String)>,
}

/// A stretch of the horizontal axis with a name.
#[derive(Clone, Debug)]
pub(super) struct Band {
    pub(super) begin: f64,
    pub(super) end: f64,
    pub(super) name: String,
}

/// A plot.
pub(super) struct Chart {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) x: Scale,
    pub(super) y: Scale,
    pub(super) x_text: fn(f64) -> String,
    pub(super) y_text: fn(f64) -> String,
    pub(super) bands: Vec<Band>,
    pub(super) series: Vec<Series>,
    /// What it shows, for whoever cannot see it.
    pub(super) about: String,
}

impl Scale {
    /// A linear one that ends a little above this.
    pub(super) fn up_to(max: f64) -> Self {
        let step = step_of(max);
        Self::Linear(if max > 0.0 { (max / step).ceil() * step } else { 1.0 })
    }

    /// A logarithmic one around these.
    pub(super) fn around(min: f64, max: f64) -> Self {
        let (low, high) = (min.max(1e-3).log10().floor(), max.max(1e-3).log10().ceil());
        Self::Log(10_f64.powf(low), 10_f64.powf(high.max(low + 1.0)))
    }

    /// Where a value lies: 0 at the beginning, 1 at the end.
    fn place(self, value: f64) -> f64 {
        match self {
            Self::Linear(max) => value / max,
            Self::Log(min, max) => (value.max(min) / min).log10() / (max / min).log10(),
            Self::Rank(max) => nines(value) / nines(max),
        }
    }

    fn ticks(self) -> Vec<f64> {
        match self {
            Self::Linear(max) => {
                let step = step_of(max);
                (0..).map(|n| f64::from(n) * step).take_while(|tick| *tick <= max * 1.0001).collect()
            }
            Self::Log(min, max) => {
                let mut ticks = vec![min];
                while let Some(last) = ticks.last().filter(|last| **last < max * 0.99) {
                    ticks.push(last * 10.0);
                }
                ticks
            }
            Self::Rank(max) => RANKS.into_iter().filter(|rank| *rank <= max).collect(),
        }
    }
}

impl Chart {
    /// The whole of it.
    pub(super) fn svg(&self) -> String {
        let Self { width, height, .. } = self;
        let mut out = format!(
            "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{}\">",
            escaped(&self.about)
        );
        self.push_bands(&mut out);
        self.push_axes(&mut out);
        self.series
            .iter()
            .filter(|series| series.points.len() > 1)
            .for_each(|one| self.push_series(one, &mut out));
        out.push_str("</svg>");
        out
    }

    fn left(x: f64, width: f64) -> f64 {
        LEFT + x * (width - LEFT - RIGHT)
    }

    fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let down = 1.0 - self.y.place(y).clamp(0.0, 1.0);
        (self.across(x), TOP + down * (self.height - TOP - BOTTOM))
    }

    fn across(&self, x: f64) -> f64 {
        Self::left(self.x.place(x).clamp(0.0, 1.0), self.width)
    }

    fn push_bands(&self, out: &mut String) {
        let mut free = 0.0;
        for (n, band) in self.bands.iter().enumerate() {
            let (begin, end) = (self.across(band.begin), self.across(band.end));
            let (top, height) = (TOP, self.height - TOP - BOTTOM);
            let name = escaped(&band.name);
            let class = if n % 2 == 0 { "band" } else { "band odd" };
            let _ = write!(
                out,
                "<rect class=\"{class}\" x=\"{begin:.1}\" y=\"{top}\" width=\"{:.1}\" height=\"{height}\">\
                 <title>{name}</title></rect>",
                (end - begin).max(0.5)
            );
            let room = end - begin.max(free);
            if room > band.name.chars().count() as f64 * LETTER {
                let _ = write!(
                    out,
                    "<text class=\"step\" x=\"{:.1}\" y=\"{}\">{name}</text>",
                    begin.max(free) + 3.0,
                    TOP - 7.0
                );
                free = begin.max(free) + band.name.chars().count() as f64 * LETTER + 8.0;
            }
        }
    }

    fn push_axes(&self, out: &mut String) {
        for tick in self.y.ticks() {
            let (_, y) = self.at(0.0, tick);
            let (begin, end) = (LEFT, self.width - RIGHT);
            let _ = write!(
                out,
                "<path class=\"grid\" d=\"M{begin} {y:.1}H{end}\"/><text class=\"tick\" x=\"{}\" y=\"{:.1}\" \
                 text-anchor=\"end\">{}</text>",
                LEFT - 8.0,
                y + 4.0,
                escaped(&(self.y_text)(tick))
            );
        }
        for tick in self.x.ticks() {
            let (x, y) = (self.across(tick), self.height - BOTTOM);
            let _ = write!(
                out,
                "<path class=\"axis\" d=\"M{x:.1} {y}v4\"/><text class=\"tick\" x=\"{x:.1}\" y=\"{}\" \
                 text-anchor=\"middle\">{}</text>",
                y + 18.0,
                escaped(&(self.x_text)(tick))
            );
        }
        let (begin, y, end) = (LEFT, self.height - BOTTOM, self.width - RIGHT);
        let _ = write!(out, "<path class=\"axis\" d=\"M{begin} {y}H{end}\"/>");
    }

    fn push_series(&self, series: &Series, out: &mut String) {
        let mut line = String::new();
        for (n, (x, y)) in series.points.iter().enumerate() {
            let (x, y) = self.at(*x, *y);
            let _ = write!(line, "{}{x:.1} {y:.1}", if n == 0 { 'M' } else { 'L' });
        }
        let color = series.color;
        if series.is_filled {
            let ground = self.height - BOTTOM;
            let first = self.across(series.points[0].0);
            let last = self.across(series.points[series.points.len() - 1].0);
            let _ = write!(
                out,
                "<path class=\"area c{color}\" d=\"{line}L{last:.1} {ground}L{first:.1} {ground}Z\"/>"
            );
        }
        let _ = write!(out, "<path class=\"line c{color}\" d=\"{line}\"/>");
        for (x, y, text) in &series.marks {
            let (x, y) = self.at(*x, *y);
            let text = escaped(text);
            let _ = write!(
                out,
                "<g class=\"mark c{color}\"><title>{text}</title><circle class=\"reach\" cx=\"{x:.1}\" cy=\"{y:.1}\" \
                 r=\"11\"/><circle class=\"dot\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\"/></g>"
            );
        }
    }
}

/// Text as it stands in a page.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// How many nines a rank has: 90 one, 99 two.
fn nines(percent: f64) -> f64 {
    (100.0 / (100.0 - percent.min(99.999_99))).log10()
}

/// A round step, of which four or five make up `max`.
fn step_of(max: f64) -> f64 {
    let rough = (max / 5.0).max(1e-9);
    let power = 10_f64.powf(rough.log10().floor());
    [1.0, 2.0, 2.5, 5.0, 10.0]
        .into_iter()
        .map(|step| step * power)
        .find(|step| *step >= rough)
        .unwrap_or(rough)
}

/// Around the plot itself, for the texts.
const LEFT: f64 = 58.0;
const RIGHT: f64 = 18.0;
const TOP: f64 = 26.0;
const BOTTOM: f64 = 30.0;
/// How wide a letter of a step's name is.
const LETTER: f64 = 6.6;
const RANKS: [f64; 8] = [0.0, 50.0, 75.0, 90.0, 99.0, 99.9, 99.99, 99.999];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_axis_has_round_steps() {
        for (max, top, ticks) in [(7.0, 8.0, 5), (100.0, 100.0, 6), (0.0, 1.0, 6), (1_234.0, 1_250.0, 6)] {
            let scale = Scale::up_to(max);
            assert_eq!(scale, Scale::Linear(top));
            assert_eq!(scale.ticks().len(), ticks, "{:?}", scale.ticks());
        }
    }

    #[test]
    fn a_logarithmic_axis_has_powers_of_ten() {
        let scale = Scale::around(0.3, 45.0);
        let texts: Vec<String> = scale.ticks().iter().map(|tick| format!("{tick:.1}")).collect();
        assert_eq!(texts, ["0.1", "1.0", "10.0", "100.0"]);
        assert!((scale.place(1.0) - 1.0 / 3.0).abs() < 1e-9);
    }

    #[test]
    fn ranks_are_as_many_nines_apart() {
        let scale = Scale::Rank(99.9);
        assert!((scale.place(90.0) * 3.0 - 1.0).abs() < 1e-9);
        assert_eq!(scale.ticks().last(), Some(&99.9));
    }

    #[test]
    fn what_is_plotted_stays_inside_and_its_texts_are_escaped() {
        let chart = Chart {
            width: 400.0,
            height: 200.0,
            x: Scale::Linear(10.0),
            y: Scale::Linear(1.0),
            x_text: |x| format!("<{x}>"),
            y_text: |y| y.to_string(),
            bands: vec![Band { begin: 0.0, end: 10.0, name: "a&b".to_owned() }],
            series: vec![Series {
                color: 1,
                points: vec![(0.0, 5.0), (20.0, 0.0)],
                is_filled: true,
                marks: Vec::new(),
            }],
            about: "\"".to_owned(),
        };
        let svg = chart.svg();
        assert!(svg.contains("M58.0 26.0L382.0 170.0"), "{svg}");
        assert!(svg.contains("a&amp;b") && svg.contains("&lt;10&gt;") && svg.contains("&quot;"));
    }
}
