//! The command to run after an examination.
//!
//! What is missing in Vault, `vault plan` shows and `vault apply` creates. Whatever else is wrong is mended elsewhere, and
//! then looked at again.

use super::{Arguments, finding::Finding, login, objects};
use crate::{
    next::{Next, option},
    vault::OWN_POLICY,
};

pub(super) fn of(findings: &[Finding], arguments: &Arguments) -> Next {
    let wrong = || findings.iter().filter(|finding| finding.is_wrong());
    let mut unseen = findings.iter().filter(|finding| finding.is_unseen()).peekable();
    if wrong().any(|finding| finding.check == objects::CHECK) {
        return Next::new(["vault", "plan"], arguments.of_vault());
    }
    if wrong().next().is_none() && unseen.peek().is_none() {
        return Next::trace(None);
    }
    let only_the_login = wrong().next().is_none() && unseen.all(|finding| finding.check == login::CHECK);
    arguments.again(only_the_login)
}

impl Arguments {
    /// What `vault plan` and `vault apply` take as well.
    fn of_vault(&self) -> Vec<String> {
        let policy = self.policy.as_str();
        let policy = (policy != OWN_POLICY).then(|| option("--policy", policy)).into_iter().flatten();
        let quotas = self.quotas.given().into_iter().chain(self.address.given());
        self.config.given().into_iter().chain(policy).chain(quotas).collect()
    }

    /// The same once more.
    fn again(&self, with_login: bool) -> Next {
        let mut given = self.of_vault();
        given.extend(self.function.iter().flat_map(|name| option("--function", name)));
        given.extend(self.region.iter().flat_map(|region| option("--region", region)));
        given.extend(self.apis.iter().flat_map(|api| option("--api", api)));
        // A URL may have a password in it.
        let shown = |url: &str| if url.contains('@') { "URL".to_owned() } else { url.to_owned() };
        given.extend(self.aws_endpoint.iter().flat_map(|url| option("--aws-endpoint", shown(url))));
        given.extend((self.log_in || with_login).then(|| "--log-in".to_owned()));
        Next::new(["doctor"], given)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::{Command, CommandLine};

    fn doctor(options: &str) -> Arguments {
        let words = format!("vault-authorizer doctor a.yaml{options}");
        let command = CommandLine::try_parse_from(words.split(' ')).unwrap().command;
        let Command::Doctor(arguments) = command else { panic!("{words}") };
        arguments
    }

    /// The program takes what it suggests, with the options that were given.
    #[test]
    fn each_next_command_is_one() {
        let good = Finding::good("vault-sealed", "");
        let of_vault = " --task-root /t --policy own --quota-namespace admin --trust-config-address";
        let others =
            " --function f --region eu-west-1 --api a --api b --aws-endpoint http://127.0.0.1:9/ --log-in";
        let all = format!("{of_vault}{others}");
        let trace = "trace --request-id REQUEST_ID --authorizer-log authorizer.log --audit-log audit.log";
        let missing = || vec![Finding::wrong(objects::CHECK, "", ""), Finding::wrong("function", "", "")];
        let not_tried = || Finding::unseen(login::CHECK, "");
        for (findings, options, expected) in [
            (vec![], &*all, trace.to_owned()),
            (missing(), &*all, format!("vault plan a.yaml{of_vault}")),
            (missing(), " --no-quotas", "vault plan a.yaml --no-quotas".to_owned()),
            (vec![Finding::wrong("stage", "", ""), not_tried()], "", "doctor a.yaml".to_owned()),
            (vec![not_tried()], "", "doctor a.yaml --log-in".to_owned()),
            (vec![not_tried(), Finding::unseen(objects::CHECK, "")], &*all, format!("doctor a.yaml{all}")),
        ] {
            let findings = [vec![good.clone()], findings].concat();
            let told = of(&findings, &doctor(options)).must_parse();
            assert_eq!(told, format!("vault-authorizer {expected}"));
        }
    }

    #[test]
    fn rejects_a_password_in_the_next_command() {
        let arguments =
            doctor(" --function f --region eu-west-1 --aws-endpoint http://me:secret@127.0.0.1:9/");
        let told = arguments.again(false).must_parse();
        assert!(told.ends_with("--aws-endpoint URL"), "{told}");
    }
}
