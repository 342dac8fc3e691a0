# SPDX-License-Identifier: Apache-2.0
"""Which system calls an agent may make, as the JSON that engines take: a list of what is allowed.

Left out of it: what needs a capability anyway, namespaces and keys of the kernel, tracing, io_uring (a long record of
holes, and out of sight of filters), and sockets of other families than a network namespace holds: a virtual machine's
`AF_VSOCK` reaches its host from any. `clone3` is refused as if it were not there, so that the C library falls back to
`clone`, whose flags a filter can see; io_uring likewise, so that programs use epoll.
"""

from __future__ import annotations

import json
from typing import Any

ENOSYS = 38
_NEW_NAMESPACES = 0x7E020000
_FAMILIES = (1, 2, 10, 16)  # AF_UNIX, AF_INET, AF_INET6, AF_NETLINK: the same numbers everywhere
_PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)  # Linux, with or without 32-bit limits; and asking for it
_NOT_THERE = ("clone3", "io_uring_setup", "io_uring_enter", "io_uring_register")

# From the kernel's tables; a name that an architecture or a C library does not have is passed over by runc.
_ALLOWED = """
accept accept4 access alarm arch_prctl arm_fadvise64_64 bind brk cachestat capget capset chdir chmod chown
clock_getres clock_gettime clock_nanosleep close close_range connect copy_file_range creat dup dup2 dup3
epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd
eventfd2 execve execveat exit exit_group faccessat faccessat2 fadvise64 fallocate fanotify_mark fchdir fchmod
fchmodat fchmodat2 fchown fchownat fcntl fdatasync fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat
fstatat64 fstatfs fsync ftruncate futex futex_requeue futex_wait futex_waitv futex_wake futimesat
get_robust_list get_thread_area getcpu getcwd getdents getdents64 getegid geteuid getgid getgroups getitimer
getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid getresuid getrlimit getrusage getsid
getsockname getsockopt gettid gettimeofday getuid getxattr getxattrat inotify_add_watch inotify_init
inotify_init1 inotify_rm_watch io_cancel io_destroy io_getevents io_pgetevents io_setup io_submit ioctl
ioprio_get ioprio_set kill landlock_add_rule landlock_create_ruleset landlock_restrict_self lchown lgetxattr
link linkat listen listxattr listxattrat llistxattr lremovexattr lseek lsetxattr lstat madvise map_shadow_stack
membarrier memfd_create mincore mkdir mkdirat mknod mknodat mlock mlock2 mlockall mmap mprotect mq_getsetattr
mq_notify mq_open mq_timedreceive mq_timedsend mq_unlink mremap mseal msgctl msgget msgrcv msgsnd msync munlock
munlockall munmap nanosleep newfstatat open openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2
pkey_alloc pkey_free pkey_mprotect poll ppoll prctl pread64 preadv preadv2 prlimit64 pselect6 pwrite64 pwritev
pwritev2 read readahead readlink readlinkat readv recvfrom recvmmsg recvmsg remap_file_pages removexattr
removexattrat rename renameat renameat2 restart_syscall rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask
rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo sched_get_priority_max
sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval
sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield seccomp select semctl semget semop
semtimedop sendfile sendmmsg sendmsg sendto set_robust_list set_thread_area set_tid_address setfsgid setfsuid
setgid setgroups setitimer setpgid setpriority setregid setresgid setresuid setreuid setrlimit setsid setsockopt
setuid setxattr setxattrat shmat shmctl shmdt shmget shutdown sigaltstack signalfd signalfd4 socketpair splice
stat statfs statx symlink symlinkat sync sync_file_range sync_file_range2 syncfs sysinfo tee tgkill time
timer_create timer_delete timer_getoverrun timer_gettime timer_settime timerfd_create timerfd_gettime
timerfd_settime times tkill truncate umask uname unlink unlinkat utime utimensat utimes vfork vmsplice wait4
waitid write writev
"""


def profile() -> str:
    """For `SecurityOpt: seccomp=…`; the same text each time."""
    allowed = sorted(_ALLOWED.split())
    rules: list[dict[str, Any]] = [{"names": allowed, "action": "SCMP_ACT_ALLOW"}]
    rules += [_when("socket", 0, "SCMP_CMP_EQ", family) for family in _FAMILIES]
    rules += [_when("personality", 0, "SCMP_CMP_EQ", kind) for kind in _PERSONALITIES]
    rules.append(_when("clone", 0, "SCMP_CMP_MASKED_EQ", _NEW_NAMESPACES, 0))
    rules.append({"names": list(_NOT_THERE), "action": "SCMP_ACT_ERRNO", "errnoRet": ENOSYS})
    return json.dumps({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1, "syscalls": rules}, sort_keys=True)


def _when(name: str, index: int, op: str, value: int, other: int = 0) -> dict[str, Any]:
    args = [{"index": index, "op": op, "value": value, "valueTwo": other}]
    return {"names": [name], "action": "SCMP_ACT_ALLOW", "args": args}
