"""Take the Vault token that vault-authorizer passes to your API: check it, unwrap it, use it, revoke it.

```python
integration = Integration(address="https://vault.example.com:8200", creation_paths=["auth/token/create/orders-prod-reader"])

with integration.open(event) as token:
    fields = token.kv("secret").get("prod/orders")
```
"""

from .async_token import AsyncToken
from .context import Caller
from .errors import (
    AccessorMismatch,
    ContextMissing,
    ContextTampered,
    LeaseTooLong,
    TokenExpired,
    TokenSpent,
    VaultContextError,
    VaultDenied,
    VaultUnavailable,
)
from .integration import Integration
from .token import Credentials, Lease, Secret, Token
from .version import __version__

__all__ = [
    "AccessorMismatch",
    "AsyncToken",
    "Caller",
    "ContextMissing",
    "ContextTampered",
    "Credentials",
    "Integration",
    "Lease",
    "LeaseTooLong",
    "Secret",
    "Token",
    "TokenExpired",
    "TokenSpent",
    "VaultContextError",
    "VaultDenied",
    "VaultUnavailable",
    "__version__",
]
