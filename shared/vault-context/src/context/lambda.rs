//! The context in the types of `aws_lambda_events`. These types print all they hold, so no error here quotes one of
//! them.

use std::collections::HashMap;

use aws_lambda_events::apigw::{
    ApiGatewayProxyRequest, ApiGatewayProxyRequestContext, ApiGatewayV2httpRequest,
    ApiGatewayV2httpRequestContext, ApiGatewayWebsocketProxyRequest, ApiGatewayWebsocketProxyRequestContext,
};
use serde_json::Value;

use super::{ContextError, VaultContext};

mod sealed {
    use super::{HashMap, Value};

    pub trait Sealed {
        /// What the authorizer gave; `None` where the route has none.
        fn authorizer(&self) -> Option<&HashMap<String, Value>>;
    }
}

use sealed::Sealed;

/// A request, or its `request_context`, which is what `lambda_http` has of one.
///
/// Each type has the context in one place: a REST API's flat, and that of payload 2.0 under `lambda`.
pub trait LambdaRequest: Sealed {}

/// The request of one of API Gateway's APIs, and its context.
macro_rules! lambda_request {
    ($request:ty, $context:ty, |$self:ident| $authorizer:expr) => {
        impl LambdaRequest for $request {}
        impl LambdaRequest for $context {}

        impl Sealed for $request {
            fn authorizer(&self) -> Option<&HashMap<String, Value>> {
                self.request_context.authorizer()
            }
        }

        impl Sealed for $context {
            fn authorizer(&$self) -> Option<&HashMap<String, Value>> {
                $authorizer
            }
        }
    };
}

lambda_request!(ApiGatewayProxyRequest, ApiGatewayProxyRequestContext, |self| Some(&self.authorizer.fields));
lambda_request!(ApiGatewayWebsocketProxyRequest, ApiGatewayWebsocketProxyRequestContext, |self| Some(
    &self.authorizer.fields
));
lambda_request!(ApiGatewayV2httpRequest, ApiGatewayV2httpRequestContext, |self| self
    .authorizer
    .as_ref()
    .map(|authorizer| &authorizer.fields));

impl VaultContext {
    /// Reads a request in the types of `aws_lambda_events`.
    ///
    /// # Errors
    /// [`ContextError`]; [`ContextError::Missing`] when the route has no such authorizer.
    pub fn from_request(request: &impl LambdaRequest) -> Result<Self, ContextError> {
        let fields = request.authorizer().ok_or(ContextError::Missing)?;
        Self::from_values(|key| fields.get(key))
    }
}
