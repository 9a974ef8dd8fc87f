//! Routes: the ones that a grant writes (`GET /orders/{id}`) and the one that a request matched.
//!
//! Receives the configuration's text, and a request's method with the template that API Gateway matched; says whether
//! the grant's route covers the request. The API's owner writes the template, so a caller cannot bend it. Only a
//! `TOKEN` event has no template and is compared by its path.

use std::{fmt, str::FromStr};

/// What a request was routed to, as far as its event tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    /// The template of the API: `resource`, or the path half of `routeKey`. On HTTP APIs it may be `$default`.
    Template(String),
    /// The concrete path, where the event carries no template (`TOKEN`). It holds no `%`, `//`, dot segment or
    /// trailing slash: [`MethodArn`](super::MethodArn) and the event's parser refuse those.
    Path(String),
    /// A WebSocket is opened (`$connect`).
    Connect,
}

impl Resource {
    /// The text for the log.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Template(text) | Self::Path(text) => text,
            Self::Connect => CONNECT,
        }
    }
}

/// The route on which a WebSocket is opened, as API Gateway names it.
const CONNECT: &str = "$connect";

/// Where an HTTP API sends what no other route takes, as API Gateway names it.
const DEFAULT: &str = "$default";

/// One entry of a grant's `routes`: `METHOD template`, where METHOD may be `*` and the template may end in `/*`; or
/// `$connect`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route(Pattern);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    Http { method: MethodPattern, template: TemplatePattern },
    Connect,
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
        match (&self.0, resource) {
            (Pattern::Connect, Resource::Connect) => true,
            (Pattern::Connect, _) | (Pattern::Http { .. }, Resource::Connect) => false,
            (Pattern::Http { method: own, template }, _) => own.covers(method) && template.covers(resource),
        }
    }

    /// A call that this route covers, as its method and template; `None` where it opens a WebSocket.
    pub fn example(&self) -> Option<(&str, &str)> {
        let Pattern::Http { method, template } = &self.0 else { return None };
        let method = match method {
            MethodPattern::Exactly(method) => method,
            MethodPattern::AnyButOptions => "GET",
        };
        let template = match template {
            TemplatePattern::All => "/",
            TemplatePattern::Exactly(template) | TemplatePattern::Below(template) => template,
        };
        Some((method, template))
    }

    /// Whether this route covers every call that `other` covers.
    pub fn includes(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Pattern::Connect, Pattern::Connect) => true,
            (Pattern::Connect, Pattern::Http { .. }) | (Pattern::Http { .. }, Pattern::Connect) => false,
            (
                Pattern::Http { method: own_method, template: own },
                Pattern::Http { method: other_method, template: other },
            ) => own_method.includes(other_method) && own.includes(other),
        }
    }
}

impl MethodPattern {
    fn covers(&self, method: &str) -> bool {
        match self {
            Self::Exactly(own) => own == method,
            Self::AnyButOptions => method != "OPTIONS",
        }
    }

    fn includes(&self, other: &Self) -> bool {
        match other {
            Self::Exactly(method) => self.covers(method),
            Self::AnyButOptions => *self == Self::AnyButOptions,
        }
    }
}

impl TemplatePattern {
    fn covers(&self, resource: &Resource) -> bool {
        match (self, resource) {
            (_, Resource::Connect) => false,
            (Self::All, _) => true,
            (Self::Exactly(own), Resource::Template(template)) => own == template,
            (Self::Below(own), Resource::Template(template)) => is_at_or_below(own, template),
            // A path cannot be told from a parameter's value: only what is written out in full matches it.
            (Self::Exactly(own), Resource::Path(path)) => !has_parameters(own) && own == path,
            (Self::Below(own), Resource::Path(path)) => !has_parameters(own) && is_at_or_below(own, path),
        }
    }

    /// For a path, too: what has no parameters has none further up.
    fn includes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, _) => true,
            (Self::Below(own), Self::Exactly(other) | Self::Below(other)) => is_at_or_below(own, other),
            (Self::Exactly(own), Self::Exactly(other)) => own == other,
            (Self::Exactly(_) | Self::Below(_), Self::All) | (Self::Exactly(_), Self::Below(_)) => false,
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
    #[error("must be `METHOD template`, such as `GET /orders/{{id}}` or `GET $default`; or `$connect` alone")]
    Shape,
    /// Not a method API Gateway routes by.
    #[error("the method must be `*` or one of DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT in capitals")]
    Method,
    /// API Gateway's own word for every method.
    #[error(
        "write `*` instead of `ANY`; it does not include OPTIONS, which browsers send without a credential"
    )]
    Any,
    /// Not a template.
    #[error(
        "the template must be `$default` or start with `/`; `*` may only be the last segment, and no segment may be \
         empty, so it cannot end in a slash"
    )]
    Template,
}

impl FromStr for Route {
    type Err = InvalidRoute;

    fn from_str(text: &str) -> Result<Self, InvalidRoute> {
        if text == CONNECT {
            return Ok(Self(Pattern::Connect));
        }
        let (method, template) = text.split_once(' ').ok_or(InvalidRoute::Shape)?;
        Ok(Self(Pattern::Http { method: parse_method(method)?, template: parse_template(template)? }))
    }
}

fn parse_method(text: &str) -> Result<MethodPattern, InvalidRoute> {
    match text {
        "*" => Ok(MethodPattern::AnyButOptions),
        method if is_method(method) => Ok(MethodPattern::Exactly(method.to_owned())),
        "ANY" => Err(InvalidRoute::Any),
        _ => Err(InvalidRoute::Method),
    }
}

/// Whether API Gateway routes by this method (the members of `ANY`).
pub(super) fn is_method(text: &str) -> bool {
    matches!(text, "DELETE" | "GET" | "HEAD" | "OPTIONS" | "PATCH" | "POST" | "PUT")
}

fn parse_template(text: &str) -> Result<TemplatePattern, InvalidRoute> {
    if text == DEFAULT {
        return Ok(TemplatePattern::Exactly(text.to_owned()));
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
        let Pattern::Http { method, template } = &self.0 else { return f.write_str(CONNECT) };
        let method = match method {
            MethodPattern::Exactly(method) => method.as_str(),
            MethodPattern::AnyButOptions => "*",
        };
        match template {
            TemplatePattern::All => write!(f, "{method} /*"),
            TemplatePattern::Exactly(own) => write!(f, "{method} {own}"),
            TemplatePattern::Below(own) => write!(f, "{method} {own}/*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(text: &str) -> Route {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_route_covers_the_template_that_it_names_or_is_above() {
        for (case, text, covered, others) in [
            (
                "a template is compared literally",
                "GET /orders/{id}",
                "GET /orders/{id}",
                "GET /orders/{order}, GET /orders/7",
            ),
            (
                "and so are its letters and its method",
                "GET /orders",
                "GET /orders",
                "GET /Orders, POST /orders",
            ),
            ("the root", "GET /", "GET /", "GET /orders"),
            (
                "a trailing star covers the template and all below",
                "GET /orders/*",
                "GET /orders, GET /orders/{id}, GET /orders/{id}/lines, GET /orders/{proxy+}",
                "GET /orders-archive, GET /{proxy+}, GET $default",
            ),
            (
                "any method leaves out OPTIONS",
                "* /*",
                "GET /, DELETE /{proxy+}, POST $default",
                "OPTIONS /orders",
            ),
            ("OPTIONS by its name", "OPTIONS /*", "OPTIONS /orders", "GET /orders"),
            ("a greedy parameter matches only itself", "GET /{proxy+}", "GET /{proxy+}", "GET /orders"),
            ("the default route", "GET $default", "GET $default", "POST $default, GET /orders"),
            ("opening a WebSocket is no HTTP call", "$connect", "", "GET /, $connect $connect"),
        ] {
            let covers = |call: &str| {
                let (method, template) = call.split_once(' ').unwrap();
                route(text).covers(method, &Resource::Template(template.to_owned()))
            };
            assert!(covered.split(", ").filter(|call| !call.is_empty()).all(covers), "{case}");
            assert!(!others.split(", ").any(covers), "{case}");
        }
        for (text, covered) in [("$connect", true), ("* /*", false), ("* $default", false)] {
            assert_eq!(route(text).covers("$connect", &Resource::Connect), covered, "{text}");
        }
    }

    #[test]
    fn rejects_a_path_posing_as_a_parameter_name() {
        for (text, path, covered) in [
            ("GET /orders/{id}", "/orders/{id}", false),
            ("GET /orders/{id}", "/orders/7", false),
            ("GET /{tenant}/*", "/{tenant}/orders", false),
            ("GET /orders", "/orders", true),
            ("GET /orders/*", "/orders/7", true),
            ("* /*", "/orders/7", true),
        ] {
            assert_eq!(
                route(text).covers("GET", &Resource::Path(path.to_owned())),
                covered,
                "`{text}` and {path}"
            );
        }
    }

    /// Every pair of routes on every call: what a route includes, it covers.
    #[test]
    fn a_route_that_includes_another_covers_whatever_that_one_covers() {
        const ROUTES: &str = "* /*, GET /*, OPTIONS /*, * /orders/*, GET /orders/*, GET /orders, GET /orders/{id}, \
                              GET /orders/{id}/*, POST /orders, GET /orders-archive, * $default, GET $default, GET /, \
                              $connect";
        let routes: Vec<Route> = ROUTES.split(", ").map(route).collect();
        let texts = "/ /orders /orders/{id} /orders/7 /orders/{id}/lines /orders-archive $default";
        let resources = texts.split(' ').flat_map(|text| {
            [Resource::Template(text.to_owned()), Resource::Path(text.to_owned()), Resource::Connect]
        });
        let calls: Vec<_> = resources
            .flat_map(|called| ["GET", "POST", "OPTIONS", "$connect"].map(|method| (method, called.clone())))
            .collect();
        for (own, other) in routes.iter().flat_map(|own| routes.iter().map(move |other| (own, other))) {
            let mut covered = calls.iter().filter(|(method, called)| other.covers(method, called));
            let all = covered.all(|(method, called)| own.covers(method, called));
            assert!(all || !own.includes(other), "`{own}` does not include `{other}`");
        }
        for (own, other, includes) in [
            ("* /*", "POST /orders/{id}", true),
            ("* /*", "* $default", true),
            ("GET /orders/*", "GET /orders/{id}/*", true),
            ("$connect", "$connect", true),
            ("* /*", "OPTIONS /orders", false),
            ("* /*", "$connect", false),
        ] {
            assert_eq!(route(own).includes(&route(other)), includes, "{own} and {other}");
        }
    }

    #[test]
    fn a_route_reads_back_as_written() {
        for text in
            ["GET /orders", "* /*", "POST /orders/{id}/*", "GET /", "PUT /{proxy+}", "$connect", "* $default"]
        {
            assert_eq!(text.parse::<Route>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn rejects_what_is_not_a_route() {
        let cases = [
            ("", InvalidRoute::Shape),
            ("GET", InvalidRoute::Shape),
            ("get /orders", InvalidRoute::Method),
            ("any /orders", InvalidRoute::Method),
            ("ANY /orders", InvalidRoute::Any),
            ("*PUT /orders", InvalidRoute::Method),
            ("GET orders", InvalidRoute::Template),
            ("GET  /orders", InvalidRoute::Template),
            ("GET /orders/", InvalidRoute::Template),
            ("GET //orders", InvalidRoute::Template),
            ("GET /or*ders", InvalidRoute::Template),
            ("GET /*/orders", InvalidRoute::Template),
            ("GET *", InvalidRoute::Template),
            ("GET /orders\n", InvalidRoute::Template),
            ("GET $connect", InvalidRoute::Template),
            ("$default", InvalidRoute::Shape),
            ("GET $default/*", InvalidRoute::Template),
            ("GET /$default ", InvalidRoute::Template),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<Route>(), Err(expected), "{text:?}");
        }
    }
}
