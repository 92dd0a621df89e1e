//! What must hold for any bytes that come from outside, one function per fuzz target. `fuzz_targets/` gives them libFuzzer's
//! bytes; `tests/tests/fuzzed.rs` of the main workspace gives them the corpus and some changes of it, without nightly.
//!
//! Files of `aws` and `local` that nobody else may call are compiled in by their path: nothing in the product is public for
//! this, and the AWS SDK need not be built with instrumentation.

#[allow(dead_code)]
#[path = "../../local/src/clock.rs"]
mod clock;
mod meter;
pub mod product;
pub mod routes;
pub mod wire;

pub use meter::{FUNCTION, WORKSTATION, metered};
