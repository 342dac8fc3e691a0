# SPDX-License-Identifier: Apache-2.0
"""Every FactSource driver, over real HTTP, and the fake, do the same."""

from __future__ import annotations

import pytest

from homeport.drivers.factsources import chameleon as chameleon_driver
from homeport.drivers.factsources import linode as linode_driver
from homeport.errors import InvalidSource, Unavailable
from homeport.testing.conformance.factsource import FactSourceSuite
from homeport.testing.facts import FakeFacts
from homeport.testing.servers.facts import (
    FactServer,
    chameleon,
    chameleon_node,
    linode,
    linode_image,
    linode_region,
    linode_type,
)
from homes import free_port


class TestFakeFacts(FactSourceSuite):
    @pytest.fixture
    def source(self):
        return FakeFacts()

    @pytest.fixture
    def silent(self):
        return FakeFacts(trouble=Unavailable("nobody"))

    @pytest.fixture
    def junk(self):
        return FakeFacts(trouble=InvalidSource("nonsense"))


class TestLinodeFacts(FactSourceSuite):
    @pytest.fixture
    def source(self):
        answers = linode(
            [
                linode_type("g6-standard-4", hourly=0.072),
                linode_type("g9-gpu", hourly=0.0, gpus=1, label="RTX4000 Ada x1 Small"),
            ],
            [linode_region("us-ord", "GPU Linodes"), linode_region("us-east")],
            images=[linode_image("linode/ubuntu24.04")],
        )
        with FactServer(answers) as server:
            yield linode_driver.LinodeFacts(linode_driver.Options(base=server.base))

    @pytest.fixture
    def silent(self):
        return linode_driver.LinodeFacts(linode_driver.Options(base=f"http://127.0.0.1:{free_port()}"))

    @pytest.fixture
    def junk(self):
        with FactServer({"/linode/types": lambda _: {"data": "all of them"}}) as server:
            yield linode_driver.LinodeFacts(linode_driver.Options(base=server.base))


class TestChameleonFacts(FactSourceSuite):
    @pytest.fixture
    def source(self):
        nodes = [
            chameleon_node("n1", "compute_skylake"),
            chameleon_node("n2", "gpu_v100", gpu=("NVIDIA", "GV100GL [Tesla V100 PCIe 32GB]", 4)),
        ]
        with FactServer(chameleon({"uc": nodes, "tacc": nodes})) as server:
            yield chameleon_driver.ChameleonFacts(chameleon_driver.Options(base=server.base))

    @pytest.fixture
    def silent(self):
        return chameleon_driver.ChameleonFacts(chameleon_driver.Options(base=f"http://127.0.0.1:{free_port()}"))

    @pytest.fixture
    def junk(self):
        with FactServer({"/sites": lambda _: ["uc", "tacc"]}) as server:
            yield chameleon_driver.ChameleonFacts(chameleon_driver.Options(base=server.base))
