# SPDX-License-Identifier: Apache-2.0
"""Homeport without the extra `llm`."""

from __future__ import annotations

import subprocess
import sys

import pytest

from homeport.drivers.llms.openai import OpenAiLLM, Options
from homeport.errors import UsageError


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(UsageError) as raised:
        OpenAiLLM(Options(model="m"))
    assert "homeport[llm]" in raised.value.hint


def test_planning_without_a_model_does_not_load_the_client():
    code = "import sys, homeport.app.propose, homeport.drivers.llms.openai; print('openai' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
