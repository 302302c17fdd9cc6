#!/usr/bin/env bash
# Installs the libraries of docs/clients.md at their pinned versions, into ignored folders of their own. `install.sh quick`
# leaves out what takes long, and the Rust, Java and PHP libraries. Quick when all is there.
set -euo pipefail
cd "$(dirname "$0")"
which=${1:-all}

# Installs by a function unless that was done: a stamp, the function, the files it depends on. Where all is, the few are, too.
stamped() {
    local stamp=$1 how=$2 sum
    shift 2
    sum=$(cat "$@" | sha256sum)
    [[ -e $stamp && ($(<"$stamp") == "$sum $which" || $(<"$stamp") == "$sum all") ]] && return
    rm -f "$stamp"
    "$how"
    echo "$sum $which" >"$stamp"
}

install_node() {
    (cd node && npm ci --silent --ignore-scripts --no-audit --no-fund)
}
install_python() {
    python3 -m venv --clear python/.venv
    local pip=(python/.venv/bin/pip install --quiet --disable-pip-version-check)
    if [[ $which == all ]]; then
        "${pip[@]}" -r python/requirements.txt
        rm -rf python/.venv/apart
        "${pip[@]}" --no-deps --target python/.venv/apart $(sed -n 's/^# apart: //p' python/requirements.txt)
    else
        "${pip[@]}" $(grep -E "^(httpx|httpx-sse|requests|sseclient-py|websockets)==" python/requirements.txt)
    fi
}
install_go() {
    (cd go && GOFLAGS=-modcacherw GOPATH=$PWD/target/gopath "$GO" build -o target/bin/ ./sse ./ws)
}
install_rust() { cargo build --quiet --manifest-path rust/Cargo.toml; }
install_java() {
    mvn --quiet --batch-mode -f java/pom.xml dependency:copy-dependencies -DoutputDirectory=target/jars
    javac -d java/target/classes -cp "java/target/jars/*" java/*.java
}
install_php() {
    [[ -e /usr/share/php/Symfony/Component/HttpClient/EventSourceHttpClient.php ]] && return
    if [[ $(id -u) -eq 0 ]] && command -v apt-get >/dev/null; then
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends php-cli php-symfony-http-client >/dev/null
    else
        echo "skipped: Symfony's library, which needs apt-get install php-symfony-http-client" >&2
    fi
}

GO=$(command -v go || echo /usr/local/go/bin/go)
stamped node/node_modules/installed install_node node/package-lock.json &
jobs=($!)
stamped python/.venv/installed install_python python/requirements.txt &
jobs+=($!)
if [[ -x $GO ]]; then
    stamped go/target/installed install_go go/go.sum go/*/*.go &
    jobs+=($!)
else
    echo "skipped: libraries of Go, which is not there" >&2
fi
for job in "${jobs[@]}"; do wait "$job"; done
[[ $which == all ]] || exit 0
stamped rust/target/installed install_rust rust/Cargo.lock rust/src/bin/*.rs
if command -v mvn >/dev/null && command -v javac >/dev/null; then
    stamped java/target/installed install_java java/pom.xml java/*.java
else
    echo "skipped: libraries of Java, which need a JDK and Maven" >&2
fi
install_php
