# SPDX-License-Identifier: Apache-2.0
"""Asking: one deadline for a question and its repeats, and a sentence instead of an exception."""

from __future__ import annotations

import asyncio
import json
from importlib import import_module
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from homeport.drivers.llms.openai.options import Options
from homeport.drivers.llms.openai.prompt import request
from homeport.drivers.llms.openai.reply import read
from homeport.errors import UsageError
from homeport.model.advice import Answer, Question
from homeport.model.paths import printable
from homeport.model.redaction import redact

_REPEATABLE = frozenset({408, 409, 429, *range(500, 600)})
_NO_KEY = "none"
"""What the client sends where there is no key: it refuses to send nothing."""


class OpenAiLLM:
    """Raises `UsageError` where it cannot work at all: no `openai` package, no model, an address that is none."""

    def __init__(self, options: Options) -> None:
        if find_spec("openai") is None:
            raise UsageError(
                "asking a model takes the package `openai`, which is not here", operation="plan", subject="llm",
                hint="install it with: pip install 'homeport[llm]'",
            )  # fmt: skip
        if not options.model:
            raise UsageError("which model is to be asked?", operation="plan", subject="llm", hint="set OPENAI_MODEL")
        _check_address(options.base_url)
        self.name = printable(options.model, 100)
        self._options = options
        self._plain = False
        self._client: Any = None
        self._sdk: Any = None
        self._opening = asyncio.Lock()

    async def ask(self, question: Question) -> Answer:
        """See the interface."""
        try:
            async with self._opening:
                if self._client is None:
                    self._client = await asyncio.to_thread(self._open)
            async with asyncio.timeout(self._options.deadline):
                return await self._repeated(question)
        except TimeoutError:
            return Answer(trouble=f"it did not answer within {self._options.deadline:g} s", gone=True)
        except (ImportError, OSError, ValueError) as error:  # half installed; certificates or proxies that are none
            return Answer(trouble=f"it cannot be asked: {type(error).__name__}", gone=True)

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def _open(self) -> Any:
        self._sdk = import_module("homeport.drivers.llms.openai.client")
        options = self._options
        return self._sdk.connect(
            options.base_url, options.key or _NO_KEY, most=options.reply_bytes, deadline=options.deadline
        )

    async def _repeated(self, question: Question) -> Answer:
        pause = self._options.pause
        for left in range(self._options.retries, -1, -1):
            answer, again = await self._once(question)
            if again is None or not left:
                return answer
            if again > self._options.deadline:
                return Answer(trouble=f"{answer.trouble}, and wants to be left alone for {again:g} s", gone=True)
            await asyncio.sleep(again or pause)
            pause *= 4
        raise AssertionError("unreachable")

    async def _once(self, question: Question) -> tuple[Answer, float | None]:
        """An answer, and whether a repeat may help: None for no, else after how many seconds, 0 where nobody said."""
        sdk = self._sdk
        body = request(question, model=self._options.model, tokens=self._options.answer_tokens, plain=self._plain)
        asked = len(json.dumps(body["messages"], ensure_ascii=False))
        try:
            async with self._client.chat.completions.with_streaming_response.create(**body) as reply:
                data = b"".join([chunk async for chunk in reply.iter_bytes()])
            return read(data, question, asked_chars=asked), None
        except sdk.APIStatusError as error:
            if error.status_code in (400, 422) and not self._plain:
                self._plain = True  # it may know neither schemas nor temperatures: what all endpoints know is enough
                return await self._once(question)
            return self._refused(error)
        except sdk.TooMuch as error:
            return Answer(trouble=str(error)), None
        except sdk.APIConnectionError:
            return Answer(trouble=f"nothing answers at {self._place}", gone=True), 0.0
        except sdk.BROKEN:
            return Answer(trouble="its reply broke off"), 0.0
        except sdk.OTHER as error:
            return Answer(trouble=f"it cannot be asked: {type(error).__name__}", gone=True), None

    def _refused(self, error: Any) -> tuple[Answer, float | None]:
        status = int(error.status_code)
        trouble = f"{self._place} answered {status}"
        if status in (401, 403):
            trouble += ": the key is not accepted"
        elif status == 404:
            trouble += f": there is no such address, or no model {self.name!r}"
        elif status < 500 and status != 429 and (said := _said(error.body)):
            trouble += f": {printable(redact(said, [self._options.key]), 120)}"
        if status not in _REPEATABLE:
            return Answer(trouble=trouble, gone=True), None
        return Answer(trouble=trouble, gone=True), _seconds(error.response.headers.get("retry-after", ""))

    @property
    def _place(self) -> str:
        return printable(urlsplit(str(self._client.base_url)).netloc, 100)


def _check_address(url: str) -> None:
    try:
        parts = urlsplit(url)
        fine = not url or (parts.scheme in ("http", "https") and parts.hostname and parts.port != 0)
    except ValueError:
        fine = False
    else:
        fine = fine and "@" not in parts.netloc and url.isprintable()
    if not fine:
        raise UsageError(
            "the model's address is not an http or https URL without a user", operation="plan", subject="llm",
            hint="OPENAI_BASE_URL=https://HOST/v1, and the key in OPENAI_API_KEY",
        )  # fmt: skip


def _said(body: object) -> str:
    message = body.get("message") if isinstance(body, dict) else None
    return message if isinstance(message, str) else ""


def _seconds(text: str) -> float:
    """Of a Retry-After header; 0 for a date and for what is none."""
    try:
        seconds = float(text)
    except ValueError:
        return 0.0
    return seconds if 0 <= seconds < 10**6 else 0.0
