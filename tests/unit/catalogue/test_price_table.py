# SPDX-License-Identifier: Apache-2.0
"""What a cluster's nodes cost, as its owner writes it down."""

from __future__ import annotations

import pytest

from homeport.errors import UsageError
from homeport.model.money import Money
from homeport.plan.pricetable import NOT_PRICED, read_prices

TABLE = """
currency: EUR
cluster: prod
rates: {cpu: 0.03, memory: 0.004, gpu: 1.10}
nodes:
  - {name: general, cpus: 16, memory: 64Gi, disk: 200Gi, count: 4}
  - name: a100
    cpus: 32
    memory: 256Gi
    gpus: 2
    gpu: A100 80GB
    hourly: 4.20
    arch: amd64
"""


def test_nodes_become_offers_at_their_price_or_by_the_rates() -> None:
    general, a100 = read_prices(TABLE, path="prices.yaml")
    assert (general.cloud, general.region, general.machine_type) == ("kubernetes", "prod", "general")
    assert general.hourly == Money(16 * 30_000 + 64 * 4_000, "EUR")
    assert (general.available, general.disk_bytes >> 30, general.as_of) == (4, 200, "")
    assert a100.hourly == Money(4_200_000, "EUR")
    assert (a100.gpus, a100.gpu_model, a100.gpu_vendor, a100.gpu_memory_bytes >> 30) == (2, "A100", "nvidia", 80)
    assert a100.arch == "x86_64"


def test_toml_says_the_same() -> None:
    toml = """
currency = "EUR"
cluster = "prod"
rates = {cpu = 0.03, memory = 0.004, gpu = 1.10}
[[nodes]]
name = "general"
cpus = 16
memory = "64Gi"
disk = "200Gi"
count = 4
[[nodes]]
name = "a100"
cpus = 32
memory = "256Gi"
gpus = 2
gpu = "A100 80GB"
hourly = 4.20
arch = "amd64"
"""
    assert read_prices(toml, path="prices.toml") == read_prices(TABLE, path="prices.yaml")


def test_rates_alone_price_every_size_up_to_the_largest() -> None:
    offers = read_prices(
        "rates: {cpu: 0.02, memory: 0.005, gpu: 0.5}\nlargest: {cpus: 8, memory: 32Gi, gpus: 2, gpu: T4}\n",
        path="p.yaml",
    )
    assert max(offer.cpus for offer in offers) == 8
    assert max(offer.memory_bytes for offer in offers) == 32 << 30
    assert {offer.gpus for offer in offers} == {0, 1, 2}
    assert len({offer.machine_type for offer in offers}) == len(offers)
    for offer in offers:
        expected = 20_000 * offer.cpus + 5_000 * (offer.memory_bytes >> 30) + 500_000 * offer.gpus
        assert offer.hourly == Money(expected)
        assert offer.priced
        assert offer.gpu_model == ("T4" if offer.gpus else "")


def test_without_a_table_kubernetes_shows_and_is_not_priced() -> None:
    assert NOT_PRICED.cloud == "kubernetes"
    assert not NOT_PRICED.priced


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "p.yaml: it is empty"),
        ("- a\n", "p.yaml:1: expected names with values"),
        ("nodes: []\n", "p.yaml:1: nodes: expected a list of 1 to 500"),
        ("currency: USD\n", "p.yaml:1: it takes nodes"),
        ("currency: dollars\nnodes: []\n", "p.yaml:1: currency: expected a unit of money"),
        ("nodes:\n- {name: a, cpus: 4}\n", "p.yaml:2: nodes[0]: memory is missing"),
        ("nodes:\n- {name: a, cpus: 4, memory: 8Gi}\n", "p.yaml:2: nodes[0]: hourly is missing"),
        ("nodes:\n- name: a\n  cpus: 4\n  memory: lots\n  hourly: 1\n", "p.yaml:4: nodes[0].memory: expected a size"),
        ("nodes:\n- name: a\n  cpus: 0.5\n  memory: 8Gi\n  hourly: 1\n", "p.yaml:3: nodes[0].cpus: expected at least"),
        ("nodes:\n- {name: a, cpus: 4, memory: 8Gi, hourly: -1}\n", "p.yaml:2: nodes[0].hourly: expected a price"),
        ("nodes:\n- {name: a, cpus: 4, memory: 8Gi, hourly: 1e9}\n", "nodes[0].hourly: expected a price"),
        ("nodes:\n- {name: a, cpus: 4, memory: 8Gi, hourly: 0x10}\n", "nodes[0].hourly: expected a price"),
        ("nodes:\n- {name: a, cpus: 4, memory: 8Gi, hourly: [1]}\n", "nodes[0].hourly: expected one value"),
        ("nodes:\n- {name: a, cpus: 4, memory: 8Gi, houry: 1}\n", "p.yaml:2: nodes[0].houry: 'houry' is not known"),
        ("nodes:\n- {name: a, cpus: 4, memory: 8Gi, hourly: 1, arch: sparc}\n", "expected one of: x86_64"),
        ("nodes:\n- {name: a, cpus: 4, memory: 8Gi, hourly: 1, count: -1}\n", "expected a number"),
        ("nodes:\n- {name: '\x07', cpus: 4, memory: 8Gi, hourly: 1}\n", "p.yaml"),
        (
            "nodes:\n- {name: a, cpus: 4, memory: 8Gi, hourly: 1}\n- {name: a, cpus: 4, memory: 8Gi, hourly: 2}\n",
            "p.yaml:3: nodes[1]: the name 'a' is there twice",
        ),
        ("largest: {cpus: 8, memory: 32Gi}\n", "p.yaml:1: largest: rates are needed"),
        ("rates: {cpu: 1}\nlargest: {cpus: 8, memory: 8Gi}\nnodes: []\n", "p.yaml:2: largest: say either"),
        ("nodes: &a [*a]\n", "p.yaml"),
        ("nodes: !!python/object/apply:os.system [id]\n", "p.yaml"),
        ("nodes:\n\t- x\n", "p.yaml:2: not valid YAML"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused_with_file_line_and_key(text: str, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        read_prices(text, path="p.yaml")
    assert said in raised.value.message
    assert "Prices and offers" in raised.value.hint


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nodes = [\n", "p.toml"),
        ("a = 1\na = 2\n", "p.toml:2: not valid TOML"),
        (
            "[[nodes]]\nname = 'a'\ncpus = 4\nmemory = '8Gi'\nhourly = 'free'\n",
            "p.toml: nodes[0].hourly: expected a price",
        ),
        (
            "[[nodes]]\nname = 'a'\ncpus = true\nmemory = '8Gi'\nhourly = 1\n",
            "p.toml: nodes[0].cpus: expected processors",
        ),
        ("rates = {cpu = nan}\nlargest = {cpus = 1, memory = '1Gi'}\n", "p.toml: rates.cpu: expected a price"),
        ("a = " + "[" * 5000 + "]" * 5000, "p.toml"),
        ("#" * 300_000, "larger than 256 KiB"),
    ],
)
def test_the_same_of_toml(text: str, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        read_prices(text, path="p.toml")
    assert said in raised.value.message


def test_a_gpu_of_80_gb_has_what_is_sold_as_80_gb_and_a_disk_may_be_larger_than_any_memory() -> None:
    node = "nodes: [{name: big, cpus: 8, memory: 64Gi, gpus: 1, gpu-memory: 80GB, disk: 100Ti, hourly: 1}]"
    (offer,) = read_prices(node, path="prices.yaml")
    assert (offer.gpu_memory_bytes, offer.disk_bytes) == (80 << 30, 100 << 40)
