# SPDX-License-Identifier: Apache-2.0
"""What a person sees of conclusions and plans: the choice first, reasons for all else, on any width."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from door_rig import a_plan
from homeport.cli.output import width_of
from homeport.cli.plans import plan_lines, runners_up
from homeport.cli.sheet import fitted, paragraph, reasoned, wrapped
from homeport.cli.showing import conclusions
from homeport.model.advice import Advised, Decision
from homeport.model.evidence import Evidence, Inferred, Origin
from homeport.model.money import FREE, Money, parse_money
from homeport.model.plan import Candidate, Offer, Plan, Quote
from homeport.model.requirements import GpuNeed, Requirements
from homeport.model.systemimage import ImageCandidate, ImageChoice, SystemImage

GIB = 1 << 30
LINODE = Offer(
    "linode", "us-ord", "g2-gpu-rtx4000a1-s", 4, 16 * GIB, 512 * GIB, gpus=1, gpu_memory_bytes=20 * GIB,
    gpu_vendor="nvidia", gpu_model="RTX 4000 Ada", hourly=Money(520_000), monthly=Money(350_000_000),
    as_of="2026-09-17",
)  # fmt: skip
SITE = Offer("chameleon", "uc", "gpu_rtx_6000", 48, 192 * GIB, 0, gpus=1, hourly=Money(1_000_000, "SU"))
UNPRICED = Offer("kubernetes", "", "node", 0, 0, 0, priced=False)
UBUNTU = SystemImage("linode", "linode/ubuntu24.04", "ubuntu", "24.04")


def a_paid_plan(**changes: Any) -> Plan:
    others = [replace(LINODE, machine_type=f"g2-{n}", hourly=Money(600_000 + n)) for n in range(9)]
    cheap = [replace(LINODE, machine_type=f"small-{n}", hourly=Money(100_000 * n), gpus=1) for n in (1, 2, 3)]
    base = a_plan("trainer")
    return replace(
        base, chosen=LINODE, hours=24.0, total=Money(12_480_000), hours_why="training: a day is assumed",
        candidates=(
            Candidate(LINODE, Money(12_480_000)),
            *(Candidate(one, one.hourly * 24, f"It costs {one.hourly * 24} for 24 h.") for one in others),
            *(Candidate(one, one.hourly * 24, "A GPU of it has 8 GiB, and 16 GiB is needed.") for one in cheap),
        ),
        quotes=(
            Quote("linode", LINODE, 24.0, Money(12_480_000)),
            Quote("local", None, 0.0, FREE, "It has no GPU, and one is needed."),
            Quote("chameleon", SITE, 24.0, Money(24_000_000, "SU"), "It is priced in SU."),
            Quote("kubernetes", UNPRICED, 0.0, FREE, "Nobody has said what it costs."),
        ),
        image=ImageChoice(UBUNTU, "the newest", (
            ImageCandidate(UBUNTU), ImageCandidate(replace(UBUNTU, name="linode/debian13"), "another family"),
        )),
        cheaper=("for 12 h instead of 24 h it costs $6.24 less: --hours 12",),
        warnings=("prices are those of 2026-09-17",), **changes,
    )  # fmt: skip


def shown(plan: Plan, width: int = 80, *, every: bool = False) -> str:
    return "\n".join(plan_lines(plan, width=width, every=every))


def test_the_choice_stands_first_in_one_sentence_with_the_total() -> None:
    assert list(plan_lines(a_paid_plan(), width=160))[:4] == [
        "The plan for trainer",
        "  g2-gpu-rtx4000a1-s (linode, us-ord), for 24 h: $12.48 in all ($0.52 an hour, at most $350.00 a month).",
        "  It has 4 CPUs, 16 GiB, 1 x RTX 4000 Ada of 20 GiB, 512 GiB of disk; prices of 2026-09-17.",
        "  Time: training: a day is assumed",
    ]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"hours": 0.0}, "until stopped: $0.52 an hour, at most $350.00 a month."),
        ({"chosen": replace(LINODE, hourly=FREE)}, "for 24 h: free."),
        ({"chosen": UNPRICED}, "node (kubernetes), for 24 h; what it costs is not known."),
    ],
)
def test_what_has_no_end_is_free_or_has_no_price_is_said_so(changes: dict[str, Any], sentence: str) -> None:
    assert sentence in next(line for line in list(plan_lines(replace(a_paid_plan(), **changes), width=160))[1:])


def test_every_target_stands_beside_the_others() -> None:
    text = shown(a_paid_plan())
    for row in (
        "✔  linode      g2-gpu-rtx4000a1-s, us-ord",
        "-  local",
        "It has no GPU, and one is needed.",
        "-  chameleon   gpu_rtx_6000, uc",
        "24 SU",
        "not priced",
        "Nobody has said what it costs.",
    ):
        assert row in text


def test_five_runners_up_are_shown_the_next_ones_and_the_cheaper_ones_that_will_not_do() -> None:
    plan = a_paid_plan()
    assert [one.offer.machine_type for one in runners_up(plan)] == ["g2-0", "g2-1", "g2-2", "small-2", "small-3"]
    assert "Why not another (5 of 12; homeport plan --all shows every one)" in shown(plan)
    assert "g2-8" not in shown(plan) and "g2-8" in shown(plan, every=True)


def test_a_free_choice_needs_no_list_of_what_was_dearer() -> None:
    text = shown(a_plan())
    assert "homeport plan --all shows why each other lost: 1." in text
    assert "it costs money and this machine does not" in shown(a_plan(), every=True)


def test_image_savings_and_warnings_are_shown_with_their_reasons() -> None:
    text = shown(a_paid_plan(), 160)
    for row in (
        "✔ linode/ubuntu24.04 (log in as root): the newest",
        "linode/debian13: another family",
        "- for 12 h instead of 24 h it costs $6.24 less: --hours 12",
        "note: prices are those of 2026-09-17",
    ):
        assert row in text


def test_what_a_model_moved_and_who_chose_is_marked() -> None:
    advised = (Advised(Decision.HOURS, "hours", "24 h", "12 h", "the README says half a day"),)
    text = shown(replace(a_paid_plan(), advised=advised, chosen_by="llm"), 160)
    assert "Chosen by llm, not by the ranking." in text
    assert "* hours: 24 h → 12 h: the README says half a day" in text


@pytest.mark.parametrize("width", [60, 80, 100, 120, 160])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    for line in [*plan_lines(a_paid_plan(), width=width, every=True), *conclusions(needs(), width=width)]:
        assert width_of(line) <= width, line


def needs() -> Requirements:
    said = "needs an NVIDIA GPU with 24 GB " * 4
    return replace(
        a_plan().requirements,
        gpu=Inferred(
            GpuNeed.NEEDED, Origin.DOCUMENTED, (Evidence("docs/a/very/long/path/README.md", 7, "words", 0.9, said),),
            "not optional (setup.py:3): is a hint; not no (x.md:0): is less sure",
        ),
        vram_bytes=Inferred(24 * GIB, Origin.CODE, (Evidence("m.py", 1, "sizes", 0.3, said),)),
        memory_bytes=Inferred(
            8 * GIB, Origin.USER, (Evidence("", 0, "user.memory", 1.0, "8G"),), "instead of 4 GiB (README.md:3)"
        ),
        start=Inferred(("python", "serve.py", "--model", "x" * 90), Origin.CODE),
        warnings=("a warning",),
    )  # fmt: skip


def test_conclusions_stand_in_three_groups_with_what_lost_below() -> None:
    lines = conclusions(needs(), width=120)
    titles = [line for line in lines if line and not line.startswith((" ", "note:"))]
    assert titles == ["What it is", "What it needs", "How it runs"]
    text = "\n".join(lines)
    assert "      not optional (setup.py:3): is a hint\n      not no (x.md): is less sure" in text
    assert "note: a warning" in text and "note:" not in "\n".join(conclusions(needs(), notes=False))


def test_what_the_user_said_and_what_is_an_estimate_shows_as_such() -> None:
    rows = {line.split("  ")[1].strip(): line for line in conclusions(needs(), width=160) if line.startswith("  ")}
    assert "you" in rows["memory"] and "--memory" in rows["memory"]
    assert "instead of 4 GiB (README.md:3)" in "\n".join(conclusions(needs(), width=160))
    assert "~ 24 GiB" in rows["gpu memory"] and "an estimate" in rows["gpu memory"]


def test_the_words_that_decide_on_money_are_quoted_once() -> None:
    text = "\n".join(conclusions(needs(), width=200))
    assert text.count("“needs an NVIDIA GPU") == 1
    everything = "\n".join(conclusions(needs(), width=200, evidence=True))
    assert "m.py:1 (sizes, 30% sure): needs an NVIDIA" in everything


def test_the_port_it_is_published_at_is_shown_and_where_each_variable_is_asked_for_when_evidence_is_wanted() -> None:
    there = Evidence("compose.yaml", 4, "compose.port", 0.9, "9000:8000")
    found = replace(
        needs(), published_port=Inferred(9000, Origin.CONTAINER, (there,)), env=("HF_TOKEN", "MODE"),
        env_evidence={"HF_TOKEN": Evidence("a.py", 2, "python.environ", 0.6, "")},
    )  # fmt: skip
    [row] = [line for line in conclusions(found, width=120) if line.startswith("  published at")]
    assert "9000" in row and "compose.yaml:4" in row
    assert "  asks for: HF_TOKEN, MODE" in conclusions(found, width=120)
    assert "  asks for: HF_TOKEN (a.py:2), MODE" in conclusions(found, width=120, evidence=True)


def test_a_model_is_named_as_the_source_of_what_it_moved() -> None:
    moved = replace(needs(), cpus=Inferred(8.0, Origin.LLM, (Evidence("", 0, "llm.requirements", 0.4),)))
    [row] = [line for line in conclusions(moved, width=120) if line.startswith("  cpus")]
    assert "the model" in row and "~ 8" in row


TEXT = st.text(st.sampled_from("ab/ -漢é\u0301字"), max_size=80)


@given(st.lists(st.tuples(TEXT, TEXT, TEXT), max_size=5), st.integers(60, 200), st.integers(0, 2))
def test_any_table_fits_and_loses_nothing(rows: list[tuple[str, str, str]], width: int, firm: int) -> None:
    for lines, row in zip(fitted(("A", "B", "C"), rows, width, indent="  ", firm=firm)[1:], rows, strict=True):
        assert all(width_of(line) <= width for line in lines)
        assert sorted("".join(lines).replace(" ", "")) == sorted("".join(row).replace(" ", ""))
    if rows:
        assert all(width_of(line) <= width for line in reasoned(("A", "B", "C"), rows, width, indent="", right=""))


@given(TEXT, st.integers(8, 40))
def test_a_paragraph_keeps_its_words_in_order(text: str, width: int) -> None:
    assert "".join(wrapped(text, width)).replace(" ", "") == text.replace(" ", "")
    assert all(width_of(line) <= max(width, 10) for line in paragraph(text, width, first="- "))


@pytest.mark.parametrize(
    ("money", "text"),
    [
        (Money(7_500), "$0.0075"), (Money(18_000), "$0.018"), (Money(520_000), "$0.52"), (Money(0), "$0.00"),
        (Money(1_234_567_890), "$1,234.57"), (Money(24_000_000, "SU"), "24 SU"), (Money(1_500_000, "SU"), "1.50 SU"),
    ],
)  # fmt: skip
def test_a_price_is_not_rounded_to_another_one(money: Money, text: str) -> None:
    assert str(money) == text


@pytest.mark.parametrize(
    ("text", "money"),
    [
        ("5", Money(5_000_000)), ("$5.25", Money(5_250_000)), ("5 usd", Money(5_000_000)),
        ("20SU", Money(20_000_000, "SU")), ("0.000001", Money(1)), (" 1.5 EUR ", Money(1_500_000, "EUR")),
    ],
)  # fmt: skip
def test_an_amount_is_read_exactly(text: str, money: Money) -> None:
    assert parse_money(text) == money


@pytest.mark.parametrize(
    "text", ["", "-5", "5$", "1e9", "nan", "$5SU", "5 U S D", "1_000", "\u0665", "9" * 10, "5.1234567"]
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected an amount"):
        parse_money(text)
