//! Many rows to a statement: what a statement costs beside its rows is paid once for all of them.

use std::sync::OnceLock;

use super::db::Arg;

/// Rows to a statement: so few sizes that each text is prepared once.
const SIZES: [usize; 7] = [64, 32, 16, 8, 4, 2, 1];

/// An `INSERT` of any number of rows.
pub(super) struct Bulk {
    head: &'static str,
    /// The row, with `$1`, `$2`, … counted by it.
    columns: usize,
    tail: &'static str,
    texts: [OnceLock<&'static str>; SIZES.len()],
}

impl Bulk {
    /// `head VALUES ($1, …), … tail`
    pub(super) const fn new(head: &'static str, columns: usize, tail: &'static str) -> Self {
        Self {
            head,
            columns,
            tail,
            texts: [const { OnceLock::new() }; SIZES.len()],
        }
    }

    /// The statements that insert these rows, in their order, with their arguments.
    pub(super) fn statements(&self, rows: Vec<Vec<Arg>>) -> Vec<(&'static str, Vec<Arg>)> {
        let mut statements = Vec::new();
        let mut left = rows.len();
        let mut rows = rows.into_iter();
        for (size, text) in SIZES.into_iter().zip(&self.texts) {
            while left >= size {
                let args = rows.by_ref().take(size).flatten().collect();
                statements.push((*text.get_or_init(|| self.text(size)), args));
                left -= size;
            }
        }
        statements
    }

    fn text(&self, rows: usize) -> &'static str {
        let row = |row: usize| {
            let places: Vec<String> = (1..=self.columns)
                .map(|column| format!("${}", row * self.columns + column))
                .collect();
            format!("({})", places.join(", "))
        };
        let rows: Vec<String> = (0..rows).map(row).collect();
        // Of each there is one, for as long as the process lives.
        format!("{} VALUES {} {}", self.head, rows.join(", "), self.tail).leak()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::db::args;

    #[test]
    fn rows_share_statements_in_their_order_and_of_few_texts() {
        static PAIRS: Bulk = Bulk::new("INSERT INTO pairs (a, b)", 2, "ON CONFLICT DO NOTHING");
        let rows = |count: i64| (0..count).map(|row| args![row, -row]).collect();
        assert!(PAIRS.statements(rows(0)).is_empty());
        let statements = PAIRS.statements(rows(3));
        let texts: Vec<&str> = statements.iter().map(|(text, _)| *text).collect();
        assert_eq!(
            texts,
            [
                "INSERT INTO pairs (a, b) VALUES ($1, $2), ($3, $4) ON CONFLICT DO NOTHING",
                "INSERT INTO pairs (a, b) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            ]
        );
        assert_eq!(
            format!("{:?}", statements[1].1),
            format!("{:?}", args![2_i64, -2_i64])
        );
        let sizes = PAIRS
            .statements(rows(200))
            .into_iter()
            .map(|(_, args)| args.len() / 2);
        assert_eq!(sizes.collect::<Vec<_>>(), [64, 64, 64, 8]);
    }
}
