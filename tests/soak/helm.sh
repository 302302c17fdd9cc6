#!/usr/bin/env bash
# The chart by Helm itself, which is built once and takes minutes for it.
set -euo pipefail
cd "$(dirname "$0")/../.."
helm=v3.18.4
tools=$PWD/.tools
if ! grep -qs "^$helm$" "$tools/helm.version"; then
    mkdir -p "$tools"
    GOBIN=$tools go install "helm.sh/helm/v3/cmd/helm@$helm"
    echo "$helm" >"$tools/helm.version"
fi
PATH=$tools:$PATH
helm lint --strict deploy/helm/multiplexor
tests/.venv/bin/python -m pytest -c tests/pytest.ini tests/blackbox/test_deploy.py -k chart
