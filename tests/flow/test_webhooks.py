# SPDX-License-Identifier: Apache-2.0
"""A person registers a webhook at a running server, an agent answers, and the receiver verifies what it is told."""

from __future__ import annotations

import asyncio
import json
import urllib.error

from gateway_rig import until
from homes import AGENT, MANIFEST, Home
from webhook_rig import Receiver


async def test_a_webhook_from_its_registration_to_its_removal(home: Home, tmp_path) -> None:
    home.env["HOMEPORT_WEBHOOK_ALLOW"] = "127.0.0.0/8"
    source = tmp_path / "agent"
    source.mkdir()
    (source / "main.py").write_text(AGENT)
    (source / "homeport.yaml").write_text(MANIFEST)
    await do(home, "serve", "--detach")
    await do(home, "up", str(source), "--yes")
    async with Receiver() as receiver:
        url = receiver.url("/in?token=hush-6f1d9c")
        secret = (await do(home, "webhooks", "add", "ops", "--url", url, "--on", "completed")).strip()
        refused = await asyncio.to_thread(home.run, "webhooks", "add", "x", "--url", "http://10.0.0.1/", check=False)
        assert refused.returncode == 2
        await do(home, "webhooks", "test", "ops")
        _, _, request = await asyncio.to_thread(home.ask, "/hello")
        await until(lambda: len(receiver.ledger) == 2)
        trial, told = receiver.ledger
        assert (trial.kind, told.kind) == ("webhook.test", "request.completed")
        assert trial.signed_by(secret) and told.signed_by(secret)
        assert (told.data["id"], told.data["status"], told.path) == (request, 200, "/in?token=hush-6f1d9c")

        home.kill("homeport.serve.gateway")
        await until(lambda: answers(home))
        fresh = (await do(home, "webhooks", "rotate", "ops")).strip()
        await asyncio.to_thread(home.ask, "/again")
        await until(lambda: [got for got in receiver.ledger if got.data.get("target") == "/again"])
        again = receiver.ledger[-1]
        assert again.signed_by(secret) and again.signed_by(fresh)

        shown = json.loads(await do(home, "--json", "webhooks", "show", "ops"))
        assert (shown["waiting"], shown["dead"], shown["signing_keys"]) == (0, 0, 2)
        deliveries = json.loads(await do(home, "--json", "webhooks", "deliveries", "ops"))
        assert {one["delivery"] for one in deliveries} == {"delivered"}
        assert [one["target"] for one in deliveries][::-1] == ["/hello", "/", "/again"]
        trail = json.loads(await do(home, "--json", "audit", "list", "--limit", "1000"))
        subjects = [entry["subject"] for entry in trail if entry["action"] == "webhooks.write"]
        assert subjects == ["add ops", "add x", "test ops", "rotate ops"]
        await do(home, "webhooks", "remove", "ops")
        await asyncio.to_thread(home.ask, "/unheard")
        said = {got.data.get("target", "") for got in receiver.ledger}
        assert said == {"", "/hello", "/", "/again"}  # one that was under way when the gateway was killed came twice
    for file in home.folder.rglob("*"):
        if file.is_file() and file.name != "secrets.key":
            data = file.read_bytes()
            for text in ("hush-6f1d9c", secret.removeprefix("whsec_"), fresh.removeprefix("whsec_")):
                assert text.encode() not in data, file


async def do(home: Home, *words: str) -> str:
    return (await asyncio.to_thread(home.run, *words, timeout=120)).stdout


async def answers(home: Home) -> bool:
    try:
        return (await asyncio.to_thread(home.ask, "/"))[0] == 200
    except (urllib.error.URLError, OSError):
        return False
