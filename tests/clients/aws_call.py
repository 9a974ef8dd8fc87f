"""One call of an AWS API with boto3: prints the answer as JSON.

    aws_call.py <service> <operation> <arguments as JSON>      aws_call.py lambda get_policy '{"FunctionName": "x"}'
"""

import json
import sys

import boto3

service, operation, arguments = sys.argv[1:]
answer = getattr(boto3.client(service), operation)(**json.loads(arguments))
answer.pop("ResponseMetadata", None)
print(json.dumps(answer, default=str))
