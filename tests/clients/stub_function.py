"""Authorizer and integration in one, which answers as the call's header `x-answer` says."""

import json
import os
from urllib.request import Request, urlopen

runtime = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/invocation/"


def authorize(event):
    answer = event["headers"]["x-answer"]
    if answer in ("unauthorized", "fault"):
        return "error", {"errorType": "Stub", "errorMessage": "Unauthorized" if answer == "unauthorized" else answer}
    if answer == "nonsense":
        return "response", {"answer": answer}
    statement = {"Action": "execute-api:Invoke", "Effect": answer.title(), "Resource": event["methodArn"]}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    return "response", {"principalId": "corp:stub", "policyDocument": policy, "context": {"reason": "no_grant"}}


while True:
    with urlopen(runtime + "next") as invocation:
        request_id, event = invocation.headers["Lambda-Runtime-Aws-Request-Id"], json.load(invocation)
    line = {"version": "VERSION", "pid": os.getpid(), "config": os.environ.get("AUTHORIZER_CONFIG")}
    line["role_key"] = os.environ["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    print(json.dumps(line), flush=True)
    if "methodArn" in event:
        path, answer = authorize(event)
    else:
        body = json.dumps(event["requestContext"]["authorizer"])
        path, answer = "response", {"statusCode": 200, "body": body}
    urlopen(Request(f"{runtime}{request_id}/{path}", json.dumps(answer).encode())).close()
