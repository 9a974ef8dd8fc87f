"""An API that is there before the authorizer: one open route, answered by the sample integration.

    existing_api.py make REST|HTTP <path> <zip of the sample> <its variables as JSON>     prints the API's id
    existing_api.py protect REST|HTTP <api> <authorizer>                                  what its owner then does, by hand

The stage is `prod`.
"""

import json
import sys

import boto3

FUNCTION = "existing-orders"


def integration_uri():
    function = boto3.client("lambda").get_function(FunctionName=FUNCTION)["Configuration"]["FunctionArn"]
    region = boto3.session.Session().region_name
    return f"arn:aws:apigateway:{region}:lambda:path/2015-03-31/functions/{function}/invocations"


def make_function(code, variables):
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = boto3.client("iam").create_role(
        RoleName=FUNCTION, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}))
    with open(code, "rb") as body:
        boto3.client("lambda").create_function(
            FunctionName=FUNCTION, Runtime="provided.al2023", Handler="bootstrap", Timeout=10,
            Role=role["Role"]["Arn"], Code={"ZipFile": body.read()}, Environment={"Variables": variables})


def make_rest(path):
    client = boto3.client("apigateway")
    api = client.create_rest_api(name="existing")["id"]
    root = client.get_resources(restApiId=api)["items"][0]["id"]
    resource = client.create_resource(restApiId=api, parentId=root, pathPart=path)["id"]
    place = {"restApiId": api, "resourceId": resource, "httpMethod": "GET"}
    client.put_method(authorizationType="NONE", **place)
    client.put_integration(type="AWS_PROXY", integrationHttpMethod="POST", uri=integration_uri(), **place)
    client.create_deployment(restApiId=api, stageName="prod")
    return api


def make_http(path):
    client = boto3.client("apigatewayv2")
    api = client.create_api(Name="existing", ProtocolType="HTTP")["ApiId"]
    integration = client.create_integration(
        ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=integration_uri(), PayloadFormatVersion="2.0")
    client.create_route(ApiId=api, RouteKey=f"GET /{path}", Target=f"integrations/{integration['IntegrationId']}")
    client.create_stage(ApiId=api, StageName="prod", AutoDeploy=True)
    return api


def protect_rest(api, authorizer):
    client = boto3.client("apigateway")
    resources = client.get_resources(restApiId=api)["items"]
    resource = next(item["id"] for item in resources if item["path"] != "/")
    changes = {"/authorizationType": "CUSTOM", "/authorizerId": authorizer}
    client.update_method(
        restApiId=api, resourceId=resource, httpMethod="GET",
        patchOperations=[{"op": "replace", "path": path, "value": value} for path, value in changes.items()])
    client.create_deployment(restApiId=api, stageName="prod")


def protect_http(api, authorizer):
    client = boto3.client("apigatewayv2")
    for route in client.get_routes(ApiId=api)["Items"]:
        client.update_route(ApiId=api, RouteId=route["RouteId"], AuthorizationType="CUSTOM", AuthorizerId=authorizer)


def main():
    order, kind, *arguments = sys.argv[1:]
    if order == "make":
        path, code, variables = arguments
        make_function(code, json.loads(variables))
        print({"REST": make_rest, "HTTP": make_http}[kind](path))
    else:
        {"REST": protect_rest, "HTTP": protect_http}[kind](*arguments)


main()
