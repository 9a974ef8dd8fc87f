//! HTTP/1.1 as it stands on the wire: header names in their own case, a header twice, any path; and the WebSocket
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
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// What followed until the server closed the connection, as it came.
    pub body: String,
}

impl Answer {
    /// The body as JSON, or `Null`.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
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
        let (status, headers) = parse(&received[..end]);
        Answer { status, headers, body: String::from_utf8_lossy(&received[end..]).into_owned() }
    })
    .await
}

/// Asks for an upgrade to a WebSocket. [`Upgrade::connection`] is there if it was granted.
pub async fn upgrade(url: &str, request: &Request) -> Upgrade {
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
        let end = loop {
            if let Some(end) = find_end(&received) {
                break end;
            }
            assert!(stream.read_buf(&mut received).await.expect("an answer") > 0, "the server hung up");
        };
        let (status, headers) = parse(&received[..end]);
        let connection = (status == 101).then(|| Connection { stream, received: received.split_off(end) });
        Upgrade { status, headers, connection }
    })
    .await
}

/// The answer to an upgrade.
#[derive(Debug)]
pub struct Upgrade {
    /// 101 where it was granted.
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    pub connection: Option<Connection>,
}

/// An open WebSocket. Dropping it closes the connection without a closing frame.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    /// Sends one text message of at most 125 bytes and answers the next one that arrives.
    pub async fn ask(&mut self, text: &str) -> String {
        limited(async {
            // RFC 6455, section 5.2: final text frame, masked, as a client's must be; a mask of zeros changes nothing.
            let length =
                u8::try_from(text.len()).ok().filter(|length| *length < 126).expect("a short message");
            let frame = [&[0x81, 0x80 | length, 0, 0, 0, 0], text.as_bytes()].concat();
            self.stream.write_all(&frame).await.expect("the message is sent");
            loop {
                if let Some(text) = message(&self.received) {
                    return text;
                }
                assert!(self.stream.read_buf(&mut self.received).await.expect("a message") > 0, "hung up");
            }
        })
        .await
    }
}

/// The first frame's payload, once it is all there: unfragmented, and shorter than 64 KiB.
fn message(received: &[u8]) -> Option<String> {
    let (&kind, &length) = (received.first()?, received.get(1)?);
    assert_eq!(kind, 0x81, "a final text frame");
    let (start, length) = match length {
        126 => (4, usize::from(u16::from_be_bytes([*received.get(2)?, *received.get(3)?]))),
        length => (2, usize::from(length)),
    };
    let payload = received.get(start..start + length)?;
    Some(String::from_utf8(payload.to_vec()).expect("a text frame is UTF-8"))
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

fn parse(head: &[u8]) -> (u16, Vec<(String, String)>) {
    let head = String::from_utf8_lossy(head);
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a status line");
    let headers = lines.filter_map(|line| line.split_once(": "));
    (status, headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect())
}

async fn limited<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, work).await.expect("the server answers in time")
}
