#!/usr/bin/env bash
# Pins everything that requirements*.txt bring along, by installing them afresh. Called by `make freeze`.
set -euo pipefail
cd "$(dirname "$0")/.."

environment=$(mktemp -d)
trap 'rm -rf "$environment"' EXIT
"${PYTHON:-python3}" -m venv "$environment"
: > constraints.txt
"$environment/bin/pip" install --quiet --disable-pip-version-check -r requirements-dev.txt

direct=$(sed -nE 's/^([A-Za-z0-9._-]+).*==.*/\1/p' requirements.txt requirements-dev.txt | paste -sd '|')
{
    echo "# What the direct dependencies bring along. Written by \`make freeze\`; the reasons are in requirements*.txt."
    "$environment/bin/pip" freeze | grep -vE "^($direct)=="
} > constraints.txt
