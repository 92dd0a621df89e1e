//! The result as a table: a line for each kind of call, a column for each outcome.

use super::{Called, Case, OUTCOMES, Outcome, Story};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What became of one case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// The fault struck and everything ended right.
    Right,
    /// It did not.
    Wrong,
    /// The story made fewer calls this time: the fault struck nothing, and everything ended right.
    NotReached,
    /// The machine was too busy for the story, three times.
    Starved,
}

/// Counts of one cell.
#[derive(Debug, Clone, Copy, Default)]
struct Cell {
    right: u32,
    wrong: u32,
    not_reached: u32,
    starved: u32,
}

/// All cells.
#[derive(Debug, Clone, Default)]
pub struct Table {
    cells: BTreeMap<(Story, Called, Outcome), Cell>,
}

impl Table {
    /// Adds a case.
    pub fn add(&mut self, case: &Case, line: Line) {
        let cell = self.cells.entry((case.story, case.called.clone(), case.outcome)).or_default();
        match line {
            Line::Right => cell.right += 1,
            Line::Wrong => cell.wrong += 1,
            Line::NotReached => cell.not_reached += 1,
            Line::Starved => cell.starved += 1,
        }
    }

    /// Cases that ended right, that ended wrong, that were not reached, and that the machine was too busy for.
    #[must_use]
    pub fn counts(&self) -> [u32; 4] {
        self.cells.values().fold([0; 4], |[right, wrong, not_reached, starved], cell| {
            [right + cell.right, wrong + cell.wrong, not_reached + cell.not_reached, starved + cell.starved]
        })
    }

    /// As Markdown, a table for each story.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        for story in Story::ALL {
            let rows: Vec<&Called> = {
                let mut rows: Vec<_> =
                    self.cells.keys().filter(|(of, ..)| *of == story).map(|(_, row, _)| row).collect();
                rows.dedup();
                rows
            };
            if rows.is_empty() {
                continue;
            }
            let _ = write!(text, "### {}\n\n| call |", story.name());
            OUTCOMES.iter().for_each(|outcome| {
                let _ = write!(text, " {} |", outcome.name());
            });
            let _ = writeln!(text, "\n|---|{}", "---:|".repeat(OUTCOMES.len()));
            for row in rows {
                let _ = write!(text, "| {row} |");
                for outcome in OUTCOMES {
                    let _ = write!(text, " {} |", self.cell(story, row, outcome));
                }
                text.push('\n');
            }
            text.push('\n');
        }
        text
    }

    fn cell(&self, story: Story, row: &Called, outcome: Outcome) -> String {
        let Some(cell) = self.cells.get(&(story, row.clone(), outcome)) else { return String::new() };
        let mut text = cell.right.to_string();
        if cell.wrong > 0 {
            let _ = write!(text, ", **{} wrong**", cell.wrong);
        }
        if cell.not_reached > 0 {
            let _ = write!(text, " ({} not reached)", cell.not_reached);
        }
        if cell.starved > 0 {
            let _ = write!(text, " ({} starved)", cell.starved);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_case_stands_out_and_an_empty_cell_is_empty() {
        let mut table = Table::default();
        for (nth, line) in [(1, Line::Right), (2, Line::Wrong), (3, Line::NotReached), (4, Line::Starved)] {
            table.add(&format!("good/advance/elb:ModifyRule/{nth}/lost").parse().unwrap(), line);
        }
        assert_eq!(table.counts(), [1, 1, 1, 1]);
        let row = "| advance/elb:ModifyRule |  |  |  |  | 1, **1 wrong** (1 not reached) (1 starved) |  |  |";
        assert!(table.markdown().contains(row), "{}", table.markdown());
        assert!(!table.markdown().contains("### alarm"));
    }
}
