# SPDX-License-Identifier: Apache-2.0
"""What moved since a plan was made: every line says what it was and what it is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from door_rig import a_plan
from homeport.app.applying import differences
from homeport.model.locator import asked_for
from homeport.model.money import Money
from homeport.model.plan import Offer, Plan
from homeport.model.source import Source, SourceKind
from homeport.model.systemimage import ImageChoice, SystemImage

OFFER = Offer(
    "linode", "us-ord", "g2-gpu-rtx4000a1-s", 4, 16 << 30, 512 << 30, gpus=1, gpu_memory_bytes=20 << 30,
    hourly=Money(520_000), monthly=Money(350_000_000), gpu_vendor="nvidia", gpu_model="RTX 4000 Ada", available=3,
)  # fmt: skip
IMAGE = SystemImage("linode", "linode/ubuntu24.04", "ubuntu", "24.04", id="abc")
PLAN = replace(a_plan(), chosen=OFFER, image=ImageChoice(IMAGE, "it is the newest"))


def moved(plan: Plan = PLAN, source: Source | None = None, offers: tuple[Offer, ...] = (OFFER,)) -> tuple[str, ...]:
    return differences(plan, source or plan.source, offers, (IMAGE,))


def test_a_world_that_stood_still_differs_in_nothing() -> None:
    assert moved() == ()


def test_how_many_are_free_and_the_day_of_the_table_may_move() -> None:
    assert moved(offers=(replace(OFFER, available=1, as_of="2027-01-01"),)) == ()


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ({"hourly": Money(600_000)}, "price an hour $0.52 → $0.60"),
        ({"hourly": Money(500_000)}, "price an hour $0.52 → $0.50"),
        ({"hourly": Money(520_000, "EUR")}, "price an hour $0.52 → 0.52 EUR"),
        ({"monthly": Money(0)}, "price a month at most $350.00 → $0.00"),
        ({"memory_bytes": 8 << 30}, "memory 16 GiB → 8 GiB"),
        ({"gpu_memory_bytes": 0}, "memory of a GPU 20 GiB → unknown"),
        ({"gpus": 2}, "gpus 1 → 2"),
        ({"gpu_model": ""}, "GPU RTX 4000 Ada → none"),
        ({"priced": False}, "priced True → False"),
        ({"available": 0}, "none is free now"),
    ],
)
def test_what_moved_in_the_offer_is_said(now: dict[str, object], said: str) -> None:
    assert moved(offers=(replace(OFFER, **now),)) == (f"linode/us-ord/g2-gpu-rtx4000a1-s: {said}",)  # type: ignore[arg-type]


def test_each_thing_that_moved_has_a_line() -> None:
    assert len(moved(offers=(replace(OFFER, cpus=2, hourly=Money(1), available=0),))) == 3


def test_an_offer_that_is_gone_is_not_replaced_by_the_same_type_elsewhere() -> None:
    assert moved(offers=(replace(OFFER, region="fr-par"),)) == (
        "linode/us-ord/g2-gpu-rtx4000a1-s: not on offer any more",
    )


def test_of_two_rows_of_a_type_the_one_that_was_chosen_counts() -> None:
    assert moved(offers=(replace(OFFER, gpus=4, hourly=Money(1)), OFFER)) == ()
    none = (replace(OFFER, gpus=4), replace(OFFER, available=0))
    assert moved(offers=none) == ("linode/us-ord/g2-gpu-rtx4000a1-s: none is free now",)


def test_an_image_that_is_gone_or_made_anew_is_said() -> None:
    other = replace(IMAGE, name="linode/debian13")
    assert differences(PLAN, PLAN.source, (OFFER,), (other,)) == ("image linode/ubuntu24.04: not on offer any more",)
    assert differences(PLAN, PLAN.source, (OFFER,), (replace(IMAGE, id="def"),)) == (
        "image linode/ubuntu24.04: made anew (abc → def)",
    )
    assert differences(PLAN, PLAN.source, (OFFER,), (replace(IMAGE, id=""),)) == (), "the id was not asked for"
    assert differences(PLAN, PLAN.source, (OFFER,), ()) == (), "no image of this cloud is known now"


def test_the_name_of_what_moved_cannot_steer_the_terminal() -> None:
    hostile = replace(PLAN.source, locator="https://example.org/\x1b[31m")
    [line] = differences(replace(PLAN, source=hostile), replace(hostile, commit="0" * 40), (OFFER,))
    assert line.isprintable()


@pytest.mark.parametrize(
    ("source", "asked"),
    [
        (Source(SourceKind.GIT, "https://example.org/a/b", "d", "c" * 40), ("https://example.org/a/b", "")),
        (Source(SourceKind.GIT, "https://example.org/a/b", "d", "c" * 40, "main"), ("https://example.org/a/b", "main")),
        (
            Source(SourceKind.GIT, "https://example.org/a/b", "d", "c" * 40, "v1", "x y"),
            ("https://example.org/a/b/tree/HEAD/x%20y", "v1"),
        ),
        (Source(SourceKind.FOLDER, "/srv/notes", "d"), ("/srv/notes", "")),
        (Source(SourceKind.IMAGE, "nginx:1.27", "sha256:0"), ("image:nginx:1.27", "")),
        (Source(SourceKind.DOCKERFILE, "/srv/notes", "d", ref="Dockerfile"), ("/srv/notes", "Dockerfile")),
    ],
)
def test_what_was_asked_for_is_asked_for_again_not_the_commit_it_was(source: Source, asked: tuple[str, str]) -> None:
    assert asked_for(source) == asked


def test_a_machine_that_was_placed_where_it_was_asked_for_is_still_on_offer() -> None:
    nowhere = replace(OFFER, region="")
    assert moved(offers=(nowhere,)) == ()
    assert moved(offers=(replace(nowhere, hourly=Money(600_000)),)) == (
        "linode/us-ord/g2-gpu-rtx4000a1-s: price an hour $0.52 → $0.60",
    )
    assert moved(offers=(replace(OFFER, region="us-east"),)) == (
        "linode/us-ord/g2-gpu-rtx4000a1-s: not on offer any more",
    )
