# SPDX-License-Identifier: Apache-2.0
"""`homeport plan` of repositories as people write them: the target each ends at, limits, values by hand, JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from door_rig import Run
from planned_sources import SERVICE, TRAINING, repository

PRICES = """\
currency: EUR
cluster: prod
nodes:
  - {{name: small, cpus: 4, memory: 16Gi, hourly: {hourly}, count: {count}}}
"""


@pytest.fixture
def training(tmp_path: Path) -> str:
    return str(repository(tmp_path / "trainer", TRAINING))


@pytest.fixture
def service(tmp_path: Path) -> str:
    return str(repository(tmp_path / "service", SERVICE))


def planned(run: Run, *argv: str, **env: str) -> Any:
    code, out, err = run("plan", *argv, "--json", **env)
    assert code == 0, err
    return json.loads(out)


def test_training_that_needs_a_gpu_is_planned_on_a_gpu_machine_with_an_end_and_a_price(run: Run, training: str) -> None:
    """No start command, and yet a plan: what it needs and costs is known."""
    plan = planned(run, training, "--target", "linode", "--target", "chameleon")
    chosen = plan["chosen"]
    assert chosen["cloud"] == "linode" and chosen["gpus"] == 1 and chosen["gpu_memory_bytes"] >= 16 << 30
    assert plan["hours"] > 0 and plan["hours_why"]
    assert plan["total"]["micros"] == chosen["hourly"]["micros"] * plan["hours"]
    assert {quote["target"] for quote in plan["quotes"]} == {"linode", "chameleon", "local", "kubernetes"}
    assert all(one["lost"] for one in plan["candidates"][1:]), "every other has its reason"
    assert plan["image"]["image"]["cloud"] == "linode"
    assert any("--start" in warning for warning in plan["warnings"])


def test_a_testbed_is_chosen_where_its_unit_is_budgeted(run: Run, training: str) -> None:
    plan = planned(run, training, "--target", "chameleon", "--max-cost", "100SU", "--hours", "10")
    assert plan["chosen"]["cloud"] == "chameleon" and plan["total"] == {"micros": 10_000_000, "currency": "SU"}
    assert plan["network"] == "sharednet1"


def test_a_small_service_stays_on_this_machine_and_runs_until_stopped(run: Run, service: str) -> None:
    plan = planned(run, service)
    assert plan["chosen"]["cloud"] == "local" and plan["hours"] == 0 and plan["total"]["micros"] == 0


def test_values_set_by_hand_move_the_choice_and_show_as_such(run: Run, service: str) -> None:
    _, out, _ = run("plan", service, "--gpu", "needed", "--vram", "40G", "--target", "chameleon", COLUMNS="100")
    assert "--vram" in out and "you" in out and "40 GiB" in out
    plan = planned(run, service, "--gpu", "needed", "--vram", "40G", "--target", "chameleon")
    assert plan["requirements"]["vram_bytes"]["origin"] == "user"
    assert plan["chosen"]["gpu_memory_bytes"] >= 40 * 10**9


def test_no_budget_is_ever_exceeded_and_the_nearest_is_named(run: Run, training: str) -> None:
    code, out, err = run("plan", training, "--max-cost", "1USD", "--target", "linode")
    assert (code, out) == (4, "")
    assert "over the budget of $1.00" in err and "hint:" in err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--max-cost", "lots"], "expected an amount"),
        (["--max-price", "-1"], "expected an amount"),
        (["--target", "moon"], "is not one of"),
        (["--vram", "x"], "--vram"),
        (["--hours", "-1"], "expected hours"),
        (["--hours", "nan"], "expected hours"),
        (["--hours", "400d"], "expected hours"),
        (["--gpu", "sixteen"], "--gpu"),
        (["--llm"], "model"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error_with_a_hint(run: Run, service: str, argv: list[str], said: str) -> None:
    code, _, err = run("plan", service, *argv)
    assert code == 2 and said in err and "hint:" in err and "reading" not in err


def test_a_default_site_network_and_key_come_from_the_environment(run: Run, training: str) -> None:
    env = {"DEFAULT_SITE": "CHI@TACC", "DEFAULT_NETWORK": "lab", "DEFAULT_KEY_NAME": "laptop"}
    plan = planned(run, training, "--target", "chameleon", **env)
    assert (plan["chosen"]["region"], plan["network"], plan["key"]) == ("tacc", "lab", "laptop")
    assert planned(run, training, "--site", "CHI@UC", **env)["chosen"]["region"] == "uc", "what is said wins"


def test_a_price_or_a_number_that_moves_is_refused_with_both(run: Run, service: str, tmp_path: Path) -> None:
    prices, file = tmp_path / "prices.yaml", str(tmp_path / "plan.json")
    env = {"HOMEPORT_KUBERNETES_PRICES": str(prices), "HOMEPORT_RUNTIME": "process"}

    def apply() -> str:
        code, _, err = run("apply", file, "--dry-run", **env)
        assert code == 6
        return err

    prices.write_text(PRICES.format(hourly="0.25", count=2))
    run("plan", service, "--target", "kubernetes", "--hours", "10", "-o", file, **env)
    assert run("apply", file, "--dry-run", **env)[1].startswith("the plan for service holds")
    prices.write_text(PRICES.format(hourly="0.30", count=1))
    assert "price an hour 0.25 EUR → 0.30 EUR" in apply()
    prices.write_text(PRICES.format(hourly="0.25", count=1).replace("16Gi", "8Gi"))
    assert "memory 16 GiB → 8 GiB" in apply()
    prices.write_text(PRICES.format(hourly="0.25", count=1).replace("small", "other"))
    assert "not on offer any more" in apply()
    prices.write_text(PRICES.format(hourly="0.25", count=1))
    code, _, err = run("apply", file, "--yes", **env)
    assert code == 2 and "this version cannot start them" in err


def test_the_json_of_analysis_and_plan_keeps_its_shape(run: Run, service: str) -> None:
    analysis = json.loads(run("analyze", service, "--json")[1])
    assert set(analysis) == {"source", "requirements", "skipped"}
    assert {"value", "origin", "evidence", "note"} == set(analysis["requirements"]["memory_bytes"])
    plan = planned(run, service)
    assert list(plan)[:10] == [
        *("id", "name", "source", "requirements", "chosen", "hours", "total", "candidates", "steps", "warnings"),
    ]
    assert {"offer", "total", "lost", "hours"} == set(plan["candidates"][0])
    assert {"target", "offer", "hours", "total", "why"} == set(plan["quotes"][0])
    assert {"cloud", "region", "machine_type", "cpus", "memory_bytes", "gpus", "hourly", "priced"} <= set(
        plan["chosen"]
    )


def test_a_selector_that_there_is_not_is_a_usage_error(run: Run, service: str) -> None:
    code, _, err = run("plan", service, "--selector", "nobody")
    assert code == 2 and "no selector 'nobody'" in err and "hint: choose one of: none" in err


@pytest.mark.parametrize(("said", "hours"), [("36", 36.0), ("36h", 36.0), ("2d", 48.0), ("30m", 0.5), ("0", 0.0)])
def test_time_may_be_said_with_its_unit(run: Run, service: str, said: str, hours: float) -> None:
    assert planned(run, service, "--hours", said)["hours"] == hours


def test_every_override_has_an_option_with_a_line_of_its_own(run: Run) -> None:
    from homeport.cli.proposing import TEXTS
    from homeport.plan import OVERRIDES

    assert set(TEXTS) == set(OVERRIDES)
    for verb in ("plan", "up"):
        shown = run(verb, "--help")[1]
        assert not [flag for flag in OVERRIDES if f"  --{flag} " not in shown]
