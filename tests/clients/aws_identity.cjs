// Proves an AWS identity to an API behind the authorizer: prints the value of the Authorization header.
//
//     node aws_identity.cjs <server id> <STS region>
//
// It presigns sts:GetCallerIdentity and sends nothing. The credentials are those that the AWS SDK finds.

const { defaultProvider } = require("@aws-sdk/credential-provider-node");
const { Hash } = require("@smithy/hash-node");
const { SignatureV4 } = require("@smithy/signature-v4");

async function main([serverId, region]) {
  const url = new URL(process.env.AWS_ENDPOINT_URL ?? `https://sts.${region}.amazonaws.com`);
  const { protocol, hostname, port, host } = url;
  const query = { Action: "GetCallerIdentity", Version: "2011-06-15" };
  const headers = { host, "x-vault-aws-iam-server-id": serverId };
  const sha256 = Hash.bind(null, "sha256");
  const signer = new SignatureV4({ service: "sts", region, credentials: defaultProvider(), sha256 });
  const request = { method: "GET", protocol, hostname, port, path: "/", query, headers };
  const signed = await signer.presign(request, { expiresIn: 60 });
  url.search = new URLSearchParams(signed.query);
  console.log(`AWS-Identity ${Buffer.from(url.href).toString("base64url")}`);
}

main(process.argv.slice(2));
