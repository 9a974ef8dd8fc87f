//! HTTP/1.1 as it is on the wire: header names in their own case, a repeated header, any path, and the WebSocket
//! upgrade (RFC 6455) with one message each way. An HTTP client would tidy all of that up.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(30);

/// What is asked for. The headers are sent as they are, after `Host` and `Connection`.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    /// The path and the query, as they are sent.
    pub target: String,
    /// Names and values, in order.
    pub headers: Vec<(String, String)>,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// 101 for a WebSocket.
    pub status: u16,
    /// The body as JSON, or `Null`. Of an allowed call, what the integration was given: `authorizer`, `headers` (names), `route`,
    /// `path`, `stage`.
    pub body: Value,
}

impl Answer {
    fn new(status: u16, body: &[u8]) -> Self {
        Self { status, body: serde_json::from_slice(body).unwrap_or_default() }
    }

    /// The context that the integration got: under `authorizer.lambda` in an HTTP API.
    pub fn context(&self) -> &Value {
        let authorizer = &self.body["authorizer"];
        authorizer.get("lambda").unwrap_or(authorizer)
    }
}

/// Sends a request on a connection of its own. `url` is `http://<host>:<port>`.
pub async fn send(url: &str, request: &Request) -> Answer {
    limited(async {
        let mut stream = connect(url).await;
        stream.write_all(head(url, request, "close").as_bytes()).await.expect("the request is sent");
        let mut received = Vec::new();
        stream.read_to_end(&mut received).await.expect("an answer");
        let end = find_end(&received).expect("a whole head");
        Answer::new(status(&received), &received[end..])
    })
    .await
}

/// Asks for an upgrade to a WebSocket. Where that is granted, sends a message, and answers the one that comes back.
pub async fn upgrade(url: &str, request: &Request, message: &str) -> Answer {
    limited(async {
        let mut request = request.clone();
        // The key is the example of RFC 6455, section 1.3: nothing here depends on its being random.
        let own = [
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        request.headers.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let mut stream = connect(url).await;
        stream.write_all(head(url, &request, "Upgrade").as_bytes()).await.expect("the request is sent");
        let mut received = Vec::new();
        let end = until(&mut stream, &mut received, find_end).await;
        let status = status(&received);
        if status != 101 {
            return Answer::new(status, b"");
        }
        // RFC 6455, section 5.2: final text frame, masked, as a client's must be; a mask of zeros changes nothing.
        let length =
            u8::try_from(message.len()).ok().filter(|length| *length < 126).expect("a short message");
        let frame = [&[0x81, 0x80 | length, 0, 0, 0, 0], message.as_bytes()].concat();
        stream.write_all(&frame).await.expect("the message is sent");
        let mut received = received.split_off(end);
        Answer::new(status, &until(&mut stream, &mut received, payload).await)
    })
    .await
}

/// Reads on until this finds what it looks for.
async fn until<T>(stream: &mut TcpStream, received: &mut Vec<u8>, find: impl Fn(&[u8]) -> Option<T>) -> T {
    loop {
        if let Some(found) = find(received) {
            return found;
        }
        assert!(stream.read_buf(received).await.expect("more is read") > 0, "the server hung up");
    }
}

/// The first frame's payload, once it is all there: unfragmented, and shorter than 64 KiB.
fn payload(received: &[u8]) -> Option<Vec<u8>> {
    let (&kind, &length) = (received.first()?, received.get(1)?);
    assert_eq!(kind, 0x81, "a final text frame");
    let (start, length) = match length {
        126 => (4, usize::from(u16::from_be_bytes([*received.get(2)?, *received.get(3)?]))),
        length => (2, usize::from(length)),
    };
    received.get(start..start + length).map(<[u8]>::to_vec)
}

async fn connect(url: &str) -> TcpStream {
    TcpStream::connect(authority(url)).await.unwrap_or_else(|error| panic!("{url}: {error}"))
}

fn authority(url: &str) -> &str {
    url.strip_prefix("http://").expect("http://<host>:<port>")
}

fn head(url: &str, request: &Request, connection: &str) -> String {
    let Request { method, target, headers } = request;
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let host = authority(url);
    format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: {connection}\r\n{headers}\r\n")
}

/// Where the body begins.
fn find_end(received: &[u8]) -> Option<usize> {
    received.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

fn status(head: &[u8]) -> u16 {
    let head = String::from_utf8_lossy(head);
    head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status line")
}

async fn limited<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, work).await.expect("the server answers in time")
}
