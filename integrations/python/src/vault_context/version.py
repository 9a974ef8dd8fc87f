"""The version of this package, also sent to Vault in `User-Agent`."""

__version__ = "0.1.0"
