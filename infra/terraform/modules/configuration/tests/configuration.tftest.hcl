# What goes in comes out: every key of the schema, and every value with its type.

variables {
  api_ids = ["a1b2c3d4e5"]
  vault   = jsondecode(file("./tests/every_key.json")).vault
  stages  = jsondecode(file("./tests/every_key.json")).stages
}

run "no_key_is_lost" {
  command = plan

  variables {
    issuers      = jsondecode(file("./tests/every_key.json")).issuers
    aws_identity = jsondecode(file("./tests/every_key.json")).aws_identity
    credentials  = jsondecode(file("./tests/every_key.json")).credentials
    answer       = jsondecode(file("./tests/every_key.json")).answer
    log          = jsondecode(file("./tests/every_key.json")).log
    limits       = jsondecode(file("./tests/every_key.json")).limits
  }

  assert {
    condition = jsonencode(jsondecode(output.document)) == jsonencode(merge(
      jsondecode(file("./tests/every_key.json")),
      {
        stages = {
          for name, stage in jsondecode(file("./tests/every_key.json")).stages : name => merge(stage, { api_ids = ["a1b2c3d4e5"] })
        }
      },
    ))
    error_message = "The document is another than what was written: ${output.document}"
  }
}

run "a_key_with_null_is_a_key_that_was_not_given" {
  command = plan

  variables {
    vault = {
      address   = "https://vault.example.com"
      namespace = null
      login     = { method = "aws", role = "api", server_id = "vault.example.com", mount = null }
    }
    issuers = {
      corp = { kind = "jwt", issuer = "https://a.example", audiences = ["a"], algorithms = ["RS256"], jwks = { uri = "https://a.example/keys", file = null }, max_age = null, binding = { require = "dpop", public_urls = null } }
    }
    log = { caller_id = null }
    stages = {
      prod = {
        audiences = null
        grants = [{
          name   = "one"
          mode   = null
          routes = ["GET /"]
          caller = { issuer = "corp", any = true, bound_subject = null, binding = null }
          token  = { role = "one", policies = ["one"], ttl = "1m", wrap_ttl = "15s", num_uses = null }
        }]
      }
    }
  }

  assert {
    condition = output.document == jsonencode({
      vault   = { address = "https://vault.example.com", login = { method = "aws", role = "api", server_id = "vault.example.com" } }
      issuers = { corp = { kind = "jwt", issuer = "https://a.example", audiences = ["a"], algorithms = ["RS256"], jwks = { uri = "https://a.example/keys" }, binding = { require = "dpop" } } }
      log     = {}
      stages = {
        prod = {
          api_ids = ["a1b2c3d4e5"]
          grants = [{
            name   = "one"
            routes = ["GET /"]
            caller = { issuer = "corp", any = true }
            token  = { role = "one", policies = ["one"], ttl = "1m", wrap_ttl = "15s" }
          }]
        }
      }
    })
    error_message = output.document
  }

  assert {
    condition     = output.environment_value == output.document && output.document_bytes == length(output.document)
    error_message = "A small document is the value as it is."
  }
}


run "above_4000_bytes_the_value_is_compressed" {
  command = plan

  variables {
    issuers = { corp = { kind = "jwt", issuer = "https://a.example", audiences = ["a"], algorithms = ["RS256"], jwks = "discovery" } }
    stages = {
      prod = {
        grants = [for index in range(30) : {
          name   = "grant-${index}"
          routes = ["GET /${index}"]
          caller = { issuer = "corp", bound_subject = "überall" }
          token  = { role = "grant-${index}", policies = ["grant-${index}"], ttl = "1m", wrap_ttl = "15s" }
        }]
      }
    }
  }

  assert {
    condition     = output.document_bytes == length(output.document) + 30 && output.document_bytes > 4000
    error_message = "${output.document_bytes} bytes, and ${length(output.document)} characters of which 30 are two bytes."
  }

  assert {
    condition     = output.environment_value == "base64gzip:${base64gzip(output.document)}" && length(output.environment_value) < 4000
    error_message = output.environment_value
  }
}

run "what_is_too_large_even_so_is_refused" {
  command = plan

  variables {
    issuers = { corp = { kind = "jwt", issuer = "https://a.example", audiences = ["a"], algorithms = ["RS256"], jwks = "discovery" } }
    stages = {
      prod = {
        grants = [for index in range(100) : {
          name   = "grant-${index}"
          routes = ["GET /${index}"]
          caller = { issuer = "corp", bound_subject = sha512(index) }
          token  = { role = "grant-${index}", policies = ["grant-${index}"], ttl = "1m", wrap_ttl = "15s" }
        }]
      }
    }
  }

  expect_failures = [output.environment_value]
}

run "in_the_package_it_may_be_of_any_size" {
  command = plan

  variables {
    in_package = true
    issuers    = { corp = { kind = "jwt", issuer = "https://a.example", audiences = ["a"], algorithms = ["RS256"], jwks = "discovery" } }
    stages = {
      prod = {
        grants = [for index in range(100) : {
          name   = "grant-${index}"
          routes = ["GET /${index}"]
          caller = { issuer = "corp", bound_subject = sha512(index) }
          token  = { role = "grant-${index}", policies = ["grant-${index}"], ttl = "1m", wrap_ttl = "15s" }
        }]
      }
    }
  }

  assert {
    condition     = output.environment_value == null && output.packed_bytes > 4000 && length(jsondecode(output.document).stages.prod.grants) == 100
    error_message = "The document is an output, and no value of the variable."
  }
}

run "a_document_with_an_unknown_key_is_not_made" {
  command = plan

  variables {
    aws_identity = { server_id = "x", accounts = ["123456789012"], sts_regions = ["eu-west-1"] }
    stages       = { prod = { grants = [{ name = "a", mode = "none", routes = ["GET /"], caller = { aws_identity = true, any = true, bound_subjct = "alice" } }] } }
  }

  expect_failures = [output.document]
}

run "a_document_with_a_problem_is_not_made" {
  command = plan

  variables {
    aws_identity = { server_id = "x", accounts = ["123456789012"], sts_regions = ["eu-west-1"] }
    stages       = { prod = { grants = [{ name = "a", mode = "none", routes = ["GET /"], caller = { aws_identity = true } }] } }
  }

  expect_failures = [output.document]
}

run "a_document_is_for_some_api" {
  command = plan

  variables {
    api_ids      = []
    aws_identity = { server_id = "x", accounts = ["123456789012"], sts_regions = ["eu-west-1"] }
    stages       = { prod = { grants = [{ name = "a", mode = "none", routes = ["GET /"], caller = { aws_identity = true, any = true } }] } }
  }

  expect_failures = [var.api_ids]
}

run "no_key_of_a_variant_is_lost" {
  command = plan

  module {
    source = "./tests/variants"
  }

  assert {
    condition     = jsonencode(output.variants) == jsonencode(jsondecode(file("./tests/variants.json")))
    error_message = "The documents have ${jsonencode(output.variants)}"
  }
}
