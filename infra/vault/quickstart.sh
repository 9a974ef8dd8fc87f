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
# --aws-principal    the authorizer's execution role, without a path: `role/api-authorizer` also where IAM shows
#                    `role/service/api-authorizer`, since GetCallerIdentity drops it. Once for each function and region
# --server-id        the value of `vault.login.server_id` in the authorizer's configuration
# --login-role       the value of `vault.login.role` there; api-authorizer unless it is given
# --quota-namespace  beside VAULT_NAMESPACE: the namespace that keeps the rate limit quotas, `admin` on HCP Vault. Without
#                    it, no quotas are made for a namespace
set -eu

cli=${VAULT_CLI:-vault}
policies=$(dirname "$0")/policies
aws_principals=''
server_id=''
login_role=api-authorizer
quota_namespace=''
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help)
        sed -n '2,/^set -eu/{/^#/s/^# \{0,1\}//p;}' "$0"
        exit 0
        ;;
    --aws-principal | --server-id | --login-role | --quota-namespace)
        if [ $# -lt 2 ]; then
            echo "quickstart.sh: $1 needs a value" >&2
            exit 2
        fi
        ;;
    esac
    case $1 in
    --aws-principal)
        case $2 in
        *[,\ ]*)
            arns=$(echo "$2" | sed 's/[, ]\{1,\}/ --aws-principal /g')
            echo "quickstart.sh: pass one ARN per option: --aws-principal $arns" >&2
            exit 2
            ;;
        esac
        aws_principals=${aws_principals:+$aws_principals,}$2
        ;;
    --server-id) server_id=$2 ;;
    --login-role) login_role=$2 ;;
    --quota-namespace) quota_namespace=${2%/} ;;
    *)
        echo "quickstart.sh: unknown option $1; --help lists them" >&2
        exit 2
        ;;
    esac
    shift 2
done
if [ -n "$aws_principals" ] && [ -z "$server_id" ]; then
    echo 'quickstart.sh: --aws-principal needs --server-id: without one, a login signed for any Vault is good for this one' >&2
    exit 2
fi

if [ -z "$aws_principals" ] && [ -n "$server_id" ]; then
    echo 'quickstart.sh: --server-id is for the login, which needs --aws-principal as well' >&2
    exit 2
fi

if [ -n "$quota_namespace" ] && [ -z "${VAULT_NAMESPACE:-}" ]; then
    echo 'quickstart.sh: --quota-namespace is for a set-up in a namespace: set VAULT_NAMESPACE' >&2
    exit 2
fi
[ -n "${VAULT_ADDR:-}" ] || { echo 'quickstart.sh: set VAULT_ADDR' >&2; exit 2; }
# VAULT_ADDR, VAULT_NAMESPACE and VAULT_TOKEN say where and as whom. OpenBao's `bao` would follow its BAO_ variables instead, even
# empty ones, and both commands an agent's address.
for variable in $(env | sed -n 's/^BAO_\([A-Z_]\{1,\}\)=.*/\1/p'); do
    if eval "[ -n \"\${BAO_$variable-}\" ] && [ -z \"\${VAULT_$variable+set}\" ]"; then
        echo "BAO_$variable is set, but this script uses VAULT_$variable: set VAULT_$variable, or unset BAO_$variable" >&2
        exit 1
    fi
    unset "BAO_$variable"
done
unset VAULT_AGENT_ADDR VAULT_FORMAT VAULT_WRAP_TTL

# field NAME PATH: what the server has there, or nothing. What cannot be read may be somebody's: that ends the script.
field() {
    "$cli" read -field="$1" "$2" 2>/dev/null && return
    message=$("$cli" read -field="$1" "$2" 2>&1) || case $message in
    *'No value found'* | *'not present in'*) return 0 ;;
    esac
    echo "$message" >&2
    return 1
}

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

# quota ROLE: at most 200 tokens a second, as `limits.grant_mints_per_second` has it. One namespace keeps the quotas of all, so
# their names and paths have the namespace that they are about.
quota() {
    VAULT_NAMESPACE=$quota_namespace "$cli" write "sys/quotas/rate-limit/$quota_prefix$1" \
        path="$quota_path$1" rate=200 interval=1s
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

namespace=${VAULT_NAMESPACE:-}
namespace=${namespace%/}
quota_prefix=vault-authorizer-${namespace:+$(echo "$namespace" | sed 's/[^A-Za-z0-9._-]/-/g')-}
quota_path=${namespace:+$namespace/}auth/token/create/
if [ -n "$namespace" ] && [ -z "$quota_namespace" ]; then
    # Others may have made quotas of these names.
    authorizer_policy=$(grep -v '^# made: sys/quotas/' "$policies/vault-authorizer.hcl")
else
    quotas="s|^\(# made: sys/quotas/rate-limit/\)vault-authorizer-|\1$quota_prefix|"
    authorizer_policy=$(sed "$quotas" "$policies/vault-authorizer.hcl")
fi
# A policy with vault apply's mark and another text is that of a configuration that is not the quickstart's any more, and
# whose grants would lose their tokens.
names=$("$cli" policy list)
if echo "$names" | grep -qx vault-authorizer; then
    current=$("$cli" policy read vault-authorizer)
    # The quotas on its list depend on --quota-namespace, which may be another than last time.
    case $(echo "$current" | sed '/^# made: sys\/quotas\//d') in
    "$(echo "$authorizer_policy" | sed '/^# made: sys\/quotas\//d')")
        # Quotas that were made stay on the list.
        if [ -n "$namespace" ] && [ -z "$quota_namespace" ]; then authorizer_policy=$current; fi
        ;;
    '# Managed by vault-authorizer: '*)
        echo "quickstart.sh: the policy vault-authorizer is another configuration's, made by vault-authorizer vault apply: run" >&2
        echo 'that for yours, with --policy and another name; or, if no function uses the policy any more, delete it' >&2
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

if [ -n "$namespace" ] && [ -z "$quota_namespace" ]; then
    echo 'quickstart.sh: no rate limit quotas were made: they lie outside of your namespace. On HCP Vault, --quota-namespace admin' >&2
    echo 'makes them; elsewhere vault-authorizer vault apply does, with a token that may change them in the root namespace' >&2
else
    quota orders-prod-reader
    quota orders-staging-reader
fi

[ -n "$aws_principals" ] || exit 0

# The authorizer's own login. Exact ARNs and `resolve_aws_unique_ids=false`: Vault then needs no IAM permissions, and a
# role that is made anew under the same name logs in as before.
enabled auth aws || "$cli" auth enable aws
# The server id is one for the whole mount: another one there belongs to somebody who logs in with it.
current=$(field iam_server_id_header_value auth/aws/config/client)
if [ -n "$current" ] && [ "$current" != "$server_id" ]; then
    echo "quickstart.sh: the mount auth/aws has the server id $current, which other logins may use: use that one" >&2
    exit 1
fi
# Whoever may log in and is not named could not any more: a function in another region, or of another stack.
current=$(field bound_iam_principal_arn "auth/aws/role/$login_role")
for principal in $(echo "$current" | tr -d '[]' | tr ',' ' '); do
    case ,$aws_principals, in
    *,"$principal",*) ;;
    *)
        echo "quickstart.sh: $principal logs in with the role $login_role as well: name it with --aws-principal beside the others;" >&2
        echo "or, if no function needs it any more, delete the role: $cli delete auth/aws/role/$login_role" >&2
        exit 1
        ;;
    esac
done
current=$(field token_policies "auth/aws/role/$login_role")
case $current in
'' | '[]' | '[vault-authorizer]') ;;
*)
    echo "quickstart.sh: the role $login_role of auth/aws gives $current: it logs in another configuration's authorizer;" >&2
    echo 'give this one its own login role, with --login-role and in its configuration' >&2
    exit 1
    ;;
esac
"$cli" write auth/aws/config/client iam_server_id_header_value="$server_id"
"$cli" write "auth/aws/role/$login_role" auth_type=iam bound_iam_principal_arn="$aws_principals" \
    resolve_aws_unique_ids=false token_policies=vault-authorizer token_no_default_policy=true token_type=service \
    token_ttl=1h token_max_ttl=24h
