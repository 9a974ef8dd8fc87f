"""Creates a function of the OS-only runtime with its log group, and a role that may do nothing.

    function.py <name> <zip file> <environment as JSON>
"""

import json
import sys

import boto3

name, file, variables = sys.argv[1:]
trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
policy = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
role = boto3.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=policy)["Role"]["Arn"]
boto3.client("logs").create_log_group(logGroupName=f"/aws/lambda/{name}")
with open(file, "rb") as code:
    boto3.client("lambda").create_function(
        FunctionName=name, Runtime="provided.al2023", Handler="bootstrap", Role=role, Timeout=8,
        Code={"ZipFile": code.read()}, Environment={"Variables": json.loads(variables)})
