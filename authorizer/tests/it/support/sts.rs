//! A fake STS behind the trait, and its answers.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use sts_identity::{Sts, StsAnswer, StsRequest, StsUnavailable};

/// Gives the answers it was told to give, else names [`ROLE_SESSION`], and writes down what it was asked.
#[derive(Clone, Default)]
pub struct FakeSts(Arc<Mutex<StsState>>);

#[derive(Default)]
struct StsState {
    answers: VecDeque<Result<StsAnswer, StsUnavailable>>,
    asked: Vec<String>,
    hangs: bool,
}

pub const ROLE_SESSION: &str = "arn:aws:sts::123456789012:assumed-role/batch/nightly-7";

impl FakeSts {
    /// What the next call gets.
    pub fn answer(&self, answer: Result<StsAnswer, StsUnavailable>) {
        self.0.lock().unwrap().answers.push_back(answer);
    }

    /// As if no answer had been given.
    pub fn forget_answers(&self) {
        self.0.lock().unwrap().answers.clear();
    }

    /// Whether it takes a question and does not answer.
    pub fn hang(&self, hangs: bool) {
        self.0.lock().unwrap().hangs = hangs;
    }

    /// What was asked since the last time: each call's URL and headers.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().asked)
    }
}

impl Sts for FakeSts {
    async fn call(&self, request: &StsRequest) -> Result<StsAnswer, StsUnavailable> {
        let headers: Vec<_> = request.headers().map(|(name, value)| format!("{name}: {value}")).collect();
        // Others come in between, as they do where there is a network.
        tokio::task::yield_now().await;
        if self.0.lock().unwrap().hangs {
            std::future::pending::<()>().await;
        }
        let mut state = self.0.lock().unwrap();
        state.asked.push(format!("{} {}", request.url(), headers.join(", ")));
        state
            .answers
            .pop_front()
            .unwrap_or_else(|| Ok(caller_answer(ROLE_SESSION, "AROAEXAMPLEBATCH:nightly-7")))
    }
}

/// STS's answer to a good proof.
pub fn caller_answer(arn: &str, user_id: &str) -> StsAnswer {
    let account = arn.split(':').nth(4).unwrap();
    sts_answer(
        200,
        &format!(
            "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
             <Arn>{arn}</Arn><UserId>{user_id}</UserId><Account>{account}</Account></GetCallerIdentityResult>\
             <ResponseMetadata><RequestId>01234567-89ab-cdef-0123-456789abcdef</RequestId></ResponseMetadata>\
             </GetCallerIdentityResponse>"
        ),
    )
}

/// STS's answer to a proof that is not good.
pub fn error_answer(status: u16, code: &str) -> StsAnswer {
    sts_answer(
        status,
        &format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
             <Code>{code}</Code><Message>no</Message></Error><RequestId>01234567-89ab-cdef-0123-456789abcdef</RequestId>\
             </ErrorResponse>"
        ),
    )
}

pub fn sts_answer(status: u16, body: &str) -> StsAnswer {
    StsAnswer { status, content_type: Some("text/xml".to_owned()), body: body.as_bytes().to_vec() }
}

pub fn no_answer() -> Result<StsAnswer, StsUnavailable> {
    Err(StsUnavailable { reason: "no answer in time".to_owned() })
}
