# SPDX-License-Identifier: Apache-2.0
"""A seccomp filter as BPF bytes, for `bwrap --seccomp`: everything is allowed but what agents have no use for.

Refused calls return EPERM, except `clone3` (ENOSYS: its flags lie in memory where a filter cannot look, and the C
library falls back to `clone`) and `io_uring_*` (ENOSYS: runtimes then use epoll). Another architecture's calls (for
example 32-bit ones on x86-64) return ENOSYS as a whole, because their numbers would slip through.

Sockets are of the families that a network namespace holds: a virtual machine's `AF_VSOCK` reaches its host from any.
"""

# ruff: noqa: C408
from __future__ import annotations

import struct

EPERM, ENOSYS, EAFNOSUPPORT = 1, 38, 97

_X86_64, _AARCH64 = 0xC000003E, 0xC00000B7

# From the kernel's tables: arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h.
_ARCH_CALLS: dict[str, tuple[int, dict[str, int]]] = {
    "x86_64": (
        _X86_64,
        dict(
            ptrace=101, syslog=103, mount=165, umount2=166, swapon=167, swapoff=168, reboot=169, sethostname=170,
            setdomainname=171, iopl=172, ioperm=173, init_module=175, delete_module=176, quotactl=179,
            settimeofday=164, clock_settime=227, clock_adjtime=305, adjtimex=159, acct=163, pivot_root=155,
            chroot=161, kexec_load=246, add_key=248, request_key=249, keyctl=250, mbind=237, migrate_pages=256,
            move_pages=279, unshare=272, perf_event_open=298, fanotify_init=300, name_to_handle_at=303,
            open_by_handle_at=304, setns=308, process_vm_readv=310, process_vm_writev=311, kcmp=312,
            finit_module=313, kexec_file_load=320, bpf=321, userfaultfd=323, modify_ldt=154, vhangup=153,
            personality=135, pidfd_getfd=438, process_madvise=440, quotactl_fd=443,
        ),
    ),
    "aarch64": (
        _AARCH64,
        dict(
            ptrace=117, syslog=116, mount=40, umount2=39, swapon=224, swapoff=225, reboot=142, sethostname=161,
            setdomainname=162, init_module=105, delete_module=106, quotactl=60, settimeofday=170,
            clock_settime=112, clock_adjtime=266, adjtimex=171, acct=89, pivot_root=41, chroot=51, kexec_load=104,
            add_key=217, request_key=218, keyctl=219, mbind=235, migrate_pages=238, move_pages=239, unshare=97,
            perf_event_open=241, fanotify_init=262, name_to_handle_at=264, open_by_handle_at=265, setns=268,
            process_vm_readv=270, process_vm_writev=271, kcmp=272, finit_module=273, kexec_file_load=294, bpf=280,
            userfaultfd=282, vhangup=58, personality=92, pidfd_getfd=438, process_madvise=440, quotactl_fd=443,
        ),
    ),
}  # fmt: skip
# The same numbers everywhere.
_NEW_MOUNT_CALLS = dict(
    open_tree=428, move_mount=429, fsopen=430, fsconfig=431, fsmount=432, fspick=433, mount_setattr=442
)
_NOT_THERE = dict(io_uring_setup=425, io_uring_enter=426, io_uring_register=427, clone3=435)
_CLONE = {"x86_64": 56, "aarch64": 220}
_SOCKET = {"x86_64": 41, "aarch64": 198}
_FAMILIES = (1, 2, 10, 16)  # AF_UNIX, AF_INET, AF_INET6, AF_NETLINK: the same numbers everywhere
_X32_BIT = 0x40000000
_NEW_NAMESPACES = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000

# struct seccomp_data: int nr; u32 arch; u64 ip; u64 args[6], little endian on both.
_NR, _ARCH, _ARG0_LOW = 0, 4, 16
_LOAD, _JEQ, _JGE, _JSET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000


def architectures() -> tuple[str, ...]:
    """Machines (as `os.uname().machine`) a filter can be made for."""
    return tuple(_ARCH_CALLS)


def refused(machine: str) -> dict[str, tuple[int, int]]:
    """Name → (call number, errno) of every call that is refused whatever its arguments."""
    _, calls = _ARCH_CALLS[machine]
    table = {name: (number, EPERM) for name, number in (calls | _NEW_MOUNT_CALLS).items()}
    return table | {name: (number, ENOSYS) for name, number in _NOT_THERE.items()}


def build(machine: str) -> bytes:
    """The filter for one machine, as an array of `struct sock_filter`. Raises KeyError for an unknown machine."""
    audit_arch, _ = _ARCH_CALLS[machine]
    program = [
        _op(_LOAD, _ARCH),
        _op(_JEQ, audit_arch, 1, 0),
        _op(_RETURN, _ERRNO | ENOSYS),
        _op(_LOAD, _NR),
    ]
    if machine == "x86_64":
        program += [_op(_JGE, _X32_BIT, 0, 1), _op(_RETURN, _ERRNO | ENOSYS)]
    for number, errno in sorted(refused(machine).values()):
        program += [_op(_JEQ, number, 0, 1), _op(_RETURN, _ERRNO | errno)]
    left = len(_FAMILIES)
    program += [_op(_JEQ, _SOCKET[machine], 0, left + 3), _op(_LOAD, _ARG0_LOW)]
    program += [_op(_JEQ, family, left - place, 0) for place, family in enumerate(_FAMILIES)]
    program += [_op(_RETURN, _ERRNO | EAFNOSUPPORT), _op(_RETURN, _ALLOW)]
    program += [
        _op(_JEQ, _CLONE[machine], 0, 3),
        _op(_LOAD, _ARG0_LOW),
        _op(_JSET, _NEW_NAMESPACES, 0, 1),
        _op(_RETURN, _ERRNO | EPERM),
        _op(_RETURN, _ALLOW),
    ]
    return b"".join(program)


def _op(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, value)
