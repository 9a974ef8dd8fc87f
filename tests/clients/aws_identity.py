"""Proves an AWS identity to an API behind the authorizer: prints the value of the Authorization header.

    aws_identity.py <server id> <STS region>

It presigns sts:GetCallerIdentity and sends nothing. The credentials are those that the AWS SDK finds.
"""

import base64
import sys

import boto3
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest

server_id, region = sys.argv[1:]
session = boto3.Session()
endpoint = session.client("sts", region_name=region).meta.endpoint_url
url = endpoint + "/?Action=GetCallerIdentity&Version=2011-06-15"
request = AWSRequest("GET", url, headers={"X-Vault-AWS-IAM-Server-ID": server_id})
credentials = session.get_credentials().get_frozen_credentials()
SigV4QueryAuth(credentials, "sts", region, expires=60).add_auth(request)
print("AWS-Identity " + base64.urlsafe_b64encode(request.url.encode()).decode().rstrip("="))
