//! A strict reader of STS's XML answers. It accepts the expected elements and nothing else.
//!
//! Receives a [`StsAnswer`]; produces its text, its elements, or its error code. `caller` and `web_identity` know
//! what an answer means.

use crate::{MAX_ANSWER_BYTES, StsAnswer};
use roxmltree::{Document, Node, ParsingOptions};

/// The body, if it can be XML of STS at all: of its type, in its size, and of elements and text alone.
///
/// Comments, processing instructions, CDATA and a DTD are ways to make two readers see two documents, and STS writes
/// none. All of them begin with `<!` or `<?`, which no text of XML may hold. An XML declaration may come first.
pub(crate) fn text(answer: &StsAnswer) -> Result<&str, String> {
    if !answer.content_type.as_deref().is_some_and(is_text_xml) {
        return Err(format!("status {}, and not `text/xml`", answer.status));
    }
    if answer.body.len() > MAX_ANSWER_BYTES {
        return Err(format!("an answer longer than {MAX_ANSWER_BYTES} bytes"));
    }
    let text = std::str::from_utf8(&answer.body).map_err(|_| "an answer that is not UTF-8".to_owned())?;
    let document = match text.strip_prefix("<?xml ").and_then(|rest| rest.split_once("?>")) {
        Some((_, document)) => document.trim_ascii_start(),
        None => text,
    };
    if !document.starts_with('<') || document.contains("<!") || document.contains("<?") {
        return Err("an answer that is not STS's XML".to_owned());
    }
    Ok(document)
}

/// `text/xml`, and perhaps `; charset=utf-8`.
fn is_text_xml(content_type: &str) -> bool {
    let (kind, parameter) = match content_type.split_once(';') {
        Some((kind, parameter)) => (kind.trim_ascii_end(), Some(parameter.trim_ascii())),
        None => (content_type, None),
    };
    let utf_8 = parameter.is_none_or(|parameter| parameter.eq_ignore_ascii_case("charset=utf-8"));
    kind.eq_ignore_ascii_case("text/xml") && utf_8
}

/// The code of an error that STS lays to the sender:
///
/// ```xml
/// <ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
///   <Error><Type>Sender</Type><Code>SignatureDoesNotMatch</Code><Message>…</Message></Error>
///   <RequestId>…</RequestId>
/// </ErrorResponse>
/// ```
pub(crate) fn error_code<'a>(document: &'a Document<'_>) -> Option<&'a str> {
    let root = document.root_element();
    if !is_named(root, "ErrorResponse") {
        return None;
    }
    let [error, request_id] = members(root, ["Error", "RequestId"])?;
    value(request_id)?;
    let [kind, code, message] = members(error, ["Type", "Code", "Message"])?;
    value(message)?;
    let code = value(code)?;
    // It is written into a log.
    let word = code.len() <= MAX_ERROR_CODE_LENGTH && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (value(kind)? == "Sender" && word).then_some(code)
}

/// No DTD, so no entities beyond XML's own five; and no more nodes than any answer of STS has.
pub(crate) fn parse(text: &str) -> Option<Document<'_>> {
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    Document::parse_with_options(text, options).ok()
}

pub(crate) fn is_named(node: Node<'_, '_>, name: &str) -> bool {
    node.tag_name().name() == name && node.tag_name().namespace() == Some(NAMESPACE)
}

/// The children of an element that has these and no others, each once. Between them stands nothing but white space.
pub(crate) fn members<'a, 'd, const N: usize>(
    element: Node<'a, 'd>,
    names: [&str; N],
) -> Option<[Node<'a, 'd>; N]> {
    let blank = |text: &str| text.trim_ascii().is_empty();
    let (elements, others): (Vec<Node<'_, '_>>, Vec<Node<'_, '_>>) =
        element.children().partition(Node::is_element);
    let stray = others.iter().any(|node| !node.is_text() || !node.text().is_some_and(blank));
    if stray || elements.len() != N || element.attributes().len() != 0 {
        return None;
    }
    let find = |name: &str| elements.iter().copied().find(|element| is_named(*element, name));
    let found: Option<Vec<Node<'_, '_>>> = names.into_iter().map(find).collect();
    found?.try_into().ok()
}

/// The text of an element that holds text and nothing else.
pub(crate) fn value<'a>(element: Node<'a, '_>) -> Option<&'a str> {
    let mut children = element.children();
    match (children.next(), children.next()) {
        (Some(only), None) if only.is_text() && element.attributes().len() == 0 => only.text(),
        _ => None,
    }
}

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";
const MAX_ERROR_CODE_LENGTH: usize = 64;
const MAX_NODES: u32 = 64;
