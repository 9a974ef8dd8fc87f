#!/bin/sh
# In the place of Vault's command line: prints what it is asked to do. SERVER_HAS is a field that the server has, as FIELD=VALUE, or
# `denied`.
case $2 in
-field=*)
  [ "$SERVER_HAS" != denied ] || { echo '* permission denied' >&2; exit 2; }
  case -field=$SERVER_HAS in $2=*) echo "${SERVER_HAS#*=}" ;; *) echo 'No value found at x' >&2; exit 2 ;; esac
  ;;
*) echo "$@" ;;
esac
