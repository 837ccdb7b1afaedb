#!/usr/bin/env bash
# Asks PyPI which versions that the product runs on have known vulnerabilities. Called by `make audit-dependencies`.
# A version of which nothing can be learnt is a failure as well (--strict): silence is no good news.
set -euo pipefail
cd "$(dirname "$0")/.."

environment=$(mktemp -d)
trap 'rm -rf "$environment"' EXIT
"${PYTHON:-python3}" -m venv "$environment"
"$environment/bin/pip" install --quiet --disable-pip-version-check pip-audit==2.10.1
"$environment/bin/pip-audit" --strict --progress-spinner off --no-deps --disable-pip --requirement requirements.lock
