"""Confine the process that will run student code: namespaces and files of its own, limits, no way back.

`enter` is for a fork of a template that itself runs inside bubblewrap; `limit` also serves where there is no sandbox.
Linux only, but for `limit`, which does what the system offers. The system calls are made through ctypes: Python 3.11
offers none of them.
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import struct
import sys
from pathlib import Path

SCRATCH = "/tmp"  # a file system of the worker's own
SCRATCH_MB = 64
SHARED_MEMORY_MB = 256  # /dev/shm: what a DataLoader's workers hand over
FILE_MB = 64
OPEN_FILES = 256
PROCESSES = max(128, 2 * (os.cpu_count() or 1))  # threads count
CPU_SECONDS = 3_600  # of one process; the judge's wall clock is what usually ends it

# linux/sched.h
_NEWNS, _NEWCGROUP, _NEWUTS, _NEWIPC = 0x00020000, 0x02000000, 0x04000000, 0x08000000
_NEWUSER, _NEWPID, _NEWNET = 0x10000000, 0x20000000, 0x40000000
# linux/mount.h
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_BIND, _MS_REC, _MS_PRIVATE = 1, 2, 4, 8, 1 << 12, 1 << 14, 1 << 18
# linux/prctl.h
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 1, 4, 22, 24, 38
_SECCOMP_MODE_FILTER = 2
_CAPABILITY_VERSION_3 = 0x20080522


def die_with_parent() -> None:
    """On Linux: be killed when the parent is, so that nothing is left running after it."""
    if sys.platform == "linux":
        _libc().prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def limit(memory_mb: int) -> None:
    """Let data grow by ``memory_mb``: an allocation above that raises in the student's code. No core files.

    Address space is no measure here (importing torch maps tens of GB of it); the judge also watches resident memory.
    """
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    status = Path("/proc/self/status")
    if status.exists():
        used = next(int(line.split()[1]) << 10 for line in status.read_text().splitlines() if line.startswith("VmData"))
        allowed = used + (memory_mb << 20)
        resource.setrlimit(resource.RLIMIT_DATA, (allowed, allowed))


def enter(channel: int, memory_mb: int) -> None:
    """Go on in a new process, alone in its own user, pid, mount, network, ipc and uts namespaces, under all limits.

    The calling process stays behind to pass on how the new one ended; only the new one returns from this call.

    Args:
        channel: the descriptor of the judge's channel, which the calling process gives up.

    Raises:
        OSError: the kernel refuses; the message names the step.
    """
    user, group = os.getuid(), os.getgid()
    # The kernel lets root start as many processes as it likes, in whatever namespace it is no longer root.
    forks = Path("/proc/self/uid_map").read_text().split()[1] != "0"
    _call("unshare", _NEWUSER | _NEWPID | _NEWNS | _NEWIPC | _NEWUTS | _NEWNET | _NEWCGROUP)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    _mount(None, "/", None, _MS_REC | _MS_PRIVATE, "")
    _tmpfs(SCRATCH, _MS_NOSUID | _MS_NODEV, f"size={SCRATCH_MB}m,nr_inodes=10k,mode=700")
    _mount("/dev/null", "/dev/zero", None, _MS_BIND, "")  # shared mappings of it are memory that nobody counts
    _tmpfs("/dev/shm", _MS_NOSUID | _MS_NODEV, f"size={SHARED_MEMORY_MB}m,nr_inodes=1k,mode=700")
    pid = os.fork()
    if pid:
        os.close(channel)
        _, status = os.waitpid(pid, 0)
        if os.WIFSIGNALED(status):
            os.kill(os.getpid(), os.WTERMSIG(status))
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    os.setsid()  # or a signal to its own group would reach the calling process, which then could not pass anything on
    die_with_parent()
    limit(memory_mb)
    _limit_the_rest()
    # A /proc of its own is refused inside bubblewrap, and the outer one lists the other processes.
    _tmpfs("/proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC | _MS_RDONLY, "size=4k,mode=555")
    _drop_capabilities()
    _refuse_system_calls(forks)


def _limit_the_rest() -> None:
    import resource

    for name, most in (
        (resource.RLIMIT_FSIZE, FILE_MB << 20),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_NPROC, PROCESSES),
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
    ):
        resource.setrlimit(name, (most, most))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: object) -> None:
    if getattr(_libc(), name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _mount(source: str | None, target: str, kind: str | None, flags: int, options: str) -> None:
    encoded = [None if text is None else os.fsencode(text) for text in (source, target, kind)]
    try:
        _call("mount", *encoded, ctypes.c_ulong(flags), os.fsencode(options))
    except OSError as error:
        raise OSError(error.errno, f"{target}: {error.strerror}") from None


def _tmpfs(target: str, flags: int, options: str) -> None:
    _mount("tmpfs", target, "tmpfs", flags, options)


def _drop_capabilities() -> None:
    """Give up what the new user namespace grants, for good."""
    libc = _libc()
    for number in range(64):
        if libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0) != 0:
            break  # the first number that this kernel does not know
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    _call("capset", header, (ctypes.c_uint32 * 6)())
    _call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


# What no network definition needs, and what would reach around the limits: namespaces and mounts (a tmpfs of one's own
# is memory that nobody counts), memory files and System V memory (likewise), other processes, the kernel's larger
# interfaces. Numbers: asm/unistd_64.h (x86-64) and asm-generic/unistd.h (aarch64).
_REFUSED = {
    "x86_64": {
        "ptrace": 101, "syslog": 103, "shmget": 29, "semget": 64, "msgget": 68, "personality": 135, "pivot_root": 155,
        "chroot": 161, "mount": 165, "umount2": 166, "swapon": 167, "reboot": 169, "init_module": 175,
        "quotactl": 179, "add_key": 248, "request_key": 249, "keyctl": 250, "unshare": 272, "perf_event_open": 298,
        "fanotify_init": 300, "open_by_handle_at": 304, "setns": 308, "process_vm_readv": 310,
        "process_vm_writev": 311, "kcmp": 312, "finit_module": 313, "memfd_create": 319, "kexec_file_load": 320,
        "bpf": 321, "userfaultfd": 323, "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427,
        "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433,
        "pidfd_getfd": 438, "mount_setattr": 442, "memfd_secret": 447,
    },
    "aarch64": {
        "ptrace": 117, "syslog": 116, "shmget": 194, "semget": 190, "msgget": 186, "personality": 92, "pivot_root": 41,
        "chroot": 51, "mount": 40, "umount2": 39, "swapon": 224, "reboot": 142, "init_module": 105, "quotactl": 60,
        "add_key": 217, "request_key": 218, "keyctl": 219, "unshare": 97, "perf_event_open": 241,
        "fanotify_init": 262, "open_by_handle_at": 265, "setns": 268, "process_vm_readv": 270,
        "process_vm_writev": 271, "kcmp": 272, "finit_module": 273, "memfd_create": 279, "kexec_file_load": 294,
        "bpf": 280, "userfaultfd": 282, "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427,
        "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433,
        "pidfd_getfd": 438, "mount_setattr": 442, "memfd_secret": 447,
    },
}  # fmt: skip
_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # linux/audit.h
_CLONE = {"x86_64": 56, "aarch64": 220}
_FORK = {"x86_64": (57, 58), "aarch64": ()}  # and vfork
_CLONE_THREAD = 0x00010000
_SOCKET = {"x86_64": 41, "aarch64": 198}
_MMAP = {"x86_64": 9, "aarch64": 222}
_MAP_SHARED, _MAP_ANONYMOUS = 0x01, 0x20  # linux/mman.h; the first is also a bit of MAP_SHARED_VALIDATE
_CLONE3 = 435
_NAMESPACES = _NEWNS | _NEWCGROUP | _NEWUTS | _NEWIPC | _NEWUSER | _NEWPID | _NEWNET
_SOCKET_FAMILIES = (1, 2, 10)  # AF_UNIX, AF_INET, AF_INET6: the others are not all bounded by a network namespace
_X32 = 0x40000000

# linux/bpf_common.h, linux/seccomp.h
_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000
_EPERM, _EAGAIN, _ENOSYS = 1, 11, 38
_AT_NUMBER, _AT_ARCHITECTURE, _AT_ARGUMENT, _AT_FOURTH_ARGUMENT = 0, 4, 16, 40


def seccomp_filter(machine: str, forks: bool = True) -> bytes:
    """The filter as classic BPF instructions (struct sock_filter), for ``machine`` as `platform.machine` names it.

    Without ``forks`` only threads can be started.

    >>> len(seccomp_filter("x86_64")) % 8
    0
    """
    program: list[tuple[int, int, int, int]] = []

    def add(code: int, value: int, if_true: int = 0, if_false: int = 0) -> None:
        program.append((code, if_true, if_false, value))

    def refuse(number: int, error: int = _EPERM) -> None:
        add(_JUMP_EQUAL, number, 0, 1)
        add(_RETURN, _ERROR | error)

    add(_LOAD, _AT_ARCHITECTURE)
    add(_JUMP_EQUAL, _ARCHITECTURE[machine], 1, 0)
    add(_RETURN, _KILL)
    add(_LOAD, _AT_NUMBER)
    if machine == "x86_64":
        add(_JUMP_AT_LEAST, _X32, 0, 1)
        add(_RETURN, _ERROR | _EPERM)
    for number in _REFUSED[machine].values():
        refuse(number)
    refuse(_CLONE3, _ENOSYS)  # its flags are out of a filter's reach; the C library then takes clone
    for number in () if forks else _FORK[machine]:
        refuse(number, _EAGAIN)
    add(_JUMP_EQUAL, _CLONE[machine], 0, 6)
    add(_LOAD, _AT_ARGUMENT)
    add(_JUMP_ANY_BIT, _NAMESPACES, 0, 1)
    add(_RETURN, _ERROR | _EPERM)
    add(_JUMP_ANY_BIT, _CLONE_THREAD, 1, 0)
    add(_RETURN, _ALLOW if forks else _ERROR | _EAGAIN)
    add(_RETURN, _ALLOW)
    # Memory shared with nobody: it outlives its pages' removal from every page table, where the judge counts them.
    add(_JUMP_EQUAL, _MMAP[machine], 0, 5)
    add(_LOAD, _AT_FOURTH_ARGUMENT)
    add(_JUMP_ANY_BIT, _MAP_SHARED, 0, 2)
    add(_JUMP_ANY_BIT, _MAP_ANONYMOUS, 0, 1)
    add(_RETURN, _ERROR | _EPERM)
    add(_RETURN, _ALLOW)
    add(_JUMP_EQUAL, _SOCKET[machine], 0, 2 + len(_SOCKET_FAMILIES))
    add(_LOAD, _AT_ARGUMENT)
    for index, family in enumerate(_SOCKET_FAMILIES):
        add(_JUMP_EQUAL, family, len(_SOCKET_FAMILIES) - index, 0)
    add(_RETURN, _ERROR | _EPERM)
    add(_RETURN, _ALLOW)
    return b"".join(struct.pack("HBBI", *instruction) for instruction in program)


def _refuse_system_calls(forks: bool) -> None:
    machine = platform.machine()
    if machine not in _ARCHITECTURE:
        return  # everything else still holds
    program = seccomp_filter(machine, forks)
    buffer = ctypes.create_string_buffer(program, len(program))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))

    loaded = Program(len(program) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    _call("prctl", _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(loaded), 0, 0)
