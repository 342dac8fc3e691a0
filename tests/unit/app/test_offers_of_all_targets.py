# SPDX-License-Identifier: Apache-2.0
"""What could be had on every target: live, from tables, from tables that were renewed, from the user's own prices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from homeport.app import catalogue
from homeport.app.catalogue import offers_and_images, refresh
from homeport.errors import InvalidSource, NotFound, Unavailable, UsageError
from homeport.model.codec import pack, unpack
from homeport.model.facts import Facts
from homeport.plan.catalogue import embedded
from homeport.settings import Settings, load
from homeport.testing.clouds import Call, FakeCloud
from homeport.testing.servers.facts import (
    FactServer,
    Status,
    chameleon,
    chameleon_node,
    linode,
    linode_image,
    linode_region,
    linode_type,
)

NEVER = 1_800_000_000_000_000
"""A moment in January 2027."""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load(environ={"HOMEPORT_HOME": str(tmp_path / "home")})


@pytest.fixture
def apis(settings: Settings) -> Iterator[tuple[FactServer, FactServer, Settings]]:
    of_linode = linode(
        [
            linode_type("g6-nanode-1", hourly=0.009),
            linode_type("g9-new", hourly=1.5, gpus=1, label="RTX4000 Ada x1 Small"),
        ],
        [linode_region("us-ord", "GPU Linodes"), linode_region("us-sea", "GPU Linodes"), linode_region("us-east")],
        [{"region": "us-sea", "plan": "g9-new", "available": False}],
        [linode_image("linode/ubuntu30.04", created="2030-04-25T00:00:00")],
    )
    of_chameleon = chameleon(
        {"uc": [chameleon_node(f"n{at}", "gpu_v100", gpu=("NVIDIA", "Tesla V100 SXM2 32GB", 4)) for at in range(3)]}
    )
    with FactServer(of_linode) as one, FactServer(of_chameleon) as two:
        yield one, two, replace(settings, linode_api=one.base, chameleon_api=two.base)


def fact_file(settings: Settings, cloud: str) -> Path:
    return settings.paths.cache / "facts" / f"{cloud}.json"


def keep(settings: Settings, facts: Facts) -> None:
    path = fact_file(settings, facts.cloud)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pack(facts))


async def test_every_target_is_there_without_any_account(settings: Settings) -> None:
    offers, images, _ = await offers_and_images(settings)
    assert {offer.cloud for offer in offers} == {"local", "chameleon", "linode", "kubernetes"}
    assert {image.cloud for image in images} == {"chameleon", "linode"}
    local = next(offer for offer in offers if offer.cloud == "local")
    assert local.as_of == ""
    assert next(offer for offer in offers if offer.cloud == "kubernetes").priced is False


async def test_old_tables_are_told_with_the_way_to_renew_them(settings: Settings) -> None:
    _, _, notes = await offers_and_images(settings, now_us=NEVER)
    assert len(notes) == 2
    assert all("homeport catalog refresh" in note and "days ago" in note for note in notes)


async def test_fetched_facts_count_when_they_are_newer(settings: Settings) -> None:
    linode_facts = next(facts for facts in embedded() if facts.cloud == "linode")
    one = replace(linode_facts.offers[0], as_of="2027-01-10")
    keep(settings, replace(linode_facts, as_of="2027-01-10", offers=(one,), images=()))
    offers, images, notes = await offers_and_images(settings, now_us=NEVER)
    assert [offer for offer in offers if offer.cloud == "linode"] == [one]
    assert any(image.cloud == "linode" for image in images)  # those that came with this version
    assert not any("linode" in note for note in notes)


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"null", b"[1]", b"\xff", b'{"kind": "facts"}', b'{"kind": "facts", "v": 99, "data": {}}',
     b'{"kind": "plan", "v": 1, "data": {}}', b'{"kind": "facts", "v": 1, "data": {"cloud": "linode"}}',
     b'{"kind": "facts", "v": "1", "data": {}}', b'{"kind": {}, "v": 1, "data": {}}', b"[" * 100_000],
    ids=lambda content: repr(content[:40]),
)  # fmt: skip
async def test_a_broken_fetched_file_is_told_and_not_used(settings: Settings, content: bytes) -> None:
    fact_file(settings, "linode").parent.mkdir(parents=True)
    fact_file(settings, "linode").write_bytes(content)
    offers, _, notes = await offers_and_images(settings)
    assert len([offer for offer in offers if offer.cloud == "linode"]) == 37
    told = [note for note in notes if "linode.json" in note]
    assert len(told) == 1
    assert "homeport catalog refresh" in told[0]


async def test_facts_of_another_cloud_in_its_place_are_not_used(settings: Settings) -> None:
    wrong = next(facts for facts in embedded() if facts.cloud == "chameleon")
    fact_file(settings, "linode").parent.mkdir(parents=True)
    fact_file(settings, "linode").write_bytes(pack(replace(wrong, as_of="2027-01-01")))
    offers, _, notes = await offers_and_images(settings)
    assert len([offer for offer in offers if offer.cloud == "linode"]) == 37
    assert any("linode.json" in note for note in notes)


async def test_a_live_cloud_counts_before_its_table_and_where_it_is_silent_the_table_counts(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = replace(next(facts for facts in embedded() if facts.cloud == "linode").offers[0], as_of="")
    cloud = FakeCloud(live)
    monkeypatch.setattr(catalogue, "clouds", lambda _: {"linode": cloud})
    offers, images, _ = await offers_and_images(settings)
    assert [offer for offer in offers if offer.cloud == "linode"] == [live]
    assert any(image.cloud == "linode" for image in images)
    cloud.fail(Call.OFFERS, Unavailable("it is away"))
    offers, _, notes = await offers_and_images(settings)
    assert len([offer for offer in offers if offer.cloud == "linode"]) == 37
    assert any("it is away" in note for note in notes)


async def test_kubernetes_is_priced_by_the_users_own_table(settings: Settings, tmp_path: Path) -> None:
    table = tmp_path / "prices.yaml"
    table.write_text("nodes:\n- {name: small, cpus: 4, memory: 16Gi, hourly: 0.11}\n")
    offers, _, _ = await offers_and_images(replace(settings, kubernetes_prices=str(table)))
    mine = [offer for offer in offers if offer.cloud == "kubernetes"]
    assert [(offer.machine_type, str(offer.hourly), offer.priced) for offer in mine] == [("small", "$0.11", True)]


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"nodes: 5\n"])
async def test_a_table_of_prices_that_cannot_be_read_stops_the_plan(
    settings: Settings, tmp_path: Path, content: bytes | None
) -> None:
    table = tmp_path / "prices.yaml"
    if content is not None:
        table.write_bytes(content)
    with pytest.raises(UsageError, match=r"prices\.yaml"):
        await offers_and_images(replace(settings, kubernetes_prices=str(table)))


async def test_refresh_keeps_what_the_clouds_publish_and_tells_the_difference(
    apis: tuple[FactServer, FactServer, Settings],
) -> None:
    _, _, settings = apis
    of_linode, of_chameleon = await refresh(settings)
    assert (of_linode.cloud, of_linode.trouble, of_chameleon.trouble) == ("linode", None, None)
    assert [(offer.machine_type, offer.region) for offer in of_linode.difference.added] == [
        ("g9-new", "us-ord"), ("g9-new", "us-sea"),
    ]  # fmt: skip
    assert len(of_linode.difference.removed) == 36
    assert [one.after.machine_type for one in of_linode.difference.moved] == ["g6-nanode-1"]
    kept = unpack(fact_file(settings, "linode").read_bytes(), Facts)
    assert kept == of_linode.after
    assert fact_file(settings, "linode").stat().st_mode & 0o077 == 0
    offers, images, _ = await offers_and_images(settings)
    gpu = next(offer for offer in offers if offer.machine_type == "g9-new" and offer.region == "us-ord")
    assert (gpu.gpu_model, gpu.gpu_memory_bytes >> 30, gpu.compute_capability) == ("RTX 4000 Ada", 20, "8.9")
    taken = next(offer for offer in offers if offer.machine_type == "g9-new" and offer.region == "us-sea")
    assert (gpu.available, taken.available) == (1, 0)
    assert [image.name for image in images if image.cloud == "linode"] == ["linode/ubuntu30.04"]
    node = next(offer for offer in offers if offer.cloud == "chameleon")
    assert (node.region, node.available, node.gpus, node.gpu_memory_bytes >> 30) == ("uc", 3, 4, 32)
    assert str(node.hourly) == "1 SU"
    assert node.longest_hours == 168
    again, _ = await refresh(settings)
    assert (again.difference.added, again.difference.removed, again.difference.moved) == ((), (), ())


async def test_a_plan_without_a_price_is_not_free(settings: Settings) -> None:
    answers = linode(
        [linode_type("g6-a", hourly=0.0), linode_type("g6-b", hourly=None), linode_type("g6-c", hourly=0.1)],
    )
    with FactServer(answers) as server:
        (renewed,) = await refresh(replace(settings, linode_api=server.base), ["linode"])
    assert {offer.machine_type: offer.priced for offer in renewed.after.offers} == {
        "g6-a": False, "g6-b": False, "g6-c": True,
    }  # fmt: skip


async def test_a_region_with_a_price_of_its_own_is_an_offer_of_its_own(settings: Settings) -> None:
    dear = linode_type("g6-a", hourly=0.1, region_prices=[{"id": "br-gru", "hourly": 0.14, "monthly": 93}])
    gpu = linode_type("g9", hourly=0, gpus=1, region_prices=[{"id": "us-ord", "hourly": 2, "monthly": 1000}])
    with FactServer(linode([dear, gpu], [linode_region("us-ord", "GPU Linodes"), linode_region("us-east")])) as server:
        (renewed,) = await refresh(replace(settings, linode_api=server.base), ["linode"])
    prices = {(offer.machine_type, offer.region): offer.hourly.micros for offer in renewed.after.offers}
    assert prices == {("g6-a", ""): 100_000, ("g6-a", "br-gru"): 140_000, ("g9", "us-ord"): 2_000_000}


async def test_images_that_are_not_shown_without_an_account_stay_those_that_came(settings: Settings) -> None:
    with FactServer(linode([linode_type("g6-a", hourly=0.1)], images=None)) as server:
        settings = replace(settings, linode_api=server.base)
        (renewed,) = await refresh(settings, ["linode"])
        assert renewed.trouble is None
    _, images, _ = await offers_and_images(settings)
    assert any(image.name == "linode/debian12" for image in images)


async def test_one_that_fails_keeps_its_facts_and_the_other_is_renewed(
    apis: tuple[FactServer, FactServer, Settings],
) -> None:
    one, _, settings = apis
    await refresh(settings)
    before = fact_file(settings, "linode").read_bytes()
    one.answers["/regions"] = lambda _: Status(503)
    of_linode, of_chameleon = await refresh(settings)
    assert isinstance(of_linode.trouble, Unavailable)
    assert of_chameleon.trouble is None
    assert of_linode.after == of_linode.before
    one.answers["/regions"] = lambda _: {"data": [{"id": 7}], "pages": 1}
    of_linode, _ = await refresh(settings)
    assert isinstance(of_linode.trouble, InvalidSource)
    assert fact_file(settings, "linode").read_bytes() == before
    assert sorted(path.name for path in fact_file(settings, "linode").parent.iterdir()) == [
        "chameleon.json", "linode.json",
    ]  # fmt: skip


async def test_a_file_in_the_place_of_the_folder_is_told(apis: tuple[FactServer, FactServer, Settings]) -> None:
    _, _, settings = apis
    settings.paths.cache.mkdir(parents=True)
    (settings.paths.cache / "facts").write_text("mine")
    for one in await refresh(settings):
        assert one.trouble is not None
        assert "cannot be written" in one.trouble.message
    assert (settings.paths.cache / "facts").read_text() == "mine"


async def test_only_those_that_publish_facts_can_be_asked(settings: Settings) -> None:
    with pytest.raises(NotFound, match="kubernetes"):
        await refresh(settings, ["kubernetes"])
