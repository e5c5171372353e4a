//! The figures, side by side.

use serde_json::{Value, json};

/// What is asked of a figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Wanted {
    /// Nothing.
    Any,
    /// The figure itself must be below this.
    Below(f64),
    /// The figure must be at least this share of the machine's limit.
    ShareOfLimit(f64),
}

/// One figure.
#[derive(Debug, Clone)]
pub struct Row {
    /// What was measured.
    pub name: String,
    /// In which unit.
    pub unit: &'static str,
    /// Of ours.
    pub own: f64,
    /// What the machine can do at most, where that is known.
    pub limit: Option<f64>,
    /// Of the reference, where it could be driven.
    pub reference: Option<f64>,
    /// What is asked of ours.
    pub wanted: Wanted,
}

impl Row {
    /// Whether it is as wanted; `None` where nothing is asked.
    #[must_use]
    pub fn holds(&self) -> Option<bool> {
        match (self.wanted, self.limit) {
            (Wanted::Below(bound), _) => Some(self.own < bound),
            (Wanted::ShareOfLimit(share), Some(limit)) => Some(self.own >= share * limit),
            _ => None,
        }
    }

    fn wanted_text(&self) -> String {
        let wanted = match self.wanted {
            Wanted::Any => return "-".to_owned(),
            Wanted::Below(bound) => format!("< {bound}"),
            Wanted::ShareOfLimit(share) => format!(">= {:.0} % of limit", share * 100.0),
        };
        match self.holds() {
            Some(true) => format!("{wanted}: holds"),
            Some(false) => format!("{wanted}: MISSED"),
            None => wanted,
        }
    }
}

/// All figures of a run.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// In the order measured.
    pub rows: Vec<Row>,
    /// Why the reference has no figures, if so.
    pub no_reference: Option<String>,
}

impl Report {
    /// As a table.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = format!(
            "{:<52} {:>9} {:>9} {:>7} {:>9} {:>7}  wanted\n",
            "", "ours", "limit", "ratio", "reference", "ratio"
        );
        for row in &self.rows {
            text += &format!(
                "{:<52} {:>9} {:>9} {:>7} {:>9} {:>7}  {}\n",
                format!("{} ({})", row.name, row.unit),
                figure(Some(row.own)),
                figure(row.limit),
                ratio(row.own, row.limit),
                figure(row.reference),
                ratio(row.own, row.reference),
                row.wanted_text(),
            );
        }
        if let Some(why) = &self.no_reference {
            text += &format!("reference: {why}\n");
        }
        text
    }

    /// For machines.
    #[must_use]
    pub fn json(&self) -> Value {
        let rows = self.rows.iter().map(|row| {
            json!({
                "name": row.name,
                "unit": row.unit,
                "own": row.own,
                "limit": row.limit,
                "reference": row.reference,
                "holds": row.holds(),
            })
        });
        json!({ "rows": rows.collect::<Vec<_>>(), "no_reference": self.no_reference })
    }
}

fn figure(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if value.abs() < 10.0 => format!("{value:.3}"),
        Some(value) if value.abs() < 1000.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.0}"),
    }
}

fn ratio(own: f64, other: Option<f64>) -> String {
    other.map_or_else(|| "-".to_owned(), |other| format!("{:.2}", own / other))
}
