//! Plots of a survey as SVG.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use policy_engine::simulate::Ending;
use policy_engine::survey::{Fault, Outcome, Report};
use std::error::Error;

type Plot<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn Error>>;

const INK: RGBColor = RGBColor(0x44, 0x4c, 0x56);
const CALM: RGBColor = RGBColor(0x6a, 0x9f, 0xd8);
const NEEDLESS: RGBColor = RGBColor(0xe0, 0xa0, 0x30);
const HARM: RGBColor = RGBColor(0xc8, 0x3c, 0x3c);

/// Draws into SVG text; an empty text if it cannot be drawn.
fn svg(size: (u32, u32), draw: impl FnOnce(&Plot<'_>) -> Drawn) -> String {
    let mut text = String::new();
    let drawn = {
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        draw(&area).and_then(|()| Ok(area.present()?))
    };
    if drawn.is_ok() { text } else { String::new() }
}

fn label<'a>(size: u32) -> TextStyle<'a> {
    TextStyle::from(("sans-serif", size).into_font()).color(&INK)
}

/// The outcomes of single failures.
fn singles(report: &Report) -> Vec<&Outcome> {
    report.outcomes.iter().filter(|o| o.scenario.faults.len() == 1).collect()
}

/// Bars of single failures: what moves, what moves needlessly, what is lost.
pub fn singles_plot(report: &Report) -> String {
    const MOST: usize = 60;
    let mut outcomes = singles(report);
    outcomes.sort_by_key(|o| std::cmp::Reverse((o.lost.len(), o.moved.len())));
    outcomes.truncate(MOST);
    if outcomes.is_empty() {
        return String::new();
    }
    let names: Vec<String> = outcomes.iter().map(|o| o.scenario.to_string()).collect();
    let left = 20 + 7 * names.iter().map(|n| n.chars().count()).max().unwrap_or(0).min(40) as i32;
    let (row, right, top) = (20, 60, 30);
    let size = (900, (top + row * outcomes.len() as i32 + 10) as u32);
    let most = outcomes.iter().map(|o| o.moved.len()).max().unwrap_or(0).max(1);
    svg(size, |area| {
        let scale =
            |n: usize| left + (n as i64 * i64::from(900 - left - right) / most as i64) as i32;
        let legend = [("moved", CALM), ("moved without need", NEEDLESS), ("lost", HARM)];
        for (i, (text, color)) in legend.into_iter().enumerate() {
            let x = left + 170 * i as i32;
            area.draw(&Rectangle::new([(x, 6), (x + 12, 18)], color.filled()))?;
            area.draw(&Text::new(text, (x + 18, 6), label(13)))?;
        }
        for (i, (outcome, name)) in outcomes.iter().zip(&names).enumerate() {
            let y = top + row * i as i32;
            let anchored = label(13).pos(Pos::new(HPos::Right, VPos::Center));
            area.draw(&Text::new(name.as_str(), (left - 6, y + row / 2), anchored))?;
            let (lost, needless) = (outcome.lost.len(), outcome.needless().count());
            let mut from = 0;
            for (n, color) in [
                (lost, HARM),
                (needless, NEEDLESS),
                (outcome.moved.len().saturating_sub(lost + needless), CALM),
            ] {
                let bar = [(scale(from), y + 3), (scale(from + n), y + row - 3)];
                area.draw(&Rectangle::new(bar, color.filled()))?;
                from += n;
            }
            let total = outcome.moved.len().to_string();
            let at = (scale(from) + 6, y + row / 2);
            let style = label(12).pos(Pos::new(HPos::Left, VPos::Center));
            area.draw(&Text::new(total, at, style))?;
        }
        Ok(())
    })
}

/// What a pair of faults, or one of them, costs: names along both sides.
pub fn pairs_plot(report: &Report) -> String {
    let key = |f: &Fault| f.to_string();
    let comparable = |f: &Fault| !matches!(f, Fault::Resource { .. });
    let mut names: Vec<String> = Vec::new();
    for outcome in singles(report) {
        let fault = &outcome.scenario.faults[0];
        if comparable(fault) {
            names.push(key(fault));
        }
    }
    let paired = report
        .outcomes
        .iter()
        .any(|o| o.scenario.faults.len() == 2 && o.scenario.faults.iter().all(comparable));
    const MOST: usize = 128;
    if !paired || names.is_empty() || names.len() > MOST {
        return String::new();
    }
    let measure = pairs_measure(report);
    let most = report.outcomes.iter().map(|o| measure.of(o)).max().unwrap_or(0).max(1);
    let cell = (720 / names.len() as i32).clamp(6, 40);
    let margin = 20 + 7 * names.iter().map(|n| n.chars().count()).max().unwrap_or(0).min(30) as i32;
    let side = cell * names.len() as i32;
    let size = ((margin + side + 20) as u32, (margin + side + 20) as u32);
    svg(size, |area| {
        for (i, name) in names.iter().enumerate() {
            let at = margin + cell * i as i32 + cell / 2;
            let across = label(12).pos(Pos::new(HPos::Right, VPos::Center));
            area.draw(&Text::new(name.as_str(), (margin - 6, at), across))?;
            let up = ("sans-serif", 12).into_font().transform(FontTransform::Rotate270);
            let up = TextStyle::from(up).color(&INK).pos(Pos::new(HPos::Left, VPos::Center));
            area.draw(&Text::new(name.as_str(), (at, margin - 6), up))?;
        }
        for outcome in &report.outcomes {
            let place = |f: &Fault| names.iter().position(|n| *n == key(f));
            let faults = &outcome.scenario.faults;
            let (Some(i), Some(j)) = (place(&faults[0]), place(&faults[faults.len() - 1])) else {
                continue;
            };
            for (x, y) in [(i, j), (j, i)] {
                let cell = Cell {
                    left: margin + x as i32 * cell,
                    top: margin + y as i32 * cell,
                    side: cell,
                };
                cell.draw(area, outcome, measure, most)?;
            }
        }
        Ok(())
    })
}

/// What the cells of the pairs plot count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Resources lost.
    Lost,
    /// Resources that are not where they were.
    Moved,
}

impl Measure {
    fn of(self, outcome: &Outcome) -> usize {
        match self {
            Measure::Lost => outcome.lost.len(),
            Measure::Moved => outcome.moved.len(),
        }
    }
}

/// Losses; where there are none, moves.
pub fn pairs_measure(report: &Report) -> Measure {
    let lossy = report.outcomes.iter().any(|o| !o.lost.is_empty());
    if lossy { Measure::Lost } else { Measure::Moved }
}

/// One square of the pairs plot.
struct Cell {
    left: i32,
    top: i32,
    side: i32,
}

impl Cell {
    /// The darker the more; a dark frame where the cluster does not come to rest.
    fn draw(&self, area: &Plot<'_>, outcome: &Outcome, measure: Measure, most: usize) -> Drawn {
        let (left, top, side) = (self.left, self.top, self.side);
        let square = [(left + 1, top + 1), (left + side - 1, top + side - 1)];
        let count = measure.of(outcome);
        let share = count as f64 / most as f64;
        let (light, dark) = match measure {
            Measure::Lost => ((0xf6, 0xc9, 0xc0), (0xa0, 0x10, 0x10)),
            Measure::Moved => ((0xe6, 0xf0, 0xf9), (0x2f, 0x6d, 0xb0)),
        };
        let mix =
            |from: u8, to: u8| (f64::from(from) + (f64::from(to) - f64::from(from)) * share) as u8;
        let color = match count {
            0 => RGBColor(0xe6, 0xf0, 0xf9),
            _ => RGBColor(mix(light.0, dark.0), mix(light.1, dark.1), mix(light.2, dark.2)),
        };
        area.draw(&Rectangle::new(square, color.filled()))?;
        if outcome.ending != Ending::Stable {
            area.draw(&Rectangle::new(square, INK.stroke_width(2)))?;
        }
        if count > 0 && side >= 16 {
            let ink = if share > 0.5 { WHITE } else { INK };
            let style = label(11).color(&ink).pos(Pos::new(HPos::Center, VPos::Center));
            let middle = (left + side / 2, top + side / 2);
            area.draw(&Text::new(count.to_string(), middle, style))?;
        }
        Ok(())
    }
}
