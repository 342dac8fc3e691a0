# SPDX-License-Identifier: Apache-2.0
"""The key of an installation travels under a passphrase."""

from __future__ import annotations

import json

import pytest

from homeport.drivers.secrets.sealed import PassphraseSealer
from homeport.errors import Denied, HomeportError


def test_only_the_same_passphrase_opens_it() -> None:
    sealer = PassphraseSealer()
    sealed = sealer.seal(b"key", "correct horse")
    assert sealer.unseal(sealed, "correct horse") == b"key" and b"key" not in sealed
    with pytest.raises(Denied, match="does not open"):
        sealer.unseal(sealed, "wrong horse")


@pytest.mark.parametrize(
    "change",
    [{"n": 1 << 40}, {"n": 3}, {"r": 1 << 20}, {"p": 1 << 20}, {"n": "x"}, {"salt": "zz"}, {"v": 2}, {"kdf": "x"}],
)
def test_a_sealed_text_that_asks_for_too_much_or_makes_no_sense_is_refused(change: dict[str, object]) -> None:
    sealed = json.loads(PassphraseSealer().seal(b"key", "p")) | change
    with pytest.raises(HomeportError):
        PassphraseSealer().unseal(json.dumps(sealed).encode(), "p")


@pytest.mark.parametrize("junk", [b"", b"[]", b"null", b"{}", b"\xff"])
def test_junk_is_refused(junk: bytes) -> None:
    with pytest.raises(HomeportError):
        PassphraseSealer().unseal(junk, "p")
