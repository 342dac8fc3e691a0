# SPDX-License-Identifier: Apache-2.0
"""Images of a container engine, on a real one without a registry."""

from __future__ import annotations

import asyncio

import pytest

from homeport.drivers.runtimes.docker.images import DockerImages, Options
from homeport.testing.conformance.images import PATIENCE, ImagesSuite


class TestDockerImages(ImagesSuite):
    @pytest.fixture
    async def images(self, engine):
        images = DockerImages(Options(engine.host))
        yield images
        await images.close()

    @pytest.fixture
    def base(self, engine_image):
        return engine_image

    async def test_a_build_that_is_cancelled_ends(self, engine, images, base, tmp_path):
        """Also what runs of it on the engine, and nothing of it stays."""
        await super().test_a_build_that_is_cancelled_ends(images, base, tmp_path)
        async with asyncio.timeout(PATIENCE):
            while "sleep 3600" in await asyncio.to_thread(engine.docker, "ps", "--all", "--no-trunc"):
                await asyncio.sleep(0.1)
