# SPDX-License-Identifier: Apache-2.0
"""Every LLM driver does the same: the fake, the OpenAI client with a scripted endpoint, and with a real model."""

from __future__ import annotations

import pytest

from homeport.drivers.llms.openai import OpenAiLLM, Options
from homeport.model.advice import Answer
from homeport.testing.conformance.llm import LLMSuite
from homeport.testing.llms import FakeLLM
from homeport.testing.servers import llm as servers
from homeport.testing.servers.scriptedllm import Drop, Say, ScriptedLLM

HOURS = {"reasoning": "two days", "duration_hours": 960}
MACHINE = {"reasoning": "16 GB", "node_type": "linode/gpu"}


@pytest.fixture(scope="module")
def model():
    pytest.importorskip("openai", reason="the extra llm is not installed")
    if reason := servers.missing():
        pytest.skip(reason)
    with servers.LlmServer() as server:
        yield server


class TestFakeLLM(LLMSuite):
    @pytest.fixture
    def llm(self):
        return FakeLLM({"hours": HOURS, "machine": MACHINE})

    @pytest.fixture
    def dead(self):
        return FakeLLM({"hours": Answer(trouble="nothing answers", gone=True)})


class Driven(LLMSuite):
    __test__ = False

    @pytest.fixture
    async def dead(self):
        pytest.importorskip("openai", reason="the extra llm is not installed")
        with ScriptedLLM(Drop()) as server:
            llm = OpenAiLLM(Options(model="scripted", base_url=server.url, retries=0))
            yield llm
            await llm.close()


class TestScriptedEndpoint(Driven):
    __test__ = True

    @pytest.fixture
    async def llm(self):
        pytest.importorskip("openai", reason="the extra llm is not installed")
        with ScriptedLLM(by_decision={"hours": Say(HOURS), "machine": Say(MACHINE)}) as server:
            llm = OpenAiLLM(Options(model="scripted", base_url=server.url, deadline=60))
            yield llm
            await llm.close()


class TestRealModel(Driven):
    __test__ = True

    @pytest.fixture
    async def llm(self, model):
        llm = OpenAiLLM(Options(model=model.model, base_url=model.url, deadline=100, answer_tokens=300))
        yield llm
        await llm.close()
