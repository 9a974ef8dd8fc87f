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
