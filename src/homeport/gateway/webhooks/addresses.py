# SPDX-License-Identifier: Apache-2.0
"""Which addresses may be connected to: those of the public internet, and what the owner of this machine allows.

A webhook's URL is somebody else's choice, and its name may lead anywhere, now or in a minute. So the name is resolved
once for each sending, every address it has is looked at, and the connection goes to one that was looked at.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path

from homeport.errors import UsageError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolver = Callable[[str, int], Awaitable[list[str]]]
"""From host and port to addresses as text."""

# https://www.iana.org/assignments/iana-ipv4-special-registry and -ipv6-; and addresses that clouds give to metadata.
_REFUSED_4 = (
    "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 168.63.129.16/32 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24"
    " 192.0.2.0/24 192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15"
    " 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4"
)
_REFUSED_6 = "2001::/23 2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20"
_PUBLIC_6 = IPv6Network("2000::/3")
_REFUSED = tuple(ip_network(text) for text in f"{_REFUSED_4} {_REFUSED_6}".split())


def networks(text: str) -> tuple[Network, ...]:
    """From `127.0.0.0/8, fd00::/8`. Raises `UsageError` naming what is none."""
    found: list[Network] = []
    for one in text.replace(",", " ").split():
        try:
            found.append(ip_network(one))
        except ValueError:
            hint = "networks or addresses, for example 127.0.0.0/8, 10.1.2.3"
            raise UsageError(
                f"HOMEPORT_WEBHOOK_ALLOW: {one[:60]!r} is no network", subject="webhook_allow", hint=hint
            ) from None
    return tuple(found)


class Border:
    """`allowed` may be reached whatever else is said."""

    def __init__(self, allowed: Iterable[Network] = (), *, routes: Path = Path("/proc/net/route")) -> None:
        self._allowed = tuple(allowed)
        self._routes = routes

    @property
    def loopback(self) -> bool:
        """Whether something on this machine may be reached at all; then http to it is taken, too."""
        return any(self._allows(ip_address(text)) for text in ("127.0.0.1", "::1"))

    def refusal(self, text: str) -> str:
        """Why there is no connection to this address; "" where there may be one."""
        try:
            address = ip_address(text)
        except ValueError:
            return f"{text[:60]!r} is no address"
        if self._allows(address):
            return ""
        if _public(address) and not any(address in bridge for bridge in self._bridges()):
            return ""
        return f"{address} is not an address of the public internet, and HOMEPORT_WEBHOOK_ALLOW does not have it"

    def _allows(self, address: Address) -> bool:
        return any(address.version == network.version and address in network for network in self._allowed)

    def _bridges(self) -> list[Network]:
        """IPv4 networks of bridges on this machine, on which containers are: they may have public numbers."""
        found: list[Network] = []
        try:
            lines = self._routes.read_text().splitlines()[1:]
        except OSError:
            return found
        for line in lines:
            name, destination, gateway, *_, mask = line.split()[:8]
            if int(gateway, 16) == 0 and Path("/sys/class/net", name, "bridge").exists():
                number, bits = (int.from_bytes(bytes.fromhex(part), "little") for part in (destination, mask))
                found.append(IPv4Network((number, bits.bit_count())))
        return found


def _public(address: Address) -> bool:
    """By number alone. What carries an IPv4 address inside (mapped, NAT64, 6to4, Teredo) never is."""
    if isinstance(address, IPv6Address) and (address not in _PUBLIC_6 or address.scope_id):
        return False
    return not any(address.version == network.version and address in network for network in _REFUSED)
