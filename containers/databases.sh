#!/bin/bash
# Run once by the image of PostgreSQL, on an empty volume: an account and a database each for rvscat and for Prefect.
set -euo pipefail
for name in rvscat prefect; do
    # Roles of rvscat's own (readers, writers) are made by its migrations.
    options=$([ "$name" = rvscat ] && echo CREATEROLE || echo NOCREATEROLE)
    psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" \
        --set "account=$name" --set "password=$(cat "/run/secrets/${name}_password")" <<SQL
CREATE ROLE :"account" LOGIN $options PASSWORD :'password';
-- From PostgreSQL 16 on, who makes a role may not act as it, unless this was said before.
ALTER ROLE :"account" SET createrole_self_grant = 'set, inherit';
CREATE DATABASE :"account" OWNER :"account";
REVOKE ALL ON DATABASE :"account" FROM PUBLIC;
SQL
done
