//! How much may happen.

macro_rules! kinds {
    ($($kind:ident, $name:literal, $what:literal;)*) => {
        /// A kind of event or fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Kind {
            $(#[doc = $what] $kind,)*
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &[Kind] = &[$(Kind::$kind,)*];

            /// Its name on the command line.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Kind::$kind => $name,)* }
            }

            /// What it is.
            #[must_use]
            pub fn what(self) -> &'static str {
                match self { $(Kind::$kind => $what,)* }
            }
        }
    };
}

kinds! {
    Alarm, "alarm", "event: the alarm fires";
    Tasks, "tasks", "event: a task dies, or the tasks fail their health checks";
    Autoscaler, "autoscaler", "event: the autoscaler adds a task";
    Rival, "rival", "event: somebody else moves weights";
    Person, "person", "event: a person aborts, pauses, resumes, promotes or gives up";
    Again, "again", "event: a push is told of again";
    Crash, "crash", "fault: a process dies before or after a write, which may land late";
    Late, "late", "fault: a write is not answered in time, and lands later";
    Refused, "refused", "fault: a write is refused, or the store is away";
    Stand, "stand", "fault: the processes stand still";
    Blind, "blind", "fault: a look cannot read something";
}

/// A set of kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Kinds(u16);

impl Kinds {
    /// All of them.
    pub const ALL: Kinds = Kinds(u16::MAX);

    /// Only these.
    #[must_use]
    pub fn only(kinds: &[Kind]) -> Kinds {
        Kinds(kinds.iter().fold(0, |set, kind| set | (1 << *kind as u16)))
    }

    /// Whether a kind is among them.
    #[must_use]
    pub fn has(self, kind: Kind) -> bool {
        self.0 & (1 << kind as u16) != 0
    }
}

/// How much may happen in one history, and what kinds of it. Whatever mends itself (tasks that come up, an alarm that goes
/// quiet, writes that land) costs nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bounds {
    /// Images pushed, each once.
    pub pushes: u8,
    /// Events of the world.
    pub events: u8,
    /// Faults.
    pub faults: u8,
    /// Which events and faults.
    pub kinds: Kinds,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { pushes: 1, events: 1, faults: 0, kinds: Kinds::ALL }
    }
}
