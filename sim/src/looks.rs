//! Descriptions, remembered: what was described need not be described again until the world changes. Most calls of a
//! schedule are looks at a world that stands still.

use std::rc::Rc;

use model::{AwsError, Service};
use serde_json::Value;

use crate::cloud::Cloud;
use crate::faults::Part;
use crate::setup;

/// A description: what is asked, and whom it is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a> {
    pub(crate) part: Part,
    pub(crate) service: Service,
    pub(crate) operation: &'static str,
    /// With the operation this stands for the input: the same words are the same question.
    pub(crate) about: &'a str,
}

/// One description that was asked for.
#[derive(Clone, Debug)]
struct Look {
    part: Part,
    service: Service,
    operation: &'static str,
    about: String,
    input: Value,
    /// Its answer at a revision of the world.
    answer: Option<(u64, Rc<Value>)>,
}

/// Everything that was asked for so far.
#[derive(Clone, Debug)]
pub(crate) struct Looks {
    known: Vec<Look>,
    /// Answers change with the world's revision only. With a belief turned over, reads may lag: then nothing is remembered.
    lasting: bool,
}

/// The answers of one part at a moment.
pub(crate) type Frozen = Vec<(usize, Rc<Value>)>;

impl Looks {
    pub(crate) fn new(lasting: bool) -> Looks {
        Looks { known: Vec::new(), lasting }
    }

    /// The place of a description; a new one is made for a new question.
    pub(crate) fn place(&mut self, ask: Question<'_>, input: impl FnOnce() -> Value) -> usize {
        let same = |look: &Look| look.operation == ask.operation && look.about == ask.about;
        self.known.iter().position(same).unwrap_or_else(|| {
            let Question { part, service, operation, about } = ask;
            self.known.push(Look { part, service, operation, about: about.to_owned(), input: input(), answer: None });
            self.known.len() - 1
        })
    }
}

impl Cloud {
    /// What AWS answers now to the description at a place; `truly` without any lag of reads.
    pub(crate) fn described(&mut self, place: usize, truly: bool) -> Result<Rc<Value>, AwsError> {
        self.tick();
        let look = &mut self.looks.known[place];
        let revision = self.world.revision(look.operation);
        if let Some((at, answer)) = &look.answer
            && self.looks.lasting
            && *at == revision
        {
            return Ok(Rc::clone(answer));
        }
        let (world, now) = (&mut self.world, self.now);
        let answer = match truly {
            true => world.as_is(|world| setup::call(world, look.service, look.operation, &look.input, "truth", now)),
            false => setup::call(world, look.service, look.operation, &look.input, "flipback", now),
        };
        let answer = Rc::new(answer?);
        look.answer = Some((revision, Rc::clone(&answer)));
        Ok(answer)
    }

    /// A description of the world as it is, without any fault; null where AWS refuses it.
    pub(crate) fn truly(&mut self, ask: Question<'_>, input: impl FnOnce() -> Value) -> Rc<Value> {
        let place = self.looks.place(ask, input);
        self.described(place, true).unwrap_or_default()
    }

    /// Everything of a part that anybody ever asked for, as it is now.
    pub(crate) fn freeze(&mut self, part: Part) -> Frozen {
        let places: Vec<usize> = (0..self.looks.known.len()).filter(|at| self.looks.known[*at].part == part).collect();
        places.into_iter().filter_map(|place| Some((place, self.described(place, false).ok()?))).collect()
    }
}
