# SPDX-License-Identifier: Apache-2.0
"""A small server for the fault tests: `durable_victim.py FOLDER JSON`. It may die on the way; that is its purpose.

JSON: {"sagas": [...], "start": {id: saga}, "die": "between"|"inside"|"undo"|"hang", "cancel": bool, "wait": [ids],
"url": "postgresql://…"}.
Every step that runs adds a line to FOLDER/ledger. Prints {"status": {id: …}, "connected": [...]} at the end.
"""

import asyncio
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

import uvloop

from homeport.drivers.durable.dbos import DbosDurable, Options
from homeport.interfaces.durable import Json, Steps

FOLDER, ORDER = Path(sys.argv[1]), json.loads(sys.argv[2])
DIE = ORDER.get("die", "")
CONNECTED: list[str] = []
sys.addaudithook(lambda event, args: CONNECTED.append(str(args[1])) if event == "socket.connect" else None)


def write(line: str) -> None:
    with (FOLDER / "ledger").open("a") as ledger:
        ledger.write(line + "\n")


def server(durable: DbosDurable) -> None:
    def saga_of(version: str):
        async def saga(steps: Steps, input: Json) -> Json:
            async def run(name: str) -> Json:
                write(f"{version} {name}")
                if name == "b" and DIE == "inside":
                    if ORDER.get("cancel"):
                        await durable.cancel(steps.id)
                    os._exit(9)
                if name == "b" and DIE == "hang":
                    await asyncio.Event().wait()
                return {"did": name}

            async def undo(result: Json) -> None:
                write(f"{version} undo {result['did']}")
                if result["did"] == "b" and DIE == "undo":
                    os._exit(9)

            for name in "abc":
                await steps.step(name, lambda: run(name), undo=undo)  # noqa: B023
                if name == "b" and DIE == "between":
                    os._exit(9)
                if name == "b" and input.get("cancel"):
                    await durable.cancel(steps.id)
            return {"by": version}

        return saga

    async def other_steps(steps: Steps, input: Json) -> Json:
        async def act() -> Json:
            write("other")
            return {}

        await steps.step("something else", act)
        return {"by": "other"}

    for name in ORDER["sagas"]:
        durable.register(name.removesuffix("!"), other_steps if name.endswith("!") else saga_of(name))


async def main() -> None:
    url = ORDER.get("url", "")
    durable = DbosDurable(Options(database=FOLDER / "durable.db", lock=FOLDER / "durable.lock", url=url))
    server(durable)
    await durable.launch()
    for workflow_id, saga in ORDER.get("start", {}).items():
        await durable.start(saga, workflow_id, {"cancel": ORDER.get("cancel", False)})
    found = {name: asdict(await durable.wait(name, ORDER.get("patience", 60))) for name in ORDER.get("wait", [])}
    await durable.close()
    await asyncio.to_thread(write, "closed")
    print(json.dumps({"status": found, "connected": CONNECTED}))


uvloop.run(main())
