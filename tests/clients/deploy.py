"""Deploys a CloudFormation template: uploads the code, creates or updates the stack, prints its outputs as JSON.

    deploy.py <stack> <template> <parameters as JSON> <bucket> <key=file>...

The endpoint, region and credentials are boto3's own environment variables (AWS_ENDPOINT_URL, …).
"""

import json
import sys
import time

import boto3
from botocore.exceptions import ClientError

POLL_SECONDS = 0.1  # boto3's own waiters look every 30 seconds
LIMIT_SECONDS = 120


def upload(bucket, files):
    s3 = boto3.client("s3")
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError:
        s3.create_bucket(Bucket=bucket)
    for key, file in files.items():
        with open(file, "rb") as body:
            s3.put_object(Bucket=bucket, Key=key, Body=body)


def start(cloudformation, stack, template, parameters):
    """Creates the stack, or updates it."""
    request = {
        "StackName": stack,
        "TemplateBody": template,
        "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        "Capabilities": ["CAPABILITY_NAMED_IAM"],
    }
    try:
        cloudformation.create_stack(**request)
    except cloudformation.exceptions.AlreadyExistsException:
        try:
            cloudformation.update_stack(**request)
        except ClientError as error:
            if "No updates are to be performed" not in str(error):
                raise


def finished(cloudformation, stack):
    """Waits for the end, and answers the stack as it then is."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < deadline:
        description = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
        if not description["StackStatus"].endswith("_IN_PROGRESS"):
            return description
        time.sleep(POLL_SECONDS)
    sys.exit(f"{stack} is not finished after {LIMIT_SECONDS} s")


def main():
    stack, template, parameters, bucket, *files = sys.argv[1:]
    upload(bucket, dict(file.split("=", 1) for file in files))
    cloudformation = boto3.client("cloudformation")
    with open(template, encoding="utf-8") as body:
        start(cloudformation, stack, body.read(), json.loads(parameters))
    description = finished(cloudformation, stack)
    if description["StackStatus"] not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        for event in reversed(cloudformation.describe_stack_events(StackName=stack)["StackEvents"]):
            if "FAILED" in event["ResourceStatus"]:
                reason = event.get("ResourceStatusReason", "")
                print(event["LogicalResourceId"], event["ResourceStatus"], reason, file=sys.stderr)
        sys.exit(f"{stack} ended as {description['StackStatus']}")
    print(json.dumps({output["OutputKey"]: output["OutputValue"] for output in description.get("Outputs", [])}))


main()
