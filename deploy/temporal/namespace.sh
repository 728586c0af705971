#!/bin/sh
# One-shot: the namespace with its retention, and the search attributes. May be repeated.
# TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE are read by the `temporal` program itself.
set -eu
: "${TEMPORAL_ADDRESS:?}" "${TEMPORAL_NAMESPACE:?}" "${RETENTION:?}" "${SEARCH_ATTRIBUTES:?}"

patiently() { # command: repeat it until it succeeds, for a minute
    attempts=0
    until "$@"; do
        attempts=$((attempts + 1))
        if [ "$attempts" -ge 30 ]; then
            echo "namespace.sh: gave up after $attempts attempts: $*" >&2
            return 1
        fi
        sleep 2
    done
}

present() {
    temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" >/dev/null 2>&1 ||
        temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention "$RETENTION"
}

known() {
    temporal operator search-attribute list >/dev/null
}

patiently temporal operator cluster health
patiently present
# The retention of a namespace that was there before may be another; a new one is not found for a few seconds.
patiently temporal operator namespace update --namespace "$TEMPORAL_NAMESPACE" --retention "$RETENTION"

patiently known
# Adds what is missing; refuses an attribute that is there with another type.
query=""
set --
for pair in $SEARCH_ATTRIBUTES; do
    set -- "$@" --name "${pair%%=*}" --type "${pair#*=}"
    query="${query:+$query OR }${pair%%=*} IS NOT NULL"
done
temporal operator search-attribute create "$@"

# Done when the server answers a query by all of them: its caches are a few seconds behind.
patiently temporal workflow count --query "$query"
