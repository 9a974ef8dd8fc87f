"""An authorizer as the documentation of PyJWT and of hvac has it: verifies the JWT, mints a wrapped token, answers."""

import json
import os

import hvac
import jwt

with open(os.environ["JWKS_FILE"]) as file:
    keys = jwt.PyJWKSet.from_dict(json.load(file))
vault = hvac.Client(url=os.environ["VAULT_ADDR"], token=os.environ["VAULT_TOKEN"])


def handler(event, context):
    try:
        token = event["headers"]["Authorization"].split(" ")[1]
        claims = jwt.decode(
            token,
            keys[jwt.get_unverified_header(token)["kid"]],
            algorithms=["RS256"],
            audience="orders-api",
            issuer=os.environ["ISSUER"],
        )
    except (KeyError, IndexError, jwt.InvalidTokenError):
        raise Exception("Unauthorized") from None
    if "orders:read" not in claims.get("scope", "").split():
        return policy(claims["sub"], "Deny", event["methodArn"], {"reason": "no_grant"})
    minted = vault.auth.token.create(
        role_name="orders-prod-reader", ttl="120s", wrap_ttl="30s", meta={"caller_id": claims["sub"]}
    )
    wrapped = minted["wrap_info"]
    context = {"vaultWrappingToken": wrapped["token"], "vaultWrappedAccessor": wrapped["wrapped_accessor"]}
    return policy(claims["sub"], "Allow", event["methodArn"], context)


def policy(principal, effect, arn, context):
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": arn}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    return {"principalId": principal, "policyDocument": document, "context": context}
