# SPDX-License-Identifier: Apache-2.0
"""Any endpoint that speaks OpenAI's chat completions. Whatever it answers is hostile until it fits the question.

Belongs here: the request, its bounds, and reading the reply. Does not belong here: what an answer changes.
"""

from homeport.drivers.llms.openai.driver import OpenAiLLM
from homeport.drivers.llms.openai.options import Options

__all__ = ["OpenAiLLM", "Options"]
