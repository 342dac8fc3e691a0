# SPDX-License-Identifier: Apache-2.0
"""With encryption on nothing of a body or a header lies in the state folder, and everybody gets what they should."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import apsw
import pytest
from cryptography.fernet import Fernet

from gateway_rig import Answer, Rig, Seen, rig, until
from homeport.drivers.secrets.sealed import FernetSealer, Options
from homeport.errors import HomeportError
from homeport.gateway.core.aead import CHUNK, HEADER, TAG

MARK = "pl4inly-to-be-seen-9e1c"
SMALL, MIDDLE, LARGE = 200, 100_000, 3_000_000
SIZES = [SMALL, MIDDLE, 2 * CHUNK, LARGE]


def body_of(size: int) -> bytes:
    return (MARK.encode() * (size // len(MARK) + 1))[:size]


async def echo(seen: Seen, writer: asyncio.StreamWriter) -> bool:
    """The body back, and the mark in a header."""
    writer.write(b"HTTP/1.1 200 OK\r\nX-Out: %b\r\nContent-Length: %d\r\n\r\n" % (MARK.encode(), len(seen.body)))
    writer.write(seen.body)
    await writer.drain()
    return True


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(tmp_path, encrypted=True) as made:
        made.agent.behave = echo
        yield made


async def completed(house: Rig, count: int = 1) -> None:
    async def there() -> bool:
        return bool((await house.control.status())["requests"].get("completed", 0) >= count)

    await until(there)


def on_disk(home: Path, text: str = MARK) -> list[str]:
    return [file.name for file in home.rglob("*") if file.is_file() and text.encode() in file.read_bytes()]


def kept(home: Path) -> list[str]:
    return sorted(file.name for file in (home / "spool").iterdir())


def id_of(answer: Answer) -> str:
    return answer.get("x-homeport-request-id") or ""


def write(home: Path, statement: str, *values: object) -> None:
    """As somebody would who can write to the journal's file."""
    db = apsw.Connection(str(home / "journal.db"))
    db.set_busy_timeout(5000)
    db.execute(statement, values)
    db.close()


@pytest.mark.parametrize("size", SIZES)
async def test_nothing_is_seen_in_the_folder_and_all_of_it_arrives(house: Rig, size: int) -> None:
    body = body_of(size)
    answer = await house.call("POST", "/agent/echo/x", body, X_In=MARK, Authorization=f"Bearer {MARK}")
    await completed(house)
    assert (answer.status, answer.body, answer.get("x-out")) == (200, body, MARK)
    seen = house.agent.seen[0]
    assert (seen.body, seen.get("x-in"), seen.get("authorization")) == (body, [MARK], [f"Bearer {MARK}"])
    again = await house.call("GET", f"/requests/{id_of(answer)}/response")
    assert (again.status, again.body, again.get("x-out")) == (200, body, MARK)
    assert on_disk(house.home) == []
    assert all(name.endswith(".sealed") for name in kept(house.home))


async def test_one_that_waits_is_delivered_and_fetched(house: Rig) -> None:
    await house.routes(house.route(ready=False, reason="it is stopped"))
    promised = [await house.call("POST", "/agent/echo/x", body_of(size), X_In=MARK) for size in SIZES]
    assert [answer.status for answer in promised] == [202] * len(SIZES) and on_disk(house.home) == []
    await house.routes(house.route())
    for answer, size in zip(promised, SIZES, strict=True):
        path = f"/requests/{json.loads(answer.body)['id']}/response"
        got = await house.call("GET", path, Prefer="wait=20")
        assert (got.status, got.body) == (200, body_of(size))
    assert sorted(seen.body for seen in house.agent.seen) == sorted(body_of(size) for size in SIZES)


async def test_people_see_heads_with_credentials_masked_and_the_beginning_of_bodies(house: Rig) -> None:
    for size in SIZES:
        answer = await house.call("POST", "/agent/echo/x", body_of(size), X_In=MARK, Authorization="Bearer x")
        await completed(house, SIZES.index(size) + 1)
        for most in (1, 64 * 1024, 1024 * 1024):
            shown = await house.control.request(id_of(answer), most=most)
            assert base64.b64decode(shown["body"]) == body_of(size)[:most]
            assert base64.b64decode(shown["response_body"]) == body_of(size)[:most]
        assert ["X-In", MARK] in shown["headers"] and ["Authorization", "(sealed)"] in shown["headers"]
        assert ["X-Out", MARK] in shown["response_headers"] and "unreadable" not in shown
        assert (shown["bytes"], shown["response_bytes"]) == (size, size)


async def test_a_repeat_gets_the_kept_answer_and_another_body_is_refused(house: Rig) -> None:
    for size in SIZES:
        first = await house.call("POST", "/agent/echo/x", body_of(size), Idempotency_Key=f"k{size}")
        await completed(house, SIZES.index(size) + 1)
        repeat = await house.call("POST", "/agent/echo/x", body_of(size), Idempotency_Key=f"k{size}")
        other = await house.call("POST", "/agent/echo/x", body_of(size)[1:], Idempotency_Key=f"k{size}")
        assert (repeat.status, repeat.body, repeat.get("idempotent-replayed")) == (200, first.body, "true")
        assert other.status == 422
    assert len(house.agent.seen) == len(SIZES)


async def test_what_is_kept_of_a_key_does_not_tell_who_guesses_the_body(house: Rig) -> None:
    await house.call("POST", "/agent/echo/x", b"yes", Idempotency_Key="k")
    await completed(house)
    guess = hashlib.sha256(b"POST /x\nyes").hexdigest()
    assert on_disk(house.home, guess) == []


async def test_a_stored_stream_goes_on_after_the_last_event_that_was_seen(house: Rig) -> None:
    events = [b"id: %d\ndata: %b\n\n" % (n, MARK.encode() * 500) for n in range(60)]

    async def stream(seen: Seen, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for event in events:
            writer.write(b"%x\r\n%b\r\n" % (len(event), event))
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        return True

    house.agent.behave = stream
    answer = await house.call("GET", "/agent/echo/ticks")
    await completed(house)
    for last in (0, 31, 58):
        rest = await house.call("GET", f"/requests/{id_of(answer)}", Last_Event_ID=str(last))
        assert (rest.status, rest.body) == (200, b"".join(events[last + 1 :]))
    assert on_disk(house.home) == []


async def test_a_journal_holds_both_and_is_read_whichever_it_is(tmp_path: Path) -> None:
    told: dict[str, int] = {}
    for encrypted in (False, True, False):
        async with rig(tmp_path, told=False, encrypted=encrypted) as house:
            house.agent.behave, house.revision = echo, len(told) + 1
            await house.routes(house.route())
            for size in SIZES:
                answer = await house.call("POST", "/agent/echo/x", body_of(size), Idempotency_Key=f"{len(told)}")
                told[id_of(answer)] = size
            await completed(house, len(told))
            for request_id, size in told.items():
                answer = await house.call("GET", f"/requests/{request_id}/response")
                assert (answer.status, answer.body) == (200, body_of(size))
                shown = await house.control.request(request_id)
                assert base64.b64decode(shown["body"]) == body_of(size)[:65536]


@pytest.mark.parametrize("part", ["body", "headers"])
@pytest.mark.parametrize("how", ["flip", "cut", "to its length", "to nothing"])
async def test_an_answer_that_was_changed_is_an_error_that_says_so(house: Rig, part: str, how: str) -> None:
    answer = await house.call("POST", "/agent/echo/x", body_of(SMALL))
    await completed(house)
    changes: dict[str, Callable[[bytes], bytes]] = {
        "flip": lambda raw: raw[:-5] + bytes([raw[-5] ^ 1]) + raw[-4:],
        "cut": lambda raw: raw[:-4],
        "to its length": lambda raw: raw[: SMALL if part == "body" else 60],
        "to nothing": lambda raw: raw[: 1 if part == "body" else 0],
    }
    db = apsw.Connection(str(house.home / "journal.db"))
    raw = next(iter(db.execute(f"SELECT {part} FROM responses")))[0]
    db.close()
    write(house.home, f"UPDATE responses SET {part} = ?", changes[how](raw))
    got = await house.call("GET", f"/requests/{id_of(answer)}/response")
    error = json.loads(got.body)["error"]
    assert (got.status, error["type"]) == (500, "Unreadable") and "changed" in error["message"] and error["hint"]
    assert MARK.encode() not in got.body
    assert (await house.control.requests())[0]["id"] == id_of(answer)
    shown = await house.control.request(id_of(answer))
    assert "changed" in shown["unreadable"] and base64.b64decode(shown["body"]) == body_of(SMALL)
    assert (await house.call("POST", "/agent/echo/x", b"next")).status == 200


@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("how", ["flip", "cut", "headers"])
async def test_a_request_that_was_changed_never_reaches_the_agent(house: Rig, size: int, how: str) -> None:
    await house.routes(house.route(ready=False))
    request_id = json.loads((await house.call("POST", "/agent/echo/x", body_of(size))).body)["id"]
    if how == "headers":
        write(house.home, "UPDATE requests SET headers = X''")
    elif size == SMALL:
        end = "X'00'" if how == "flip" else "X''"
        left = SMALL - (how == "flip")
        write(house.home, f"UPDATE requests SET body = CAST(substr(body, 1, ?) || {end} AS BLOB)", left)
    else:
        file = next(house.home.glob("spool/*.request.sealed"))
        raw = file.read_bytes()
        file.write_bytes(raw[:100] + b"\0\0\0\0" + raw[104:] if how == "flip" else raw[:SMALL])
    await house.routes(house.route())

    async def given_up() -> bool:
        return bool((await house.control.request(request_id))["state"] == "failed")

    await until(given_up)
    assert "changed" in (await house.control.request(request_id))["outcome"]
    assert house.agent.seen == []
    assert (await house.call("POST", "/agent/echo/x", body_of(SMALL))).body == body_of(SMALL)


async def test_pieces_cannot_be_given_to_another_request(house: Rig) -> None:
    one, other = [id_of(await house.call("POST", "/agent/echo/x", body_of(SMALL))) for _ in range(2)]
    large, last = [id_of(await house.call("POST", "/agent/echo/x", body_of(LARGE))) for _ in range(2)]
    await completed(house, 4)
    n = "(SELECT n FROM requests WHERE id = ?)"
    write(
        house.home, f"UPDATE responses SET body = (SELECT body FROM responses WHERE n = {n}) WHERE n = {n}", one, other
    )
    spool = f"(SELECT spool FROM responses WHERE n = {n})"
    write(house.home, f"UPDATE responses SET spool = {spool} WHERE n = {n}", large, last)
    for request_id, status in ((one, 200), (other, 500), (large, 200), (last, 500)):
        assert (await house.call("GET", f"/requests/{request_id}/response")).status == status


@pytest.mark.parametrize("at", [3, HEADER + 100, HEADER + 2 * (CHUNK + TAG) + 9])
async def test_a_large_answer_that_was_changed_is_cut_or_refused_but_never_given(house: Rig, at: int) -> None:
    answer = await house.call("POST", "/agent/echo/x", body_of(LARGE))
    await completed(house)
    file = next(house.home.glob("spool/*answer.sealed"))
    with file.open("r+b") as handle:
        handle.seek(at)
        was = handle.read(1)[0]
        handle.seek(at)
        handle.write(bytes([was ^ 1]))
    if at < HEADER + CHUNK:
        assert (await house.call("GET", f"/requests/{id_of(answer)}/response")).status == 500
    else:
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await house.call("GET", f"/requests/{id_of(answer)}/response")


async def test_a_file_that_is_longer_or_shorter_is_an_error(house: Rig) -> None:
    answer = await house.call("POST", "/agent/echo/x", body_of(LARGE))
    await completed(house)
    file = next(house.home.glob("spool/*answer.sealed"))
    whole = file.read_bytes()
    for changed in (whole + b"x", whole[:-1], whole[: HEADER + 10 * (CHUNK + TAG)], b""):
        file.write_bytes(changed)
        got = await house.call("GET", f"/requests/{id_of(answer)}/response")
        assert (got.status, json.loads(got.body)["error"]["type"]) == (500, "Unreadable")
    file.write_bytes(whole)
    assert (await house.call("GET", f"/requests/{id_of(answer)}/response")).body == body_of(LARGE)


async def test_without_its_key_the_gateway_serves_on_and_says_which_file_is_missing(tmp_path: Path) -> None:
    def sealer(name: str) -> FernetSealer:
        return FernetSealer(Options(tmp_path / name))

    (tmp_path / "home").mkdir()
    home = tmp_path / "home"
    async with rig(home, encrypted=True, sealer=sealer("first.key")) as house:
        house.agent.behave = echo
        old = id_of(await house.call("POST", "/agent/echo/x", body_of(SMALL), Idempotency_Key="k"))
        await completed(house)
        await house.routes(house.route(ready=False))
        waits = json.loads((await house.call("POST", "/agent/echo/x", b"waits")).body)["id"]
    async with rig(home, told=False, encrypted=True, sealer=sealer("second.key")) as house:
        house.agent.behave, house.revision = echo, 10
        await house.routes(house.route())
        got = await house.call("GET", f"/requests/{old}/response")
        error = json.loads(got.body)["error"]
        assert (got.status, error["type"]) == (500, "Unreadable") and "second.key" in error["hint"]
        assert "second.key" in (await house.control.request(old))["unreadable"]
        repeat = await house.call("POST", "/agent/echo/x", body_of(SMALL), Idempotency_Key="k")
        assert repeat.status == 500
        new = await house.call("POST", "/agent/echo/x", body_of(SMALL))
        assert (new.status, new.body) == (200, body_of(SMALL))

        async def given_up() -> bool:
            return bool((await house.control.request(waits))["state"] == "failed")

        await until(given_up)
        assert house.agent.seen[0].body == body_of(SMALL)
    (tmp_path / "second.key").rename(tmp_path / "lost.key")
    (tmp_path / "first.key").rename(tmp_path / "second.key")
    async with rig(home, told=False, encrypted=True, sealer=sealer("second.key")) as house:
        house.agent.behave, house.revision = echo, 20
        await house.routes(house.route())
        assert (await house.call("GET", f"/requests/{old}/response")).body == body_of(SMALL)
        await house.control.replay(waits)
        assert (await house.call("GET", f"/requests/{waits}/response", Prefer="wait=20")).body == b"waits"


async def test_a_new_key_is_for_what_is_new_and_the_old_one_stays(house: Rig) -> None:
    ids = []
    for turn in range(3):
        ids.append(id_of(await house.call("POST", "/agent/echo/x", body_of(LARGE), Idempotency_Key=str(turn))))
        await completed(house, turn + 1)
        await house.control.rotate_key()
    for turn, request_id in enumerate(ids):
        assert (await house.call("GET", f"/requests/{request_id}/response")).body == body_of(LARGE)
        repeat = await house.call("POST", "/agent/echo/x", body_of(LARGE), Idempotency_Key=str(turn))
        assert repeat.get("idempotent-replayed") == "true"
    files = [file.read_bytes()[:9] for file in house.home.glob("spool/*answer.sealed")]
    assert len(set(files)) == 3


async def test_where_nothing_is_encrypted_there_is_no_key_to_replace(tmp_path: Path) -> None:
    async with rig(tmp_path) as house:
        with pytest.raises(HomeportError, match="not encrypted"):
            await house.control.rotate_key()


async def test_a_copy_for_a_backup_shows_nothing_and_is_read_with_the_same_key(house: Rig, tmp_path: Path) -> None:
    ids = {id_of(await house.call("POST", "/agent/echo/x", body_of(size), X_In=MARK)): size for size in SIZES}
    await completed(house, len(SIZES))
    (house.home / "backup-one").mkdir()
    await house.control.snapshot("backup-one")
    assert on_disk(house.home) == []
    async with rig(house.home / "backup-one", told=False, encrypted=True) as copy:
        copy.revision = 10
        await copy.routes(copy.route())
        for request_id, size in ids.items():
            assert (await copy.call("GET", f"/requests/{request_id}/response")).body == body_of(size)


async def test_two_bodies_that_are_the_same_are_kept_differently(house: Rig) -> None:
    for _ in range(2):
        await house.call("POST", "/agent/echo/x", body_of(SMALL))
    await completed(house, 2)
    db = apsw.Connection(str(house.home / "journal.db"))
    kept_bodies = [row[0] for row in db.execute("SELECT body FROM requests UNION ALL SELECT body FROM responses")]
    db.close()
    pieces = {raw[at : at + 16] for raw in kept_bodies for at in range(9, len(raw) - 16, 16)}
    assert len(kept_bodies) == 4 and len(pieces) == sum(len(range(9, len(raw) - 16, 16)) for raw in kept_bodies)


async def test_a_key_note_that_is_damaged_is_told_and_replaced_for_what_is_new(tmp_path: Path) -> None:
    async with rig(tmp_path, encrypted=True) as house:
        house.agent.behave = echo
        old = id_of(await house.call("POST", "/agent/echo/x", body_of(SMALL)))
        await completed(house)
    write(tmp_path, "UPDATE notes SET value = ? WHERE name LIKE 'journal key %'", Fernet.generate_key())
    write(tmp_path, "UPDATE notes SET value = X'6a' WHERE name = 'journal key'")

    async with rig(tmp_path, told=False, encrypted=True, sealer=_strict(tmp_path)) as house:
        house.agent.behave, house.revision = echo, 10
        await house.routes(house.route())
        assert (await house.call("GET", f"/requests/{old}/response")).status == 500
        assert (await house.call("POST", "/agent/echo/x", body_of(SMALL))).body == body_of(SMALL)


def _strict(folder: Path) -> FernetSealer:
    return FernetSealer(Options(folder.parent / "strict.key"))
