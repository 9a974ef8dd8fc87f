"""Prints logins for Vault's AWS auth method by name: good ones and every way to spoil one. Arguments: STS's URL, the server id."""

import base64
import json
import sys

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

url, server_id = sys.argv[1], sys.argv[2]
root = dict(endpoint_url=url, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
iam = boto3.client("iam", **root)
trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
trust = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
role = iam.create_role(RoleName="api-authorizer", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
key = boto3.client("sts", **root).assume_role(RoleArn=role, RoleSessionName="authorizer")["Credentials"]
role = Credentials(key["AccessKeyId"], key["SecretAccessKey"], key["SessionToken"])
iam.create_user(UserName="nobody")
key = iam.create_access_key(UserName="nobody")["AccessKey"]
user = Credentials(key["AccessKeyId"], key["SecretAccessKey"])
forger = Credentials(key["AccessKeyId"], "not-the-secret")

BODY = "Action=GetCallerIdentity&Version=2011-06-15"


def encode(text):
    return base64.b64encode(text.encode()).decode()


def signed(credentials, server_id=server_id, extra={}, body=BODY, url=url + "/"):
    headers = {"Content-Type": "application/x-www-form-urlencoded", **extra}
    if server_id:
        headers["X-Vault-AWS-IAM-Server-ID"] = server_id
    request = AWSRequest("POST", url, data=body, headers=headers)
    SigV4Auth(credentials, "sts", "us-east-1").add_auth(request)
    return dict(request.headers)


def login(headers, method="POST", url=url + "/", body=BODY, role="api-authorizer"):
    return {"role": role, "iam_http_request_method": method, "iam_request_url": encode(url),
            "iam_request_body": encode(body), "iam_request_headers": encode(json.dumps(headers))}


good = signed(role)
authorization = good["Authorization"]
flipped = authorization[:-1] + ("0" if authorization[-1] != "0" else "1")
unsigned = signed(role, server_id=None)
without_body = login(good)
del without_body["iam_request_body"]
logins = {
    "role": login(good),
    "role, headers as an object": login(good) | {"iam_request_headers": good},
    "role, headers as lists": login({name: [value] for name, value in good.items()}),
    "tampered": login(good | {"Authorization": flipped}),
    "wrong secret": login(signed(forger)),
    "another host": login(good, url="https://sts.amazonaws.com/"),
    "another principal": login(signed(user)),
    "another role": login(good, role="other"),
    "server id of another": login(signed(role, server_id="other.example.com")),
    "no server id": login(unsigned),
    "server id unsigned": login(unsigned | {"X-Vault-AWS-IAM-Server-ID": server_id}),
    "another amz header": login(signed(role, extra={"X-Amz-Target": "x"})),
    "another action": login(good, body="Action=GetSessionToken&Version=2011-06-15"),
    "two actions": login(good, body=BODY + "&Action=GetCallerIdentity"),
    "a query": login(good, url=url + "/?Action=GetCallerIdentity"),
    "GET": login(good, method="GET"),
    "URL-safe base64": login(good) | {"iam_request_url": "aHR0cHM6Ly9zdHMuYW1hem9uYXdzLmNvbS8_"},
    "no body": without_body,
}
print(json.dumps(logins))
