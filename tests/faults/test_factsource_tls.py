# SPDX-License-Identifier: Apache-2.0
"""Prices come from whom their address names, over TLS, through a proxy where this environment has one."""

from __future__ import annotations

import datetime
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from homeport.drivers.factsources.linode import LinodeFacts, Options
from homeport.errors import InvalidSource, Unavailable
from homeport.testing.servers.facts import FactServer, linode, linode_type

ANSWERS = linode([linode_type("g6-a", hourly=0.1)])


def certificate(folder: Path, name: str, *, days: int = 1) -> Path:
    """A key and a certificate for `name` that vouches for itself, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    called = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(called)
        .issuer_name(called)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=30))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


def speaking(path: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    path = certificate(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    return speaking(path)


async def test_facts_are_read_over_tls_from_whom_one_trusts(trusted: ssl.SSLContext) -> None:
    with FactServer(ANSWERS, trusted) as server:
        facts = await LinodeFacts(Options(base=server.base)).fetch()
    assert [offer.machine_type for offer in facts.offers] == ["g6-a"]


async def test_a_certificate_that_nobody_vouches_for_is_not_trusted(tmp_path: Path) -> None:
    with (
        FactServer(ANSWERS, speaking(certificate(tmp_path, "localhost"))) as server,
        pytest.raises(Unavailable, match="not trusted"),
    ):
        await LinodeFacts(Options(base=server.base)).fetch()
    assert server.asked == []


@pytest.mark.parametrize(("name", "days"), [("api.linode.com", 1), ("localhost", -1)])
async def test_a_certificate_for_another_name_or_one_that_has_run_out_is_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, days: int
) -> None:
    path = certificate(tmp_path, name, days=days)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    with FactServer(ANSWERS, speaking(path)) as server, pytest.raises(Unavailable, match="not trusted"):
        await LinodeFacts(Options(base=server.base)).fetch()


async def test_one_is_not_led_from_tls_to_plain_http(trusted: ssl.SSLContext) -> None:
    from homeport.testing.servers.facts import Status

    with FactServer(ANSWERS) as plain, FactServer({}, trusted) as server:
        server.answers["/linode/types"] = lambda _: Status(302, (("Location", f"{plain.base}/linode/types"),))
        with pytest.raises(InvalidSource, match="another host"):
            await LinodeFacts(Options(base=server.base)).fetch()
        assert plain.asked == []


@contextmanager
def proxy(refuse: bool = False) -> Iterator[tuple[int, list[str]]]:
    """One that carries CONNECT, and what it was asked: first lines and credentials."""
    asked: list[str] = []
    ear = socket.create_server(("127.0.0.1", 0))

    def carry(one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while piece := one.recv(65536):
                other.sendall(piece)
        with suppress(OSError):
            other.shutdown(socket.SHUT_WR)

    def serve(caller: socket.socket) -> None:
        with caller, suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                head += caller.recv(4096)
            lines = head.decode().split("\r\n")
            asked.extend(line for line in lines if line.startswith(("CONNECT", "Proxy-")))
            if refuse:
                caller.sendall(b"HTTP/1.1 403 No\r\n\r\n")
                return
            host, _, port = lines[0].split()[1].rpartition(":")
            with socket.create_connection((host, int(port))) as onward:
                caller.sendall(b"HTTP/1.1 200 Go\r\n\r\n")
                back = threading.Thread(target=carry, args=(onward, caller), daemon=True)
                back.start()
                carry(caller, onward)
                back.join(10)

    def listen() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(ear.accept()[0],), daemon=True).start()

    listening = threading.Thread(target=listen, daemon=True)
    listening.start()
    try:
        yield ear.getsockname()[1], asked
    finally:
        ear.shutdown(socket.SHUT_RDWR)
        ear.close()
        listening.join(10)


async def test_the_proxy_of_this_environment_is_used_and_the_far_end_is_still_verified(
    trusted: ssl.SSLContext,
) -> None:
    with FactServer(ANSWERS, trusted) as server, proxy() as (port, asked):
        env = {"https_proxy": f"http://me:p%40ss@127.0.0.1:{port}"}
        facts = await LinodeFacts(Options(base=server.base, env=env)).fetch()
        assert facts.offers
        assert asked[0].startswith(f"CONNECT localhost:{server.port} ")
        assert "Proxy-Authorization: Basic bWU6cEBzcw==" in asked


async def test_a_proxy_is_left_out_for_whom_no_proxy_names(trusted: ssl.SSLContext) -> None:
    with FactServer(ANSWERS, trusted) as server, proxy() as (port, asked):
        env = {"HTTPS_PROXY": f"127.0.0.1:{port}", "no_proxy": "example.org, .localhost"}
        assert (await LinodeFacts(Options(base=server.base, env=env)).fetch()).offers
        assert asked == []


async def test_a_proxy_that_refuses_is_told(trusted: ssl.SSLContext) -> None:
    with FactServer(ANSWERS, trusted) as server, proxy(refuse=True) as (port, _):
        with pytest.raises(Unavailable, match="403"):
            await LinodeFacts(Options(base=server.base, env={"all_proxy": f"http://127.0.0.1:{port}"})).fetch()
        assert server.asked == []
