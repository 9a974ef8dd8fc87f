"""Makes somebody who can call: prints the credentials and the ARN as JSON.

    iam_caller.py user <path/name>
    iam_caller.py role <path/name> <session>     a role, assumed by a user made for it

The path may be left out. A role has credentials of its own only once it is assumed.
"""

import json
import sys

import boto3


def user(place):
    path, name = split(place)
    iam = boto3.client("iam")
    arn = iam.create_user(UserName=name, Path=path)["User"]["Arn"]
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return arn, {"access_key_id": key["AccessKeyId"], "secret_access_key": key["SecretAccessKey"]}


def role(place, session):
    path, name = split(place)
    iam = boto3.client("iam")
    starter, keys = user(f"{name}-starter")
    trust = {"Effect": "Allow", "Principal": {"AWS": starter}, "Action": "sts:AssumeRole"}
    made = iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=document(trust))["Role"]["Arn"]
    allowed = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": made}
    iam.put_user_policy(UserName=f"{name}-starter", PolicyName="assume", PolicyDocument=document(allowed))
    sts = boto3.client(
        "sts", aws_access_key_id=keys["access_key_id"], aws_secret_access_key=keys["secret_access_key"])
    assumed = sts.assume_role(RoleArn=made, RoleSessionName=session)
    key = assumed["Credentials"]
    return assumed["AssumedRoleUser"]["Arn"], {
        "access_key_id": key["AccessKeyId"],
        "secret_access_key": key["SecretAccessKey"],
        "session_token": key["SessionToken"],
    }


def split(place):
    path, _, name = f"/{place}".rpartition("/")
    return f"{path}/", name


def document(statement):
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


arn, credentials = {"user": user, "role": role}[sys.argv[1]](*sys.argv[2:])
print(json.dumps({"arn": arn, **credentials}))
