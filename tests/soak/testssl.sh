#!/usr/bin/env bash
# What testssl.sh of Debian says of both versions of TLS: it must have nothing to say that is worse than "low".
#     tests/soak/testssl.sh        needs the package testssl.sh, and cargo build --release; some minutes
set -euo pipefail
cd "$(dirname "$0")/../.."
program=${MULTIPLEXOR_BIN:-${CARGO_TARGET_DIR:-target}/release/multiplexor}
unset MULTIPLEXOR_BIN # the program would not know it
if ! command -v testssl >/dev/null; then
    echo "testssl is missing: apt-get install --no-install-recommends testssl.sh" >&2
    exit 1
fi
folder=$(mktemp -d)
trap 'kill "$pid" 2>/dev/null || true; rm -rf "$folder"' EXIT
new=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc)
openssl req -x509 "${new[@]}" -days 90 -subj "/CN=Test Authority" -addext keyUsage=critical,keyCertSign,cRLSign \
    -keyout "$folder/ca.key" -out "$folder/ca.pem" 2>/dev/null
openssl req "${new[@]}" -subj /CN=localhost -keyout "$folder/key.pem" -out "$folder/request.pem" 2>/dev/null
echo "subjectAltName=DNS:localhost" >"$folder/names"
openssl x509 -req -in "$folder/request.pem" -CA "$folder/ca.pem" -CAkey "$folder/ca.key" -days 90 \
    -extfile "$folder/names" -out "$folder/certificate.pem" 2>/dev/null

"$program" --wait 127.0.0.1:0 --in 127.0.0.1:0 --tls-certificate "$folder/certificate.pem" \
    --tls-key "$folder/key.pem" >"$folder/said" &
pid=$!
until port=$(sed -n 's|^WAIT line *https://127.0.0.1:\([0-9]*\).*|\1|p' "$folder/said") && [[ -n $port ]]; do sleep 0.1; done

# Protocols, ciphers, forward secrecy, preferences, the certificate, weaknesses that have names.
testssl --quiet --color 0 --warnings off --add-ca "$folder/ca.pem" -p -s -f -P -S -U --severity MEDIUM \
    --jsonfile "$folder/found.json" --ip one "localhost:$port" || true
# An authority made for the test tells nobody of what it revoked, and is in nobody's list.
python3 - "$folder/found.json" <<'END'
import json, sys

EXPECTED = {"cert_revocation", "cert_crlDistributionPoints", "DNS_CAArecord", "cert_ocspURL", "certificate_transparency"}
BAD = {"MEDIUM", "HIGH", "CRITICAL", "FATAL"}
every = [one for one in json.load(open(sys.argv[1])) if one["severity"] in BAD]
found = [one for one in every if one["id"].split(" ")[0] not in EXPECTED]
for one in found:
    print(f"{one['severity']}: {one['id']}: {one['finding']}", file=sys.stderr)
sys.exit(1 if found else 0)
END
kill -0 "$pid" # it still lives
echo "testssl: nothing worse than low"
