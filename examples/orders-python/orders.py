"""The sample integration in Python: asks the database for a caller's orders, as a user that Vault makes for this one request.

Configured as examples/orders is, with `database` alone: VAULT_ADDR, VAULT_NAMESPACE, VAULT_CACERT, ALLOW_ORIGIN, ORDERS_STAGES.
"""

import json
import logging
import os
from contextlib import closing

from pg8000.exceptions import DatabaseError, InterfaceError
from pg8000.native import Connection
from vault_context import Integration, VaultContextError

VAULT = {"address": os.environ["VAULT_ADDR"], "namespace": os.environ.get("VAULT_NAMESPACE"), "ca_file": os.environ.get("VAULT_CACERT")}
STAGES = {}
for name, sources in json.loads(os.environ["ORDERS_STAGES"]).items():
    databases = {each["creation_path"]: each["database"] for each in (sources if isinstance(sources, list) else [sources])}
    for each in databases.values():
        if each["host"] not in ("localhost", "127.0.0.1", "::1"):
            raise ValueError(f"ORDERS_STAGES: {name}: `{each['host']}` is not a loopback address, and this sample connects without TLS")
    STAGES[name] = Integration(creation_paths=list(databases), **VAULT), databases


def handler(event, _context):
    stage = event["requestContext"]["stage"]
    try:
        status, body = (200, orders(stage, event)) if stage in STAGES else failed(403, "stage_unknown", "add it to ORDERS_STAGES")
    except VaultContextError as error:
        status, body = failed(error.status, error.code, error)
    except InterfaceError as error:
        code = "database_timed_out" if isinstance(error.__cause__, TimeoutError) else "database_unreachable"
        status, body = failed(503, code, type(error.__cause__).__name__)
    except DatabaseError as error:  # PostgreSQL's own words can quote names and values
        is_outage = error.args[0]["C"].startswith(("08", "53", "57P", "58"))
        code = (503, "database_unavailable") if is_outage else (500, "database_refused")
        status, body = failed(*code, f"SQLSTATE {error.args[0]['C']}")
    headers = {"content-type": "application/json", "cache-control": "no-store"}
    headers |= {"retry-after": "1"} if status == 503 else {}
    headers |= {"access-control-allow-origin": os.environ["ALLOW_ORIGIN"]} if "ALLOW_ORIGIN" in os.environ else {}
    return {"statusCode": status, "headers": headers, "body": json.dumps(body)}


def failed(status, code, reason):
    logging.getLogger(__name__).error("no orders: %s: %s", code, reason)
    return status, {"error": code}


def orders(stage, event):
    integration, databases = STAGES[stage]
    with integration.open(event) as token:  # at its end the token is revoked, and Vault drops the user
        database = databases[token.creation_path]
        credentials = token.database(database["mount"]).credentials(database["role"])
        where = {"host": database["host"], "port": database["port"], "database": database["name"], "ssl_context": False, "timeout": 5}
        with closing(Connection(credentials.username, password=credentials.password, **where)) as connection:
            rows = connection.run("SELECT id, item, quantity FROM orders ORDER BY id")
        return {
            "stage": stage,
            "caller": token.caller.id,
            "grant": token.grant,
            "orders": [dict(zip(("id", "item", "quantity"), row)) for row in rows],
            "database": {"role": database["role"], "lease_duration_seconds": credentials.lease_seconds},
            "vault": {
                "policies": list(token.policies),
                "lease_duration_seconds": token.lease_seconds,
                "creation_path": token.creation_path,
            },
        }
