//! Routes: what a grant writes (`GET /orders/{id}`) and what a request was routed to.
//!
//! Receives the configuration's text, and a request's method with the template API Gateway matched; says whether the
//! one covers the other. The template is the API owner's, so a caller cannot bend it; only a `TOKEN` event, which has
//! none, is compared by its path.

use std::{fmt, str::FromStr};

/// What a request was routed to, as far as its event tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    /// The template of the API: REST `resource`.
    Template(String),
    /// The concrete path, where the event carries no template (`TOKEN`). It holds no `%`, `//`, dot segment or
    /// trailing slash: [`MethodArn`](super::MethodArn) and the event's parser refuse those.
    Path(String),
}

impl Resource {
    /// The text for the log.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Template(text) | Self::Path(text) => text,
        }
    }
}

/// One entry of a grant's `routes`: `METHOD template`, where METHOD may be `*` and the template may end in `/*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    method: MethodPattern,
    template: TemplatePattern,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum MethodPattern {
    Exactly(String),
    /// `*`: every method but OPTIONS, which browsers send without a credential.
    AnyButOptions,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum TemplatePattern {
    /// `/*`: every template.
    All,
    Exactly(String),
    /// `/orders/*` covers `/orders` and all below; kept as `/orders`.
    Below(String),
}

impl Route {
    /// Whether this route covers `method` on `resource`.
    pub fn covers(&self, method: &str, resource: &Resource) -> bool {
        self.method.covers(method) && self.template.covers(resource)
    }
}

impl MethodPattern {
    fn covers(&self, method: &str) -> bool {
        match self {
            Self::Exactly(own) => own == method,
            Self::AnyButOptions => method != "OPTIONS",
        }
    }
}

impl TemplatePattern {
    fn covers(&self, resource: &Resource) -> bool {
        match (self, resource) {
            (Self::All, _) => true,
            (Self::Exactly(own), Resource::Template(template)) => own == template,
            (Self::Below(own), Resource::Template(template)) => is_at_or_below(own, template),
            // A path cannot be told from a parameter's value: only what is written out in full matches it.
            (Self::Exactly(own), Resource::Path(path)) => !has_parameters(own) && own == path,
            (Self::Below(own), Resource::Path(path)) => !has_parameters(own) && is_at_or_below(own, path),
        }
    }
}

fn is_at_or_below(own: &str, template: &str) -> bool {
    template.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn has_parameters(template: &str) -> bool {
    template.contains('{')
}

/// Why a text is not a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRoute {
    /// Not two words.
    #[error("must be `METHOD template`, such as `GET /orders/{{id}}`")]
    Shape,
    /// Not a method API Gateway routes by.
    #[error("the method must be `*` or one of DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT in capitals")]
    Method,
    /// Not a template.
    #[error(
        "the template must start with `/`; `*` may stand only as its last segment, and no segment may be empty"
    )]
    Template,
    /// `$connect`, `$default`: routes of API types that this version does not serve.
    #[error("routes of WebSocket and HTTP APIs are not available in this version")]
    NotAvailable,
}

impl FromStr for Route {
    type Err = InvalidRoute;

    fn from_str(text: &str) -> Result<Self, InvalidRoute> {
        if text == "$connect" {
            return Err(InvalidRoute::NotAvailable);
        }
        let (method, template) = text.split_once(' ').ok_or(InvalidRoute::Shape)?;
        Ok(Self { method: parse_method(method)?, template: parse_template(template)? })
    }
}

fn parse_method(text: &str) -> Result<MethodPattern, InvalidRoute> {
    match text {
        "*" => Ok(MethodPattern::AnyButOptions),
        method if is_method(method) => Ok(MethodPattern::Exactly(method.to_owned())),
        _ => Err(InvalidRoute::Method),
    }
}

/// Whether API Gateway routes by this method (the members of `ANY`).
pub(super) fn is_method(text: &str) -> bool {
    matches!(text, "DELETE" | "GET" | "HEAD" | "OPTIONS" | "PATCH" | "POST" | "PUT")
}

fn parse_template(text: &str) -> Result<TemplatePattern, InvalidRoute> {
    if text == "$default" {
        return Err(InvalidRoute::NotAvailable);
    }
    let (own, below) = match text.strip_suffix("/*") {
        Some(own) => (own, true),
        None => (text, false),
    };
    match (own, below) {
        ("", true) => Ok(TemplatePattern::All),
        ("/", false) => Ok(TemplatePattern::Exactly(own.to_owned())),
        _ if !is_template(own) => Err(InvalidRoute::Template),
        (_, true) => Ok(TemplatePattern::Below(own.to_owned())),
        (_, false) => Ok(TemplatePattern::Exactly(own.to_owned())),
    }
}

fn is_template(text: &str) -> bool {
    let Some(segments) = text.strip_prefix('/') else { return false };
    let printable = text.bytes().all(|b| b.is_ascii_graphic());
    printable && !text.contains('*') && segments.split('/').all(|segment| !segment.is_empty())
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = match &self.method {
            MethodPattern::Exactly(method) => method.as_str(),
            MethodPattern::AnyButOptions => "*",
        };
        match &self.template {
            TemplatePattern::All => write!(f, "{method} /*"),
            TemplatePattern::Exactly(own) => write!(f, "{method} {own}"),
            TemplatePattern::Below(own) => write!(f, "{method} {own}/*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(route: &str, method: &str, template: &str) -> bool {
        route.parse::<Route>().unwrap().covers(method, &Resource::Template(template.to_owned()))
    }

    fn covers_path(route: &str, method: &str, path: &str) -> bool {
        route.parse::<Route>().unwrap().covers(method, &Resource::Path(path.to_owned()))
    }

    #[test]
    fn a_template_is_compared_literally() {
        assert!(covers("GET /orders/{id}", "GET", "/orders/{id}"));
        assert!(!covers("GET /orders/{id}", "GET", "/orders/{order}"));
        assert!(!covers("GET /orders/{id}", "GET", "/orders/7"));
        assert!(!covers("GET /orders", "GET", "/Orders"));
        assert!(!covers("GET /orders", "POST", "/orders"));
        assert!(covers("GET /", "GET", "/"));
    }

    #[test]
    fn a_trailing_star_covers_the_template_and_all_below() {
        for template in ["/orders", "/orders/{id}", "/orders/{id}/lines", "/orders/{proxy+}"] {
            assert!(covers("GET /orders/*", "GET", template), "{template}");
        }
        assert!(!covers("GET /orders/*", "GET", "/orders-archive"));
        assert!(!covers("GET /orders/*", "GET", "/{proxy+}"));
        assert!(covers("* /*", "GET", "/"));
        assert!(covers("* /*", "DELETE", "/{proxy+}"));
    }

    #[test]
    fn any_method_leaves_out_options() {
        assert!(!covers("* /*", "OPTIONS", "/orders"));
        assert!(covers("OPTIONS /*", "OPTIONS", "/orders"));
    }

    #[test]
    fn greedy_parameter_matches_only_itself() {
        assert!(covers("GET /{proxy+}", "GET", "/{proxy+}"));
        assert!(!covers("GET /{proxy+}", "GET", "/orders"));
    }

    #[test]
    fn rejects_a_path_posing_as_a_parameter_name() {
        assert!(!covers_path("GET /orders/{id}", "GET", "/orders/{id}"));
        assert!(!covers_path("GET /orders/{id}", "GET", "/orders/7"));
        assert!(!covers_path("GET /{tenant}/*", "GET", "/{tenant}/orders"));
        assert!(covers_path("GET /orders", "GET", "/orders"));
        assert!(covers_path("GET /orders/*", "GET", "/orders/7"));
        assert!(covers_path("* /*", "GET", "/orders/7"));
    }

    #[test]
    fn a_route_reads_back_as_written() {
        for text in ["GET /orders", "* /*", "POST /orders/{id}/*", "GET /", "PUT /{proxy+}"] {
            assert_eq!(text.parse::<Route>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn rejects_what_is_not_a_route() {
        let cases = [
            ("", InvalidRoute::Shape),
            ("GET", InvalidRoute::Shape),
            ("get /orders", InvalidRoute::Method),
            ("ANY /orders", InvalidRoute::Method),
            ("*PUT /orders", InvalidRoute::Method),
            ("GET orders", InvalidRoute::Template),
            ("GET  /orders", InvalidRoute::Template),
            ("GET /orders/", InvalidRoute::Template),
            ("GET //orders", InvalidRoute::Template),
            ("GET /or*ders", InvalidRoute::Template),
            ("GET /*/orders", InvalidRoute::Template),
            ("GET *", InvalidRoute::Template),
            ("GET /orders\n", InvalidRoute::Template),
            ("$connect", InvalidRoute::NotAvailable),
            ("* $default", InvalidRoute::NotAvailable),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<Route>(), Err(expected), "{text:?}");
        }
    }
}
