# SPDX-License-Identifier: Apache-2.0
"""What users type as a source, and why some of it is refused."""

from __future__ import annotations

import pytest

from homeport.drivers.fetchers.folder import FolderFetcher
from homeport.errors import InvalidSource
from homeport.model.locator import Locator, check_ref
from homeport.source import choose_fetcher, recognise

HUB = "https://github.com/owner/repo"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (HUB, Locator(True, HUB)),
        (HUB + "/", Locator(True, HUB)),
        (HUB + ".git", Locator(True, HUB + ".git")),
        ("github.com/owner/repo", Locator(True, HUB)),
        ("HTTPS://GitHub.com/owner/repo", Locator(True, HUB)),
        (HUB + "/tree/main", Locator(True, HUB, "main")),
        (HUB + "/tree/v1.2/agents/notes", Locator(True, HUB, "v1.2", "agents/notes")),
        ("https://gitlab.com/g/sub/repo/-/tree/dev/a", Locator(True, "https://gitlab.com/g/sub/repo", "dev", "a")),
        ("https://git.example.org:8443/x", Locator(True, "https://git.example.org:8443/x")),
        ("https://codeberg.org/o/r/src/branch/main/d", Locator(True, "https://codeberg.org/o/r", "main", "d")),
        (".", Locator(False, ".")),
        ("../agent", Locator(False, "../agent")),
        ("/srv/agent:v2", Locator(False, "/srv/agent:v2")),
        ("~/agent", Locator(False, "~/agent")),
    ],
)
def test_addresses_and_folders_are_told_apart(text, place):
    assert recognise(text) == place


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"), ("-x", "dash"), ("--upload-pack=id", "dash"), ("ext::sh -c id", "run programs"),
        ("fd::3", "run programs"), ("file:///etc", "by its path"), ("ssh://git@host/r", "private keys"),
        ("git@github.com:owner/repo.git", "private keys"), ("host:repo", "private keys"), ("git://h/r", "encrypted"),
        ("http://h/r", "plain http"), ("ftp://h/r", "not a way"), ("https://user:pw@github.com/o/r", "secrets"),
        ("https://token@github.com/o/r", "secrets"), ("https://h", "no repository"), (HUB + "?x=1", "no ?"),
        (HUB + "#x", "no #"), ("https://h/../x", "cannot be part"), ("https://h/%2e%2e/x", "cannot be part"),
        ("https://h/a%00b", "cannot be part"), ("https://h/-x", "cannot be part"), ("a\x1b[0m", "control"),
        ("a\nb", "control"), ("x" * 3000, "too long"), (HUB + "/blob/main/a.py", "one file"),
        ("https://[::1/x", "not an address"), ("https://h:99999/x", "not an address"),
    ],
)  # fmt: skip
def test_what_is_refused_says_why_and_what_to_do(text, why):
    with pytest.raises(InvalidSource, match="refused") as refused:
        recognise(text)
    assert why in refused.value.message
    assert refused.value.hint
    assert refused.value.message.isprintable()


def test_a_secret_in_an_address_is_not_repeated():
    for text in ("https://user:hunter2@h/r", "ssh://u:hunter2@h/r", "http://u:hunter2@h/r"):
        with pytest.raises(InvalidSource) as refused:
            recognise(text)
        assert "hunter2" not in str(refused.value.to_dict())


@pytest.mark.parametrize("ref", ["-x", "a..b", "a b", "a@{1}", "a.lock", "/a", "a/", "a\x00", "x" * 300, "^a", "a:b"])
def test_a_ref_that_is_no_ref_is_refused(ref):
    with pytest.raises(InvalidSource):
        check_ref(ref)


def test_a_missing_folder_that_looks_like_owner_and_repo_gets_the_address_as_a_hint(tmp_path):
    with pytest.raises(InvalidSource) as refused:
        choose_fetcher("owner/repo-that-is-not-here", [FolderFetcher()])
    assert "https://github.com/owner/repo-that-is-not-here" in refused.value.hint
    assert isinstance(choose_fetcher(str(tmp_path), [FolderFetcher()]), FolderFetcher)
