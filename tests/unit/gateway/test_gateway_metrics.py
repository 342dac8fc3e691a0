# SPDX-License-Identifier: Apache-2.0
"""What Prometheus reads: its own parser takes it, its naming rules hold, labels stay few, and the page lists all."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from pathlib import Path

import pytest

from gateway_rig import Rig, request, rig, until
from homeport.gateway.metrics import families
from homeport.gateway.metrics.counts import REMOVED, Metrics
from homeport.gateway.metrics.families import FAMILIES, Family, Reading
from homeport.gateway.metrics.histogram import Histogram
from homeport.gateway.metrics.text import Page, labelled
from homeport.model.request import RequestState

PAGE = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "metrics.md"
ECHO = '{namespace="default",agent="echo"}'
SAMPLE = re.compile(r'^([a-z_]+)(\{([a-z_]+="(\\.|[^"\\\n])*",?)*\})? ([0-9.e+-]+|\+Inf|NaN)$')


@pytest.fixture
async def house(tmp_path):
    async with rig(tmp_path) as made:
        yield made


def value(text: str, name: str, labels: str = "") -> float:
    """Of one sample; fails where there is none."""
    [found] = [line for line in text.splitlines() if line.startswith(f"homeport_gateway_{name}{labels} ")]
    return float(found.rpartition(" ")[2])


async def _every_kind(house: Rig) -> None:
    """An answer, a refusal, a promise, a dead letter."""
    assert (await house.call("POST", body=b"x")).status == 200
    assert (await house.call(path="/agent/nobody/")).status == 404
    house.agent.behave = lambda *_: "bye"
    assert (await house.call("POST")).status == 502
    house.agent.behave = None
    await house.routes(house.route(ready=False, endpoint="", reason="away"))
    assert (await house.call("POST", Prefer="respond-async")).status == 202


async def test_what_happened_is_counted_by_agent_and_outcome(house: Rig) -> None:
    await _every_kind(house)
    text = await house.control.metrics()
    assert value(text, "requests_accepted_total", ECHO) == 3
    assert value(text, "requests_ended_total", '{namespace="default",agent="echo",outcome="completed",code="2xx"}') == 1
    assert value(text, "requests_ended_total", '{namespace="default",agent="echo",outcome="dead",code=""}') == 1
    assert value(text, "refused_total", '{reason="not_found",code="404"}') == 1
    assert value(text, "promises_total") == 1
    assert value(text, "pending_requests", ECHO) == 1
    assert 0 <= value(text, "oldest_pending_age_seconds", ECHO) < 60
    assert value(text, "agent_ready", ECHO) == 0
    assert value(text, "stored_requests", '{state="dead"}') == 1
    assert value(text, "journal_sync_duration_seconds_count") >= 3
    assert value(text, "journal_size_bytes", '{part="database"}') > 0
    assert value(text, "agent_duration_seconds_count", ECHO) == 1
    assert value(text, "queue_duration_seconds_count", ECHO) == 2


async def test_a_request_that_waited_is_in_the_queue_histogram_when_it_goes(house: Rig) -> None:
    await house.routes(house.route(ready=False, endpoint="", reason="away"))
    told = (await house.call("POST", Prefer="respond-async")).json()
    assert value(await house.control.metrics(), "queue_duration_seconds_count", ECHO) == 0
    await house.routes(house.route())
    assert (await house.call(path=told["status_url"] + "/response", Prefer="wait=20")).status == 200
    assert value(await house.control.metrics(), "queue_duration_seconds_count", ECHO) == 1


async def test_every_line_is_of_the_format_and_every_family_is_announced_once(house: Rig) -> None:
    await _every_kind(house)
    announced: list[str] = []
    labels = {family.name: set(family.labels) for family in FAMILIES}
    for line in (await house.control.metrics()).splitlines():
        if line.startswith("# TYPE "):
            announced.append(line.split(" ")[2])
        if line.startswith("#"):
            continue
        found = SAMPLE.match(line)
        assert found, line
        family = announced[-1]
        assert found[1] in {family, f"{family}_bucket", f"{family}_sum", f"{family}_count"}
        assert set(re.findall(r'([a-z_]+)="', found[2] or "")) - {"le"} == labels[family], line
    assert sorted(announced) == sorted({*announced})
    assert {*announced} == {family.name for family in FAMILIES}


def test_names_follow_the_rules_of_the_field() -> None:
    """Those that `promtool check metrics` looks for."""
    names = [family.name for family in FAMILIES]
    assert len(names) == len({*names})
    for family in FAMILIES:
        assert re.fullmatch(r"(homeport_gateway|process)_[a-z_]+", family.name)
        assert family.name.endswith("_total") == (family.kind == families.COUNTER), family.name
        assert not family.name.endswith(("_bucket", "_count", "_sum", "_info_total", "_gauge", "_histogram")), (
            family.name
        )
        assert not re.search(r"milliseconds|minutes|kilobytes|megabytes|_ms(_|$)|percent", family.name)
        assert family.kind != families.HISTOGRAM or family.name.endswith("_seconds")
        assert family.help.endswith(".") and "\n" not in family.help
        assert "le" not in family.labels and all(re.fullmatch(r"[a-z]+", label) for label in family.labels)


async def test_the_real_parser_of_prometheus_reads_the_same_numbers(house: Rig) -> None:
    parser = pytest.importorskip("prometheus_client.parser", reason="pip install -r requirements/dev.txt")
    await _every_kind(house)
    odd = Family("homeport_gateway_odd", families.GAUGE, "With a \\ and more.", ("text",))
    house.gateway.metrics.sources.append(lambda: [Reading(odd, 2.5, {"text": 'a"b\\c\nd,e}'})])
    found = {family.name: family for family in parser.text_string_to_metric_families(await house.control.metrics())}
    assert [sample.labels for sample in found["homeport_gateway_odd"].samples] == [{"text": 'a"b\\c\nd,e}'}]
    kinds = {family.name.removesuffix("_total"): family.kind for family in FAMILIES}
    assert {name: family.type for name, family in found.items() if name in kinds} == kinds
    buckets = found["homeport_gateway_agent_duration_seconds"].samples
    counts = [sample.value for sample in buckets if sample.name.endswith("_bucket")]
    assert counts == sorted(counts)
    assert [sample.value for sample in buckets if sample.name.endswith("_count")] == [counts[-1]]


async def test_what_callers_make_up_never_becomes_a_label(house: Rig) -> None:
    for n in range(30):
        await house.call(f"M{n}X", path=f"/agent/made-up-{n}/")
        await house.call(path=f"/made-up-{n}/x")
    text = await house.control.metrics()
    assert "made-up" not in text
    assert len([line for line in text.splitlines() if line.startswith("homeport_gateway_refused_total{")]) <= 3


def test_agents_that_come_and_go_do_not_pile_up() -> None:
    metrics = Metrics()
    for n in range(3 * REMOVED):
        metrics.accepted(("default", f"a{n}"), direct=True)
    metrics.tunnel_opened(("default", "a0"))
    metrics.forget({("default", "a1"): None})
    assert len(metrics.agents) == REMOVED + 2
    assert {("default", "a0"), ("default", "a1"), ("default", f"a{3 * REMOVED - 1}")} <= metrics.agents.keys()
    metrics.released(("default", "a2"), RequestState.PENDING)


async def test_of_one_namespace_only_its_agents_are_told(house: Rig) -> None:
    other = replace(house.route(), namespace="other", agent="theirs")
    await house.routes(house.route(), other)
    await house.call()
    client = await house.connect_unix()
    client.send(request(path="/agent/theirs/", token="", X_Homeport_Namespace="other"))
    assert (await client.answer()).status == 200
    text = await house.control.metrics("other")
    assert 'agent="theirs"' in text
    assert 'namespace="default"' not in text
    assert 'namespace="default"' in await house.control.metrics()


async def test_tcp_does_not_serve_metrics(house: Rig) -> None:
    assert (await house.call(path="/_gateway/metrics")).status == 404


def test_a_value_on_a_bound_is_in_its_bucket() -> None:
    histogram = Histogram((1.0, 2.0))
    for seconds in (0.0, 1.0, 1.5, 2.0, 99.0):
        histogram.observe(seconds)
    page = Page()
    page.family(families.TOTAL_TIME)
    page.histogram(histogram, labelled({"a": "b"}))
    name = families.TOTAL_TIME.name
    assert page.lines[2:] == [
        f'{name}_bucket{{a="b",le="1"}} 2', f'{name}_bucket{{a="b",le="2"}} 4', f'{name}_bucket{{a="b",le="+Inf"}} 5',
        f'{name}_sum{{a="b"}} 103.5', f'{name}_count{{a="b"}} 5',
    ]  # fmt: skip


async def test_a_large_body_is_in_the_size_of_the_spool_until_it_is_forgotten(house: Rig) -> None:
    assert (await house.call("POST", body=b"x" * 400_000)).status == 200
    text = await house.control.metrics()
    assert value(text, "spool_size_bytes") == 400_000
    assert value(text, "disk_free_bytes") > 0

    async def forgotten() -> bool:
        [entry] = await house.control.requests()
        return bool(await house.control.forget([entry["id"]]))

    await until(forgotten)
    assert value(await house.control.metrics(), "spool_size_bytes") == 0


async def test_connections_are_counted_by_the_door_they_came_in(house: Rig) -> None:
    clients = [await house.connect() for _ in range(3)]
    clients[0].send(request())
    await clients[0].answer()

    async def three() -> bool:
        return value(await house.control.metrics(), "connections", '{listener="tcp"}') == 3

    await until(three)
    assert value(await house.control.metrics(), "connections", '{listener="unix"}') >= 1


async def test_many_scrapes_at_once_are_all_whole(house: Rig) -> None:
    await house.call()
    texts = await asyncio.gather(*(house.control.metrics() for _ in range(20)))
    assert all(value(text, "requests_accepted_total", ECHO) == 1 for text in texts)


def test_the_page_lists_every_metric_with_its_labels() -> None:
    page = PAGE.read_text()
    for family in FAMILIES:
        labels = ", ".join(f"`{label}`" for label in family.labels)
        assert f"| `{family.name}` | {family.kind} | {labels} |" in page, family.name
    listed = set(re.findall(r"^\| `([a-z_]+)` \|", page, re.M))
    assert listed == {family.name for family in FAMILIES}
