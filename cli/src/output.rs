//! What is printed: text for people, JSON for programs, never both.

use serde::Serialize;
use std::io::{IsTerminal as _, Write as _};

/// How to print.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Out {
    /// JSON instead of text.
    pub(crate) json: bool,
    /// Colour, for text.
    pub(crate) paint: Paint,
    /// Whether somebody looks at a terminal.
    pub(crate) terminal: bool,
}

impl Out {
    /// For stdout as it is: no colour where it is no terminal, or where `NO_COLOR` says so.
    pub(crate) fn new(json: bool) -> Out {
        let terminal = std::io::stdout().is_terminal();
        let wished = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Out { json, paint: Paint(terminal && wished && !json), terminal }
    }

    /// One document: indented JSON, or the text.
    pub(crate) fn document<T: Serialize>(self, value: &T, text: impl FnOnce(Paint) -> String) {
        if self.json {
            print(&serde_json::to_string_pretty(value).unwrap_or_default());
        } else {
            print(&text(self.paint));
        }
    }

    /// One of several: a line of JSON, or the text.
    pub(crate) fn line<T: Serialize>(self, value: &T, text: impl FnOnce(Paint) -> String) {
        if self.json {
            print(&serde_json::to_string(value).unwrap_or_default());
        } else {
            print(&text(self.paint));
        }
    }
}

/// Prints to stdout, ended by one line break. A reader that has left (`| head`) is no error.
pub(crate) fn print(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _left = writeln!(stdout, "{}", text.trim_end_matches('\n')).and_then(|()| stdout.flush());
}

/// A remark for people, on stderr, where it is in no program's way.
pub(crate) fn remark(text: &str) {
    let _left = writeln!(std::io::stderr().lock(), "{text}");
}

/// Colours text, or leaves it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint(pub(crate) bool);

impl Paint {
    fn with(self, code: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// A heading.
    pub(crate) fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    /// Bad news.
    pub(crate) fn red(self, text: &str) -> String {
        self.with("31", text)
    }

    /// Good news.
    pub(crate) fn green(self, text: &str) -> String {
        self.with("32", text)
    }

    /// Look here.
    pub(crate) fn yellow(self, text: &str) -> String {
        self.with("33", text)
    }
}

/// Columns as wide as their widest cell, two spaces between them; the last one is left as long as it is.
pub(crate) fn columns(paint: Paint, header: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(header.get(column).map(|title| title.chars().count())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let padded = cells.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut text = paint.bold(&line(header.to_vec()));
    for row in rows {
        text.push('\n');
        text.push_str(&line(row.iter().map(String::as_str).collect()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [vec!["a".to_owned(), "long cell".to_owned()], vec!["wide".to_owned(), "x".to_owned()]];
        assert_eq!(columns(Paint(false), &["N", "TEXT"], &rows), "N     TEXT\na     long cell\nwide  x");
    }

    #[test]
    fn without_colour_there_is_no_escape_sequence() {
        assert_eq!(Paint(false).red("x"), "x");
        assert!(Paint(true).red("x").contains('\x1b'));
    }
}
