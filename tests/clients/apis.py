"""Makes one API of each kind in front of one integration that echoes, and prints their ids as JSON.

    apis.py <account> <authorizer function> <authorizer function with simple answers>

The authorizer functions need not exist yet: an API holds only their ARNs, and a configuration needs the APIs' ids.
No authorizer caches (TTL 0) and none has an identity source, but TOKEN, which must name its header.
"""

import io
import json
import sys
import zipfile

import boto3

ROUTES = [
    "GET /",
    "GET /orders",
    "GET /orders/{id}",
    "GET /status",
    "GET /batch",
    "ANY /files/{proxy+}",
]
STAGES = ["prod", "elsewhere", "unlisted"]

# What the integration is given, given back: of a WebSocket connection with its first message.
ECHO = """
import json
connected = {}
def handler(event, context):
    request = event["requestContext"]
    seen = {"authorizer": request.get("authorizer"), "headers": sorted(event.get("headers") or {}),
            "route": event.get("resource") or event.get("routeKey") or request.get("routeKey"),
            "path": event.get("path") or event.get("rawPath"), "stage": request["stage"]}
    if request.get("eventType") == "CONNECT":
        connected[request["connectionId"]] = seen
    elif request.get("eventType") == "MESSAGE":
        seen = connected.pop(request["connectionId"], None)
    return {"statusCode": 200, "body": json.dumps(seen)}
"""


def main():
    account, authorizer, simple = sys.argv[1:]
    region = boto3.session.Session().region_name
    lambdas = f"arn:aws:apigateway:{region}:lambda:path/2015-03-31/functions"

    def uri(name):
        return f"{lambdas}/arn:aws:lambda:{region}:{account}:function:{name}/invocations"

    echo = uri(echo_function(account))
    print(json.dumps({
        "rest_request": rest_api("REQUEST", uri(authorizer), echo),
        "rest_token": rest_api("TOKEN", uri(authorizer), echo),
        "http_v1": http_api({"AuthorizerPayloadFormatVersion": "1.0"}, uri(authorizer), echo),
        "http_v2": http_api({"AuthorizerPayloadFormatVersion": "2.0"}, uri(authorizer), echo),
        "http_v2_simple": http_api(
            {"AuthorizerPayloadFormatVersion": "2.0", "EnableSimpleResponses": True}, uri(simple), echo),
        "websocket": websocket_api(uri(authorizer), echo),
    }))


def echo_function(account):
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    boto3.client("iam").create_role(
        RoleName="echo", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}))
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("echo.py", ECHO)
    boto3.client("lambda").create_function(
        FunctionName="echo", Runtime="python3.13", Handler="echo.handler",
        Role=f"arn:aws:iam::{account}:role/echo", Code={"ZipFile": code.getvalue()})
    return "echo"


def rest_api(kind, authorizer_uri, echo):
    client = boto3.client("apigateway")
    api = client.create_rest_api(name=f"rest-{kind}")["id"]
    source = {"identitySource": "method.request.header.Authorization"} if kind == "TOKEN" else {}
    authorizer = client.create_authorizer(
        restApiId=api, name="vault-authorizer", type=kind, authorizerUri=authorizer_uri,
        authorizerResultTtlInSeconds=0, **source)["id"]
    resources = {"/": client.get_resources(restApiId=api)["items"][0]["id"]}
    for route in ROUTES:
        method, path = route.split(" ")
        at = "/"
        for part in path.strip("/").split("/") if path != "/" else []:
            parent, at = resources[at], f"{at.rstrip('/')}/{part}"
            if at not in resources:
                resources[at] = client.create_resource(restApiId=api, parentId=parent, pathPart=part)["id"]
        place = {"restApiId": api, "resourceId": resources[at], "httpMethod": method}
        client.put_method(authorizationType="CUSTOM", authorizerId=authorizer, **place)
        client.put_integration(type="AWS_PROXY", integrationHttpMethod="POST", uri=echo, **place)
    deployment = client.create_deployment(restApiId=api)["id"]
    for stage in STAGES:
        client.create_stage(restApiId=api, stageName=stage, deploymentId=deployment)
    return api


def http_api(form, authorizer_uri, echo):
    client = boto3.client("apigatewayv2")
    api = client.create_api(Name="http", ProtocolType="HTTP")["ApiId"]
    authorizer = client.create_authorizer(
        ApiId=api, Name="vault-authorizer", AuthorizerType="REQUEST", AuthorizerUri=authorizer_uri,
        AuthorizerResultTtlInSeconds=0, IdentitySource=[], **form)["AuthorizerId"]
    integration = client.create_integration(
        ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=echo, PayloadFormatVersion="2.0")["IntegrationId"]
    for route in [*ROUTES, "$default"]:
        client.create_route(
            ApiId=api, RouteKey=route, AuthorizationType="CUSTOM", AuthorizerId=authorizer,
            Target=f"integrations/{integration}")
    for stage in [*STAGES, "$default"]:
        client.create_stage(ApiId=api, StageName=stage, AutoDeploy=True)
    return api


def websocket_api(authorizer_uri, echo):
    client = boto3.client("apigatewayv2")
    api = client.create_api(
        Name="websocket", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action")["ApiId"]
    authorizer = client.create_authorizer(
        ApiId=api, Name="vault-authorizer", AuthorizerType="REQUEST", AuthorizerUri=authorizer_uri,
        IdentitySource=[])["AuthorizerId"]
    integration = client.create_integration(
        ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=echo)["IntegrationId"]
    target = {"ApiId": api, "Target": f"integrations/{integration}"}
    client.create_route(RouteKey="$connect", AuthorizationType="CUSTOM", AuthorizerId=authorizer, **target)
    client.create_route(RouteKey="$default", **target)
    for stage in STAGES:
        client.create_stage(ApiId=api, StageName=stage, AutoDeploy=True)
    return api


main()
