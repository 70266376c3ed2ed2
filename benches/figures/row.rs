//! What is measured, and how it is shown.

use std::fmt;

/// Measured values of one kind, in the order of their size.
#[derive(Clone, Debug)]
pub(crate) struct Samples(Vec<f64>);

impl FromIterator<f64> for Samples {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        Self(values)
    }
}

impl Samples {
    /// The value that this share of all stays below, or equals.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let last = self.0.len().saturating_sub(1);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            clippy::cast_sign_loss,
            reason = "a place in a short list"
        )]
        let place = (last as f64 * share).ceil() as usize;
        self.0.get(place).copied().unwrap_or(f64::NAN)
    }

    pub(crate) fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// `median (min–max)`
    pub(crate) fn spread(&self, decimals: usize, unit: &str) -> String {
        let [min, median, max] = [0.0, 0.5, 1.0].map(|share| self.quantile(share));
        format!("{median:.decimals$} ({min:.decimals$}–{max:.decimals$}){unit}")
    }

    /// `p50 / p99`
    pub(crate) fn tail(&self, decimals: usize, unit: &str) -> String {
        let [half, tail] = [0.5, 0.99].map(|share| self.quantile(share));
        format!("{half:.decimals$} / {tail:.decimals$}{unit}")
    }
}

/// One line of the table.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// What was measured.
    pub(crate) what: String,
    /// Ours.
    pub(crate) ours: String,
    /// The peer's, or the floor.
    pub(crate) against: String,
    /// How they compare.
    pub(crate) ratio: String,
    /// How good it is to be.
    pub(crate) goal: &'static str,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            what,
            ours,
            against,
            ratio,
            goal,
        } = self;
        write!(f, "{what:<44} {ours:>26} {against:>30} {ratio:>20}   {goal}")
    }
}

/// The table's first line.
pub(crate) fn heading() -> Row {
    Row {
        what: "what".to_owned(),
        ours: "hubcheck".to_owned(),
        against: "against".to_owned(),
        ratio: "ratio".to_owned(),
        goal: "goal",
    }
}
