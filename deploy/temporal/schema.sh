#!/bin/sh
# One-shot: brings Temporal's two databases to the schema of this image. May be repeated; does nothing when up to date.
# The databases are made by deploy/postgres/init.sh, so Temporal's role need not be able to create any.
set -eu

SQL_PASSWORD="$(cat /run/secrets/temporal_password)"
export SQL_PASSWORD

bring() { # database, folder of its schema
    temporal-sql-tool --plugin postgres12 --ep postgres -p 5432 -u temporal --db "$1" setup-schema -v 0.0
    temporal-sql-tool --plugin postgres12 --ep postgres -p 5432 -u temporal --db "$1" \
        update-schema -d "/etc/temporal/schema/postgresql/v12/$2/versioned"
}

bring temporal temporal
bring temporal_visibility visibility
