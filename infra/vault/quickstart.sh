#!/bin/sh
# Configures Vault or OpenBao for the quickstart: two stages of one API, `prod` and `staging`, each with a sample
# secret and a token role that may read that secret only. Run it again at any time: it sets what is written here, the
# policies among it, and leaves sample secrets that exist alone. It makes what `vault-authorizer vault apply` would make
# for the quickstart's configuration; where that has made something else since, it stops.
#
#   VAULT_ADDR=… VAULT_TOKEN=… ./quickstart.sh
#   VAULT_ADDR=… VAULT_TOKEN=… VAULT_CLI=bao ./quickstart.sh         # OpenBao
#   VAULT_ADDR=… VAULT_TOKEN=… ./quickstart.sh --aws-principal arn:aws:iam::123456789012:role/api-authorizer \
#       --server-id vault.example.com                                # also the authorizer's login. OpenBao needs a plugin
#                                                                    # for it: docs/openbao-aws-auth.md
#
# --aws-principal  the authorizer's execution role, without a path: `role/api-authorizer` also where IAM shows
#                  `role/service/api-authorizer`, since GetCallerIdentity drops it
# --server-id      the value of `vault.login.server_id` in the authorizer's configuration
# --login-role     the value of `vault.login.role` there; api-authorizer unless it is given
set -eu

cli=${VAULT_CLI:-vault}
policies=$(dirname "$0")/policies
aws_principal=''
server_id=''
login_role=api-authorizer
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help)
        sed -n '2,/^set -eu/{/^#/s/^# \{0,1\}//p;}' "$0"
        exit 0
        ;;
    --aws-principal | --server-id | --login-role)
        if [ $# -lt 2 ]; then
            echo "quickstart.sh: $1 needs a value" >&2
            exit 2
        fi
        ;;
    esac
    case $1 in
    --aws-principal) aws_principal=$2 ;;
    --server-id) server_id=$2 ;;
    --login-role) login_role=$2 ;;
    *)
        echo "quickstart.sh: unknown option $1; --help lists them" >&2
        exit 2
        ;;
    esac
    shift 2
done
if [ -n "$aws_principal" ] && [ -z "$server_id" ]; then
    echo 'quickstart.sh: --aws-principal needs --server-id: without one, a login signed for any Vault is good for this one' >&2
    exit 2
fi

if [ -z "$aws_principal" ] && [ -n "$server_id" ]; then
    echo 'quickstart.sh: --server-id is for the login, which needs --aws-principal as well' >&2
    exit 2
fi

# enabled secrets|auth PATH: whether something is mounted there.
enabled() {
    "$cli" "$1" list -format=json | grep -q "\"$2/\""
}

# token_role NAME POLICY TTL: the Vault token role of one grant.
#
# `token_type=service` is pinned: left to its default, a request for a batch token escapes the role's TTL.
# `orphan`: the tokens do not end with the authorizer's own. `path_suffix` names a generation of tokens, which one
# command ends: `vault lease revoke -prefix auth/token/create/NAME/v01`
token_role() {
    "$cli" write "auth/token/roles/$1" allowed_policies="$2,vault-authorizer-self" token_explicit_max_ttl="$3" \
        token_type=service token_no_default_policy=true orphan=true renewable=false path_suffix=v01
}

# quota ROLE: at most 200 tokens a second, as `limits.grant_mints_per_second` has it.
quota() {
    "$cli" write "sys/quotas/rate-limit/vault-authorizer-$1" path="auth/token/create/$1" rate=200 interval=1s
}

# sample_secret PATH USERNAME PASSWORD
sample_secret() {
    "$cli" kv get -mount=secret "$1" >/dev/null 2>&1 || "$cli" kv put -mount=secret "$1" username="$2" password="$3"
}

enabled secrets secret || "$cli" secrets enable -path=secret -version=2 kv
# For a moment a new mount answers that it is being upgraded.
attempts=0
until "$cli" read secret/config >/dev/null 2>&1; do
    attempts=$((attempts + 1))
    if [ "$attempts" -ge 20 ]; then
        echo 'quickstart.sh: the KV mount at secret/ cannot be read: is it version 2, and may this token read secret/config?' >&2
        exit 1
    fi
    sleep 1
done
sample_secret prod/orders orders-prod sample-prod-password
sample_secret staging/orders orders-staging sample-staging-password

# Quotas lie in the root namespace, whose others may have made these.
if [ -n "${VAULT_NAMESPACE:-}" ]; then
    authorizer_policy=$(grep -v '^# made: sys/quotas/' "$policies/vault-authorizer.hcl")
else
    authorizer_policy=$(cat "$policies/vault-authorizer.hcl")
fi
# A policy with vault apply's mark and another text is that of a configuration that is not the quickstart's any more, and
# whose grants would lose their tokens.
names=$("$cli" policy list)
if echo "$names" | grep -qx vault-authorizer; then
    current=$("$cli" policy read vault-authorizer)
    case $current in
    "$authorizer_policy") ;;
    '# Managed by vault-authorizer: '*)
        echo 'quickstart.sh: the policy vault-authorizer is another configuration'\''s, made by vault-authorizer vault apply: run that' >&2
        echo 'instead; or delete the policy, and this begins anew' >&2
        exit 1
        ;;
    esac
fi
for policy in orders-prod-read orders-staging-read vault-authorizer-self; do
    "$cli" policy write "$policy" "$policies/$policy.hcl"
done
echo "$authorizer_policy" | "$cli" policy write vault-authorizer -

token_role orders-prod-reader orders-prod-read 120s
token_role orders-staging-reader orders-staging-read 600s

if [ -n "${VAULT_NAMESPACE:-}" ]; then
    echo 'quickstart.sh: no rate limit quotas were made: they lie outside of a namespace; vault-authorizer vault apply makes them' >&2
else
    quota orders-prod-reader
    quota orders-staging-reader
fi

[ -n "$aws_principal" ] || exit 0

# The authorizer's own login. Exact ARNs and `resolve_aws_unique_ids=false`: Vault then needs no IAM permissions, and a
# role that is made anew under the same name logs in as before.
enabled auth aws || "$cli" auth enable aws
# The server id is one for the whole mount: another one there belongs to somebody who logs in with it.
current=$("$cli" read -field=iam_server_id_header_value auth/aws/config/client 2>/dev/null || true)
if [ -n "$current" ] && [ "$current" != "$server_id" ]; then
    echo "quickstart.sh: the mount auth/aws has the server id $current, which others may log in with: use that one" >&2
    exit 1
fi
"$cli" write auth/aws/config/client iam_server_id_header_value="$server_id"
"$cli" write "auth/aws/role/$login_role" auth_type=iam bound_iam_principal_arn="$aws_principal" \
    resolve_aws_unique_ids=false token_policies=vault-authorizer token_no_default_policy=true token_type=service \
    token_ttl=1h token_max_ttl=24h
