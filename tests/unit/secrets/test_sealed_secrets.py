# SPDX-License-Identifier: Apache-2.0
"""Secrets at rest: sealed with a key that only its owner can read, bound to their place."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from homeport.drivers.secrets.sealed import FernetSealer, Options, SealedSecrets
from homeport.drivers.stores.sql.sqlite import Options as StoreOptions
from homeport.drivers.stores.sql.sqlite import SqliteStore
from homeport.errors import HomeportError
from homeport.model.secret import Secret
from homeport.testing.stores import MemoryStore


@pytest.fixture
def options(tmp_path):
    return Options(tmp_path / "config" / "secrets.key")


@pytest.fixture
def store():
    return MemoryStore()


@pytest.fixture
def secrets(options, store):
    return SealedSecrets(options, store, FernetSealer(options))


async def test_no_file_holds_the_value(tmp_path, options):
    store = await SqliteStore.open(StoreOptions(tmp_path / "state.db"))
    secrets = SealedSecrets(options, store, FernetSealer(options))
    await secrets.put("default", "KEY", "correct horse battery staple")
    for file in filter(os.path.isfile, tmp_path.rglob("*")):
        assert b"correct horse" not in file.read_bytes()
    await store.close()


def test_the_key_is_made_for_its_owner_only_and_kept(options):
    sealed = FernetSealer(options).seal(b"x")
    assert stat.S_IMODE(options.key_file.stat().st_mode) == 0o600
    assert [file.name for file in options.key_file.parent.iterdir()] == ["secrets.key"]
    assert FernetSealer(options).unseal(sealed) == b"x"


def test_of_many_that_make_the_key_at_once_all_use_the_same(options):
    with ThreadPoolExecutor(16) as pool:
        sealed = list(pool.map(lambda n: FernetSealer(options).seal(b"%d" % n), range(32)))
    assert [FernetSealer(options).unseal(text) for text in sealed] == [b"%d" % n for n in range(32)]
    assert [file.name for file in options.key_file.parent.iterdir()] == ["secrets.key"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666, 0o620])
def test_a_key_that_others_may_use_is_refused_with_the_command_that_mends_it(options, mode):
    FernetSealer(options).seal(b"x")
    options.key_file.chmod(mode)
    with pytest.raises(HomeportError) as caught:
        FernetSealer(options).seal(b"x")
    assert f"chmod 600 '{options.key_file}'" in caught.value.hint


@pytest.mark.parametrize("text", [b"", b"not a key", b"\xff" * 44, b"A" * 43])
def test_a_file_that_holds_no_key_is_refused_and_left_alone(options, text):
    options.key_file.parent.mkdir()
    options.key_file.write_bytes(text)
    options.key_file.chmod(0o600)
    with pytest.raises(HomeportError, match="does not hold a key"):
        FernetSealer(options).seal(b"x")
    assert options.key_file.read_bytes() == text


def test_a_folder_or_pipe_in_place_of_the_key_is_refused(options):
    options.key_file.mkdir(parents=True)
    with pytest.raises(HomeportError, match="not a plain file"):
        FernetSealer(options).seal(b"x")
    options.key_file.rmdir()
    os.mkfifo(options.key_file, 0o600)
    with pytest.raises(HomeportError, match="not a plain file"):
        FernetSealer(options).seal(b"x")


async def test_with_another_key_the_error_says_which_file_to_restore(options, store, secrets):
    await secrets.put("default", "KEY", "value")
    options.key_file.unlink()
    later = SealedSecrets(options, store, FernetSealer(options))
    with pytest.raises(HomeportError, match="another key") as caught:
        await later.get("default", "KEY")
    assert str(options.key_file) in caught.value.hint
    await later.put("default", "KEY", "again")
    assert await later.get("default", "KEY") == "again"


@pytest.mark.parametrize(("namespace", "name"), [("default", "OTHER"), ("other", "KEY")])
async def test_a_record_copied_to_another_place_opens_nothing(store, secrets, namespace, name):
    await secrets.put("default", "KEY", "value")
    stolen = await store.get(Secret, "default", "KEY")
    await store.put(stolen.record, namespace=namespace, key=name)
    with pytest.raises(HomeportError, match="moved"):
        await secrets.get(namespace, name)


async def test_a_record_that_was_changed_is_refused(store, secrets):
    for text in ("", "gAAAAA", "not sealed", "é"):
        await store.put(Secret(text), namespace="default", key="KEY")
        with pytest.raises(HomeportError, match="cannot be opened"):
            await secrets.get("default", "KEY")


def test_cryptography_is_loaded_only_when_something_is_sealed(options):
    code = "import sys; import homeport.drivers.secrets.sealed; sys.exit('cryptography' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
