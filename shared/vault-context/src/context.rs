//! The envelope: what the authorizer tells the integration, as API Gateway carries it.
//!
//! Receives API Gateway's flat context, a whole integration event, or request headers, and produces [`VaultContext`].
//! It also does the reverse. Nothing here trusts what it carries. `unwrap` compares it with the integration's own
//! configuration.
//!
//! ```text
//! REST, WebSocket, payload 1.0:  event.requestContext.authorizer.<key>
//! HTTP API, payload 2.0:         event.requestContext.authorizer.lambda.<key>
//! container behind an HTTP integration:  X-Vault-Context-<Name>: <value>
//! ```

#[cfg(feature = "lambda")]
mod lambda;

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

use vault_api::WrappingToken;

#[cfg(feature = "lambda")]
pub use self::lambda::LambdaRequest;

/// The version of the contract this crate writes and reads.
pub const CONTEXT_VERSION: &str = "1";

/// The longest value of one field, in bytes. API Gateway allows 10,240 for all headers together.
pub const MAX_VALUE_BYTES: usize = 2048;

/// Every header of the contract starts with this. A request that already carries such a header is denied by the
/// authorizer: a client that could send one could smuggle its own envelope past a route whose mapping is missing or
/// empty (header smuggling), and servers that fold `_` into `-` would read `X_Vault_Context_Grant` as ours.
pub const RESERVED_HEADER_PREFIX: &str = "x-vault-";

/// Context key of a denial: the code of the reason. Never beside a token.
pub const REASON_KEY: &str = "reason";
/// Context key of a denial: the authorizer's Lambda request id, for the operator to search.
pub const DENIAL_ID_KEY: &str = "denialId";

/// One field of the contract: its name as context key and as header. Named together so that they cannot drift.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// The key in API Gateway's flat context.
    pub key: &'static str,
    /// The header a container gets the same value in.
    pub header: &'static str,
}

const fn field(key: &'static str, header: &'static str) -> Field {
    Field { key, header }
}

/// The single-use token to unwrap.
pub const WRAPPING_TOKEN: Field = field("vaultWrappingToken", "X-Vault-Context-Wrapping-Token");
/// The accessor of the token inside.
pub const WRAPPED_ACCESSOR: Field = field("vaultWrappedAccessor", "X-Vault-Context-Wrapped-Accessor");
/// The path the token inside was made at.
pub const CREATION_PATH: Field = field("vaultCreationPath", "X-Vault-Context-Creation-Path");
/// The Vault it was made by. To compare, never to dial.
pub const ADDRESS: Field = field("vaultAddress", "X-Vault-Context-Address");
/// The Vault namespace, if any.
pub const NAMESPACE: Field = field("vaultNamespace", "X-Vault-Context-Namespace");
/// When the wrapping token ends, in Unix seconds.
pub const WRAP_EXPIRES_AT: Field = field("vaultWrapExpiresAt", "X-Vault-Context-Wrap-Expires-At");
/// The grant that matched the caller.
pub const GRANT: Field = field("vaultGrant", "X-Vault-Context-Grant");
/// How the caller proved who it is.
pub const CALLER_KIND: Field = field("callerKind", "X-Vault-Context-Caller-Kind");
/// The configured name of the issuer, for callers that came with a JWT.
pub const CALLER_ISSUER: Field = field("callerIssuer", "X-Vault-Context-Caller-Issuer");
/// Who the caller is.
pub const CALLER_ID: Field = field("callerId", "X-Vault-Context-Caller-Id");
/// What the caller's token is bound to.
pub const CALLER_BINDING: Field = field("callerBinding", "X-Vault-Context-Caller-Binding");
/// The version of this contract.
pub const VERSION: Field = field("contextVersion", "X-Vault-Context-Version");

/// The whole contract. Templates and other languages' clients are checked against this table.
pub const FIELDS: [Field; 12] = [
    WRAPPING_TOKEN,
    WRAPPED_ACCESSOR,
    CREATION_PATH,
    ADDRESS,
    NAMESPACE,
    WRAP_EXPIRES_AT,
    GRANT,
    CALLER_KIND,
    CALLER_ISSUER,
    CALLER_ID,
    CALLER_BINDING,
    VERSION,
];

/// Whether a header name belongs to the contract: lower-cased and with `_` as `-`, it starts with
/// [`RESERVED_HEADER_PREFIX`]. Only the authorizer may send such headers; from a client they are header smuggling.
#[must_use]
pub fn is_reserved_header(name: &str) -> bool {
    folded(name).starts_with(RESERVED_HEADER_PREFIX)
}

/// What the authorizer found out and made for one request.
#[derive(Debug, Clone)]
pub struct VaultContext {
    /// Name of the grant that matched.
    pub grant: String,
    /// Who is calling.
    pub caller: Caller,
    /// The wrapped Vault token; `None` for a grant with `mode: none`.
    pub wrapped: Option<Wrapped>,
}

/// Who is calling, as the authorizer verified it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// How the caller proved it.
    pub kind: CallerKind,
    /// Configured name of the JWT's issuer.
    pub issuer: Option<String>,
    /// `<issuer name>:<user claim>`, or the canonical ARN.
    pub id: String,
    /// What the caller's token is bound to.
    pub binding: CallerBinding,
}

/// The kinds of proof a caller can bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallerKind {
    /// A JWT of a configured issuer.
    Jwt,
    /// A presigned `GetCallerIdentity`.
    AwsIdentity,
    /// A JWT of `sts:GetWebIdentityToken`.
    AwsIam,
}

impl CallerKind {
    const ALL: [Self; 3] = [Self::Jwt, Self::AwsIdentity, Self::AwsIam];

    /// The kind as the context and the log write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Jwt => "jwt",
            Self::AwsIdentity => "aws_identity",
            Self::AwsIam => "aws_iam",
        }
    }
}

/// What a caller proved to hold beside the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CallerBinding {
    /// Nothing: whoever has the token can use it.
    #[default]
    None,
    /// The key of the token, by a proof made for this request (RFC 9449).
    Dpop,
    /// The certificate of the token, by mutual TLS (RFC 8705).
    Mtls,
}

impl CallerBinding {
    const ALL: [Self; 3] = [Self::None, Self::Dpop, Self::Mtls];

    /// The binding as the context and the log write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Dpop => "dpop",
            Self::Mtls => "mtls",
        }
    }
}

/// A wrapped Vault token and what it takes to check it.
#[derive(Clone)]
pub struct Wrapped {
    /// The single-use token.
    pub token: WrappingToken,
    /// Accessor of the token inside; the key that joins the authorizer's log with Vault's audit log.
    pub wrapped_accessor: String,
    /// Path the token inside was made at, without namespace: `auth/token/create/<role>`.
    pub creation_path: String,
    /// Vault's address as the authorizer has it configured.
    pub address: String,
    /// Vault namespace as the authorizer has it configured.
    pub namespace: Option<String>,
    /// When the wrapping token ends, in Unix seconds.
    pub expires_at: u64,
}

impl fmt::Debug for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wrapped")
            .field("token", &self.token)
            .field("wrapped_accessor", &self.wrapped_accessor)
            .field("creation_path", &self.creation_path)
            .field("address", &self.address)
            .field("namespace", &self.namespace)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// Why there is no usable envelope. Names keys, never quotes values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ContextError {
    /// Nothing of the contract is there: the authorizer did not run, or another one did.
    #[error("the request has no vault-authorizer context")]
    Missing,
    /// Part of the contract is there, but not this key.
    #[error("the authorizer's context has no `{key}`")]
    Incomplete {
        /// The key that is missing or empty.
        key: &'static str,
    },
    /// A value that the authorizer would never write.
    #[error("the authorizer's context has an invalid `{key}`: {reason}")]
    Invalid {
        /// The key.
        key: &'static str,
        /// What is wrong with its value.
        reason: &'static str,
    },
    /// A later contract than this crate reads.
    #[error(
        "the authorizer's context has a `contextVersion` other than {CONTEXT_VERSION}: update vault-context"
    )]
    UnsupportedVersion,
}

impl VaultContext {
    /// The context as API Gateway takes it from an authorizer: flat, strings only, absent values left out.
    #[must_use]
    pub fn to_context(&self) -> BTreeMap<&'static str, String> {
        self.entries().into_iter().map(|(field, value)| (field.key, value)).collect()
    }

    /// The same values under their header names, as an HTTP integration's mapping writes them.
    #[must_use]
    pub fn to_headers(&self) -> BTreeMap<&'static str, String> {
        self.entries().into_iter().map(|(field, value)| (field.header, value)).collect()
    }

    /// Reads the flat context. Numbers and booleans are taken as the strings API Gateway makes of them; `null` and
    /// empty values count as absent; keys of others are left alone.
    ///
    /// # Errors
    /// [`ContextError`]; [`ContextError::Missing`] when no key of the contract is present.
    pub fn from_context(context: &Map<String, Value>) -> Result<Self, ContextError> {
        Self::from_values(|key| context.get(key))
    }

    fn from_values<'v>(value: impl Fn(&str) -> Option<&'v Value>) -> Result<Self, ContextError> {
        let mut values = Values::default();
        for field in FIELDS {
            if let Some(value) = value(field.key) {
                values.insert(field, flat(field, value)?)?;
            }
        }
        values.read()
    }

    /// Reads the event of a Lambda proxy integration, of any API type (see the module's drawing).
    ///
    /// # Errors
    /// [`ContextError`]; [`ContextError::Missing`] when the route has no such authorizer.
    pub fn from_event(event: &Value) -> Result<Self, ContextError> {
        let authorizer = event
            .get("requestContext")
            .and_then(|context| context.get("authorizer"))
            .ok_or(ContextError::Missing)?;
        // A REST authorizer can have no object in its context, so an object called `lambda` is payload 2.0's.
        let context = authorizer.get("lambda").and_then(Value::as_object).or_else(|| authorizer.as_object());
        Self::from_context(context.ok_or(ContextError::Missing)?)
    }

    /// Reads request headers. Names are compared without case and with `_` as `-`, as lenient servers do, so that
    /// two spellings of one header are seen as two values.
    ///
    /// # Errors
    /// [`ContextError`]; a header sent twice is [`ContextError::Invalid`].
    pub fn from_headers<'a>(
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, ContextError> {
        let mut values = Values::default();
        for (name, value) in headers {
            let name = folded(name);
            if let Some(field) = FIELDS.into_iter().find(|field| field.header.eq_ignore_ascii_case(&name)) {
                values.insert(field, value.to_owned())?;
            }
        }
        values.read()
    }

    fn entries(&self) -> Vec<(Field, String)> {
        let mut entries = vec![
            (GRANT, self.grant.clone()),
            (CALLER_KIND, self.caller.kind.as_str().to_owned()),
            (CALLER_ID, self.caller.id.clone()),
            (CALLER_BINDING, self.caller.binding.as_str().to_owned()),
            (VERSION, CONTEXT_VERSION.to_owned()),
        ];
        entries.extend(self.caller.issuer.clone().map(|issuer| (CALLER_ISSUER, issuer)));
        entries.extend(self.wrapped.iter().flat_map(Wrapped::entries));
        entries
    }
}

impl Wrapped {
    fn entries(&self) -> Vec<(Field, String)> {
        let mut entries = vec![
            (WRAPPING_TOKEN, self.token.expose().to_owned()),
            (WRAPPED_ACCESSOR, self.wrapped_accessor.clone()),
            (CREATION_PATH, self.creation_path.clone()),
            (ADDRESS, self.address.clone()),
            (WRAP_EXPIRES_AT, self.expires_at.to_string()),
        ];
        entries.extend(self.namespace.clone().map(|namespace| (NAMESPACE, namespace)));
        entries
    }
}

/// The contract's values as they arrived, before they are believed to be complete.
#[derive(Default)]
struct Values {
    by_key: BTreeMap<&'static str, String>,
    seen: Vec<&'static str>,
}

impl Values {
    fn insert(&mut self, field: Field, value: String) -> Result<(), ContextError> {
        if self.seen.contains(&field.key) {
            return Err(ContextError::Invalid { key: field.key, reason: "it was sent more than once" });
        }
        self.seen.push(field.key);
        check_value(field, &value)?;
        if !value.is_empty() {
            self.by_key.insert(field.key, value);
        }
        Ok(())
    }

    fn read(mut self) -> Result<VaultContext, ContextError> {
        if self.by_key.is_empty() {
            return Err(ContextError::Missing);
        }
        if self.take(VERSION)? != CONTEXT_VERSION {
            return Err(ContextError::UnsupportedVersion);
        }
        Ok(VaultContext { grant: self.take(GRANT)?, caller: self.caller()?, wrapped: self.wrapped()? })
    }

    fn caller(&mut self) -> Result<Caller, ContextError> {
        let kind = self.take(CALLER_KIND)?;
        let kind = CallerKind::ALL
            .into_iter()
            .find(|known| known.as_str() == kind)
            .ok_or(ContextError::Invalid { key: CALLER_KIND.key, reason: "it is not a kind of caller" })?;
        let (issuer, id) = (self.by_key.remove(CALLER_ISSUER.key), self.take(CALLER_ID)?);
        Ok(Caller { kind, issuer, id, binding: self.binding()? })
    }

    /// An authorizer that is older than this field has proven none.
    fn binding(&mut self) -> Result<CallerBinding, ContextError> {
        let Some(binding) = self.by_key.remove(CALLER_BINDING.key) else { return Ok(CallerBinding::None) };
        let known = CallerBinding::ALL.into_iter().find(|known| known.as_str() == binding);
        known.ok_or(ContextError::Invalid { key: CALLER_BINDING.key, reason: "it is not a kind of binding" })
    }

    /// A token's fields come together or not at all.
    fn wrapped(&mut self) -> Result<Option<Wrapped>, ContextError> {
        let of_a_token =
            [WRAPPING_TOKEN, WRAPPED_ACCESSOR, CREATION_PATH, ADDRESS, NAMESPACE, WRAP_EXPIRES_AT];
        if !of_a_token.iter().any(|field| self.by_key.contains_key(field.key)) {
            return Ok(None);
        }
        Ok(Some(Wrapped {
            token: WrappingToken::parse(self.take(WRAPPING_TOKEN)?).map_err(|_refused| {
                ContextError::Invalid { key: WRAPPING_TOKEN.key, reason: "it is not a token" }
            })?,
            wrapped_accessor: self.take(WRAPPED_ACCESSOR)?,
            creation_path: self.take(CREATION_PATH)?,
            address: self.take(ADDRESS)?,
            namespace: self.by_key.remove(NAMESPACE.key),
            expires_at: unix_seconds(WRAP_EXPIRES_AT, &self.take(WRAP_EXPIRES_AT)?)?,
        }))
    }

    fn take(&mut self, field: Field) -> Result<String, ContextError> {
        self.by_key.remove(field.key).ok_or(ContextError::Incomplete { key: field.key })
    }
}

fn flat(field: Field, value: &Value) -> Result<String, ContextError> {
    match value {
        Value::Null => Ok(String::new()),
        Value::Bool(flag) => Ok(flag.to_string()),
        Value::Number(number) => Ok(number.to_string()),
        Value::String(text) => Ok(text.clone()),
        Value::Array(_) | Value::Object(_) => {
            Err(ContextError::Invalid { key: field.key, reason: "it is not a string" })
        }
    }
}

fn check_value(field: Field, value: &str) -> Result<(), ContextError> {
    let reason = if value.len() > MAX_VALUE_BYTES {
        "it is too long"
    } else if value.chars().any(char::is_control) {
        "it contains a control character"
    } else {
        return Ok(());
    };
    Err(ContextError::Invalid { key: field.key, reason })
}

/// Digits alone: `u64`'s own parser would let a `+` through.
fn unix_seconds(field: Field, value: &str) -> Result<u64, ContextError> {
    let seconds = if value.bytes().all(|byte| byte.is_ascii_digit()) { value.parse().ok() } else { None };
    seconds.ok_or(ContextError::Invalid { key: field.key, reason: "it is not a time in Unix seconds" })
}

fn folded(header: &str) -> String {
    header.to_ascii_lowercase().replace('_', "-")
}

#[cfg(test)]
mod tests;
