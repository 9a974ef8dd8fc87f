//! What the demo checks. Either a promise is kept, or the demo ends and says what was promised and what came.

use std::fmt::Display;

/// Checks that `came` reads as what was promised of `what`.
pub(crate) fn equal(what: &str, promised: impl Display, came: impl Display) {
    let (promised, came) = (promised.to_string(), came.to_string());
    assert!(promised == came, "{what}\n  expected  {promised}\n  got       {came}");
}

/// A list as text.
pub(crate) fn list<T: AsRef<str>>(items: &[T]) -> String {
    let items: Vec<&str> = items.iter().map(T::as_ref).collect();
    if items.is_empty() { "none".to_owned() } else { items.join(", ") }
}
