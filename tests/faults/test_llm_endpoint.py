# SPDX-License-Identifier: Apache-2.0
"""An endpoint that is dead, slow, wrong or hostile: a sentence about it, in time, and never the key."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging

import pytest

from homeport.errors import UsageError
from homeport.model.answerschema import fit
from homeport.testing.conformance.llm import HOURS
from homeport.testing.servers.scriptedllm import Drop, Endless, Hang, Raw, Say, ScriptedLLM, fail

pytest.importorskip("openai", reason="the extra llm is not installed")

from homeport.drivers.llms.openai import OpenAiLLM, Options

KEY = "sk-thisisaverysecretkey0123456789"
GOOD = Say({"reasoning": "two days", "duration_hours": 48})


async def ask(server, question=HOURS, **options):
    options = {"model": "scripted", "key": KEY, "deadline": 60, "pause": 0.001, **options}
    llm = OpenAiLLM(Options(base_url=server.url, **options))
    try:
        return await llm.ask(question)
    finally:
        await llm.close()


@pytest.mark.parametrize("first", [Drop(), fail(500), fail(429, retry_after="0.001"), fail(503), fail(408)])
async def test_what_may_work_at_another_time_is_tried_again(first):
    with ScriptedLLM(first, first, GOOD) as server:
        answer = await ask(server)
    assert answer.value == GOOD.value
    assert len(server.asked) == 3


async def test_a_reply_that_breaks_off_is_asked_for_again():
    with ScriptedLLM(Raw(GOOD.body()[:30], length=len(GOOD.body())), GOOD) as server:
        assert (await ask(server)).value == GOOD.value


@pytest.mark.parametrize("step", [Drop(), fail(500), fail(429)])
async def test_it_is_tried_three_times_and_no_more(step):
    with ScriptedLLM(step) as server:
        answer = await ask(server)
    assert len(server.asked) == 3
    assert answer.value is None and answer.gone


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (fail(401, f"Incorrect API key provided: {KEY}"), "the key is not accepted"),
        (fail(403), "the key is not accepted"),
        (fail(404), "no model 'scripted'"),
        (fail(413, f"too long, {KEY}"), "too long"),
        (Raw(b"", 307, {"Location": "http://127.0.0.1:9/v1"}), "answered 307"),
        (Raw(b"", 204), "not one of chat completions"),
    ],
)
async def test_what_will_not_work_later_either_is_asked_once(step, said):
    with ScriptedLLM(step) as server:
        answer = await ask(server)
    assert len(server.asked) == 1
    assert said in answer.trouble
    assert KEY not in answer.trouble


async def test_one_that_wants_to_be_left_alone_for_long_is():
    with ScriptedLLM(fail(429, retry_after="3600")) as server:
        answer = await ask(server)
    assert len(server.asked) == 1
    assert "left alone for 3600 s" in answer.trouble


async def test_an_endpoint_without_schemas_gets_the_schema_in_words_from_then_on():
    with ScriptedLLM(
        fail(400, "unsupported: response_format"), Say(text=f"```json\n{json.dumps(GOOD.value)}\n```"), GOOD
    ) as server:
        llm = OpenAiLLM(Options(model="scripted", base_url=server.url, deadline=60))
        first, second = await llm.ask(HOURS), await llm.ask(HOURS)
        await llm.close()
    assert first.value == second.value == GOOD.value
    assert ["response_format" in body for body in server.asked] == [True, False, False]
    assert "duration_hours" in server.asked[1]["messages"][0]["content"]


async def test_one_that_refuses_every_request_is_asked_twice():
    with ScriptedLLM(fail(400, "no such thing")) as server:
        answer = await ask(server)
    assert len(server.asked) == 2
    assert "no such thing" in answer.trouble


@pytest.mark.parametrize("step", [Hang(), Endless()])
async def test_one_that_never_ends_is_left(step):
    """The endless one is left for its size, the hanging one for its time."""
    with ScriptedLLM(step) as server:
        answer = await ask(server, deadline=0.5 if isinstance(step, Hang) else 60)
    assert answer.value is None
    assert ("did not answer within 0.5 s" if isinstance(step, Hang) else "longer than 65536 bytes") in answer.trouble


async def test_the_body_of_an_error_is_bounded_too():
    with ScriptedLLM(Endless(status=400)) as server:
        assert "longer than 65536 bytes" in (await ask(server)).trouble


async def test_what_is_compressed_is_not_unpacked():
    bomb = gzip.compress(b" " * 10_000_000)
    with ScriptedLLM(Raw(bomb, headers={"Content-Encoding": "gzip"})) as server:
        assert "compressed" in (await ask(server)).trouble


JUNK = [
    "", "no", "null", "[]", "[" * 60_000, '{"duration_hours": ', '{"duration_hours": NaN}', '{"duration_hours": 1e999}',
    '{"duration_hours": Infinity}', '{"duration_hours": 31}{', '{"duration_hours": "12"}', '{"duration_hours": true}',
    '{"duration_hours": 744}', '{"duration_hours": ' + "9" * 3000 + "}", '{"duration_hours": [12]}',
    '{"duration_hours": -12}', '{"reasoning": 12, "duration_hours": 12}', '{"duration_hours": "\uff11\uff12"}',
    '{"duration\u200b_hours": 12}', "```json\n" + " " * 50_000, "<think>12", "\ud800",
]  # fmt: skip


@pytest.mark.parametrize("text", JUNK, ids=range(len(JUNK)))
async def test_junk_is_no_answer(text):
    with ScriptedLLM(Say(text=text)) as server:
        answer = await ask(server)
    assert answer.value is None or answer.value.get("duration_hours") is None
    assert answer.value is not None or answer.trouble
    assert len(answer.trouble) < 300 and answer.trouble.isprintable()
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff\xfe", b"{}", b"[]", b'{"choices": []}', b'{"choices": [{"message": "hi"}]}', b'{"choices": {"0": 1}}',
     b'{"choices": [{"message": {"content": ["x"]}}]}', b"data: {}\n\n", b"<html>", b"[" * 60_000],
)  # fmt: skip
async def test_what_is_no_reply_at_all_is_none(body):
    with ScriptedLLM(Raw(body)) as server:
        answer = await ask(server)
    assert answer.value is None and answer.trouble


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (Say(GOOD.value, refusal="I cannot help with that"), "refused"),
        (Say(GOOD.value, finish="content_filter"), "refused"),
        (Say(GOOD.value, finish="length"), "cut off"),
    ],
)
async def test_a_refusal_and_an_answer_that_was_cut_are_none(step, said):
    with ScriptedLLM(step) as server:
        answer = await ask(server)
    assert answer.value is None and said in answer.trouble
    assert answer.tokens_in == 100


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": -1, "completion_tokens": 2}, {"prompt_tokens": "9"},
                                   {"prompt_tokens": 10**30, "completion_tokens": 1}])  # fmt: skip
async def test_tokens_that_were_not_counted_are_estimated_and_marked(usage):
    with ScriptedLLM(Say(GOOD.value, usage=usage)) as server:
        answer = await ask(server)
    assert answer.estimated
    assert 0 < answer.tokens_out < answer.tokens_in < 10_000


async def test_keys_that_nobody_asked_for_are_dropped():
    with ScriptedLLM(Say({**GOOD.value, "run": "rm -rf /", "__proto__": {}})) as server:
        assert (await ask(server)).value == GOOD.value


async def test_the_question_is_asked_as_a_schema_with_the_quotes_apart():
    with ScriptedLLM(GOOD) as server:
        await ask(server)
    body = server.asked[0]
    assert body["temperature"] == 0
    assert body["response_format"]["json_schema"] == {"name": "hours", "strict": True, "schema": HOURS.schema}
    system, user = body["messages"]
    assert json.loads(user["content"]) == {"quotes": list(HOURS.extracts)}
    assert HOURS.extracts[0] not in system["content"]
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"


async def test_the_key_is_in_no_log_and_no_text(caplog):
    caplog.set_level(logging.DEBUG)
    with ScriptedLLM(fail(500, KEY)) as server:
        answer = await ask(server)
        options = Options(model="m", base_url=server.url, key=KEY)
    assert KEY not in caplog.text
    assert KEY not in repr((answer, options))


async def test_an_interrupted_question_ends_at_once_and_leaves_nothing_open():
    with ScriptedLLM(Hang()) as server:
        llm = OpenAiLLM(Options(model="m", base_url=server.url, deadline=100))
        task = asyncio.create_task(llm.ask(HOURS))
        while not server.asked:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await llm.close()


@pytest.mark.parametrize(
    "url",
    ["ftp://x/v1", "x", "http://", "http://user:pass@host/v1", "http://[::1", "http://h:99999/", "file:///etc/passwd"],
)
def test_an_address_that_is_none_is_refused_before_anything_is_asked(url):
    with pytest.raises(UsageError, match="http or https") as raised:
        OpenAiLLM(Options(model="m", base_url=url))
    assert "pass" not in str(raised.value)


def test_without_a_model_it_says_what_to_set():
    with pytest.raises(UsageError) as raised:
        OpenAiLLM(Options(model=""))
    assert "OPENAI_MODEL" in raised.value.hint


async def test_a_question_that_cannot_be_sent_is_trouble_and_no_exception():
    from dataclasses import replace

    with ScriptedLLM(GOOD) as server:
        answer = await ask(server, replace(HOURS, extracts=("\ud800",)))
    assert answer.value is None or fit(answer.value, HOURS.schema)


async def test_certificates_that_are_none_are_trouble_and_no_exception(monkeypatch, tmp_path):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    with ScriptedLLM(GOOD) as server:
        answer = await ask(server)
    assert answer.value == GOOD.value or "cannot be asked" in answer.trouble
