"""Puts a function where the authorizers of apis.py look for theirs. It does as the Authorization header says:

    deny | error <message> | nonsense      and anything else: allows the call, and hands its own event on as context

    capture.py <authorizer function> <authorizer function with simple answers>
"""

import io
import json
import sys
import zipfile

import boto3

CODE = """
import json, os
def handler(event, context):
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    order = event.get("authorizationToken") or headers.get("authorization") or ""
    if order.startswith("error "):
        raise Exception(order[6:])
    if order == "nonsense":
        return {"nonsense": True}
    allowed, context = order != "deny", {"event": json.dumps(event), "number": 1, "truth": True}
    if os.environ["SIMPLE"] == "yes":
        return {"isAuthorized": allowed, "context": context}
    statement = {
        "Action": "execute-api:Invoke", "Effect": "Allow" if allowed else "Deny",
        "Resource": event.get("methodArn") or event["routeArn"]}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    return {"principalId": "capture", "policyDocument": policy, "context": context}
"""

code = io.BytesIO()
with zipfile.ZipFile(code, "w") as archive:
    archive.writestr("capture.py", CODE)
trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
policy = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
role = boto3.client("iam").create_role(RoleName="capture", AssumeRolePolicyDocument=policy)["Role"]["Arn"]
for name, simple in zip(sys.argv[1:], ("no", "yes"), strict=True):
    boto3.client("lambda").create_function(
        FunctionName=name, Runtime="python3.13", Handler="capture.handler", Role=role,
        Code={"ZipFile": code.getvalue()}, Environment={"Variables": {"SIMPLE": simple}})
