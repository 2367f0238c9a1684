//! A line chart as SVG: logarithmic axes, a legend at the right, readable on light
//! and on dark. It knows nothing of servers.

use std::error::Error;
use std::ops::Range;

use parlour_bench::grouped;
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// The colours of a chart on light.
const PAPER: RGBColor = RGBColor(0xff, 0xff, 0xff);
const INK: RGBColor = RGBColor(0x24, 0x29, 0x2f);
const RULE: RGBColor = RGBColor(0xd8, 0xde, 0xe4);
/// The colours on dark. Paper and ink change together, so the chart is readable on any page.
const ON_DARK: &str = r##"<style>@media (prefers-color-scheme: dark) {
[fill="#FFFFFF"] { fill: #0d1117 } [fill="#24292F"] { fill: #e6edf3 }
[stroke="#24292F"] { stroke: #8b949e } [stroke="#D8DEE4"] { stroke: #30363d } }</style>
"##;

const SIZE: (u32, u32) = (920, 500);
const LEGEND: u32 = 240;
const FONT: &str = "sans-serif";

/// A logarithmic axis.
pub(crate) struct Axis {
    pub(crate) title: &'static str,
    pub(crate) range: Range<f64>,
    /// The places of the marks, with their labels.
    pub(crate) marks: Vec<(f64, String)>,
}

impl Axis {
    /// An axis as long as these values need, with marks at round numbers.
    pub(crate) fn spanning(title: &'static str, values: impl Iterator<Item = f64> + Clone) -> Self {
        let least = values.clone().fold(f64::INFINITY, f64::min) / 1.2;
        let most = values.fold(0.0, f64::max) * 1.2;
        let steps: &[f64] = if most / least > 1_000.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let marks = (-3..=9).flat_map(|power| steps.iter().map(move |step| step * 10_f64.powi(power)));
        let marks = marks.filter(|mark| (least..=most).contains(mark));
        Self { title, range: least..most, marks: marks.map(|mark| (mark, label(mark))).collect() }
    }

    fn places(&self) -> Vec<f64> {
        self.marks.iter().map(|&(place, _)| place).collect()
    }

    fn label(&self, value: f64) -> String {
        let near = |(place, _): &&(f64, String)| (place / value - 1.0).abs() < 1e-6;
        self.marks.iter().find(near).map(|(_, label)| label.clone()).unwrap_or_default()
    }
}

/// A number as an axis shows it.
pub(crate) fn label(value: f64) -> String {
    match value {
        1e6.. => format!("{} M", value / 1e6),
        1e3.. => grouped(value),
        _ => format!("{value}"),
    }
}

/// The look of a line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    pub(crate) color: RGBColor,
    pub(crate) dashed: bool,
    pub(crate) width: u32,
}

/// A line. Without a name it is not in the legend.
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) style: Style,
    pub(crate) points: Vec<(f64, f64)>,
}

/// A chart. Series without points are left out.
pub(crate) struct Chart {
    pub(crate) title: &'static str,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) series: Vec<Series>,
    /// The notes below the legend, a line each.
    pub(crate) notes: Vec<String>,
}

impl Chart {
    /// The chart as SVG.
    pub(crate) fn svg(&self) -> Result<String, Box<dyn Error>> {
        let mut svg = String::new();
        {
            let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
            root.fill(&PAPER)?;
            let (left, right) = root.split_horizontally(SIZE.0 - LEGEND);
            self.draw_lines(&left)?;
            self.draw_legend(&right)?;
            root.present()?;
        }
        let head = svg.find('>').map_or(0, |at| at + 1);
        svg.insert_str(head, &format!("\n{ON_DARK}"));
        Ok(svg)
    }

    fn draw_lines(&self, area: &Area<'_>) -> Result<(), Box<dyn Error>> {
        let text = (FONT, 16).into_font().color(&INK);
        let axis = |axis: &Axis| axis.range.clone().log_scale().with_key_points(axis.places());
        let mut chart = ChartBuilder::on(area)
            .margin(16)
            .caption(self.title, (FONT, 21).into_font().color(&INK))
            .x_label_area_size(48)
            .y_label_area_size(72)
            .build_cartesian_2d(axis(&self.x), axis(&self.y))?;
        chart
            .configure_mesh()
            .bold_line_style(RULE)
            .light_line_style(RULE)
            .axis_style(INK)
            .x_desc(self.x.title)
            .y_desc(self.y.title)
            .x_label_formatter(&|value| self.x.label(*value))
            .y_label_formatter(&|value| self.y.label(*value))
            .label_style(text.clone())
            .axis_desc_style(text)
            .draw()?;
        for Series { style, points, .. } in &self.series {
            let points = points.iter().copied();
            chart.draw_series(points.clone().map(|point| Circle::new(point, 2, style.color.filled())))?;
            let line = style.color.stroke_width(style.width);
            if style.dashed {
                chart.draw_series(DashedLineSeries::new(points, 6, 4, line))?;
            } else {
                chart.draw_series(LineSeries::new(points, line))?;
            }
        }
        Ok(())
    }

    /// The names in the order in which the lines end. So each name is near the end of its line.
    fn draw_legend(&self, area: &Area<'_>) -> Result<(), Box<dyn Error>> {
        const ROW: i32 = 24;
        const SAMPLE: i32 = 28;
        let text =
            TextStyle::from((FONT, 16).into_font()).color(&INK).pos(Pos::new(HPos::Left, VPos::Center));
        let mut series: Vec<_> =
            self.series.iter().filter(|one| !one.name.is_empty() && !one.points.is_empty()).collect();
        let end = |series: &Series| series.points.last().map_or(0.0, |point| point.1);
        series.sort_by(|one, other| end(other).total_cmp(&end(one)));
        let mut y = 60;
        for Series { name, style, .. } in series {
            let line = style.color.stroke_width(style.width);
            let ends = [(0, y), (SAMPLE, y)];
            if style.dashed {
                area.draw(&DashedPathElement::new(ends, 6, 4, line))?;
            } else {
                area.draw(&PathElement::new(ends, line))?;
            }
            area.draw(&Text::new(name.clone(), (SAMPLE + 8, y), text.clone()))?;
            y += ROW;
        }
        y += ROW / 2;
        for note in &self.notes {
            area.draw(&Text::new(note.clone(), (0, y), text.clone()))?;
            y += ROW;
        }
        Ok(())
    }
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
