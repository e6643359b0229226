"""Restarts a pool under load, one worker after another, and says what was lost, doubled or late.

    python -m tests.rolling
    python -m tests.rolling --rounds 3 --rate 100 --release trixie    # on Debian's newer RabbitMQ (root)

Exit code 1 when a signal was lost or doubled, or an outcome is not what the venue's ledger says. How late signals are
is the machine's matter, and is only told.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from dataclasses import fields
from pathlib import Path

from tests.rolling.run import Options, roll


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.rolling", description=__doc__.partition("\n")[0])
    for field in fields(Options):
        kind = {"rate": float, "release": str}.get(field.name, int)
        parser.add_argument(
            f"--{field.name}", type=kind, default=field.default, help=f"default {field.default}"
        )
    options = Options(**vars(parser.parse_args()))
    with tempfile.TemporaryDirectory(prefix="beeline-rolling-") as folder:
        result = asyncio.run(roll(options, Path(folder), lambda text: print(text, file=sys.stderr)))
    print(json.dumps(result.document(), indent=2))
    return 0 if result.is_kept else 1


if __name__ == "__main__":
    sys.exit(main())
