#!/bin/sh
# Secrets come as files: NAME_FILE=/run/secrets/x becomes NAME with what the file holds.
set -eu
for name in PGPASSWORD PREFECT_API_AUTH_STRING PREFECT_SERVER_API_AUTH_STRING PREFECT_SERVER_DATABASE_PASSWORD; do
    eval "file=\${${name}_FILE:-}"
    if [ -n "$file" ]; then
        if [ ! -r "$file" ]; then
            echo "entrypoint: ${name}_FILE=$file cannot be read by $(id -un) (uid $(id -u))" >&2
            exit 1
        fi
        export "$name=$(cat "$file")"
        unset "${name}_FILE"
    fi
done
exec "$@"
