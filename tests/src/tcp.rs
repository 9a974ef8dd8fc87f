//! TCP below HTTP: a loopback listener on its own thread, so that it works whichever runtime its callers use or
//! block, and a connection that ends like a broken one.

use std::net::Ipv4Addr;
use std::thread::JoinHandle;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// A loopback listener. Dropping it cuts every connection.
#[derive(Debug)]
pub(crate) struct Listener {
    port: u16,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// Listens on a free port. `serve` gets each connection, in a task of its own; `beside` runs next to them.
    pub(crate) fn start<S, F>(serve: S, beside: impl Future<Output = ()> + Send + 'static) -> Self
    where
        S: Fn(TcpStream) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        Self::served_by(0, async move |listener| {
            tokio::spawn(beside);
            loop {
                if let Ok((connection, _)) = listener.accept().await {
                    let _ = connection.set_nodelay(true);
                    tokio::spawn(serve(connection));
                }
            }
        })
    }

    /// Listens on a port, or on a free one for 0; `serve` does the rest.
    pub(crate) fn served_by(port: u16, serve: impl AsyncFnOnce(TcpListener) + Send + 'static) -> Self {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port));
        let listener = listener.unwrap_or_else(|error| panic!("port {port} of 127.0.0.1: {error}"));
        listener.set_nonblocking(true).expect("a non-blocking listener");
        let port = listener.local_addr().expect("a bound address").port();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).expect("a listener");
                tokio::select! {
                    () = serve(listener) => {}
                    _ = stopped => {} // Open connections are cut with the runtime, as when a process ends.
                }
            });
        });
        Self { port, stop: Some(stop), thread: Some(thread) }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Connects to a port of 127.0.0.1.
pub(crate) async fn connect(port: u16) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Ends a connection with RST and not with FIN: what was on its way is lost.
pub(crate) fn reset(connection: TcpStream) {
    let _ = connection.set_zero_linger();
    drop(connection);
}
