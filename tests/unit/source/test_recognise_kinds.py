# SPDX-License-Identifier: Apache-2.0
"""Images, templates, Dockerfiles and agents files as people type them."""

from __future__ import annotations

import pytest

from homeport.errors import InvalidSource
from homeport.model.imagename import parse_image
from homeport.model.locator import Locator, locator_of, names_agents_file, names_dockerfile
from homeport.model.source import Source, SourceKind
from homeport.source import choose_fetcher, plain_path, recognise

DIGEST = "sha256:" + "0123456789abcdef" * 4
IMAGE, TEMPLATE = SourceKind.IMAGE, SourceKind.TEMPLATE


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("image:nginx", Locator(False, "nginx", kind=IMAGE)),
        ("image:nginx:1.27-alpine", Locator(False, "nginx:1.27-alpine", kind=IMAGE)),
        ("docker://example.org:5000/team/agent:v1", Locator(False, "example.org:5000/team/agent:v1", kind=IMAGE)),
        (f"image:a/b_c/d__e@{DIGEST}", Locator(False, f"a/b_c/d__e@{DIGEST}", kind=IMAGE)),
        (f"image:{DIGEST}", Locator(False, DIGEST, kind=IMAGE)),
        ("IMAGE:localhost/x", Locator(False, "localhost/x", kind=IMAGE)),
        ("template:notes-agent", Locator(False, "notes-agent", kind=TEMPLATE)),
        (
            "template:echo-http?log=off&greeting=a%20b",
            Locator(False, "echo-http", "greeting=a+b&log=off", "", TEMPLATE),
        ),
        ("agents.yaml#web", Locator(False, "agents.yaml", "web")),
        ("../a b/agents.yml", Locator(False, "../a b/agents.yml")),
        ("./Dockerfile.gpu", Locator(False, "./Dockerfile.gpu")),
        ("./image:x", Locator(False, "./image:x")),
    ],
)
def test_kinds_are_told_apart(text, place):
    assert recognise(text) == place


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("image:", "not of the form"), ("image:-x", "dash"), ("docker://--privileged", "dash"),
        ("image:Nginx", "lower-case"), ("image:a//b", "not of the form"), ("image:a/../b", "not of the form"),
        ("image:a b", "not of the form"), ("image:nginx:", "not of the form"), ("image:nginx:-x", "not of the form"),
        ("image:nginx:" + "t" * 129, "not of the form"), ("image:a@sha256:12", "not of the form"),
        ("image:" + "a" * 256, "too long"), ("image:" + "a" * 500, "too long"), ("image:é", "too long"),
        ("image:a$(id)", "not of the form"), ("image:a;b", "not of the form"), ("docker://h:99/", "not of the form"),
        ("template:", "name of a template"), ("template:../etc", "name of a template"), ("template:A", "name of a"),
        ("template:a?x", "cannot be read"), ("template:a?X=1", "cannot be read"), ("template:a?-x=1", "cannot be read"),
        ("template:a?x=%0a", "cannot be read"), ("template:a?x=1&x=2", "twice"),
        ("template:a?" + "&".join(f"p{n}=1" for n in range(60)), "cannot be read"),
        ("a.yaml#", "agent's name"), ("a.yaml#../b", "folder"), ("a.yaml#B", "agent's name"),
        ("nginx:1.27", "private keys"), ("file:///etc", "by its path"),
    ],
)  # fmt: skip
def test_what_is_refused_says_why_and_what_to_do(text, why):
    if why == "folder":  # a # before a slash is part of a folder's name
        with pytest.raises(InvalidSource, match="there is no folder"):
            choose_fetcher(text, [])
        return
    with pytest.raises(InvalidSource, match="refused") as refused:
        recognise(text)
    assert why in refused.value.message and refused.value.hint
    assert refused.value.message.isprintable()


def test_an_image_without_its_mark_gets_the_mark_as_a_hint():
    with pytest.raises(InvalidSource) as refused:
        recognise("nginx:1.27")
    assert "image:nginx:1.27" in refused.value.hint


def test_a_password_typed_into_an_image_is_not_repeated():
    for text in ("image:user:hunter2@h/x", "docker://user:hunter2@h/x"):
        with pytest.raises(InvalidSource) as refused:
            recognise(text)
        assert "hunter2" not in str(refused.value.to_dict())


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("nginx", ("", "nginx", "", "")),
        ("team/agent:v1", ("", "team/agent", "v1", "")),
        ("localhost/x", ("localhost", "x", "", "")),
        ("host:5000/x:y", ("host:5000", "x", "y", "")),
        ("[::1]:5000/x", ("[::1]:5000", "x", "", "")),
        (f"a.example/x:1@{DIGEST}", ("a.example", "x", "1", DIGEST)),
    ],
)
def test_the_parts_of_an_image_are_told_apart(text, parts):
    found = parse_image(text)
    assert (found.host, found.path, found.tag, found.digest) == parts


def test_files_are_known_by_their_names():
    for name in (
        "Dockerfile",
        "a/Dockerfile.gpu",
        "Containerfile",
        "x/agent.dockerfile",
        "dockerfile",
        "Dockerfile.v1.2",
    ):
        assert names_dockerfile(name)
    for name in (
        "Dockerfile.dockerignore",
        "Dockerfiles",
        "myDockerfile",
        "Dockerfile/x",
        ".dockerfile",
        "dockerfile.d/",
    ):
        assert not names_dockerfile(name) or name == "dockerfile.d/"
    assert names_agents_file("a.yaml") and names_agents_file("A.YML") and not names_agents_file("a.yaml.txt")


def test_a_file_address_is_a_path_only_with_consent():
    with pytest.raises(InvalidSource, match="refused"):
        plain_path("file:///srv/agent")
    assert plain_path("file:///srv/my%20agent", consent=True) == "/srv/my agent"
    assert plain_path("file://localhost/srv", consent=True) == "/srv"
    assert plain_path("./agent") == "./agent"
    for text in ("file://host/srv", "file:srv", "file:///a?b", "file:///a%00", "file:///a%1b", "FILE:///x#y"):
        with pytest.raises(InvalidSource):
            plain_path(text, consent=True)


@pytest.mark.parametrize(
    ("locator", "said"),
    [
        ("ghost.yaml", "no agents file"), ("x/Dockerfile", "no Dockerfile"), ("ghost", "template:ghost"),
        ("image:nginx", "nothing here"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_called_by_its_kind(locator, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidSource) as refused:
        choose_fetcher(locator, [])
    assert said in f"{refused.value.message} {refused.value.hint}"


def test_a_file_that_is_neither_says_what_to_give_instead(tmp_path):
    (tmp_path / "main.py").write_text("1")
    with pytest.raises(InvalidSource, match="is a file") as refused:
        choose_fetcher(str(tmp_path / "main.py"), [])
    assert "its folder" in refused.value.hint


def test_a_record_names_its_source_again():
    hub, commit = "https://github.com/o/r", "a" * 40
    for source, again in (
        (Source(SourceKind.IMAGE, "a/b:1", DIGEST), ("image:a/b:1", "")),
        (Source(SourceKind.TEMPLATE, "echo", "d", ref="log=off&say=a+b"), ("template:echo?log=off&say=a+b", "")),
        (Source(SourceKind.TEMPLATE, "echo", "d"), ("template:echo", "")),
        (Source(SourceKind.GIT, hub, "d", commit, "main"), (hub, commit)),
        (Source(SourceKind.GIT, hub, "d", commit, "main", "a.b/c"), (f"{hub}/tree/{commit}/a.b/c", "")),
        (Source(SourceKind.DOCKERFILE, "/srv", "d", ref="Dockerfile.gpu"), ("/srv", "Dockerfile.gpu")),
        (Source(SourceKind.FOLDER, "/srv", "d"), ("/srv", "")),
    ):
        assert locator_of(source) == again
    assert recognise(f"{hub}/tree/{commit}/a.b/c") == Locator(True, hub, commit, "a.b/c")
