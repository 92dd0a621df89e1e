//! What the functions write, kept in a bounded buffer.

use crate::lock;
use model::Millis;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};

/// Lines kept; older ones go.
const KEPT: usize = 20_000;

/// One line that a function wrote to stdout or stderr.
#[derive(Debug, Clone)]
pub struct LogLine {
    /// When it was read, in milliseconds since the epoch.
    pub at: Millis,
    /// The function's name; `local` for remarks of the local cloud itself.
    pub function: String,
    /// The line without its end.
    pub line: String,
}

/// Called for every line.
pub type LogSink = Arc<dyn Fn(&LogLine) + Send + Sync>;

/// The buffer, and who watches it.
#[derive(Default)]
pub(crate) struct FunctionLog {
    lines: Mutex<VecDeque<LogLine>>,
    sink: Mutex<Option<LogSink>>,
}

impl fmt::Debug for FunctionLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FunctionLog").field("lines", &lock(&self.lines).len()).finish()
    }
}

impl FunctionLog {
    pub(crate) fn push(&self, at: Millis, function: &str, line: String) {
        let line = LogLine { at, function: function.to_owned(), line };
        let sink = lock(&self.sink).clone();
        if let Some(sink) = sink {
            sink(&line);
        }
        let mut lines = lock(&self.lines);
        if lines.len() == KEPT {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    pub(crate) fn lines(&self) -> Vec<LogLine> {
        lock(&self.lines).iter().cloned().collect()
    }

    pub(crate) fn watch(&self, sink: LogSink) {
        *lock(&self.sink) = Some(sink);
    }
}
