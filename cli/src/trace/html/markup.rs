//! HTML that holds no text but escaped text.
//!
//! INVARIANT (escaped): the only ways from a value to [`Markup`] are [`text`] and the attributes of [`tag`], which
//! escape it. Names of tags and attributes are the program's own.

use std::{fmt, iter};

use crate::output::plain;

/// Finished HTML.
#[derive(Default)]
pub(super) struct Markup(String);

/// Text from anywhere.
pub(super) fn text(text: &str) -> Markup {
    Markup(escaped(text))
}

/// An element with its class, and what is in it.
pub(super) fn element(name: &'static str, class: &str, inside: impl IntoIterator<Item = Markup>) -> Markup {
    tag(name, &[("class", class)], inside)
}

/// An element with attributes. Those without a value are left out.
pub(super) fn tag(
    name: &'static str,
    attributes: &[(&'static str, &str)],
    inside: impl IntoIterator<Item = Markup>,
) -> Markup {
    let mut markup = format!("<{name}");
    for (attribute, value) in attributes.iter().filter(|(_, value)| !value.is_empty()) {
        markup += &format!(" {attribute}=\"{}\"", escaped(value));
    }
    markup += ">";
    markup.extend(inside.into_iter().map(|part| part.0));
    Markup(markup + "</" + name + ">")
}

impl FromIterator<Self> for Markup {
    fn from_iter<I: IntoIterator<Item = Self>>(parts: I) -> Self {
        Self(parts.into_iter().map(|part| part.0).collect())
    }
}

impl fmt::Display for Markup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn escaped(text: &str) -> String {
    let mut markup = String::with_capacity(text.len());
    for c in plain(text).chars() {
        match c {
            '&' => markup += "&amp;",
            '<' => markup += "&lt;",
            '>' => markup += "&gt;",
            '"' => markup += "&quot;",
            '\'' => markup += "&#39;",
            c => markup.extend(iter::once(c)),
        }
    }
    markup
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_an_end_of_a_text_or_an_attribute_from_outside() {
        let attack = "\"'></p>&\u{202e}";
        let shown = "&quot;&#39;&gt;&lt;/p&gt;&amp;\\u{202e}";
        let markup = tag("p", &[("title", attack), ("class", "")], [text(attack)]);
        assert_eq!(markup.to_string(), format!("<p title=\"{shown}\">{shown}</p>"));
    }
}
