# SPDX-License-Identifier: Apache-2.0
"""The system call filter, run by a small BPF machine, and once by the kernel."""

from __future__ import annotations

import struct

import pytest

from homeport.drivers.runtimes.process import seccomp

ALLOW, EPERM, ENOSYS, EAFNOSUPPORT = 0x7FFF0000, 0x00050001, 0x00050026, 0x00050061
ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
SOCKET = {"x86_64": 41, "aarch64": 198}
I386 = 0x40000003
CLONE_NEWUSER, CLONE_THREAD_FLAGS = 0x10000000, 0x003D0F00


def verdict(machine: str, number: int, *, arch: int = 0, arg0: int = 0) -> int:
    data = struct.pack("<IIQ6Q", number, arch or ARCH[machine], 0, arg0, 0, 0, 0, 0, 0)
    program = [struct.unpack("<HBBI", part) for part in batches(seccomp.build(machine), 8)]
    accumulator, place = 0, 0
    while True:
        code, if_true, if_false, value = program[place]
        place += 1
        if code == 0x20:
            accumulator = struct.unpack_from("<I", data, value)[0]
        elif code == 0x06:
            return value
        else:
            test = {0x15: accumulator == value, 0x35: accumulator >= value, 0x45: bool(accumulator & value)}[code]
            place += if_true if test else if_false


def batches(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@pytest.mark.parametrize("machine", seccomp.architectures())
def test_every_listed_call_is_refused_with_its_error(machine):
    for name, (number, errno) in seccomp.refused(machine).items():
        assert verdict(machine, number) == 0x00050000 | errno, name


@pytest.mark.parametrize("machine", seccomp.architectures())
def test_calls_not_listed_are_allowed(machine):
    listed = {number for number, _ in seccomp.refused(machine).values()}
    for number in set(range(460)) - listed - {SOCKET[machine]}:
        assert verdict(machine, number) == ALLOW


@pytest.mark.parametrize("machine", seccomp.architectures())
def test_sockets_are_of_families_that_a_network_namespace_holds(machine):
    """AF_VSOCK (40) reaches the host of a virtual machine, whatever the namespace."""
    allowed = {family for family in range(64) if verdict(machine, SOCKET[machine], arg0=family) == ALLOW}
    assert allowed == {1, 2, 10, 16}
    assert verdict(machine, SOCKET[machine], arg0=40) == EAFNOSUPPORT


@pytest.mark.parametrize(("machine", "clone"), [("x86_64", 56), ("aarch64", 220)])
def test_threads_and_children_are_allowed_but_no_new_namespaces(machine, clone):
    assert verdict(machine, clone, arg0=17) == ALLOW
    assert verdict(machine, clone, arg0=CLONE_THREAD_FLAGS) == ALLOW
    assert verdict(machine, clone, arg0=CLONE_NEWUSER | 17) == EPERM


@pytest.mark.parametrize("machine", seccomp.architectures())
def test_calls_of_another_architecture_are_refused_as_a_whole(machine):
    assert verdict(machine, 1, arch=I386) == ENOSYS


def test_x32_numbers_do_not_slip_through():
    assert verdict("x86_64", 0x40000000 | 101) == ENOSYS


def test_the_numbers_of_this_machine_are_those_of_its_headers():
    """Where the C library's headers are installed, every number is compared with them."""
    import re
    from pathlib import Path

    headers = {
        "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
        "aarch64": Path("/usr/include/asm-generic/unistd.h"),
    }
    compared = 0
    for machine, path in headers.items():
        if path.exists():
            named = dict(re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", path.read_text()))
            for name, (number, _) in seccomp.refused(machine).items():
                if name in named:
                    assert int(named[name]) == number, (machine, name)
                    compared += 1
    if not compared:
        pytest.skip("no kernel headers are installed here")
