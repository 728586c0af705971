#!/bin/sh
# Copies of the whole PostgreSQL cluster, each in a folder of its own with the time of its beginning.
#
#     backup.sh regularly    one every BACKUP_EVERY_HOURS, until stopped
#     backup.sh once         one now
#     backup.sh check        whether the newest is as new as it should be
#
# A copy is complete and its checksums are true, or it is called `.partial`. The newest BACKUP_KEEP are kept.
# PGHOST and its like are read by pg_basebackup itself.
set -eu
umask 077

folder="${BACKUPS:-/var/lib/postgresql/backups}"
secrets="${SECRETS_DIR:-/run/secrets}"
every="${BACKUP_EVERY_HOURS:-24}"
keep="${BACKUP_KEEP:-14}"
retry_seconds=600

say() {
    echo "backup.sh: $*" >&2
}

for number in "$every" "$keep"; do
    case "$number" in
    '' | 0* | *[!0-9]*)
        say "BACKUP_EVERY_HOURS and BACKUP_KEEP are whole numbers from 1 on"
        exit 2
        ;;
    esac
done

# Complete copies, the newest first: their names sort by time.
copies() {
    find "$folder" -mindepth 1 -maxdepth 1 -type d -name 'cluster-*Z' | sort -r
}

once() {
    mkdir -p "$folder"
    find "$folder" -mindepth 1 -maxdepth 1 -name 'cluster-*.partial' -exec rm -rf {} +
    name="cluster-$(date -u +%Y%m%dT%H%M%SZ)"
    PGPASSWORD="$(cat "$secrets/backup_password")"
    export PGPASSWORD
    pg_basebackup --no-password --checkpoint=fast --wal-method=stream --manifest-checksums=SHA256 \
        --pgdata="$folder/$name.partial" || return 1
    pg_verifybackup --quiet "$folder/$name.partial" || return 1
    sync
    mv "$folder/$name.partial" "$folder/$name" || return 1
    copies | tail -n "+$((keep + 1))" | while read -r old; do rm -rf "$old"; done
    say "made $name"
}

fresh() { # minutes: whether there is a copy that is no older
    [ -d "$folder" ] && [ -n "$(find "$folder" -mindepth 1 -maxdepth 1 -name 'cluster-*Z' -mmin "-$1")" ]
}

regularly() {
    trap 'exit 0' TERM INT
    while :; do
        if fresh $((every * 60)); then
            seconds=300
        elif once; then
            seconds=300
        else
            say "failed; the next attempt is in $retry_seconds s"
            seconds="$retry_seconds"
        fi
        sleep "$seconds" &
        wait $! || true
    done
}

case "${1:-}" in
regularly) regularly ;;
once) once ;;
check) fresh $((every * 60 + 120)) || { say "no copy of the last $every hours"; exit 1; } ;;
*) say "regularly, once or check"; exit 2 ;;
esac
