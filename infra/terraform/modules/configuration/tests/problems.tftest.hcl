# What cases.json cannot hold: values that come late, and what only Terraform has.

run "what_only_terraform_has_is_refused_as_well" {
  command = plan

  module {
    source = "./check"
  }

  variables {
    parts = {
      vault = { address = null, ca_file = null, login = { method = "token", token = "s.OfTheTest", mount = null } }
      issuers = {
        corp = { kind = "jwt", issuer = "https://a.example", audiences = toset(["orders", "a b", ""]), algorithms = ["RS256"], jwks = "discovery", binding = { require = null } }
        none = null
      }
      stages = {
        prod = {
          api_ids = ["*"]
          grants  = [{ name = "one", mode = "none", routes = ["GET /"], caller = { issuer = "corp", bound_claims = { tenant = null, "a.b" = [] } } }]
        }
      }
    }
  }

  assert {
    condition = jsonencode(output.unknown_keys) == jsonencode([
      "stages.prod.api_ids: unknown key; expected one of audiences, grants, server_id",
      "vault.login.mount: unknown key; expected one of method, token",
    ])
    error_message = "The unknown keys are ${join("\n", output.unknown_keys)}"
  }

  # A key that is null was not given; a claim that is null is one that no token could have.
  assert {
    condition = jsonencode(output.problems) == jsonencode([
      "issuers.corp.audiences[0]: must not be empty",
      "issuers.corp.binding: must not be empty",
      "issuers.none: must be a mapping",
      "stages.prod.grants[0].caller.bound_claims.\"a.b\": must not be empty",
      "stages.prod.grants[0].caller.bound_claims.tenant: must be a string, a number or a boolean",
      "vault.address: missing",
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
    condition     = length(output.unknown_keys) == 1 && startswith(output.unknown_keys[0], "stages.prod.grants[0].caller.bound_subjct: unknown key; expected one of any,")
    error_message = "The unknown keys are ${join("\n", output.unknown_keys)}"
  }
}

run "values_that_come_late_are_checked_when_they_come" {
  module {
    source = "./tests/values_of_tomorrow"
  }

  assert {
    condition     = contains(output.problems, "issuers.corp.jwks: `discovery` needs an `issuer` that can be called: https://…, or http:// to a loopback host; without a user, a query or a fragment")
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
