//! What the demo checks: a promise is kept, or the demo ends with what was promised and what came.

use std::fmt::{self, Display};

/// A promise that was not kept.
#[derive(Debug)]
pub(crate) struct Broken {
    what: String,
    promised: String,
    came: String,
}

impl Broken {
    pub(crate) fn new(what: &str, promised: impl Display, came: impl Display) -> Self {
        Self { what: what.to_owned(), promised: promised.to_string(), came: came.to_string() }
    }
}

/// Checks that `came` reads as what was promised of `what`.
pub(crate) fn equal(what: &str, promised: impl Display, came: impl Display) -> Result<(), Broken> {
    let broken = Broken::new(what, promised, came);
    if broken.promised == broken.came { Ok(()) } else { Err(broken) }
}

/// A list as text.
pub(crate) fn list<T: AsRef<str>>(items: &[T]) -> String {
    let items: Vec<&str> = items.iter().map(T::as_ref).collect();
    if items.is_empty() { "none".to_owned() } else { items.join(", ") }
}

impl Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n  expected  {}\n  came      {}", self.what, self.promised, self.came)
    }
}
