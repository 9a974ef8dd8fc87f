//! What the demo checks: a promise is kept, or the demo ends with what was promised and what came.

use std::fmt::{self, Debug};

/// A promise that was not kept.
#[derive(Debug)]
pub(crate) struct Broken {
    what: String,
    promised: String,
    came: String,
}

/// Checks that `came` is what was promised of `what`.
pub(crate) fn equal<P, C>(what: &str, promised: P, came: C) -> Result<(), Broken>
where
    P: Debug + PartialEq<C>,
    C: Debug,
{
    if promised == came { Ok(()) } else { Err(broken(what, &promised, &came)) }
}

/// Checks that what was promised of `what`, in words, holds of `came`.
pub(crate) fn holds(what: &str, promised: &str, held: bool, came: impl Debug) -> Result<(), Broken> {
    if held { Ok(()) } else { Err(Broken { promised: promised.to_owned(), ..broken(what, &(), &came) }) }
}

fn broken(what: &str, promised: &dyn Debug, came: &dyn Debug) -> Broken {
    Broken { what: what.to_owned(), promised: format!("{promised:?}"), came: format!("{came:?}") }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n  expected  {}\n  came      {}", self.what, self.promised, self.came)
    }
}
