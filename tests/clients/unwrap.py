"""An integration in Python: takes the authorizer's context, checks it, unwraps the token, reads one secret, revokes it.

The context comes on standard input, as API Gateway delivers it at event["requestContext"]["authorizer"].
"""

import json
import os
import random
import sys
import time

import hvac

context = json.load(sys.stdin)
address, creation_path = os.environ["VAULT_ADDR"], os.environ["CREATION_PATH"]
namespace = os.environ.get("NAMESPACE")

# The context is compared with what this integration expects, and never followed.
if context.get("contextVersion") != "1" or "vaultWrappingToken" not in context:
    sys.exit("no wrapped token in the context: is the authorizer attached to this route?")
if context["vaultAddress"] != address:
    sys.exit("the context names another Vault address: it may have been tampered with")
if context.get("vaultNamespace") != namespace:
    sys.exit("the context names another Vault namespace: it may have been tampered with")
if context["vaultCreationPath"] != creation_path:
    sys.exit("the context names another creation path: it may have been tampered with")
wrapping_token, expires_at = context["vaultWrappingToken"], int(context["vaultWrapExpiresAt"])


def node_does_not_know(error):
    """A standby that serves reads hears of a token after it was made. Until then it says that there is none, or 412."""
    said = ", ".join(error.errors or [])
    texts = ("wrapping token is not valid", "required index state", "invalid token")
    return said == "permission denied" or any(text in said for text in texts)


def until_known(call):
    """Calls again while a node does not know the token, for two seconds at most and not beyond the wrapping token's life."""
    for pause in (0.02, 0.04, 0.08, 0.16, 0.3, 0.4, 0.4, 0.4):
        try:
            return call()
        except hvac.exceptions.VaultError as error:
            if not node_does_not_know(error) or time.time() + pause >= expires_at:
                raise
            time.sleep(pause * random.uniform(0.5, 1))
    return call()


def look_up(otherwise):
    """Answers the client of a node that knows the wrapping token. Each try connects anew, perhaps to another node."""

    def ask():
        # Lookup needs no token and uses nothing up. Without `token` hvac would send VAULT_TOKEN or ~/.vault-token.
        vault = hvac.Client(url=address, token="", namespace=namespace)
        found = vault.adapter.post("/v1/sys/wrapping/lookup", json={"token": wrapping_token})
        if found["data"]["creation_path"] != creation_path:
            sys.exit("the wrapping token was made by another creation path: it may have been tampered with")
        return vault

    try:
        return until_known(ask)
    except hvac.exceptions.VaultError as error:
        # A node that says itself that it lags tells nothing of the token.
        if not node_does_not_know(error) or "required index state" in str(error):
            raise
        expired = time.time() + 0.5 >= expires_at
        sys.exit("the wrapping token has expired" if expired else otherwise)


def unwrap():
    """Sent again only where a node refused it and a lookup then shows the token: a lost answer may have used it up."""
    vault = look_up("no node knows the wrapping token: the nodes lag behind, or it was opened before; see Vault's audit log")
    for _ in range(5):
        # Unwrap uses the wrapping token up, and so must carry it alone.
        vault.token = wrapping_token
        try:
            auth = vault.sys.unwrap()["auth"]
            vault.token = auth["client_token"]
            return vault, auth
        except hvac.exceptions.VaultError as error:
            if not node_does_not_know(error):
                raise
        vault = look_up("ALARM: the wrapping token was there and then was gone: somebody else may have opened it")
    sys.exit("the nodes do not agree whether there is a wrapping token: check Vault's replication")


if expires_at <= time.time():
    sys.exit("the wrapping token has expired")
vault, auth = unwrap()
try:
    if auth["accessor"] != context["vaultWrappedAccessor"]:
        sys.exit("the token inside is not the one the authorizer minted")
    secret = until_known(lambda: vault.read(os.environ["SECRET_PATH"]))["data"]["data"]
    print(json.dumps({"username": secret["username"], "accessor": auth["accessor"]}))
finally:
    until_known(vault.auth.token.revoke_self)
