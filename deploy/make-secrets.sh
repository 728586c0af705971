#!/bin/sh
# Makes the passwords of a site, one file each, in deploy/secrets. A file that is there stays as it is.
set -eu
umask 077

cd "$(dirname "$0")"
mkdir -p secrets
# Containers read these files as users of their own, so the files are readable and the folder is what is closed.
chmod 700 secrets

for name in postgres_password owner_password app_password temporal_password; do
    file="secrets/$name.txt"
    # Docker makes a folder where a mounted file was missing.
    [ ! -d "$file" ] || rmdir "$file"
    if [ -s "$file" ]; then
        echo "kept $file"
        continue
    fi
    # 32 random bytes as urlsafe base64: nothing in it to quote in SQL, a URL or YAML.
    head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n' >"$file.new"
    chmod 444 "$file.new"
    mv -f "$file.new" "$file"
    echo "made $file"
done
