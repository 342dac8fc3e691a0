# SPDX-License-Identifier: Apache-2.0
"""Plans: what is chosen, what it costs, why the others lost, and what the user may say."""

from __future__ import annotations

import pytest

from homeport.analyze import analyze
from homeport.errors import NoCapacity, UsageError
from homeport.model.codec import pack, unpack
from homeport.model.evidence import Origin
from homeport.model.money import FREE, Money
from homeport.model.plan import Offer, Plan
from homeport.model.requirements import Ecosystem
from homeport.plan import make_plan
from homeport.testing.fetchers import DictView

GIB = 2**30
LOCAL = Offer("local", "", "this-machine", 2, 8 * GIB, 0)
SMALL = Offer("linode", "eu", "g6-nanode-1", 1, 1 * GIB, 0, hourly=Money(7_500))
LARGE = Offer("linode", "eu", "g6-standard-4", 4, 8 * GIB, 0, hourly=Money(72_000))
GPU = Offer("linode", "us", "g2-gpu", 8, 32 * GIB, 0, gpus=1, hourly=Money(520_000))
LEASED = Offer("chameleon", "uc", "gpu_rtx_6000", 48, 192 * GIB, 0, gpus=1, hourly=Money(1_000_000, "SU"))
AGENT = {"main.py": 'if __name__ == "__main__":\n    pass\n', "homeport.yaml": "memory: 2Gi\nport: 8080\n"}
NEEDS_GPU = {**AGENT, "Dockerfile": "FROM nvidia/cuda:12.4.1-base\n"}


def planned(offers, files=AGENT, **words) -> Plan:
    view = DictView(files)
    return make_plan(view.source, analyze(view), offers, **{"name": "notes", "now_us": 1, **words})


def test_this_machine_wins_because_it_costs_nothing():
    plan = planned([LARGE, LOCAL, GPU])
    assert plan.chosen == LOCAL
    assert plan.total == FREE
    assert [bool(one.lost) for one in plan.candidates] == [False, True, True]


def test_each_loser_has_one_sentence_with_its_reason():
    plan = planned([GPU, LEASED, LARGE, SMALL, Offer("x", "", "gone", 9, 99 * GIB, 0, available=0)], hours=10)
    assert plan.chosen == LARGE
    assert plan.total == Money(720_000)
    assert {one.offer.machine_type: one.lost for one in plan.candidates} == {
        "g6-standard-4": "",
        "g2-gpu": "Its GPU would not be used, and it costs $5.20 for 10 h, g6-standard-4 $0.72.",
        "gpu_rtx_6000": "It is priced in SU, which is not compared with USD.",
        "g6-nanode-1": "It has 1 GiB of memory, and 2 GiB is needed.",
        "gone": "None is free now.",
    }


def test_a_needed_gpu_that_nobody_has_is_told_with_its_evidence():
    with pytest.raises(NoCapacity) as none:
        planned([LOCAL, LARGE], NEEDS_GPU)
    assert "Dockerfile:1: FROM nvidia/cuda:12.4.1-base" in none.value.message
    assert none.value.exit_code == 4
    assert planned([LOCAL, GPU], NEEDS_GPU).chosen == GPU
    assert planned([LOCAL, GPU], NEEDS_GPU, overrides={"gpu": "no"}).chosen == LOCAL


def test_without_an_end_the_first_hour_is_priced_and_said():
    plan = planned([LARGE])
    assert plan.total == LARGE.hourly
    assert any("runs until stopped" in text for text in plan.warnings)


def test_equal_plans_have_equal_ids_whenever_they_are_made():
    first, second = planned([LOCAL, LARGE], now_us=1), planned([LOCAL, LARGE], now_us=2)
    assert first.id == second.id
    assert first.made_at_us != second.made_at_us
    others = [planned([LOCAL]), planned([LOCAL, LARGE], hours=1), planned([LOCAL, LARGE], overrides={"port": "1"})]
    assert len({first.id, *(other.id for other in others)}) == 4
    assert unpack(pack(first), Plan) == first


def test_what_the_user_says_wins_and_shows_what_it_replaced():
    said = {"start": "python -m x --port $PORT", "port": "9000", "memory": "1G", "health": "/up", "runtime": "node20",
            "delivery": "at-least-once", "idempotency": "honours-keys", "version": ""}  # fmt: skip
    needs = planned([LOCAL], overrides=said).requirements
    assert needs.start is not None and needs.start.value == ("python", "-m", "x", "--port", "$PORT")
    assert needs.start.origin is Origin.USER and "main.py:1" in needs.start.note
    assert needs.port is not None and needs.port.value == 9000
    assert needs.memory_bytes.value == 10**9
    assert needs.ecosystem.value is Ecosystem.NODE
    assert needs.honours_keys.value is True


@pytest.mark.parametrize(
    ("flag", "text"),
    [("port", "0"), ("port", "x"), ("memory", "1"), ("health", "x"), ("start", "a && b"), ("start", "'"),
     ("delivery", "x"), ("colour", "red"), ("runtime", "cobol"), ("gpu", "perhaps")],
)  # fmt: skip
def test_a_bad_override_names_its_flag(flag, text):
    with pytest.raises(UsageError) as bad:
        planned([LOCAL], overrides={flag: text})
    assert flag in bad.value.message


def test_bad_names_hours_and_empty_offers_are_refused():
    with pytest.raises(UsageError):
        planned([LOCAL], name="Not a name")
    with pytest.raises(UsageError):
        planned([LOCAL], hours=-1)
    with pytest.raises(NoCapacity, match="no machine"):
        planned([])


def test_steps_tell_what_will_be_done_in_order():
    plan = planned([LOCAL], {**AGENT, "requirements.txt": "requests\n"})
    assert [step.split()[0] for step in plan.steps] == ["use", "write", "install", "start", "wait"]
    assert plan.steps[3] == "start notes: python main.py"
