//! A layer for HTTP services. Each request gets a [`LazyToken`], which opens the Vault token once, when it is first
//! needed, and revokes it after the answer.
//!
//! The token is revoked when the body of the answer has ended. If the server reads the body to its end, this happens
//! before the client hears of that end. So a handler may stream what it reads with leased credentials. If the service
//! fails, panics or is cancelled, or its answer is dropped half-way, a separate task revokes the token. Nobody waits
//! for this task: if the runtime is shut down, the process ends first, or AWS Lambda freezes it, the token ends by
//! its TTL. Some servers read an answer of known length only up to its last byte, and then it counts as dropped.

use std::fmt;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use futures_util::future::{BoxFuture, Shared};
use futures_util::{FutureExt, TryFutureExt};
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use tower_layer::Layer;
use tower_service::Service;

use crate::context::{ContextError, VaultContext};
use crate::request;
use crate::unwrap::{Integration, UNWRAP, UnwrapError, Unwrapped};
use crate::vault::{VaultError, VaultErrorKind};

/// Gives each request a [`LazyToken`] among its extensions.
#[derive(Debug, Clone)]
pub struct VaultLayer {
    integration: Integration,
}

impl VaultLayer {
    /// For tokens of this integration.
    #[must_use]
    pub fn new(integration: Integration) -> Self {
        Self { integration }
    }
}

impl<S> Layer<S> for VaultLayer {
    type Service = VaultService<S>;

    fn layer(&self, inner: S) -> VaultService<S> {
        VaultService { inner, integration: self.integration.clone() }
    }
}

/// A service behind [`VaultLayer`].
#[derive(Debug, Clone)]
pub struct VaultService<S> {
    inner: S,
    integration: Integration,
}

impl<S, B, R> Service<Request<B>> for VaultService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    R: Send + 'static,
{
    type Response = Response<RevokingBody<R>>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let token = LazyToken::new(self.integration.clone(), request.headers());
        request.extensions_mut().insert(token.clone());
        // First, so that it is dropped after the service: a handler that panics or is cancelled has let go of the token.
        let end = GiveBack(Some(token));
        let answer = self.inner.call(request);
        async move {
            let mut end = end;
            match answer.await {
                Ok(response) => Ok(response.map(|body| RevokingBody::new(body, end))),
                Err(error) => {
                    end.now().await;
                    Err(error)
                }
            }
        }
        .boxed()
    }
}

/// A request's token, which nobody has asked for yet. Clones are one token.
#[derive(Clone)]
pub struct LazyToken {
    request: Arc<RequestOfToken>,
}

struct RequestOfToken {
    integration: Integration,
    context: Result<VaultContext, ContextError>,
    /// `None` where the request ended before anybody asked.
    opening: OnceLock<Option<Opening>>,
}

/// Goes on where another waits for it, also when the one that began it has given up: an unwrap is not left half-way.
type Opening = Shared<BoxFuture<'static, Result<Arc<Unwrapped>, OpenError>>>;

impl LazyToken {
    fn new(integration: Integration, headers: &HeaderMap) -> Self {
        let context = request::context(headers);
        Self { request: Arc::new(RequestOfToken { integration, context, opening: OnceLock::new() }) }
    }

    /// The token, opened the first time that somebody asks. It is revoked behind the answer: keep nothing of it for later.
    ///
    /// # Errors
    /// [`OpenError`], the same one every time. A task that asks for the first time after the request's end is refused with
    /// [`VaultErrorKind::CallInvalid`]: nobody would revoke the token.
    pub async fn open(&self) -> Result<Arc<Unwrapped>, OpenError> {
        let RequestOfToken { integration, context, opening } = &*self.request;
        let begin = || {
            let (integration, context, now) = (integration.clone(), context.clone(), request::now());
            let opening = async move { Ok(Arc::new(integration.open_context(context?, now).await?)) };
            Some(opening.map_err(|error: UnwrapError| error.into()).boxed().shared())
        };
        match opening.get_or_init(begin).clone() {
            Some(opening) => opening.await,
            None => Err(VaultErrorKind::CallInvalid { reason: "the request has ended" }.at(UNWRAP).into()),
        }
    }
}

impl fmt::Debug for LazyToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LazyToken")
            .field("wanted", &self.request.opening.get().is_some())
            .finish_non_exhaustive()
    }
}

/// Why there is no token, for each that asks.
#[derive(Debug, Clone)]
pub struct OpenError(Arc<UnwrapError>);

impl Deref for OpenError {
    type Target = UnwrapError;

    fn deref(&self) -> &UnwrapError {
        &self.0
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

impl From<UnwrapError> for OpenError {
    fn from(error: UnwrapError) -> Self {
        Self(Arc::new(error))
    }
}

/// For a handler that reads with the token.
impl From<VaultError> for OpenError {
    fn from(error: VaultError) -> Self {
        UnwrapError::from(error).into()
    }
}

#[cfg(feature = "axum")]
impl axum_core::response::IntoResponse for OpenError {
    fn into_response(self) -> axum_core::response::Response {
        crate::axum::answer(&self)
    }
}

/// What revokes a token that was opened: [`GiveBack::now`], or a task where that did not come to its end.
struct GiveBack(Option<LazyToken>);

impl GiveBack {
    fn is_wanted(&self) -> bool {
        self.0.as_ref().is_some_and(|token| token.request.opening.get().is_some())
    }

    /// From now on nobody begins to open it.
    fn end(&self) -> Option<Opening> {
        self.0.as_ref().and_then(|token| token.request.opening.get_or_init(|| None).clone())
    }

    async fn now(&mut self) {
        if let Some(opening) = self.end() {
            give_back(opening).await;
        }
        self.0 = None;
    }
}

impl Drop for GiveBack {
    fn drop(&mut self) {
        let Some(opening) = self.end() else { return };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => {
                runtime.spawn(give_back(opening));
            }
            Err(_no_runtime) => {
                tracing::warn!("a token is not revoked because the runtime is gone; it expires with its TTL");
            }
        }
    }
}

/// Without a word to anybody but the log: the request is answered.
async fn give_back(opening: Opening) {
    let Ok(token) = opening.await else { return };
    if let Err(error) = token.give_back().await {
        tracing::warn!(
            code = error.code(),
            accessor = token.accessor(),
            "a token could not be revoked; it expires with its TTL"
        );
    }
}

/// The body of an answer, with the token's revocation behind it.
pub struct RevokingBody<B> {
    body: Pin<Box<B>>,
    end: End,
}

enum End {
    Ahead(GiveBack),
    Revoking(BoxFuture<'static, ()>),
    Past,
}

impl<B> RevokingBody<B> {
    fn new(body: B, end: GiveBack) -> Self {
        Self { body: Box::pin(body), end: End::Ahead(end) }
    }
}

impl<B: Body> Body for RevokingBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.get_mut();
        loop {
            match &mut this.end {
                End::Ahead(end) => {
                    if let Some(frame) = ready!(this.body.as_mut().poll_frame(context)) {
                        return Poll::Ready(Some(frame));
                    }
                    let mut end = GiveBack(end.0.take());
                    this.end = End::Revoking(async move { end.now().await }.boxed());
                }
                End::Revoking(revocation) => {
                    ready!(revocation.poll_unpin(context));
                    this.end = End::Past;
                }
                End::Past => return Poll::Ready(None),
            }
        }
    }

    /// A body that has ended is not asked again, and so not before the token is revoked.
    fn is_end_stream(&self) -> bool {
        match &self.end {
            End::Ahead(end) => !end.is_wanted() && self.body.is_end_stream(),
            End::Revoking(_) => false,
            End::Past => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B: fmt::Debug> fmt::Debug for RevokingBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevokingBody").field("body", &self.body).finish_non_exhaustive()
    }
}
