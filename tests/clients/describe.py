"""Prints what a quickstart stack has made, as the services describe it. The argument is the stack's outputs as JSON."""

import json
import sys

import boto3


def without_metadata(answer):
    return {key: value for key, value in answer.items() if key != "ResponseMetadata"}


def function(name):
    client = boto3.client("lambda")
    description = without_metadata(client.get_function_configuration(FunctionName=name))
    description["Policy"] = json.loads(client.get_policy(FunctionName=name)["Policy"])
    return description


def role(arn):
    iam, name = boto3.client("iam"), arn.rsplit("/", 1)[1]
    policies = iam.list_role_policies(RoleName=name)["PolicyNames"]
    attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    return {
        "AssumeRolePolicyDocument": iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"],
        "Attached": [policy["PolicyArn"] for policy in attached],
        "Inline": {each: iam.get_role_policy(RoleName=name, PolicyName=each)["PolicyDocument"] for each in policies},
    }


def main():
    outputs = json.loads(sys.argv[1])
    api = {"restApiId": outputs["ApiId"]}
    gateway, logs = boto3.client("apigateway"), boto3.client("logs")
    authorizer, orders = function(outputs["AuthorizerFunctionName"]), function(outputs["OrdersFunctionName"])
    responses = gateway.get_gateway_responses(**api)["items"]
    print(json.dumps({
        "authorizer_function": authorizer,
        "authorizer_role": role(authorizer["Role"]),
        "orders_function": orders,
        "orders_role": role(orders["Role"]),
        "authorizers": gateway.get_authorizers(**api)["items"],
        "stages": {stage["stageName"]: stage for stage in gateway.get_stages(**api)["item"]},
        "gateway_responses": {each["responseType"]: each for each in responses if not each["defaultResponse"]},
        "log_groups": {group["logGroupName"]: group for group in logs.describe_log_groups()["logGroups"]},
    }, default=str))


main()
