"""Writes the golden requests beside this file, signed by botocore."""

import datetime
from pathlib import Path
from urllib.parse import urlencode

import botocore.auth
import botocore.serialize
import botocore.session
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

SECRET_ACCESS_KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
SESSION_TOKEN = "IQoJb3JpZ2luX2VjEXAMPLE//////////wEaCWV1LXdlc3QtMSJ+example=="
LONG_LIVED = ("AKIDEXAMPLE", SECRET_ACCESS_KEY)
TEMPORARY = ("ASIDEXAMPLE", SECRET_ACCESS_KEY, SESSION_TOKEN)
NOW = datetime.datetime(2027, 1, 15, 8, 0, 0)

CASES = {
    "user": (LONG_LIVED, "https://sts.amazonaws.com/", "us-east-1", None),
    "role": (TEMPORARY, "https://sts.eu-west-1.amazonaws.com/", "eu-west-1", "vault.example.com"),
    "china": (TEMPORARY, "https://sts.cn-north-1.amazonaws.com.cn/", "cn-north-1", None),
    "emulator": (LONG_LIVED, "http://127.0.0.1:4566/", "eu-west-1", "vault.example.com"),
}

# A presigned URL is for whoever verifies it, and that asks for a key id of AWS's length.
USER = ("AKIAIOSFODNN7EXAMPLE", SECRET_ACCESS_KEY)
SESSION = ("ASIAIOSFODNN7EXAMPLE", SECRET_ACCESS_KEY, SESSION_TOKEN)
SERVER_ID = "orders.example.com"
PRESIGNED_CASES = {
    "user": (USER, "https://sts.amazonaws.com/", "us-east-1"),
    "role": (SESSION, "https://sts.eu-west-1.amazonaws.com/", "eu-west-1"),
    "china": (SESSION, "https://sts.cn-north-1.amazonaws.com.cn/", "cn-north-1"),
    "emulator": (USER, "http://127.0.0.1:4566/", "eu-west-1"),
}

WEB_IDENTITY_CASES = {
    "user": (USER, "https://sts.us-east-1.amazonaws.com/", "us-east-1"),
    "role": (SESSION, "https://sts.eu-west-1.amazonaws.com/", "eu-west-1"),
}
AUDIENCE = "https://vault.example.com:8200/?a=b&c"


def signed(keys, url, region, server_id, body="Action=GetCallerIdentity&Version=2011-06-15"):
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Host": url.split("/")[2],
    }
    if server_id:
        headers["X-Vault-AWS-IAM-Server-ID"] = server_id
    request = AWSRequest("POST", url, headers=headers, data=body)
    botocore.auth.SigV4Auth(Credentials(*keys), "sts", region).add_auth(request)
    names = sorted(request.headers.keys(), key=lambda name: (name == "Authorization", name.lower()))
    lines = [f"POST {url}", *(f"{name}: {request.headers[name]}" for name in names), "", body, ""]
    return "\n".join(lines)


def presigned(keys, url, region):
    query = "Action=GetCallerIdentity&Version=2011-06-15"
    headers = {"Host": url.split("/")[2], "X-Vault-AWS-IAM-Server-ID": SERVER_ID}
    request = AWSRequest("GET", f"{url}?{query}", headers=headers)
    botocore.auth.SigV4QueryAuth(Credentials(*keys), "sts", region, expires=60).add_auth(request)
    return f"{request.url}\n"


def web_identity_form():
    """The body as botocore's own model of STS has it."""
    sts = botocore.session.get_session().get_service_model("sts")
    serializer = botocore.serialize.create_serializer(sts.metadata["protocol"])
    parameters = {"Audience": [AUDIENCE], "SigningAlgorithm": "ES384", "DurationSeconds": 60}
    request = serializer.serialize_to_request(parameters, sts.operation_model("GetWebIdentityToken"))
    return urlencode(request["body"])


botocore.auth.get_current_datetime = lambda: NOW
for name, case in CASES.items():
    Path(__file__).with_name(f"{name}.http").write_text(signed(*case))
for name, case in PRESIGNED_CASES.items():
    Path(__file__).with_name(f"{name}.presigned").write_text(presigned(*case))
for name, (keys, url, region) in WEB_IDENTITY_CASES.items():
    request = signed(keys, url, region, None, web_identity_form())
    Path(__file__).with_name(f"{name}.web-identity.http").write_text(request)
