"""An integration in Python: takes the authorizer's context, checks it, unwraps the token, reads one secret, revokes it.

The context comes on standard input, as API Gateway delivers it at event["requestContext"]["authorizer"].
"""

import json
import os
import sys
import time

import hvac

context = json.load(sys.stdin)
address, creation_path = os.environ["VAULT_ADDR"], os.environ["CREATION_PATH"]
namespace = os.environ.get("VAULT_NAMESPACE")

# The context is compared with what this integration expects, and never followed.
if context.get("contextVersion") != "1" or "vaultWrappingToken" not in context:
    sys.exit("no wrapped token in the context: is the authorizer attached to this route?")
if context["vaultAddress"] != address:
    sys.exit("the context names another Vault address: it may have been tampered with")
if context.get("vaultNamespace") != namespace:
    sys.exit("the context names another Vault namespace: it may have been tampered with")
if context["vaultCreationPath"] != creation_path:
    sys.exit("the context names another creation path: it may have been tampered with")
if int(context["vaultWrapExpiresAt"]) <= time.time():
    sys.exit("the wrapping token has expired")

wrapping_token = context["vaultWrappingToken"]
try:
    # Lookup needs no token and does not use the wrapping token up. Unwrap does, and so must carry it alone.
    found = hvac.Client(url=address, namespace=namespace).adapter.post("/v1/sys/wrapping/lookup", json={"token": wrapping_token})
    if found["data"]["creation_path"] != creation_path:
        sys.exit("the wrapping token was made by another creation path: it may have been tampered with")
    auth = hvac.Client(url=address, token=wrapping_token, namespace=namespace).sys.unwrap()["auth"]
except hvac.exceptions.InvalidRequest as error:
    sys.exit(f"the wrapping token is not valid: used, expired, or intercepted: {error}")

vault = hvac.Client(url=address, token=auth["client_token"], namespace=namespace)
try:
    if auth["accessor"] != context["vaultWrappedAccessor"]:
        sys.exit("the token inside is not the one the authorizer minted")
    secret = vault.read(os.environ["SECRET_PATH"])["data"]["data"]
    print(json.dumps({"username": secret["username"], "accessor": auth["accessor"]}))
finally:
    vault.auth.token.revoke_self()
