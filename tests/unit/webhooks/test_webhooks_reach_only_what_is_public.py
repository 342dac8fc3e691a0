# SPDX-License-Identifier: Apache-2.0
"""Where a webhook may lead: a table of hostile URLs and addresses, and names that change their mind."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import pytest

from homeport.errors import UsageError
from homeport.gateway.webhooks.addresses import Border, networks
from homeport.gateway.webhooks.post import Poster
from homeport.model.webhook import checked_url, shown_url
from webhook_rig import Receiver, reply


@pytest.mark.parametrize(
    "url",
    [
        "", "example.org", "//example.org/", "http://example.org/", "ftp://example.org/", "file:///etc/passwd",
        "https://", "https:///x", "https://user@example.org/", "https://user:SECRET@example.org/", "https://@example.org/",
        "https://example.org:0/", "https://example.org:99999/", "https://example.org:x/", "https://exa mple.org/",
        "https://example.org/\r\nX-A: b", "https://example.org/\x00", "https://example.org\\@127.0.0.1/",
        "https://example.org/#@127.0.0.1", "https://[::1", "https://[fe80::1%25eth0]/", "https://exämple.org/",
        "https://a..b/", "https://-a.example/", "https://" + "a" * 64 + ".example/",
        "https://example.org/" + "a" * 2048,
        "gopher://127.0.0.1:6379/_", "unix:/run/docker.sock", "https://*.example.org/", "javascript:alert(1)",
    ],
)  # fmt: skip
def test_what_is_no_plain_https_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        checked_url(url)
    assert "SECRET" not in str(caught.value.to_dict())


def test_http_is_for_this_machine_and_only_where_that_is_allowed() -> None:
    assert checked_url("http://127.0.0.1:80/x", plain=True).port == 80
    for url in ("http://10.0.0.1/", "http://localhost.example.org/", "http://127.0.0.1.nip.io/"):
        with pytest.raises(UsageError):
            checked_url(url, plain=True)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.255.255.254", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
        "169.254.169.254", "100.64.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.192", "198.18.0.1", "224.0.0.1",
        "239.255.255.255", "240.0.0.1", "255.255.255.255", "192.0.2.1", "::", "::1", "::ffff:127.0.0.1",
        "::ffff:8.8.8.8", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "fe80::1", "fe80::1%lo", "fc00::1",
        "fd00:ec2::254", "fec0::1", "ff02::1", "2002:7f00:1::", "2001::1", "2001:db8::1", "100::1", "5f00::1",
        "3fff::1", "not an address", "", "2130706433", "0x7f000001",
    ],
)  # fmt: skip
def test_an_address_that_is_not_of_the_public_internet_is_refused(address: str) -> None:
    assert Border().refusal(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "172.32.0.1", "2606:4700::1111", "2a00:1450::1"])
def test_a_public_address_is_not(address: str) -> None:
    assert Border().refusal(address) == ""


def test_what_the_owner_allows_is_reached_and_nothing_beside_it() -> None:
    border = Border(networks("10.1.2.0/24, fd00:1::/32 192.168.0.7"))
    assert border.refusal("10.1.2.3") == border.refusal("fd00:1::1") == border.refusal("192.168.0.7") == ""
    assert border.refusal("10.1.3.1") and border.refusal("192.168.0.8") and not border.loopback
    assert Border(networks("127.0.0.0/8")).loopback
    assert networks("") == ()
    for wrong in ("10.0.0.1/8", "example.org", "10.0.0.0/33", "*"):
        with pytest.raises(UsageError):
            networks(wrong)


def test_networks_of_container_bridges_are_refused_whatever_their_numbers(tmp_path: Path) -> None:
    bridges = [one.parent.name for one in Path("/sys/class/net").glob("*/bridge")]
    if not bridges:
        pytest.skip("there is no bridge on this machine")
    routes = tmp_path / "route"
    head = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n"
    routes.write_text(head + f"{bridges[0]}\t00000308\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n")
    assert Border(routes=routes).refusal("8.3.1.2")
    assert Border(routes=routes).refusal("8.4.1.2") == ""


@pytest.mark.parametrize(
    "url",
    ["https://127.0.0.1/", "https://localhost/", "https://2130706433/", "https://0x7f.1/", "https://0177.0.0.1/",
     "https://[::ffff:127.0.0.1]/", "https://169.254.169.254/latest/meta-data"],
)  # fmt: skip
async def test_an_address_in_disguise_is_seen_through_by_the_real_resolver(url: str) -> None:
    poster = Poster(Border(), deadline_s=5)
    answered = await poster.post(url, (), b"{}")
    assert answered.code == 0 and ("HOMEPORT_WEBHOOK_ALLOW" in answered.said or "no connection" in answered.said)


async def test_a_name_is_asked_for_once_and_every_address_of_it_must_be_public() -> None:
    """A name that leads elsewhere when asked again (DNS rebinding), and one with one good address among others."""
    async with Receiver() as receiver:
        asked: list[str] = []

        async def resolver(host: str, port: int) -> list[str]:
            asked.append(host)
            return ["8.8.8.8", "127.0.0.1"] if len(asked) == 1 else ["127.0.0.1"]

        poster = Poster(Border(), resolver=resolver, deadline_s=5)
        for n in (1, 2):
            answered = await poster.post(f"https://changes.example:{receiver.port}/", (), b"{}")
            assert "127.0.0.1 is not an address of the public internet" in answered.said
            assert len(asked) == n
        assert receiver.ledger == []


async def test_the_connection_goes_to_the_address_and_the_certificate_is_that_of_the_name(tmp_path: Path) -> None:
    """With a CA of its own; and no proxy, no redirect."""
    server, client = authority(tmp_path, "hooks.example")
    async with Receiver(lambda got: reply(307, b"", "Location: https://hooks.example/other"), tls=server) as receiver:

        async def resolver(host: str, port: int) -> list[str]:
            return ["127.0.0.1"]

        poster = Poster(Border(networks("127.0.0.0/8")), resolver=resolver, tls=lambda: client, deadline_s=10)
        url = f"https://hooks.example:{receiver.port}/a?b=c"
        assert (await poster.post(url, ((b"X-A", b"b"),), b"{}")).code == 307
        (got,) = receiver.ledger
        assert (got.headers["host"], got.path) == (f"hooks.example:{receiver.port}", "/a?b=c")
        wrong = await poster.post(url.replace("hooks.", "other."), (), b"{}")
        assert wrong.code == 0 and "Hostname mismatch" in wrong.said
        strict = Poster(Border(networks("127.0.0.0/8")), resolver=resolver, deadline_s=10)
        assert "TLS: " in (await strict.post(url, (), b"{}")).said
        assert len(receiver.ledger) == 1
        plain = await poster.post(f"http://localhost:{receiver.port}/", (), b"{}")
        assert plain.code == 0


async def test_a_resolver_that_says_nothing_costs_no_more_than_the_deadline() -> None:
    import asyncio

    async def resolver(host: str, port: int) -> list[str]:
        await asyncio.Event().wait()
        return []

    poster = Poster(Border(), resolver=resolver, deadline_s=0.1)
    assert (await poster.post("https://example.org/", (), b"{}")).said == "no answer within 0.1 s"


def test_what_is_shown_of_a_url_opens_nothing() -> None:
    shown = shown_url("https://example.org/hooks/x?token=abc&channel=ops&k=0123456789abcdef0123")
    assert shown == "https://example.org/hooks/x?token=***&channel=ops&k=***"


def authority(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server with a certificate for `name`, and a client that trusts its throw-away authority."""

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca",
            "-addext", "keyUsage=critical,keyCertSign", "-days", "2")  # fmt: skip
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "s.key", "-out", "s.csr", "-subj", f"/CN={name}")
    (folder / "ext").write_text(f"subjectAltName=DNS:{name}\n")
    openssl("x509", "-req", "-in", "s.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", "ext", "-out", "s.pem")  # fmt: skip
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "s.pem", folder / "s.key")
    return server, ssl.create_default_context(cafile=str(folder / "ca.pem"))
