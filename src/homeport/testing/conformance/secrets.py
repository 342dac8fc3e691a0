# SPDX-License-Identifier: Apache-2.0
"""What every Secrets does (fixture `secrets`, empty), and every Sealer (`sealer`, and `other` with another key)."""

from __future__ import annotations

import pytest

from homeport.errors import HomeportError, NotFound, UsageError
from homeport.interfaces.secrets import Sealer, Secrets


class SecretsSuite:
    async def test_a_value_comes_back_as_it_was(self, secrets: Secrets) -> None:
        for value in ("hunter2", "", "snow ☃\n\0\ud800", "x" * 64 * 1024):
            await secrets.put("default", "KEY", value)
            assert await secrets.get("default", "KEY") == value

    async def test_a_secret_that_is_not_there_names_the_command_that_sets_it(self, secrets: Secrets) -> None:
        with pytest.raises(NotFound) as caught:
            await secrets.get("default", "OPENAI_API_KEY")
        assert "secret set OPENAI_API_KEY" in caught.value.hint

    async def test_namespaces_do_not_see_each_other(self, secrets: Secrets) -> None:
        await secrets.put("a", "KEY", "of a")
        await secrets.put("b", "KEY", "of b")
        assert (await secrets.get("a", "KEY"), await secrets.get("b", "KEY")) == ("of a", "of b")
        assert await secrets.delete("a", "KEY")
        with pytest.raises(NotFound):
            await secrets.get("a", "KEY")
        assert await secrets.names("b") == ["KEY"]

    async def test_names_are_sorted_and_shown_without_values(self, secrets: Secrets) -> None:
        for name in ("b", "A", "a_2", "a.1"):
            await secrets.put("default", name, "value")
        assert await secrets.names("default") == ["A", "a.1", "a_2", "b"]
        assert await secrets.names("other") == []

    async def test_deleting_twice_is_true_then_false(self, secrets: Secrets) -> None:
        await secrets.put("default", "KEY", "value")
        assert await secrets.delete("default", "KEY") is True
        assert await secrets.delete("default", "KEY") is False

    async def test_names_and_values_that_make_no_sense_are_refused(self, secrets: Secrets) -> None:
        for name in ("", "1", "a b", "a/b", "../x", "a\n", "é", "x" * 129, "-a"):
            with pytest.raises(UsageError):
                await secrets.put("default", name, "value")
        with pytest.raises(UsageError):
            await secrets.put("default", "KEY", "x" * (64 * 1024 + 1))


class SealerSuite:
    def test_what_was_sealed_is_unsealed(self, sealer: Sealer) -> None:
        for plain in (b"", b"hunter2", bytes(range(256)) * 100):
            assert sealer.unseal(sealer.seal(plain)) == plain

    def test_sealed_text_is_ascii(self, sealer: Sealer) -> None:
        assert sealer.seal(b"\xff\0").decode("ascii").isprintable()

    def test_another_key_does_not_unseal(self, sealer: Sealer, other: Sealer) -> None:
        with pytest.raises(HomeportError, match="another key"):
            other.unseal(sealer.seal(b"hunter2"))

    def test_a_changed_or_cut_or_empty_text_is_refused(self, sealer: Sealer) -> None:
        sealed = sealer.seal(b"hunter2 and some more")
        middle = len(sealed) // 2
        flipped = sealed[:middle] + (b"A" if sealed[middle : middle + 1] != b"A" else b"B") + sealed[middle + 1 :]
        for changed in (flipped, sealed[:-8], b"", b"\xff\xfe", b"not sealed at all"):
            with pytest.raises(HomeportError):
                sealer.unseal(changed)
