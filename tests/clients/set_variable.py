"""Sets one environment variable of a function, which starts anew with its next call. Prints the value it has then."""

import sys

import boto3

function, name, value = sys.argv[1:]
client = boto3.client("lambda")
variables = client.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
variables[name] = value
changed = client.update_function_configuration(FunctionName=function, Environment={"Variables": variables})
print(changed["Environment"]["Variables"][name])
