//! What crosses crates: every event through the intake, the template against the code, and the stories through the real
//! binaries. The tests are in `tests/`.
