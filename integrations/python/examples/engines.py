"""Reads from five secrets engines with the token of one request. `docs/integrations/python.md` shows it."""

from __future__ import annotations

import base64
from typing import Any

from vault_context import Credentials, Token


def secrets_for(token: Token, order: bytes) -> dict[str, Any]:
    """Read two secrets, get a certificate, and encrypt an order."""
    # KV version 2
    tables = token.kv("secret").get("prod/tables")

    # KV version 1
    supplier = token.read("kv/prod/supplier").data

    # PKI
    issued = token.write("pki/issue/orders", {"common_name": "orders.example.com", "ttl": "5m"}).data

    # Transit
    plaintext = base64.b64encode(order).decode()
    encrypted = token.write("transit/encrypt/orders", {"plaintext": plaintext}).data

    return {
        "table": tables["orders"],
        "supplier_key": supplier["api_key"],
        "certificate": issued["certificate"],
        "private_key": issued["private_key"],
        "ciphertext": encrypted["ciphertext"],
    }


def database_user(token: Token) -> Credentials:
    """Make a database user for this request."""
    return token.database("database").credentials("orders-reader")
