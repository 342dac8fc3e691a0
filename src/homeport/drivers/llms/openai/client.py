# SPDX-License-Identifier: Apache-2.0
"""The vendor's client over connections whose replies end: so many bytes and no more, from where it was asked.

Imported when something is asked, because what it imports takes long.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import openai
from openai import APIConnectionError, APIStatusError

BROKEN = (httpx2.TransportError, httpx2.StreamError)
"""The reply ends in the middle."""
OTHER = (openai.OpenAIError, httpx2.HTTPError, httpx2.InvalidURL)

__all__ = ["BROKEN", "OTHER", "APIConnectionError", "APIStatusError", "TooMuch", "connect"]


class TooMuch(Exception):
    """A reply is longer than we read, or compressed, so that its length says nothing."""


def connect(url: str, key: str, *, most: int, deadline: float) -> openai.AsyncOpenAI:
    """`most` bytes of a reply. Redirects are not followed: the key is for the endpoint that was named."""

    async def bound(response: httpx2.Response) -> None:
        response.stream = _Bounded(response.stream, most, response.headers.get("content-encoding", ""))

    inner = httpx2.AsyncClient(
        timeout=deadline, follow_redirects=False, headers={"Accept-Encoding": "identity"},
        event_hooks={"response": [bound]},
    )  # fmt: skip
    return openai.AsyncOpenAI(base_url=url or None, api_key=key, max_retries=0, timeout=deadline, http_client=inner)


class _Bounded(httpx2.AsyncByteStream):  # type: ignore[misc]
    def __init__(self, inner: httpx2.AsyncByteStream, most: int, encoding: str) -> None:
        self._inner, self._most, self._encoding = inner, most, encoding

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._encoding not in ("", "identity"):
            raise TooMuch("its reply is compressed, which was not asked for")
        seen = 0
        async for chunk in self._inner:
            seen += len(chunk)
            if seen > self._most:
                raise TooMuch(f"its reply is longer than {self._most} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()
