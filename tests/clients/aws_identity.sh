#!/bin/sh
# Proves an AWS identity to an API behind the authorizer: prints the value of the Authorization header.
#
#     aws_identity.sh <server id> <STS region>
#
# It presigns sts:GetCallerIdentity (Signature Version 4) and sends nothing. The credentials are AWS_ACCESS_KEY_ID,
# AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN. The secret key shows in the process list for a moment: on a machine that
# others share, use an SDK.
set -eu
server_id=$1 region=$2
endpoint=${AWS_ENDPOINT_URL:-https://sts.$region.amazonaws.com}
now=$(date -u +%Y%m%dT%H%M%SZ)
day=${now%T*}
scope=$day/$region/sts/aws4_request

encoded() { printf %s "$1" | sed 's/%/%25/g; s/\//%2F/g; s/+/%2B/g; s/=/%3D/g; s/;/%3B/g'; }
sha256() { openssl dgst -sha256 -r | cut -d' ' -f1; }
hmac() { printf %s "$2" | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$1" -r | cut -d' ' -f1; }
hex() { printf %s "$1" | od -An -v -tx1 | tr -d ' \n'; }

query="Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256"
query="$query&X-Amz-Credential=$(encoded "$AWS_ACCESS_KEY_ID/$scope")&X-Amz-Date=$now&X-Amz-Expires=60"
[ -z "${AWS_SESSION_TOKEN:-}" ] || query="$query&X-Amz-Security-Token=$(encoded "$AWS_SESSION_TOKEN")"
signed=host\;x-vault-aws-iam-server-id
query="$query&X-Amz-SignedHeaders=$(encoded "$signed")"
canonical=$(printf 'GET\n/\n%s\nhost:%s\nx-vault-aws-iam-server-id:%s\n\n%s\n%s' \
    "$query" "${endpoint#*://}" "$server_id" "$signed" "$(printf '' | sha256)")
to_sign=$(printf 'AWS4-HMAC-SHA256\n%s\n%s\n%s' "$now" "$scope" "$(printf %s "$canonical" | sha256)")
key=$(hex "AWS4$AWS_SECRET_ACCESS_KEY")
for step in "$day" "$region" sts aws4_request "$to_sign"; do key=$(hmac "$key" "$step"); done
url="$endpoint/?$query&X-Amz-Signature=$key"
echo "AWS-Identity $(printf %s "$url" | openssl base64 -A | tr '+/' '-_' | tr -d =)"
