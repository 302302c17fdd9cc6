#!/usr/bin/env bash
# Runs schemathesis against the IN line of the running program, by the program's own description.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
examples=${1:-1000}
program=$(realpath "${MULTIPLEXOR_BIN:-${CARGO_TARGET_DIR:-$here/../../target}/release/multiplexor}")
unset MULTIPLEXOR_BIN # the program would not know it

# What schemathesis remembers between runs stays out of the repository. The program is ended by its own id.
scratch=$(mktemp -d)
cd "$scratch"
"$program" --wait 127.0.0.1:0 --in 127.0.0.1:0 --poll-timeout 100ms >said 2>/dev/null &
pid=$!
trap 'kill "$pid" 2>/dev/null || true; rm -rf "$scratch"' EXIT
until address=$(grep -o 'IN line  *http://[^ ]*' said); do
    kill -0 "$pid"
    sleep 0.1
done
url=${address##* }

"$here/../.venv/bin/schemathesis" --config-file "$here/schemathesis.toml" run "${url%/}/openapi.json" \
    --max-examples "$examples" --request-timeout 10 --phases coverage,fuzzing --continue-on-failure

# Whatever came in, it is still there.
curl -fsS "${url%/}/healthz"
