# Tries every way into other namespaces, roots and mounts.
# expect: nothing
import ctypes
import os
import signal

libc = ctypes.CDLL(None, use_errno=True)
for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000, 0x80):
    print("ESCAPED unshare" if libc.unshare(flag) == 0 else "", end="", flush=True)
    pid = libc.syscall(56, flag | signal.SIGCHLD, 0, 0, 0, 0)
    if pid == 0:
        os._exit(0)
    if pid > 0 and flag != 0x80:
        print("ESCAPED clone", hex(flag), flush=True)
    arguments = (ctypes.c_uint64 * 11)(flag, 0, 0, 0, signal.SIGCHLD)
    pid = libc.syscall(435, arguments, 88)
    if pid == 0:
        os._exit(0)
    print("ESCAPED clone3" if pid > 0 else "", end="", flush=True)
for source, target, kind, flags in (
    (b"tmpfs", b"/tmp", b"tmpfs", 0), (b"/", b"/tmp", b"", 4096), (b"proc", b"/proc", b"proc", 0),
    (b"", b"/", b"", 32), (b"sysfs", b"/tmp", b"sysfs", 0), (b"/dev", b"/tmp", b"devtmpfs", 0),
):  # fmt: skip
    print("ESCAPED mount" if libc.mount(source, target, kind, flags, None) == 0 else "", end="", flush=True)
for target in (b"/proc", b"/tmp", b"/dev/shm", b"/dev", b"/"):
    print("ESCAPED umount" if libc.umount2(target, 2) == 0 else "", end="", flush=True)
for path in ("/tmp", "/dev", "/"):
    try:
        os.chroot(path)
        print("ESCAPED chroot", flush=True)
    except OSError:
        pass
for fd in range(300):
    print("ESCAPED setns" if libc.setns(fd, 0) == 0 else "", end="", flush=True)
for action in (lambda: os.setuid(0), lambda: os.setgid(0), lambda: os.setgroups([0]), lambda: os.mknod("/tmp/m", 0o60600, 0x800)):
    try:
        action()
        print("ESCAPED", action, flush=True)
    except OSError:
        pass
