# SPDX-License-Identifier: Apache-2.0
"""What a model's answer may move of requirements: estimates and defaults, so far and no farther."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeport.analyze import analyze
from homeport.analyze.advice import ask_requirements, settle_requirements
from homeport.model.advice import Answer, Decision
from homeport.model.evidence import Evidence, Inferred, Origin
from homeport.model.requirements import HINT, GpuNeed
from homeport.model.systemimage import SystemImage
from homeport.testing.fetchers import DictView

GIB = 2**30
SYSTEMS = (SystemImage("linode", "a", "ubuntu", "24.04"), SystemImage("linode", "b", "debian", "12"))
PLAIN = analyze(DictView({"main.py": "print(1)", "README.md": "# Tool\n", "requirements.txt": "rich\n"}))


def hint(value, confidence=0.4, origin=Origin.CODE):
    return Inferred(value, origin, (Evidence("train.py", 3, "rule", confidence, "x"),))


def advise(needs, **value):
    question = ask_requirements(needs, (), systems=SYSTEMS)
    assert question is not None
    answer = Answer({"reasoning": "it is so", "special_requirements": [], **value})
    return settle_requirements(needs, question, answer)


def asked(needs):
    question = ask_requirements(needs, (), systems=SYSTEMS)
    return set() if question is None else set(question.schema["properties"]) - {"reasoning", "special_requirements"}


def test_a_default_moves_and_says_who_moved_it_and_what_it_was():
    needs, changes, trouble = advise(PLAIN, ram_gb=2)
    assert trouble == ""
    assert needs.memory_bytes.value == 2 * GIB
    assert needs.memory_bytes.origin is Origin.LLM
    assert needs.memory_bytes.evidence[0].confidence < HINT
    assert needs.memory_bytes.note.startswith("instead of")
    assert [(one.decision, one.field, one.was, one.became) for one in changes] == [
        (Decision.REQUIREMENTS, "memory_bytes", "512 MiB", "2 GiB")
    ]
    assert changes[0].reasoning == "it is so"


@pytest.mark.parametrize("origin", [Origin.USER, Origin.MANIFEST, Origin.DOCUMENTED])
@pytest.mark.parametrize("field", ["memory_bytes", "disk_bytes", "cpus"])
def test_what_somebody_said_is_not_asked_about(origin, field):
    needs = replace(PLAIN, **{field: hint(4 * GIB, 0.9, origin)})
    names = {"memory_bytes": "ram_gb", "disk_bytes": "disk_gb", "cpus": "cpu_cores"}
    assert names[field] not in asked(needs)
    moved, _, _ = advise(needs, ram_gb=1, disk_gb=5, cpu_cores=2)
    assert getattr(moved, field) == getattr(needs, field)


@pytest.mark.parametrize(
    "bad",
    [
        {"ram_gb": 2.01}, {"ram_gb": 0.2}, {"ram_gb": -1}, {"ram_gb": math.nan}, {"ram_gb": math.inf},
        {"ram_gb": 10**400}, {"ram_gb": "2"}, {"ram_gb": True}, {"ram_gb": [2]}, {"cpu_cores": 64},
        {"python_version": "2.7"}, {"os_version": "ubuntu 24.04; rm"}, {"os_version": "\uff55buntu 24.04"},
        {"reasoning": None}, {"special_requirements": "one"}, {"special_requirements": ["x"] * 50},
    ],
)  # fmt: skip
def test_an_answer_with_one_value_out_of_bounds_moves_nothing(bad):
    needs, changes, trouble = advise(PLAIN, **{"disk_gb": 20, **bad})
    assert needs == PLAIN and changes == ()
    assert trouble and trouble.isprintable() and len(trouble) < 300


def test_an_answer_that_never_came_moves_nothing():
    question = ask_requirements(PLAIN, ())
    assert settle_requirements(PLAIN, question, Answer(trouble="nothing answers")) == (PLAIN, (), "nothing answers")


def test_a_gpu_is_not_asked_about_where_no_line_speaks_of_one():
    assert asked(PLAIN).isdisjoint({"gpu", "gpu_count", "gpu_memory_gb", "cuda"})


@pytest.mark.parametrize(
    ("now", "open_"),
    [
        (Inferred(GpuNeed.NO, Origin.DEFAULT, note="GPUs are only mentioned"), ["no", "optional"]),
        (hint(GpuNeed.NO), ["no", "optional"]),
        (hint(GpuNeed.OPTIONAL), ["no", "optional", "needed"]),
        (hint(GpuNeed.NEEDED), ["optional", "needed"]),
        (hint(GpuNeed.OPTIONAL, 0.8), None),
        (hint(GpuNeed.NEEDED, 0.8), None),
        (hint(GpuNeed.NO, 0.1, Origin.USER), None),
    ],
)
def test_the_need_of_a_gpu_moves_by_one_step_where_the_evidence_leaves_it_open(now, open_):
    question = ask_requirements(replace(PLAIN, gpu=now), ())
    schema = question.schema["properties"].get("gpu")
    assert (schema and schema["enum"][:-1]) == open_


def test_without_a_gpu_nothing_more_is_said_of_one():
    needs = replace(PLAIN, gpu=hint(GpuNeed.OPTIONAL), vram_bytes=hint(8 * GIB), cuda=hint("12.1"))
    moved, changes, _ = advise(needs, gpu="no", gpu_memory_gb=16)
    assert (moved.gpu.value, moved.vram_bytes, moved.cuda) == (GpuNeed.NO, None, None)
    assert [one.field for one in changes] == ["gpu"]


def test_a_gpu_with_a_documented_memory_is_not_given_up():
    needs = replace(PLAIN, gpu=hint(GpuNeed.OPTIONAL), vram_bytes=hint(8 * GIB, 0.9, Origin.DOCUMENTED))
    assert ask_requirements(needs, ()).schema["properties"]["gpu"]["enum"] == ["optional", "needed", None]


def test_a_gpu_that_becomes_needed_is_one():
    needs = replace(PLAIN, gpu=hint(GpuNeed.OPTIONAL))
    assert advise(needs, gpu="needed")[0].gpu_count.value == 1


def test_a_system_is_one_that_can_be_had():
    moved, changes, _ = advise(PLAIN, os_version="debian 12")
    assert (moved.os_family.value, moved.os_version.value) == ("debian", "12")
    assert [one.field for one in changes] == ["os_family", "os_version"]


def test_nulls_and_values_that_are_so_already_are_no_changes():
    needs, changes, trouble = advise(PLAIN, ram_gb=0.5, disk_gb=None)
    assert (needs, changes, trouble) == (PLAIN, (), "")


def test_what_a_model_writes_is_shown_short_printable_and_without_secrets():
    why = "sk-abcdefghijklmnopqrstuvwxyz \x1b[2J\u202e" + "long " * 500
    question = ask_requirements(PLAIN, ())
    value = {"reasoning": why, "ram_gb": 1, "special_requirements": ["InfiniBand\n" * 50]}
    _, changes, _ = settle_requirements(PLAIN, question, Answer(value))
    for text in (one.reasoning + one.became for one in changes):
        assert text.isprintable() and "sk-abc" not in text and len(text) <= 520
    assert [one.field for one in changes] == ["memory_bytes", "special_requirements"]


@given(
    st.dictionaries(
        st.sampled_from(["ram_gb", "cpu_cores", "disk_gb", "gpu_count", "gpu_memory_gb", "gpu", "cuda", "x"]),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.lists(st.integers()),
    )
)
def test_whatever_is_answered_every_value_is_in_its_bounds(value):
    needs = replace(PLAIN, gpu=hint(GpuNeed.OPTIONAL), vram_bytes=hint(8 * GIB), gpu_count=hint(2))
    moved, changes, trouble = advise(needs, **value)
    assert 0.25 * GIB <= moved.memory_bytes.value <= 2 * GIB
    assert moved.vram_bytes is None or 4 * GIB <= moved.vram_bytes.value <= 32 * GIB
    assert moved.gpu_count is None or 1 <= moved.gpu_count.value <= 8
    assert moved.cpus is None or 1 <= moved.cpus.value <= 8
    assert moved.start == needs.start and moved.port == needs.port
    assert not (trouble and changes)
