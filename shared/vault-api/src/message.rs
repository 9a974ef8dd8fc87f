//! Makes Vault's error texts safe for a log.
//!
//! Receives a text from the network and the token that was sent; produces at most [`MAX_CHARS`] characters of its
//! first line, without anything that looks like a secret. It removes too much rather than too little. The path and
//! the status beside the text say where to look, and Vault's audit log has the rest.

/// The longest message kept, in characters. `IAM Principal "…" does not belong to the role "…"` has up to 370.
const MAX_CHARS: usize = 400;
/// What stands before the ARN that STS gave Vault's AWS auth method for the signer.
const PRINCIPAL: &str = "IAM Principal \"";
/// The longest error code of STS, and more.
const MAX_CODE_CHARS: usize = 64;
const WRONG_REGION: &str = "Credential should be scoped to a valid region";
/// What stands where something was removed.
const REMOVED: &str = "…";

/// A text of Vault's, such as the `error` of an audit entry, fit to be shown: its first line, bounded, without anything that
/// looks like a secret.
#[must_use]
pub fn harmless(text: &str) -> String {
    sanitised(text, None)
}

pub(crate) fn sanitised(text: &str, sent_token: Option<&str>) -> String {
    let text = match sent_token {
        Some(token) => text.replace(token, REMOVED),
        None => text.to_owned(),
    };
    let line = telling_line(&text);
    let line = match line.split_once('<') {
        // The document can quote the signed request with its session token.
        Some((before, _)) => before.to_owned() + &of_sts(&text).unwrap_or_default(),
        None => line.to_owned(),
    };
    let (before, arn, after) = around_principal(&line);
    let words =
        |text| split_keeping(text, |letter| !is_word_letter(letter)).map(redacted).flat_map(str::chars);
    let kept = words(before).chain(arn.chars()).chain(words(after));
    kept.filter(|letter| !letter.is_control()).take(MAX_CHARS).collect()
}

/// The ARN of an IAM principal, with what is before and after it. It is no secret, and the names in it often look like one:
/// CloudFormation ends a role's name in 12 random letters and digits.
fn around_principal(line: &str) -> (&str, &str, &str) {
    let found = line.find(PRINCIPAL).and_then(|at| {
        let (before, rest) = line.split_at_checked(at + PRINCIPAL.len())?;
        let (arn, after) = rest.split_at_checked(rest.find('"')?)?;
        is_arn(arn).then_some((before, arn, after))
    });
    found.unwrap_or((line, "", ""))
}

/// `arn:aws:sts::123456789012:assumed-role/<role>/<session>`, `arn:aws:iam::123456789012:user/<path>/<user>`. No part of it is
/// longer than IAM allows, or is written like a token.
fn is_arn(text: &str) -> bool {
    let mut parts = text.splitn(6, ':');
    let begins = parts.next() == Some("arn")
        && parts.next().is_some_and(|partition| partition.starts_with("aws"))
        && parts.next().is_some_and(|service| ["iam", "sts"].contains(&service))
        && parts.next() == Some("")
        && parts
            .next()
            .is_some_and(|account| account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit()));
    let is_name = |name: &str| {
        let letters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte));
        letters && name.len() <= 64 && !is_token(name)
    };
    begins && parts.next().is_some_and(|principal| principal.split('/').all(is_name))
}

/// The first line; of the list `1 error occurred:\n\t* permission denied\n\n`, its first item.
fn telling_line(text: &str) -> &str {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    if first.ends_with("occurred:") { lines.next().unwrap_or(first).trim_start_matches("* ") } else { first }
}

/// What tells in an error document of STS, which Vault's AWS auth method quotes: its code, and of its words those that say
/// that the signature is for another region, since the code is the same for every wrong signature.
fn of_sts(text: &str) -> Option<String> {
    let (code, rest) = text.split_once("<Code>")?.1.split_once("</Code>")?;
    let is_code = code.len() <= MAX_CODE_CHARS && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let about_region = if rest.contains(WRONG_REGION) { format!(", {WRONG_REGION}") } else { String::new() };
    is_code.then(|| format!("{code}{about_region}"))
}

fn redacted(word: &str) -> &str {
    if word.split('/').any(looks_secret) || (word.len() >= 40 && is_mixed(word)) { REMOVED } else { word }
}

/// Letters that tokens, JWTs, base64 of both alphabets, hex and URL-encoding are written with.
fn is_word_letter(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "+/=_-.%~".contains(letter)
}

fn looks_secret(word: &str) -> bool {
    is_token(word)
        || (word.len() >= 24 && is_mixed(word))
        || (word.len() >= 32 && has(word, char::is_numeric))
        || word.len() >= 64
}

/// Begins like a Vault token or a JWT.
fn is_token(word: &str) -> bool {
    let prefixed = ["hvs.", "hvb.", "hvr.", "s.", "b.", "r."].into_iter().any(|prefix| {
        word.find(prefix).and_then(|at| word.get(at + prefix.len()..)).is_some_and(|rest| rest.len() >= 16)
    });
    prefixed || word.starts_with("eyJ")
}

/// Upper case, lower case and digits together: base64 more often than a name.
fn is_mixed(word: &str) -> bool {
    has(word, char::is_uppercase) && has(word, char::is_lowercase) && has(word, char::is_numeric)
}

fn has(word: &str, kind: impl Fn(char) -> bool) -> bool {
    word.chars().any(kind)
}

/// Splits a text into runs of letters that are, or are not, separators; joined they are the text again.
fn split_keeping(text: &str, is_separator: impl Fn(char) -> bool + Copy) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let separator = is_separator(rest.chars().next()?);
        let end = rest.find(|letter| is_separator(letter) != separator).unwrap_or(rest.len());
        let (run, after) = rest.split_at_checked(end)?;
        rest = after;
        Some(run)
    })
}

#[cfg(test)]
mod tests;
