#!/usr/bin/env bash
# Installs what the tests need: Debian packages, a Python venv, node_modules. Quick when all is there.
# `install.sh proxies`: also the proxies of tests/proxies that only `make proxies` runs. `install.sh dist`: only what tries packages, which
# Ubuntu has, too; `install.sh firsthour`: that, and all that the tests need.
set -euo pipefail
cd "$(dirname "$0")"

# command or file that proves it, package
needs=(
    /usr/bin/chromium chromium
    /usr/bin/composer composer
    /usr/bin/curl curl
    /usr/share/doc/libfaketime libfaketime
    /usr/share/doc/iproute2 iproute2
    /usr/bin/firefox-esr firefox-esr
    /usr/lib/nginx/modules/ngx_stream_module.so libnginx-mod-stream
    /usr/sbin/haproxy haproxy
    /usr/sbin/nginx nginx
    /usr/bin/openssl openssl
    /usr/bin/php php-cli
    /usr/bin/prlimit util-linux
    /usr/bin/promtool prometheus
    /usr/bin/ruby ruby
    /usr/bin/slowhttptest slowhttptest
    /usr/bin/systemd-analyze systemd
    /usr/bin/testssl testssl.sh
    /usr/bin/wget wget
    /usr/share/games/fortunes/literature fortunes
    /usr/share/games/fortunes/cookie fortunes-min
)
if [[ ${1-} == proxies ]]; then
    needs+=(
        /usr/sbin/apache2 apache2-bin
        /usr/bin/h2o h2o
        /usr/sbin/lighttpd lighttpd
        /usr/sbin/squid squid
        /usr/sbin/varnishd varnish
    )
fi
packages=(
    /usr/share/keyrings/debian-archive-keyring.gpg debian-archive-keyring
    /usr/bin/mmdebstrap mmdebstrap
    /usr/bin/qemu-aarch64 qemu-user
    /usr/bin/readelf binutils
    /usr/bin/rpm rpm
    /usr/bin/skopeo skopeo
    /usr/bin/systemd-analyze systemd
)
case ${1-} in
dist) needs=("${packages[@]}") ;;
firsthour) needs+=("${packages[@]}") ;;
esac
missing=()
for ((i = 0; i < ${#needs[@]}; i += 2)); do
    [[ -e ${needs[i]} ]] || missing+=("${needs[i + 1]}")
done
if [[ ${1-} != dist ]]; then
    command -v node >/dev/null || missing+=(nodejs)
    command -v npm >/dev/null || missing+=(npm)
fi
command -v python3 >/dev/null || missing+=(python3)
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)

if ((${#missing[@]})); then
    if [[ $(id -u) -ne 0 ]] || ! command -v apt-get >/dev/null; then
        echo "The tests need Debian packages that are missing. As root:" >&2
        echo "    apt-get install --no-install-recommends ${missing[*]}" >&2
        exit 1
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    # Servers are run by the tests, by hand: no service of the system is to take their ports.
    if [[ ! -e /usr/sbin/policy-rc.d ]]; then
        printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
        chmod +x /usr/sbin/policy-rc.d
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    fi
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

# Each stamp holds what was installed, so a changed list installs anew.
if ! cmp -s requirements.txt .venv/installed; then
    python3 -m venv --clear .venv
    .venv/bin/pip install --quiet --disable-pip-version-check -r requirements.txt
    cp requirements.txt .venv/installed
fi
if [[ ${1-} == dist || ${1-} == firsthour ]]; then
    .venv/bin/pip install --quiet --disable-pip-version-check -r dist/requirements.txt
fi
[[ ${1-} != dist ]] || exit 0

node_major=$(node --version | sed 's/^v\([0-9]*\).*/\1/')
if ((node_major < 20)); then
    echo "The tests need Node 20 or newer; this is $(node --version)." >&2
    exit 1
fi

if ! cmp -s package-lock.json node_modules/installed; then
    npm ci --silent --no-audit --no-fund
    cp package-lock.json node_modules/installed
fi
client=../clients/js
if ! cmp -s $client/package-lock.json $client/node_modules/installed; then
    (cd $client && npm ci --silent --no-audit --no-fund)
    cp $client/package-lock.json $client/node_modules/installed
fi

[[ ${1-} == proxies ]] || exit 0
.venv/bin/pip install --quiet --disable-pip-version-check -r proxies/requirements.txt
# Debian has no Caddy of today; the Go module is built once.
caddy=v2.11.9
tools=$PWD/../.tools
if ! grep -qs "^$caddy$" "$tools/caddy.version"; then
    if ! command -v go >/dev/null; then
        echo "The tests of Caddy need Go, which builds it." >&2
        exit 1
    fi
    mkdir -p "$tools"
    GOBIN=$tools go install "github.com/caddyserver/caddy/v2/cmd/caddy@$caddy"
    echo "$caddy" >"$tools/caddy.version"
fi
