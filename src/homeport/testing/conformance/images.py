# SPDX-License-Identifier: Apache-2.0
"""What every Images does. Two fixtures: `images`, and `base`, the name of an image with `sh` and `python3`."""

from __future__ import annotations

import asyncio
import io
import itertools
import os
import tarfile
from pathlib import Path

import pytest

from homeport.errors import HomeportError, InvalidSource, NotFound, Unhealthy, UsageError
from homeport.interfaces.images import Images

_numbers = itertools.count(1)
PATIENCE = 60.0
_LIST = 'import os; print("SENT", sorted(os.path.join(d, n) for d, _, ns in os.walk(".") for n in ns))'


def fresh_tag() -> str:
    return f"homeport-suite/{os.getpid()}:{next(_numbers)}"


def lay_out(folder: Path, **files: str) -> Path:
    """Files by name, with `__` for a slash and `_dot_` for a leading dot."""
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


class ImagesSuite:
    async def test_an_image_tells_what_its_makers_said_of_it(self, images: Images, base: str, tmp_path: Path) -> None:
        tag = fresh_tag()
        text = f"""FROM {base}
            ENV GREETING="hello world"
            EXPOSE 9000 8000/tcp 53/udp
            USER 1000
            LABEL maker=us
            HEALTHCHECK CMD true
            ENTRYPOINT ["python3"]
            CMD ["-V"]
        """
        built = await images.build(lay_out(tmp_path, Dockerfile=text), dockerfile="Dockerfile", tag=tag)
        assert built.id.startswith("sha256:")
        assert (built.entrypoint, built.command, built.ports) == (("python3",), ("-V",), (8000, 9000))
        assert built.env["GREETING"] == "hello world"
        assert (built.user, built.labels["maker"]) == ("1000", "us")
        assert built.health == ("CMD-SHELL", "true")
        assert built.size > 0
        assert built.architecture
        again = await images.look(tag)
        assert again == built
        assert (await images.look(built.id)).id == built.id
        await images.remove(tag)
        await images.remove(tag)
        with pytest.raises(NotFound):
            await images.look(tag)

    async def test_building_the_same_again_gives_the_same_image(
        self, images: Images, base: str, tmp_path: Path
    ) -> None:
        said: list[str] = []
        lay_out(tmp_path, Dockerfile=f"FROM {base}\nCOPY a /a\nRUN echo was here >/b\n", a="1")
        tag = fresh_tag()
        first = await images.build(tmp_path, dockerfile="Dockerfile", tag=tag, said=said.append)
        assert any("RUN echo was here" in line for line in said)
        assert (await images.build(tmp_path, dockerfile="Dockerfile", tag=tag)).id == first.id
        lay_out(tmp_path, a="2")
        assert (await images.build(tmp_path, dockerfile="Dockerfile", tag=tag)).id != first.id
        await images.remove(tag)

    async def test_a_step_that_fails_is_told_with_its_last_lines(
        self, images: Images, base: str, tmp_path: Path
    ) -> None:
        lay_out(tmp_path, Dockerfile=f"FROM {base}\nRUN echo so far; echo no further >&2; exit 7\n")
        tag = fresh_tag()
        with pytest.raises(Unhealthy, match=r"(?s)so far.*no further.*returned a non-zero code: 7") as told:
            await images.build(tmp_path, dockerfile="Dockerfile", tag=tag)
        assert len(told.value.message.splitlines()) <= 21
        with pytest.raises(NotFound):
            await images.look(tag)

    async def test_only_regular_files_that_are_not_ignored_are_sent(
        self, images: Images, base: str, tmp_path: Path
    ) -> None:
        lay_out(
            tmp_path / "context",
            Dockerfile=f"FROM {base}\nCOPY . /sent\nWORKDIR /sent\nRUN python3 -c '{_LIST}'\n",
            _dot_dockerignore="*.log\nbuild/\n!build/kept.txt\n# a comment\n**/cache\n",
            keep="1", build__left="2", deep__cache__x="3", deep__y="4",
        )  # fmt: skip
        context = tmp_path / "context"
        (context / "noise.log").write_text("5")
        (context / "build" / "kept.txt").write_text("6")
        (tmp_path / "secret").write_text("7")
        (context / "link").symlink_to(tmp_path / "secret")
        os.mkfifo(context / "pipe")
        said: list[str] = []
        tag = fresh_tag()
        await images.build(context, dockerfile="Dockerfile", tag=tag, said=said.append)
        (sent,) = [line for line in said if line.startswith("SENT")]
        assert sent == "SENT ['./.dockerignore', './Dockerfile', './build/kept.txt', './deep/y', './keep']"
        await images.remove(tag)

    @pytest.mark.parametrize("dockerfile", ["Missing", "../Dockerfile", "/etc/passwd", "-"])
    async def test_a_dockerfile_that_is_not_in_the_folder_is_refused(
        self, images: Images, tmp_path: Path, dockerfile: str
    ) -> None:
        lay_out(tmp_path, Dockerfile="FROM scratch\n")
        (tmp_path / "context").mkdir()
        with pytest.raises(InvalidSource):
            await images.build(tmp_path / "context", dockerfile=dockerfile, tag=fresh_tag())

    @pytest.mark.parametrize("name", ["", "-rf", "a b", "../containers/json?all=1", "UPPER", "a" * 500, "x\n", "é"])
    async def test_what_names_no_image_is_refused(self, images: Images, name: str) -> None:
        with pytest.raises(UsageError):
            await images.look(name)
        with pytest.raises(UsageError):
            await images.remove(name)

    async def test_an_image_that_nobody_has_is_not_found(self, images: Images) -> None:
        with pytest.raises(NotFound, match="no image homeport-suite/nobody"):
            await images.look("homeport-suite/nobody:1")
        await images.remove("homeport-suite/nobody:1")

    async def test_a_registry_that_does_not_answer_is_told(self, images: Images) -> None:
        with pytest.raises(HomeportError) as told:
            await images.look("localhost:1/nobody:1", pull=True)
        assert told.value.retry

    async def test_a_root_file_system_is_taken_in(self, images: Images, tmp_path: Path) -> None:
        archive = tmp_path / "root.tar"
        with tarfile.open(archive, "w") as tar:
            info = tarfile.TarInfo("etc/motd")
            info.size = 2
            tar.addfile(info, io.BytesIO(b"hi"))
        tag = fresh_tag()
        taken = await images.take_in(archive, tag=tag, command=("cat", "/etc/motd", 'a "b"\n'))
        assert taken.command == ("cat", "/etc/motd", 'a "b"\n')
        await images.remove(tag)
        with pytest.raises(HomeportError):
            await images.take_in(tmp_path / "nothing", tag=tag)
        (tmp_path / "no.tar").write_bytes(b"not a tar" * 1000)
        with pytest.raises(HomeportError):
            await images.take_in(tmp_path / "no.tar", tag=tag)

    async def test_a_build_that_is_cancelled_ends(self, images: Images, base: str, tmp_path: Path) -> None:
        lay_out(tmp_path, Dockerfile=f"FROM {base}\nRUN echo began; sleep 3600\n")
        began = asyncio.Event()
        tag = fresh_tag()

        def said(line: str) -> None:
            if line == "began":
                began.set()

        building = asyncio.create_task(images.build(tmp_path, dockerfile="Dockerfile", tag=tag, said=said))
        async with asyncio.timeout(PATIENCE):
            await began.wait()
        building.cancel()
        with pytest.raises(asyncio.CancelledError):
            await building
        with pytest.raises(NotFound):
            await images.look(tag)
