//! Killing the real thing: short stories through the real functions, each call of which is killed, refused, lost or late in
//! turn. What must be true in the end is in `check`.

mod case;
mod check;
mod play;
mod story;
mod table;

pub use case::{Called, Case, OUTCOMES, Outcome, cases};
pub use play::{Played, play, play_and};
pub use story::Story;
pub use table::{Line, Table};
