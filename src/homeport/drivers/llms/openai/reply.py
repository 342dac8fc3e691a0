# SPDX-License-Identifier: Apache-2.0
"""From the bytes of a reply to an answer that fits, or to what is wrong with it in one sentence. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from homeport.model.advice import Answer, Question
from homeport.model.answerschema import fit

_CHARS_A_TOKEN = 4
_MOST_TOKENS = 10**8


def read(body: bytes, question: Question, *, asked_chars: int) -> Answer:
    """The answer in a reply of chat completions. Counts that are not in it are estimated, and marked so."""
    reply = _decoded(body)
    choice = _first(reply)
    message = choice.get("message") if choice else None
    if not isinstance(message, dict):
        return Answer(trouble="its reply is not one of chat completions")
    content = message.get("content")
    text = content if isinstance(content, str) else ""
    tokens_in, tokens_out, estimated = _tokens(reply.get("usage"), asked_chars, len(text))
    value, trouble = _value(text, message, str(choice.get("finish_reason")), question)
    return Answer(value, trouble, tokens_in, tokens_out, estimated=estimated)


def _value(text: str, message: dict[str, Any], finish: str, question: Question) -> tuple[dict[str, Any] | None, str]:
    if message.get("refusal") or finish == "content_filter":
        return None, "it refused to answer"
    if finish == "length":
        return None, "its answer was cut off"
    if not text.strip():
        return None, "its answer is empty"
    found = _decoded(_unwrapped(text).encode("utf-8", "replace"))
    if not found:
        return None, "its answer is not a JSON object"
    try:
        return fit(found, question.schema), ""
    except ValueError as error:
        return None, str(error)


def _unwrapped(text: str) -> str:
    """Without the thoughts before it and the fence around it that some models give."""
    text = text.strip()
    if text.startswith("<think>"):
        text = text.partition("</think>")[2].strip()
    if text.startswith("```") and text.endswith("```"):
        text = text[3:-3].removeprefix("json").strip()
    return text


def _decoded(data: bytes) -> dict[str, Any]:
    """{} for what is no JSON object: cut off, nested too deep, numbers that are none."""
    try:
        found = msgspec.json.decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def _first(reply: dict[str, Any]) -> dict[str, Any]:
    choices = reply.get("choices")
    return choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}


def _tokens(usage: object, asked: int, answered: int) -> tuple[int, int, bool]:
    counted = usage if isinstance(usage, dict) else {}
    pair = counted.get("prompt_tokens"), counted.get("completion_tokens")
    if all(type(count) is int and 0 <= count <= _MOST_TOKENS for count in pair):
        return pair[0], pair[1], False  # type: ignore[return-value]
    return -(-asked // _CHARS_A_TOKEN), -(-answered // _CHARS_A_TOKEN), True
