//! The Lambda function `bootstrap`. It reads the configuration, builds the adapters and runs.
//!
//! If the configuration has problems, it reports all of them and ends. The library makes every decision.

use std::{
    cell::Cell,
    env,
    error::Error,
    io, mem,
    process::ExitCode,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use authorizer_adapters::{
    credentials::FunctionCredentials, identity_client, jwks::Jwks, sts::StsClient, vault::VaultMinter,
};
use authorizer_steps::{
    authorize::{Authorizer, Invocation, Resolver},
    caller_limit::CallerLimit,
    clock::{Clock, SystemClock, UnixTime},
    error_chain::with_causes,
    identity::{AwsIdentityScheme, JwtScheme, Schemes},
    mint::ahead::Ahead,
    response::Envelope,
};
use lambda_runtime::{
    Diagnostic, LambdaEvent, LambdaInvocation, Runtime, service_fn,
    tower::{Layer, Service},
};
use tokio::{runtime::Builder, task::futures::TaskLocalFuture};
use vault_authorizer::{
    between_answers::{BetweenAnswers, Invocations, UnderWay},
    config::Config,
    log,
};

/// Managed Instances alone set it, also where it is 1 (Lambda developer guide, "Defined runtime environment variables").
const MAX_CONCURRENCY: &str = "AWS_LAMBDA_MAX_CONCURRENCY";
/// What init waits for the keys and the login. What takes longer is given up, and tried again by the first request.
const WARM_UP: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    log::start(env::var("RUST_LOG").ok().as_deref());
    match runtime().map_err(Into::into).and_then(|runtime| runtime.block_on(run())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{}", with_causes(&*error));
            ExitCode::FAILURE
        }
    }
}

/// One thread where Lambda sends one event at a time, since threads cost start and warm requests time. Where it sends several
/// at once, as many threads as there are processors.
fn runtime() -> io::Result<tokio::runtime::Runtime> {
    let mut runtime =
        if several_at_once() { Builder::new_multi_thread() } else { Builder::new_current_thread() };
    runtime.enable_all().build()
}

fn several_at_once() -> bool {
    let most = env::var(MAX_CONCURRENCY).ok().and_then(|most| most.parse::<u32>().ok());
    most.is_some_and(|most| most > 1)
}

async fn run() -> Result<(), Box<dyn Error + Send + Sync>> {
    let config = Config::from_env(|name| env::var(name).ok())?;
    if env::var_os("AWS_LAMBDA_RUNTIME_API").is_none() {
        tracing::info!(
            "the configuration is valid; this program runs as an AWS Lambda function, so it ends here"
        );
        return Ok(());
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let client = identity_client(config.sts_protocol())?;
    let credentials = Box::new(FunctionCredentials::new(client.clone()));
    let sts = StsClient::new(client);
    let aws_identity =
        config.aws_identity.map(|settings| AwsIdentityScheme::new(settings, sts.clone(), Arc::clone(&clock)));
    let (issuers, keys) = Jwks::new(config.issuers, Arc::clone(&clock))?;
    let minter = VaultMinter::new(config.vault, sts, credentials, Arc::clone(&clock))?;
    // Whatever comes of it, init goes on: a denial needs no Vault, and a fault is better than no answer.
    let warm_up = async { tokio::join!(keys.warm(), minter.warm(WARM_UP)) };
    let ahead = Ahead::of(&config.stages);
    // Lambda takes extensions during init alone. Without a grant that mints ahead, there is none.
    let is_frozen = env::var_os(MAX_CONCURRENCY).is_none();
    let prepare = async { if ahead.is_empty() { None } else { BetweenAnswers::prepare(is_frozen).await } };
    let (_unfinished, between_answers) = tokio::join!(tokio::time::timeout(WARM_UP, warm_up), prepare);

    let schemes = Schemes { jwt: JwtScheme::new(issuers, keys), aws_identity };
    let authorizer = Authorizer {
        envelope: Envelope::of(minter.vault().address(), minter.vault().namespace()),
        resolver: Resolver { schemes, credentials: config.credentials, stages: config.stages, clock },
        caller_limit: CallerLimit::new(config.limits.caller_mints_per_second),
        ahead,
        minter,
        answer: config.answer,
        caller_id_in_log: config.caller_id_in_log,
        warm: false.into(),
    };
    let authorizer = Arc::new(authorizer);
    let invocations = between_answers.map(|(invocations, between_answers)| {
        let authorizer = Arc::clone(&authorizer);
        tokio::spawn(between_answers.run(move |deadline| {
            let authorizer = Arc::clone(&authorizer);
            async move { authorizer.mint_ahead(deadline).await }
        }));
        invocations
    });
    let handler = service_fn(move |event: LambdaEvent<()>| {
        let authorizer = Arc::clone(&authorizer);
        async move {
            let context = &event.context;
            let deadline = UnixTime::from_millis(context.deadline);
            let trace_id = context.xray_trace_id.as_deref();
            let invocation = Invocation { request_id: &context.request_id, trace_id, deadline };
            authorizer
                .answer(&SERVED.with(|served| served.event.take()), invocation)
                .await
                .into_result()
                .map_err(Refused)
        }
    });
    Runtime::new(handler).layer(Unread(invocations)).run_concurrent().await
}

tokio::task_local! {
    /// The invocation that is served.
    static SERVED: Served;
}

struct Served {
    event: Cell<Vec<u8>>,
    /// Dropped when Lambda has the answer.
    _under_way: Option<UnderWay>,
}

/// The runtime parses JSON before it calls its handler. It reports an event that it cannot parse in words of its own, with the
/// names of members in the log and without a decision of ours, and it ignores what follows the JSON. So it gets `null`, and the
/// handler takes the event's bytes from [`SERVED`].
struct Unread(Option<Invocations>);

impl<S> Layer<S> for Unread {
    type Service = UnreadEvents<S>;

    fn layer(&self, inner: S) -> Self::Service {
        UnreadEvents { inner, invocations: self.0.clone() }
    }
}

#[derive(Clone)]
struct UnreadEvents<S> {
    inner: S,
    invocations: Option<Invocations>,
}

impl<S: Service<LambdaInvocation>> Service<LambdaInvocation> for UnreadEvents<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = TaskLocalFuture<Served, S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut invocation: LambdaInvocation) -> Self::Future {
        let event = mem::replace(&mut invocation.body, "null".into());
        let request_id = &invocation.context.request_id;
        let under_way = self.invocations.as_ref().map(|invocations| invocations.begin(request_id));
        let served = Served { event: Cell::new(event.into()), _under_way: under_way };
        SERVED.scope(served, self.inner.call(invocation))
    }
}

/// An answer that API Gateway takes as an error: 401 for `Unauthorized`, else 500.
#[derive(Debug)]
struct Refused(&'static str);

impl From<Refused> for Diagnostic {
    fn from(Refused(message): Refused) -> Self {
        Self { error_type: "Refused".to_owned(), error_message: message.to_owned() }
    }
}
