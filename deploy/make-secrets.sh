#!/bin/sh
# Makes the passwords and keys of a site, one file each, in deploy/secrets. A file that is there stays as it is.
set -eu
umask 077

cd "$(dirname "$0")"
mkdir -p secrets
# Containers read these files as users of their own, so the files are readable and the folder is what is closed.
chmod 700 secrets

# 32 random bytes as urlsafe base64: nothing in it to quote in SQL, a URL or YAML.
random() {
    head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n'
}

# Whether the file has to be made. Docker makes a folder where a mounted file was missing.
missing() {
    [ ! -d "$1" ] || rmdir "$1"
    [ ! -s "$1" ] || { echo "kept $1"; return 1; }
}

# The file is complete or not there.
keep() {
    chmod 444 "$1.new"
    mv -f "$1.new" "$1"
    echo "made $1"
}

for name in postgres_password owner_password app_password temporal_password backup_password; do
    file="secrets/$name.txt"
    if missing "$file"; then
        random >"$file.new"
        keep "$file"
    fi
done

# What is empty until you put something into it: the mail server's password, the authorities of HL7 v2 senders.
for file in secrets/smtp_password.txt secrets/hl7_client_ca.pem; do
    [ ! -d "$file" ] || rmdir "$file"
    [ -e "$file" ] || { : >"$file.new"; keep "$file"; }
done

# What signs the gateway's access tokens and links: an Ed25519 key (RFC 8037), 32 random bytes. `continuum signing-key`
# puts a new one in front.
file=secrets/gateway_keys.json
if missing "$file"; then
    printf '{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "%s", "d": "%s"}]}\n' \
        "$(random | cut -c 1-16)" "$(random)" >"$file.new"
    keep "$file"
fi

# A certificate to begin with, which nobody trusts who was not told to: put yours in its place, with its chain.
certificate=secrets/gateway_certificate.pem
key=secrets/gateway_tls_key.pem
if missing "$certificate"; then
    rm -rf "$key"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 365 -subj /CN=localhost \
        -addext subjectAltName=DNS:localhost,DNS:gateway,IP:127.0.0.1 \
        -keyout "$key.new" -out "$certificate.new" 2>/dev/null
    keep "$key"
    keep "$certificate"
fi

# What PostgreSQL proves itself with, and the authority that its clients know it by. The authority's key is not kept:
# for a new certificate remove the three files, make them anew and recreate the containers.
authority=secrets/database_ca.pem
certificate=secrets/postgres_certificate.pem
key=secrets/postgres_tls_key.pem
if missing "$certificate"; then
    rm -rf "$key" "$authority"
    work="$(mktemp -d secrets/.work.XXXXXX)"
    trap 'rm -rf "$work"' EXIT
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 \
        -subj '/CN=Continuum PostgreSQL authority' -addext keyUsage=critical,keyCertSign \
        -keyout "$work/authority.key" -out "$authority.new" 2>/dev/null
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=postgres \
        -keyout "$key.new" -out "$work/request" 2>/dev/null
    printf '%s\n' subjectAltName=DNS:postgres,DNS:localhost basicConstraints=critical,CA:FALSE \
        keyUsage=critical,digitalSignature extendedKeyUsage=serverAuth >"$work/extensions"
    openssl x509 -req -in "$work/request" -CA "$authority.new" -CAkey "$work/authority.key" \
        -set_serial "0x$(openssl rand -hex 16)" -days 3650 -sha256 -extfile "$work/extensions" \
        -out "$certificate.new" 2>/dev/null
    keep "$authority"
    keep "$key"
    keep "$certificate"
fi
