#!/usr/bin/env bash
# Pins everything that requirements*.txt bring along, by installing them afresh, and notes the hash of every
# file of every version, for each Python from 3.11 on and each machine. Called by `make freeze`.
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
} > constraints.txt.new
mv constraints.txt.new constraints.txt

"$environment/bin/pip" install --quiet --disable-pip-version-check uv==0.13.9
for name in requirements requirements-dev; do
    {
        echo "# Written by \`make freeze\` from $name.txt, for pip install --require-hashes."
        "$environment/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
            --no-header --no-annotate "$name.txt"
    } > "$name.lock.new"
    mv "$name.lock.new" "$name.lock"
done
