"""Unwraps by hvac where nothing listens, and prints what a program may log of it: the request's `headers`, or the `error`."""

import json
import sys

import hvac
import requests

try:
    hvac.Client(token=json.load(sys.stdin)["vaultWrappingToken"]).sys.unwrap()
except requests.exceptions.RequestException as error:
    shown = error.request.headers if sys.argv[1] == "headers" else repr(error)
    sys.exit(f"{error.request.url} {shown}")
