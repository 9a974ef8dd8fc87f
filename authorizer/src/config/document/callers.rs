//! `caller`: who vouches for the callers of a grant, and what must hold of them.

use serde_json::Value;
use sts_identity::PrincipalArn;

use super::{Node, Reader};
use crate::{
    config::node::Table,
    grant::{BoundClaim, Bounds, Callers, Pattern},
    identity::jwt::aws_iam,
    names::IssuerName,
};

const BOUNDS: [&str; 4] =
    ["bound_subject", "bound_claims", "bound_iam_principal_arns", "bound_iam_principal_ids"];

/// What a grant's callers have to show, as the document says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Jwt,
    AwsIam,
    AwsIdentity,
}

impl Reader<'_> {
    pub(super) fn caller(&self, node: &Node<'_>) -> Option<(Callers, Bounds)> {
        let mut table = node.table()?;
        let callers = self.callers(&mut table);
        let kind = callers.as_ref().map(|callers| self.kind(callers));
        let subject = table.optional("bound_subject", |node| node.text().map(str::to_owned));
        let globs =
            table.optional("bound_claims_type", |node| node.one_of(&[("string", false), ("glob", true)]));
        let claims = table.optional("bound_claims", |node| bound_claims(node, kind, globs.unwrap_or(false)));
        let arns = table
            .optional("bound_iam_principal_arns", |node| node.list(|node| self.principal_arn(node, kind)));
        let ids = table.optional("bound_iam_principal_ids", |node| node.list(principal_id));
        refuse_what_these_callers_never_have(&table, kind);
        refuse_unless_bound_or_any(&mut table);
        table.finish();
        let bounds = Bounds {
            subject,
            claims: claims.unwrap_or_default(),
            principal_arns: arns.unwrap_or_default(),
            principal_ids: ids.unwrap_or_default(),
        };
        Some((callers?, bounds))
    }

    fn callers(&self, table: &mut Table<'_>) -> Option<Callers> {
        let issuer = table.optional("issuer", |node| {
            let name: IssuerName = node.parsed(str::parse)?;
            match self.issuer_kind(name.as_str()) {
                Some(_) => Some(Callers::OfIssuer(name)),
                None => node.refuse("is not among `issuers`"),
            }
        });
        let aws_identity = table.optional("aws_identity", |node| match node.boolean()? {
            true if self.document.get("aws_identity").is_some() => Some(Callers::AwsIdentity),
            true => node.refuse("needs the section `aws_identity` at the top of the document"),
            false => node.refuse("must be true where it is written"),
        });
        table.exactly_one(("issuer", "`issuer`"), ("aws_identity", "`aws_identity: true`"));
        issuer.or(aws_identity)
    }

    /// What the document says of an issuer, also where that issuer is refused for another reason.
    fn issuer_kind(&self, name: &str) -> Option<Kind> {
        let issuer = self.document.get("issuers")?.get(name)?;
        let is_aws = issuer.get("kind").and_then(Value::as_str) == Some("aws_iam");
        Some(if is_aws { Kind::AwsIam } else { Kind::Jwt })
    }

    pub(super) fn is_aws(&self, issuer: &IssuerName) -> bool {
        self.issuer_kind(issuer.as_str()) == Some(Kind::AwsIam)
    }

    fn kind(&self, callers: &Callers) -> Kind {
        match callers {
            Callers::OfIssuer(name) => self.issuer_kind(name.as_str()).unwrap_or(Kind::Jwt),
            Callers::AwsIdentity => Kind::AwsIdentity,
        }
    }

    fn principal_arn(&self, node: &Node<'_>, kind: Option<Kind>) -> Option<Pattern> {
        let text = node.text()?;
        match kind? {
            Kind::AwsIdentity => self.sole_principal(node, text),
            Kind::AwsIam => principal_pattern(node, text),
            // Refused as a whole already.
            Kind::Jwt => None,
        }
    }

    /// GetCallerIdentity drops a role's path, so a pattern would cover roles of any path: exactly one principal, by the
    /// name that STS gives it.
    fn sole_principal(&self, node: &Node<'_>, text: &str) -> Option<Pattern> {
        if text.contains(['*', '?']) {
            return node.refuse(
                "must not hold `*` or `?`: GetCallerIdentity drops a role's path, so a pattern would cover more than it says",
            );
        }
        let arn = principal(node, text)?;
        let role = text.split_once(":role/").map(|(_, role)| role);
        if let Some((_, name)) = role.and_then(|role| role.rsplit_once('/')) {
            return node.refuse(format!(
                "never matches: GetCallerIdentity drops a role's path. Write arn:{}:iam::{}:role/{name}",
                arn.partition(),
                arn.account()
            ));
        }
        let accounts = self.document.pointer("/aws_identity/accounts").and_then(Value::as_array);
        if accounts.is_some_and(|accounts| !accounts.iter().any(|own| own == arn.account())) {
            return node.refuse("never matches: its account is not among `aws_identity.accounts`");
        }
        Some(Pattern::Exactly(text.into()))
    }
}

/// AWS's own tokens name a role with its path, so a pattern may end in `*` anywhere in the resource; never in the account.
fn principal_pattern(node: &Node<'_>, text: &str) -> Option<Pattern> {
    if text.contains('?') {
        return node.refuse("must not hold `?`: only `*` stands for other text");
    }
    let resource = text.splitn(6, ':').nth(5).unwrap_or_default();
    let (resource_kind, name) = resource.split_once('/').unwrap_or((resource, ""));
    let outside = text.strip_suffix(resource).unwrap_or(text);
    if outside.contains('*') || resource_kind.contains('*') {
        return node
            .refuse("may hold `*` only in the path and the name: arn:aws:iam::123456789012:role/team/*");
    }
    if !name.contains('*') {
        principal(node, text)?;
        return Some(Pattern::Exactly(text.into()));
    }
    // A star is no character of a name; whatever it may stand for, the rest must be an ARN's.
    principal(node, &text.replace('*', "x"))?;
    Some(Pattern::Glob(text.to_owned()))
}

/// An IAM user or role; a session's name is whatever its caller likes.
fn principal(node: &Node<'_>, text: &str) -> Option<PrincipalArn> {
    let arn = node.parsed(|_| PrincipalArn::parse(text))?;
    if arn.as_str() == arn.canonical() {
        return Some(arn);
    }
    node.refuse(format!("names a session: write its role, {}", arn.canonical()))
}

/// IAM user guide, "IAM identifiers": `AROA` begins a role's unique id, `AIDA` a user's.
fn principal_id(node: &Node<'_>) -> Option<String> {
    node.parsed(|text| {
        let rest = text.strip_prefix("AROA").or_else(|| text.strip_prefix("AIDA")).unwrap_or_default();
        let plain = rest.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        if plain && (8..=124).contains(&rest.len()) {
            Ok(text.to_owned())
        } else {
            Err("must be a unique id: AROA… of a role or AIDA… of a user")
        }
    })
}

/// A bound that can never hold reads like protection and is a mistake.
fn refuse_what_these_callers_never_have(table: &Table<'_>, kind: Option<Kind>) {
    let (keys, why): (&[&'static str], _) = match kind {
        None => return,
        Some(Kind::Jwt) => (
            &["bound_iam_principal_arns", "bound_iam_principal_ids"],
            "never holds: a JWT of a `kind: jwt` issuer names no IAM principal, whatever its claims say",
        ),
        Some(Kind::AwsIam) => {
            (&["bound_iam_principal_ids"], "never holds: AWS's JWTs do not carry the unique id; bind the ARN")
        }
        Some(Kind::AwsIdentity) => (
            &["bound_subject", "bound_claims", "bound_claims_type"],
            "never holds: an IAM proof has no claims",
        ),
    };
    for key in keys.iter().filter(|key| table.has(key)) {
        table.refuse_key(key, why);
    }
}

fn refuse_unless_bound_or_any(table: &mut Table<'_>) {
    let any = table.optional("any", Node::boolean).unwrap_or(false);
    let bound = BOUNDS.iter().any(|key| table.has(key));
    match (bound, any) {
        (false, false) => {
            table.refuse(format!("binds nothing: write one of {}, or `any: true`", BOUNDS.join(", ")));
        }
        (true, true) => table.refuse_key("any", "cannot stand beside a bound"),
        (true, false) | (false, true) => {}
    }
}

fn bound_claims(node: &Node<'_>, kind: Option<Kind>, globs: bool) -> Option<Vec<BoundClaim>> {
    node.entries(|name, node| bound_claim(name, node, kind, globs))
}

fn bound_claim(name: &str, node: &Node<'_>, kind: Option<Kind>, globs: bool) -> Option<BoundClaim> {
    if kind == Some(Kind::AwsIam) && aws_iam::is_chosen_by_the_caller(name) {
        return node.refuse("`request_tags` are whatever the caller asked for: bind `principal_tags`");
    }
    let any_of = match node.value() {
        Value::Array(_) => node.list(|node| pattern(node, globs))?,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            vec![pattern(node, globs)?]
        }
    };
    Some(BoundClaim { name: name.to_owned(), any_of })
}

fn pattern(node: &Node<'_>, globs: bool) -> Option<Pattern> {
    match node.value() {
        Value::String(_) if globs => Some(Pattern::Glob(node.text()?.to_owned())),
        Value::String(_) => Some(Pattern::Exactly(node.text()?.into())),
        Value::Bool(_) => Some(Pattern::Exactly(node.value().clone())),
        Value::Number(number) if number.is_f64() => node.refuse(format!(
            "must be a whole number from {} to {}: no other can be compared exactly. Put it in quotes if the claim is text",
            i64::MIN,
            u64::MAX
        )),
        Value::Number(_) => Some(Pattern::Exactly(node.value().clone())),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            node.refuse("must be text, a number or a boolean")
        }
    }
}
