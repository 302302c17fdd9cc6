"""Churn: users come and go while the server and the application that keeps a table of them are killed at random.

`webhooks.py MINUTES [SEED]`: the table must be right after each round.
"""

import pathlib
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "blackbox"))

from test_online_users import check_churn  # noqa: E402

ROUNDS = 10


def main():
    minutes, seed = float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    end, rounds = time.monotonic() + minutes * 60, 0
    while time.monotonic() < end:
        with tempfile.TemporaryDirectory(prefix="multiplexor-webhooks") as folder:
            check_churn(pathlib.Path(folder), ROUNDS, seed, store=seed % 4 > 0)
        seed, rounds = seed + 1, rounds + ROUNDS
        print(f"seed {seed}: {rounds} rounds, the table was right after each", flush=True)


if __name__ == "__main__":
    main()
