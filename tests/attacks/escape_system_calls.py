# Calls what the sandbox refuses: tracing, other processes' memory, io_uring, BPF, keys, modules, handles of files.
# expect: nothing
import ctypes
import errno
import os

libc = ctypes.CDLL(None, use_errno=True)
buffer = ctypes.create_string_buffer(4096)
try:
    pid = os.fork()
except OSError:
    pid = 1
if pid == 0:
    import time

    time.sleep(3)
    os._exit(0)
for name, number, arguments in (
    ("ptrace attach", 101, (16, pid)), ("ptrace traceme", 101, (0,)), ("process_vm_readv", 310, (pid, buffer, 1, buffer, 1)),
    ("process_vm_writev", 311, (pid, buffer, 1, buffer, 1)), ("io_uring_setup", 425, (8, buffer)), ("bpf", 321, (0, buffer, 128)),
    ("userfaultfd", 323, (1,)), ("perf_event_open", 298, (buffer, 0, -1, -1, 0)), ("keyctl", 250, (0, -3, 1)),
    ("add_key", 248, (b"user", b"x", b"y", 1, -3)), ("memfd_create", 319, (b"x", 0)), ("memfd_secret", 447, (0,)),
    ("open_by_handle_at", 304, (3, buffer, 0)), ("finit_module", 313, (3, b"", 0)), ("kcmp", 312, (pid, os.getpid(), 0, 1, 1)),
    ("fsopen", 430, (b"tmpfs", 0)), ("open_tree", 428, (-100, b"/", 1)), ("pidfd_getfd", 438, (3, 0, 0)), ("personality", 135, (0x40000,)),
    ("shmget", 29, (0, 4096, 0o1600)), ("semget", 64, (0, 1, 0o1600)), ("msgget", 68, (0, 0o1600)), ("syslog", 103, (3, buffer, 4096)),
    ("x32 getpid", 0x40000000 + 39, ()), ("swapon", 167, (b"/tmp/x", 0)), ("reboot", 169, (0, 0, 0, 0)),
):  # fmt: skip
    ctypes.set_errno(0)
    if libc.syscall(number, *arguments) != -1 or ctypes.get_errno() not in (errno.EPERM, errno.ENOSYS):
        print("ESCAPED", name, ctypes.get_errno(), flush=True)
