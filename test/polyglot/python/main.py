"""Runs scenarios of the table and prints a line of JSON for each; the transport is the caller's."""

import argparse
import asyncio
import json
import time
from pathlib import Path

import grpc
from scenario import Scenario

STREAM_TIMEOUT_S = 60  # Of a test that waits for what never comes; a real client sets none.


class Options:
    def __init__(self):
        parser = argparse.ArgumentParser()
        parser.add_argument("--address", required=True)
        parser.add_argument("--scenarios", type=Path, required=True)
        parser.add_argument("--ca", type=Path)
        parser.add_argument("--token")
        parser.add_argument("--only")
        given = parser.parse_args()
        table = json.loads(given.scenarios.read_text(encoding="utf-8"))["scenarios"]
        only = given.only.split(",") if given.only else [scenario["name"] for scenario in table]
        self.address = given.address
        self.scenarios = [scenario for scenario in table if scenario["name"] in only]
        self.credentials = grpc.ssl_channel_credentials(given.ca.read_bytes()) if given.ca else None
        self.token = given.token

    def metadata(self, bearer):
        """`bearer` of a step goes before the token; an empty one is none."""
        token = self.token if bearer is None else bearer
        return (("authorization", f"Bearer {token}"),) if token else ()


async def run(options, transport):
    for scenario in options.scenarios:
        begin = time.monotonic()
        error = ""
        try:
            await Scenario(transport, scenario).play()
        except Exception as failure:
            error = f"{type(failure).__name__}: {failure}"
        ms = round((time.monotonic() - begin) * 1000)
        print(json.dumps({"scenario": scenario["name"], "ok": error == "", "error": error, "ms": ms}), flush=True)


def main(transport):
    options = Options()
    asyncio.run(run(options, transport(options)))
