"""A function that answers with the event, fails when told to, and does not start without `GREETING`."""

import json
import os
import sys
import time
import urllib.request

base = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/"


def call(path, body=None):
    return urllib.request.urlopen(base + path, data=None if body is None else json.dumps(body).encode())


def log(outcome):
    print(json.dumps({"outcome": outcome}), flush=True)


if "GREETING" not in os.environ:
    sys.exit(3)
while True:
    request = call("invocation/next")
    id = request.headers["lambda-runtime-aws-request-id"]
    left = int(request.headers["lambda-runtime-deadline-ms"]) / 1000 - time.time()
    event = json.load(request)
    if "fail" in event:
        log("denial")
        call(f"invocation/{id}/error", {"errorType": "Refused", "errorMessage": event["fail"]})
    else:
        log("allow")
        answer = {"event": event, "greeting": os.environ["GREETING"], "seconds_left": int(left)}
        call(f"invocation/{id}/response", answer)
