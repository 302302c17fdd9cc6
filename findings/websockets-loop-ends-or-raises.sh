#!/usr/bin/env bash
# PyPI websockets 17.4. `async for message in websocket` ends without a word when a server that goes away closes with 1001, and
# raises ConnectionClosedError when it says the same in the newer words 1012 (service restart) or 1013 (try again later). A loop
# tried with one kind of server breaks, or stays silent, at the other.
# Seen: "1000 ends", "1001 ends", "1012 raises", "1013 raises".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check websockets==17.4
cat >finding.py <<'PY'
import asyncio

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosedError


async def main():
    for code in [1000, 1001, 1012, 1013]:
        async with serve(lambda socket: socket.close(code), "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with connect(f"ws://127.0.0.1:{port}") as socket:
                try:
                    async for _ in socket:
                        pass
                    print(code, "ends")
                except ConnectionClosedError:
                    print(code, "raises")


asyncio.run(main())
PY
seen=$(venv/bin/python finding.py)
echo "$seen"
[[ $seen == "1000 ends
1001 ends
1012 raises
1013 raises" ]]
