//! The Lambda host: real binaries as processes, each behind a Runtime API of its own.

mod hook;
mod invoke;
mod log;
mod process;
mod runtime_api;

pub(crate) use invoke::Function;
pub(crate) use log::FunctionLog;
pub use log::{LogLine, LogSink};

/// Access keys of function processes: this and the function's name. The journal tells callers by it.
pub(crate) const KEY_PREFIX: &str = "FUNCTION.";

/// Session tokens of function processes: this and the process's number.
pub(crate) const TOKEN_PREFIX: &str = "process-";

use std::path::{Path, PathBuf};

/// The binary of a function: `DIR/NAME`, or `DIR/NAME/bootstrap` as cargo-lambda lays it out.
pub(crate) fn binary(dir: &Path, name: &str) -> Option<PathBuf> {
    [dir.join(name), dir.join(name).join("bootstrap")].into_iter().find(|path| path.is_file())
}
