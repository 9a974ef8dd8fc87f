//! A proxy before one server: it keeps every request as it came over the wire, and can lose an answer.
//!
//! A lost answer is one that the server has given: what was asked is done, and the client sees a broken connection.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::tcp::{self, Listener};

/// The proxy. It stops when it is dropped.
#[derive(Debug)]
pub struct Tap {
    listener: Listener,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    requests: Vec<String>,
    lost: Option<String>,
}

impl Tap {
    /// Starts before the server on this port of 127.0.0.1.
    pub fn start(server: u16) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let state = Arc::clone(&seen);
        let serve = move |client| serve(client, server, Arc::clone(&state));
        Self { listener: Listener::start(serve, std::future::pending()), seen }
    }

    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.listener.port())
    }

    /// Loses the next answer to a request whose path begins so.
    pub fn lose_answer(&self, path: &str) {
        self.seen.lock().expect("the lock is not poisoned").lost = Some(path.to_owned());
    }

    /// Every request since this was asked last, oldest first: its head as it came, and its body.
    pub fn take_requests(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.lock().expect("the lock is not poisoned").requests)
    }
}

impl Seen {
    /// Whether the answer to this request, of which this is the beginning, is to be lost.
    fn loses(&mut self, request: &str) -> bool {
        let path = request.split(' ').nth(1).unwrap_or_default();
        self.lost.take_if(|lost| path.starts_with(lost.as_str())).is_some()
    }
}

/// A client that waits for each answer speaks first: so its first bytes after an answer begin the next request.
async fn serve(mut client: TcpStream, server: u16, seen: Arc<Mutex<Seen>>) {
    let Ok(mut server) = tcp::connect(server).await else {
        return tcp::reset(client);
    };
    let (mut asked, mut answer) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    let (mut request, mut answered, mut loses) = (0, true, false);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let part = &asked[..read.unwrap_or_default()];
                if part.is_empty() {
                    return;
                }
                let text = String::from_utf8_lossy(part);
                {
                    let mut seen = seen.lock().expect("the lock is not poisoned");
                    if answered {
                        (request, answered, loses) = (seen.requests.len(), false, seen.loses(&text));
                        seen.requests.push(String::new());
                    }
                    if let Some(known) = seen.requests.get_mut(request) {
                        known.push_str(&text);
                    }
                }
                if server.write_all(part).await.is_err() {
                    return tcp::reset(client);
                }
            }
            read = server.read(&mut answer) => {
                let part = &answer[..read.unwrap_or_default()];
                if part.is_empty() || loses {
                    return tcp::reset(client);
                }
                answered = true;
                if client.write_all(part).await.is_err() {
                    return;
                }
            }
        }
    }
}
