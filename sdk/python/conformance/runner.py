"""The runner of the conformance suite for Python: see sdk/conformance/README.md.

With --asyncio it does everything with millpond.aio.
"""

from __future__ import annotations

import argparse
import asyncio

import asyncio_runner
import thread_runner


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--asyncio", action="store_true", help="use millpond.aio")
    if parser.parse_args().asyncio:
        asyncio.run(asyncio_runner.run())
    else:
        thread_runner.run()


if __name__ == "__main__":
    main()
