//! What the tests share: a configuration to change, an authorizer with everything real except Vault, STS and the
//! clock, an issuer's keys with the tokens they sign, the events of API Gateway, and servers that misbehave.

mod bed;
mod clock;
mod document;
mod events;
mod jwt;
mod keys;
mod log;
mod servers;
mod sts;
mod table;
mod vault;

pub use self::{
    bed::*, clock::*, document::*, events::*, jwt::*, keys::*, log::*, servers::*, sts::*, vault::*,
};

pub(crate) use self::table::*;

/// Ends the test with the value where the pattern does not fit it.
macro_rules! assert_matches {
    ($value:expr, $pattern:pat $(if $guard:expr)?) => {
        match $value {
            $pattern $(if $guard)? => {}
            other => panic!("{other:?}"),
        }
    };
}
pub(crate) use assert_matches;
