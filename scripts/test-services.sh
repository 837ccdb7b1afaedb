#!/usr/bin/env bash
# Runs a command (the test suite) with a PostgreSQL and a Redis of its own: fresh, on free ports, without
# touching the machine's own servers, and gone afterwards. Called by `make test-services`.
# FSYNC=on has PostgreSQL keep its promises as in earnest, for measuring.
set -euo pipefail
cd "$(dirname "$0")/.."

# PostgreSQL refuses to run as root; as anybody else we run it as ourselves.
as_postgres=()
if [ "$(id -u)" = 0 ]; then as_postgres=(env --chdir=/ setpriv --reuid=postgres --regid=postgres --init-groups); fi

find_initdb() { command -v initdb || ls -d /usr/lib/postgresql/*/bin/initdb 2>/dev/null | sort -V | tail -n 1; }

missing=()
[ -n "$(find_initdb)" ] || missing+=(postgresql)
command -v redis-server >/dev/null || missing+=(redis-server)
if [ ${#missing[@]} -gt 0 ]; then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "Missing for the services' tests: ${missing[*]}. On Debian or Ubuntu: sudo apt-get install ${missing[*]}" >&2
        exit 1
    fi
    echo "Installing ${missing[*]}"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi
# For the tests of clocks, which are left out without it.
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null && ! compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1' >/dev/null; then
    echo "Installing faketime"
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends faketime; } \
        >/dev/null || echo "faketime cannot be installed: the tests of clocks are left out" >&2
fi
postgres_bin=$(dirname "$(find_initdb)")

free_port() { .venv/bin/python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
postgres_port=$(free_port)
redis_port=$(free_port)
folder=$(mktemp -d)

stop() {
    status=$?
    "${as_postgres[@]}" "$postgres_bin/pg_ctl" stop --pgdata "$folder/postgres" --mode immediate --silent || true
    redis-cli -p "$redis_port" shutdown nosave 2>/dev/null || true
    rm -rf "$folder"
    exit "$status"
}
trap stop EXIT

echo "Starting PostgreSQL on port $postgres_port and Redis on port $redis_port"
mkdir "$folder/postgres"
if [ "$(id -u)" = 0 ]; then
    chmod 711 "$folder"
    chown postgres "$folder/postgres"
fi
"${as_postgres[@]}" "$postgres_bin/initdb" --pgdata "$folder/postgres" --username postgres --auth trust --no-sync >/dev/null
# Tests' data need not survive a power cut.
fsync=${FSYNC:-off}
"${as_postgres[@]}" "$postgres_bin/pg_ctl" start --pgdata "$folder/postgres" --log "$folder/postgres/log" --wait --silent \
    --options "-p $postgres_port -h 127.0.0.1 -k '' -c fsync=$fsync -c synchronous_commit=$fsync -c full_page_writes=$fsync"
redis-server --port "$redis_port" --bind 127.0.0.1 --dir "$folder" --save '' --appendonly no \
    --daemonize yes --logfile "$folder/redis.log" >/dev/null

export PATH="$postgres_bin:$PATH" # some tests start servers of their own
export TEST_DATABASE_URL="postgres://postgres@127.0.0.1:$postgres_port/postgres"
export TEST_REDIS_URL="redis://127.0.0.1:$redis_port"
"$@"
