#!/bin/sh
# The roles and databases. PostgreSQL's image runs this once, on an empty volume. It may be repeated at any time:
# it makes what is missing and sets every password to what its file says.
set -eu

secrets="${SECRETS_DIR:-/run/secrets}"
for name in postgres_password owner_password app_password temporal_password backup_password; do
    if [ ! -r "$secrets/$name" ] || [ "$(tr -d '\r\n' <"$secrets/$name" | wc -c)" -lt 20 ]; then
        echo "init.sh: $secrets/$name is missing, unreadable or shorter than 20 characters;" \
            "run deploy/make-secrets.sh" >&2
        exit 1
    fi
done
if [ -z "${PGPASSWORD:-}" ]; then
    PGPASSWORD="$(cat "$secrets/postgres_password")"
    export PGPASSWORD
fi

# psql reads the passwords from the files itself: they are in no command line.
psql --no-psqlrc --no-password --quiet --set=ON_ERROR_STOP=1 --set=secrets="$secrets" \
    --username="${POSTGRES_USER:-postgres}" --dbname=postgres <<'SQL'
\set owner_password `cat :'secrets'/owner_password`
\set app_password `cat :'secrets'/app_password`
\set temporal_password `cat :'secrets'/temporal_password`
\set backup_password `cat :'secrets'/backup_password`

-- owner: owns the schema and migrates it. app: what worker and gateway are. temporal: Temporal's two databases, nothing
-- of ours. backup: copies the cluster, file by file, and can open no database's tables.
select format('create role %I login', wanted)
from unnest(array['owner', 'app', 'temporal', 'backup']) as wanted
where not exists (select from pg_roles where rolname = wanted) \gexec
alter role owner nosuperuser nocreatedb nocreaterole password :'owner_password';
alter role app nosuperuser nocreatedb nocreaterole password :'app_password';
alter role temporal nosuperuser nocreatedb nocreaterole password :'temporal_password';
alter role backup nosuperuser nocreatedb nocreaterole replication password :'backup_password';
alter role app set statement_timeout = '15s';
alter role app set idle_in_transaction_session_timeout = '30s';

select format('create database %I owner %I', wanted.name, wanted.owner)
from (values ('continuum', 'owner'), ('temporal', 'temporal'), ('temporal_visibility', 'temporal'))
    as wanted (name, owner)
where not exists (select from pg_database where datname = wanted.name) \gexec
revoke all on database continuum, temporal, temporal_visibility from public;
grant connect on database continuum to app;
SQL
