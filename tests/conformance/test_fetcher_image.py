# SPDX-License-Identifier: Apache-2.0
"""Images of a real engine: what they say of themselves is what is concluded."""

from __future__ import annotations

import io
import tarfile

import pytest

from homeport.analyze import analyze
from homeport.drivers.fetchers.image import ImageFetcher
from homeport.drivers.runtimes.docker.images import DockerImages, Options
from homeport.errors import InvalidSource, StalePlan, Unavailable
from homeport.model.locator import locator_of


@pytest.fixture
async def images(engine):
    made = DockerImages(Options(host=engine.host))
    yield made
    await made.close()


@pytest.fixture
def tag(engine, request):
    """The name of an image of this test alone, with a command, a port and a health check."""
    name = f"hp-test/fetched-{request.node.nodeid.__hash__() & 0xFFFFFF:x}:1"
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("hello"))
    changes = ('ENTRYPOINT ["/serve","--all"]', "EXPOSE 9000", "ENV PORT=9000 TOKEN=hunter2", "USER 1000",
               "HEALTHCHECK CMD curl -f http://127.0.0.1:9000/livez || exit 1")  # fmt: skip
    engine.docker("import", *(word for one in changes for word in ("--change", one)), "-", name, given=layer.getvalue())
    yield name
    engine.docker("rmi", "-f", name)


async def test_an_image_of_the_engine_is_read_and_found_again(images, tag, tmp_path):
    fetcher = ImageFetcher(images=images)
    view = await fetcher.fetch(f"image:{tag}")
    found = analyze(view)
    assert view.source.digest.startswith("sha256:") and b"hunter2" not in view.read("image.json")
    assert found.start.value == ("/serve", "--all") and found.port.value == 9000 and found.image.value == tag
    assert found.health_path.value == "/livez" and found.name.value.startswith("fetched-")
    locator, ref = locator_of(view.source)
    again = await fetcher.fetch(locator, ref=ref)
    assert again.source == view.source
    await fetcher.export(view.source, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


async def test_an_image_that_was_removed_makes_the_plan_stale(images, tag, engine, tmp_path):
    fetcher = ImageFetcher(images=images)
    view = await fetcher.fetch(f"image:{tag}")
    engine.docker("rmi", "-f", tag)
    with pytest.raises(StalePlan):
        await fetcher.export(view.source, tmp_path / "out")
    with pytest.raises(InvalidSource, match="not on this machine"):
        await fetcher.fetch(f"image:{tag}")


async def test_an_engine_that_does_not_answer_may_be_tried_again(tmp_path):
    made = DockerImages(Options(host=f"unix://{tmp_path}/nothing.sock"))
    with pytest.raises(Unavailable):
        await ImageFetcher(images=made).fetch("image:x")
    await made.close()
