"""Deletes a CloudFormation stack and waits until it is gone.

    delete_stack.py <stack>
"""

import sys
import time

import boto3
from botocore.exceptions import ClientError

POLL_SECONDS = 0.1
LIMIT_SECONDS = 120


def main():
    (stack,) = sys.argv[1:]
    cloudformation = boto3.client("cloudformation")
    cloudformation.delete_stack(StackName=stack)
    deadline = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < deadline:
        try:
            status = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
        except ClientError as error:
            if "does not exist" in str(error):
                return
            raise
        if status == "DELETE_COMPLETE":
            return
        if status == "DELETE_FAILED":
            sys.exit(f"{stack} could not be deleted")
        time.sleep(POLL_SECONDS)
    sys.exit(f"{stack} is still there after {LIMIT_SECONDS} s")


main()
