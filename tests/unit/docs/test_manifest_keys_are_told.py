# SPDX-License-Identifier: Apache-2.0
"""What may stand in a homeport.yaml is what its page says."""

from __future__ import annotations

import re
from pathlib import Path

from homeport.analyze import analyze
from homeport.testing.fetchers import DictView

PAGE = Path(__file__).parents[3] / "docs/explanation/conclusions.md"


def test_the_page_names_every_key_and_no_other() -> None:
    section = PAGE.read_text().split("## homeport.yaml")[1]
    told = set(re.findall(r"`([a-z-]+)(?::[^`]*)?`", section.split("More keys:")[1].partition("A key that")[0]))
    told |= set(re.findall(r"^([a-z-]+): ", section, flags=re.MULTILINE))
    unknown = analyze(DictView({"homeport.yaml": "colour: red\n"})).warnings
    known = next(text for text in unknown if "colour" in text).partition("known are ")[2]
    assert set(re.findall(r"[a-z-]+", known)) == told
