# Everything wrong at once: each refusal, its path and its words.

run "every_problem_is_reported_together" {
  command = plan

  module {
    source = "./check"
  }

  variables {
    parts = jsondecode(file("./tests/everything_wrong.json"))
  }

  assert {
    condition = jsonencode(output.unknown_keys) == jsonencode([
      "answer.unauthorised: is not a known key; known are: response, unauthorized",
      "credentials[2].form: is not a known key; known are: cookie, header, query, scheme, websocket_protocol",
      "issuers.corp.typs: is not a known key; known are: algorithms, audience_claim, audiences, binding, ca_file, issuer, jwks, kind, leeway, max_age, types, user_claim",
      "issuers.twin.jwks.url: is not a known key; known are: file, uri",
      "stages.a b.server: is not a known key; known are: audiences, grants, server_id",
      "stages.prod.api_ids: is not a known key; known are: audiences, grants, server_id",
      "stages.prod.grants[0].caller.bound_subjct: is not a known key; known are: any, aws_identity, bound_claims, bound_claims_type, bound_iam_principal_arns, bound_iam_principal_ids, bound_subject, issuer",
      "stages.prod.grants[0].token.polices: is not a known key; known are: entity_alias, num_uses, policies, role, ttl, wrap_ttl",
      "stages.prod.grants[1].token.entity_alias.claims: is not a known key; known are: claim",
      "valt: is not a known key; known are: answer, aws_identity, credentials, issuers, limits, log, stages, vault",
      "vault.login.server_id: is not a known key; known are: jwt_file, method, mount, role, sts_endpoint, sts_region, web_identity_audience",
      "vault.namepace: is not a known key; known are: address, ca_file, client_cert_file, client_key_file, login, namespace",
    ])
    error_message = "The unknown keys are ${join("\n", output.unknown_keys)}"
  }

  assert {
    condition = jsonencode(output.problems) == jsonencode([
      "answer.response: must be one of policy, simple",
      "aws_identity.accounts[0]: must be text: put it in quotes",
      "aws_identity.max_age: must be from 1s to 900s",
      "aws_identity: needs one of `sts_regions`, `sts_endpoint`",
      "credentials[0].header: must be a header's name that does not start with `x-vault-`",
      "credentials[1]: needs one of `header`, `cookie`, `query`, `websocket_protocol`, and not more",
      "credentials[2]: needs one of `header`, `cookie`, `query`, `websocket_protocol`",
      "credentials[3].header: is missing",
      "credentials[3].scheme: must be \"none\" where it is written",
      "issuers.arn.kind: must be one of aws_iam, jwt",
      "issuers.arn: its name must be 1 to 64 of a-z, 0-9, `.`, `_` and `-`, a letter or digit first, and not `arn`",
      "issuers.corp.algorithms[0]: must be one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA, Ed25519",
      "issuers.corp.audiences: must not be empty",
      "issuers.corp.binding.require: must be \"none\" where it is written",
      "issuers.corp.jwks: `discovery` needs an `issuer` that can be called: https://…, or http:// to a loopback host",
      "issuers.corp.leeway: must be from 0s to 300s",
      "issuers.corp.max_age: must be a whole number with a unit: 30s, 2m, 1h",
      "issuers.files.ca_file: is of no use: `jwks` names a file, so no keys are fetched",
      "issuers.none: must be a mapping",
      "issuers.twin.audiences: two issuers with one `issuer` may not share an audience in one `audience_claim`",
      "issuers.twin.binding: needs one of `verify`, `require`, and not more",
      "issuers.twin.jwks: needs one of `file`, `uri`",
      "limits.caller_mints_per_second: must be from 1 to 100000",
      "limits.grant_mints_per_second: must be a whole number",
      "log.caller_id: must be one of plain, hash, omit",
      "stages.a b: a stage's name must be `$default`, or 1 to 128 letters, digits, `_` and `-`",
      "stages.list: must be a mapping",
      "stages.none.grants: is missing",
      "stages.prod.grants[0].caller: binds nothing: every caller would have this grant. Bind something, or write `any = true`",
      "stages.prod.grants[0].name: two grants with one name; the other is stages.a b.grants[0].name",
      "stages.prod.grants[0].routes[0]: must be `METHOD template`, such as `GET /orders/{id}` or `* /orders/*`, where `*` is any method; or `$connect` alone",
      "stages.prod.grants[0].routes[1]: must be `METHOD template`, such as `GET /orders/{id}` or `* /orders/*`, where `*` is any method; or `$connect` alone",
      "stages.prod.grants[0].routes[2]: must be `METHOD template`, such as `GET /orders/{id}` or `* /orders/*`, where `*` is any method; or `$connect` alone",
      "stages.prod.grants[0].routes[3]: must be `METHOD template`, such as `GET /orders/{id}` or `* /orders/*`, where `*` is any method; or `$connect` alone",
      "stages.prod.grants[0].routes[4]: must be `METHOD template`, such as `GET /orders/{id}` or `* /orders/*`, where `*` is any method; or `$connect` alone",
      "stages.prod.grants[0].token.num_uses: must be at least 2",
      "stages.prod.grants[0].token.policies[0]: does not match ^[a-z0-9._/-]{1,128}$: The role's `allowed_policies` in Vault, beside `vault-authorizer-self`.",
      "stages.prod.grants[0].token.ttl: must be from 15s to 86400s",
      "stages.prod.grants[0].token.wrap_ttl: must be a whole number with a unit: 30s, 2m, 1h",
      "stages.prod.grants[1].caller.any: cannot stand beside a bound",
      "stages.prod.grants[1].caller.bound_claims.a: must be text, a number, a boolean or a list of these",
      "stages.prod.grants[1].caller.bound_claims.b: must be text, a number, a boolean or a list of these",
      "stages.prod.grants[1].caller.bound_claims.d[1]: must be text, a number, a boolean or a list of these",
      "stages.prod.grants[1].caller.bound_claims.d[1]: must not be empty",
      "stages.prod.grants[1].caller.bound_claims.e: must be a whole number from -9223372036854775808 to 18446744073709551615: no other can be compared exactly. Put it in quotes if the claim is text",
      "stages.prod.grants[1].caller.bound_claims.f[1]: must be a whole number from -9223372036854775808 to 18446744073709551615: no other can be compared exactly. Put it in quotes if the claim is text",
      "stages.prod.grants[1].caller.bound_claims.g: must be a whole number from -9223372036854775808 to 18446744073709551615: no other can be compared exactly. Put it in quotes if the claim is text",
      "stages.prod.grants[1].caller.issuer: is not among `issuers`",
      "stages.prod.grants[1].name: two grants with one name; the other is stages.a b.grants[0].name",
      "stages.prod.grants[1].name: two grants with one name; the other is stages.prod.grants[0].name",
      "stages.prod.grants[1].routes: must not be empty",
      "stages.prod.grants[1].token.entity_alias.claim: is missing",
      "stages.prod.grants[1].token.role: two grants with one role; the other is stages.prod.grants[0].token.role",
      "stages.prod.grants[1].token.wrap_ttl: must not be longer than `ttl`: the token inside would end first",
      "stages.prod.grants[2].caller.bound_iam_principal_arns[0]: must be the ARN of a user or a role, a role's without its path, which GetCallerIdentity drops, in one of `aws_identity.accounts`",
      "stages.prod.grants[2].caller.bound_iam_principal_arns[1]: must not hold `*` or `?`: GetCallerIdentity drops a role's path, so a pattern would cover more than it says",
      "stages.prod.grants[2].mode: must be \"none\" where it is written",
      "stages.prod.grants[2].routes: must be a list",
      "stages.prod.grants[2].token.entity_alias: never holds: an IAM proof has no claims",
      "stages.prod.grants[2].token.ttl: must be at most 900s: an IAM proof has no end that would bound it",
      "stages.prod.grants[2]: needs one of `token`, `mode`, and not more",
      "stages.prod.grants[3].caller.aws_identity: must be true where it is written",
      "stages.prod.grants[3].caller.bound_iam_principal_arns: never holds: tokens of a `kind: jwt` issuer name no IAM principal",
      "stages.prod.grants[3].caller.bound_iam_principal_ids: needs `aws_identity = true`: only STS's own answer has them",
      "stages.prod.grants[3].caller.bound_iam_principal_ids[0]: does not match ^(AROA|AIDA)[A-Z0-9]{8,124}$: Unique ids, of which one will do: `AROA…` of a role, `AIDA…` of a user.",
      "stages.prod.grants[3].caller: needs one of `issuer`, `aws_identity`, and not more",
      "stages.prod.grants[3]: needs one of `token`, `mode`",
      "stages.prod.grants[4].caller: must be a mapping",
      "stages.prod.grants[4].name: is missing",
      "stages.prod.grants[4].token: must be a mapping",
      "vault.address: must be https://…, or http:// to a loopback host; without a user, a query or a fragment",
      "vault.client_key_file: is missing",
      "vault.login.role: does not match ^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$: The role of the JWT auth method.",
      "vault.login.sts_region: is for `web_identity_audience`: nobody asks STS for what is in a file",
    ])
    error_message = "The problems are ${join("\n", output.problems)}"
  }
}

run "an_unknown_key_is_told_while_values_are_not_known_yet" {
  command = plan

  module {
    source = "./tests/values_of_tomorrow"
  }

  assert {
    condition     = length(output.unknown_keys) == 1 && startswith(output.unknown_keys[0], "stages.prod.grants[0].caller.bound_subjct: is not a known key; known are: any,")
    error_message = "The unknown keys are ${join("\n", output.unknown_keys)}"
  }
}

run "values_that_come_late_are_checked_when_they_come" {
  module {
    source = "./tests/values_of_tomorrow"
  }

  assert {
    condition     = contains(output.problems, "issuers.corp.jwks: `discovery` needs an `issuer` that can be called: https://…, or http:// to a loopback host")
    error_message = "The problems are ${join("\n", output.problems)}"
  }
}

run "values_that_no_schema_describes_are_refused" {
  command = plan

  module {
    source = "./check"
  }

  variables {
    parts = {
      vault = {
        address   = "https://vault.example.com"
        namespace = "a b"
        login     = { method = "aws", role = "api", server_id = "é", sts_region = "us" }
      }
      issuers = {
        corp    = { kind = "jwt", issuer = "https://a.example", audiences = ["orders"], audience_claim = "client_id", algorithms = ["RS256"], jwks = "discover" }
        account = { kind = "aws_iam", issuer = "https://tokens.example.com", audiences = ["orders"] }
      }
      credentials = ["Authorization"]
      stages = {
        prod = {
          audiences = ["reports"]
          grants    = [{ name = "status", mode = "none", routes = ["GET /status"], caller = { issuer = "corp", any = true } }]
        }
      }
    }
  }

  assert {
    condition = jsonencode(output.problems) == jsonencode([
      "credentials[0]: must be a mapping",
      "issuers.account.issuer: must be an account's own issuer: https://….tokens.sts.global.api.aws",
      "issuers.corp.jwks: must be `discovery`, {uri = …} or {file = …}",
      "stages.prod.audiences: no token of issuer `corp` can be for this stage: it names one audience, and none of the issuer's `audiences` is among these",
      "vault.login.server_id: must be visible ASCII, without spaces",
      "vault.login.sts_region: an AWS region is written like `eu-west-1`",
      "vault.namespace: must be visible ASCII, without spaces",
    ])
    error_message = "The problems are ${join("\n", output.problems)}"
  }
}

run "what_only_aws_may_say_of_a_principal_is_nobody_elses_to_say" {
  command = plan

  module {
    source = "./check"
  }

  variables {
    parts = {
      vault = { address = "https://vault.example.com", login = { method = "aws", role = "api", server_id = "vault.example.com" } }
      issuers = {
        account = {
          kind       = "aws_iam", issuer = "https://a1.tokens.sts.global.api.aws", audiences = ["orders"], jwks = { uri = "https://keys.example.com/jwks" }
          user_claim = "/https:~1~1sts.amazonaws.com~1/request_tags/name"
        }
        other = { kind = "aws_iam", issuer = "https://a2.tokens.sts.global.api.aws", audiences = ["orders"], jwks = { uri = "https://a2.tokens.sts.global.api.aws:8443/jwks" } }
      }
      stages = {
        prod = {
          grants = [
            {
              name = "one", routes = ["GET /1"], token = { role = "one", policies = ["one"], ttl = "1m", wrap_ttl = "15s", entity_alias = { claim = "/https:~1~1sts.amazonaws.com~1/request_tags/team" } }
              caller = {
                issuer       = "account"
                bound_claims = { "/https:~1~1sts.amazonaws.com~1/request_tags" = "a", "/https:~1~1sts.amazonaws.com~1/principal_tags/team" = "a" }
              }
            },
            {
              name = "two", routes = ["GET /2"], mode = "none"
              caller = {
                issuer = "account"
                bound_iam_principal_arns = [
                  "arn:aws:iam::123456789012:root",
                  "arn:aws:sts::123456789012:assumed-role/batch/nightly",
                  "arn:aws:sts::123456789012:federated-user/ann",
                  "arn:aws:iam::123456789012:role/",
                  "arn:aws:iam::123456789012:role/a b",
                  "arn:aws:iam::123456789012:role/*/a?",
                  "arn:aws:iam::*:role/a",
                  "arn:aws:iam::123456789012:*/a",
                  "arn:aws:iam::123456789012:role/team/*",
                  "arn:aws-cn:iam::123456789012:user/a/b",
                ]
              }
            },
          ]
        }
      }
    }
  }

  assert {
    condition = jsonencode(output.problems) == jsonencode(concat(
      [
        "issuers.account.jwks.uri: must be on the issuer's own host: whoever has the keys says who every principal is",
        "issuers.account.user_claim: `request_tags` are whatever the caller asked for: they name nobody",
        "issuers.other.jwks.uri: must be on the issuer's own host: whoever has the keys says who every principal is",
        "stages.prod.grants[0].caller.bound_claims./https:~1~1sts.amazonaws.com~1/request_tags: `request_tags` are whatever the caller asked for: bind `principal_tags`",
        "stages.prod.grants[0].token.entity_alias.claim: `request_tags` are whatever the caller asked for: use `principal_tags`",
      ],
      [for index in range(8) : "stages.prod.grants[1].caller.bound_iam_principal_arns[${index}]: must be the ARN of a user or a role, such as arn:aws:iam::123456789012:role/team/*; `*` may stand only in its path and its name"],
    ))
    error_message = "The problems are ${join("\n", output.problems)}"
  }
}

run "values_of_the_right_form_that_mean_nothing_are_refused" {
  command = plan

  module {
    source = "./check"
  }

  variables {
    parts = {
      vault = { address = "https://vault.example.com:99999", namespace = "/", login = { method = "aws", role = "api", server_id = "vault.example.com", sts_endpoint = "http://127.0.0.256:4566" } }
      issuers = {
        corp  = { kind = "jwt", issuer = "https://ü.example.com", audiences = ["orders"], algorithms = ["RS256"], jwks = "discovery" }
        other = { kind = "jwt", issuer = "other", audiences = ["orders"], algorithms = ["RS256"], jwks = { uri = "https://a.example/ü" } }
      }
      aws_identity = { server_id = "orders.example.com", accounts = ["123456789012"], sts_regions = ["eu-west-1"] }
      stages = {
        prod = {
          grants = [{
            name   = "one"
            routes = ["GET /ü", "GET /a\u00a0b"]
            caller = {
              aws_identity = true
              bound_iam_principal_arns = [
                "arn:aws:iam::123456789012:user/a/",
                "arn:aws:iam::123456789012:role/${join("", [for index in range(65) : "a"])}",
                "arn:aws:iam::123456789012:role/a b",
                "arn:aws:iam::123456789012:role/${join("", [for index in range(64) : "a"])}",
                "arn:aws:iam::123456789012:user/a/b",
              ]
            }
            token = { role = "one", policies = ["root", "rooted"], ttl = "1m", wrap_ttl = "15s" }
          }]
        }
      }
    }
  }

  assert {
    condition = jsonencode(output.problems) == jsonencode(concat(
      [
        "issuers.corp.jwks: `discovery` needs an `issuer` that can be called: https://…, or http:// to a loopback host",
        "issuers.other.jwks.uri: must be https://…, or http:// to a loopback host",
      ],
      [for index in range(3) : "stages.prod.grants[0].caller.bound_iam_principal_arns[${index}]: must be the ARN of a user or a role, a role's without its path, which GetCallerIdentity drops, in one of `aws_identity.accounts`"],
      [for index in range(2) : "stages.prod.grants[0].routes[${index}]: must be `METHOD template`, such as `GET /orders/{id}` or `* /orders/*`, where `*` is any method; or `$connect` alone"],
      [
        "stages.prod.grants[0].token.policies[0]: must be a Vault policy's name in lower case, not `root`",
        "vault.address: must be https://…, or http:// to a loopback host; without a user, a query or a fragment",
        "vault.login.sts_endpoint: must be a loopback address, http://127.0.0.1:…; it is for development only",
        "vault.namespace: must be a path such as `platform/team1`",
      ],
    ))
    error_message = "The problems are ${join("\n", output.problems)}"
  }
}

run "schemes_and_hosts_are_read_in_any_case" {
  command = plan

  module {
    source = "./check"
  }

  variables {
    parts = {
      vault = { address = "http://LOCALHOST:65535/vault", namespace = "/platform/", login = { method = "aws", role = "api", server_id = "vault.example.com", sts_endpoint = "HTTPS://[::1]" } }
      issuers = {
        corp    = { kind = "jwt", issuer = "HTTPS://Login.example.com", audiences = ["orders"], algorithms = ["RS256"], jwks = "discovery" }
        account = { kind = "aws_iam", issuer = "https://A1.Tokens.sts.global.api.aws", audiences = ["orders"], jwks = { uri = "https://a1.tokens.sts.global.api.aws:443/jwks?x=/" } }
        test    = { kind = "aws_iam", issuer = "http://LocalHost:1", audiences = ["orders"], jwks = { uri = "http://localhost:2/jwks" } }
      }
      stages = { prod = { grants = [{ name = "status", mode = "none", routes = ["GET /status"], caller = { issuer = "corp", any = true } }] } }
    }
  }

  assert {
    condition     = length(output.problems) == 0
    error_message = "The problems are ${join("\n", output.problems)}"
  }
}

run "no_message_quotes_a_secret_and_its_size_is_none" {
  command = plan

  module {
    source = "./tests/sensitive"
  }

  assert {
    condition     = alltrue([for bytes in values(output.bytes) : bytes[0] > 300 && bytes[1] > 200])
    error_message = "The sizes are ${jsonencode(output.bytes)}"
  }

  assert {
    condition     = output.documents_are_sensitive == { approle = true, token = true }
    error_message = "The document holds the secret: ${jsonencode(output.documents_are_sensitive)}"
  }

  assert {
    condition     = length(output.messages) > 10 && length([for message in output.messages : message if strcontains(message, "the secret of the test")]) == 0
    error_message = "The messages are ${join("\n", output.messages)}"
  }
}
