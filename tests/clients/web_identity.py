"""Asks AWS for a JWT that names the caller's IAM principal: prints the value of the Authorization header.

    web_identity.py <audience> <STS region>

The account must have outbound identity federation enabled. The credentials are those that the AWS SDK finds; their
principal needs sts:GetWebIdentityToken.
"""

import sys

import boto3

audience, region = sys.argv[1:]
sts = boto3.client("sts", region_name=region)
answer = sts.get_web_identity_token(Audience=[audience], SigningAlgorithm="ES384", DurationSeconds=300)
print("Bearer " + answer["WebIdentityToken"])
