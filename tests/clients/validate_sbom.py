"""Prints what CycloneDX's own library has against the document on standard input: nothing, if it is valid."""

import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

problem = JsonStrictValidator(SchemaVersion.V1_5).validate_str(sys.stdin.read())
print("" if problem is None else problem, end="")
