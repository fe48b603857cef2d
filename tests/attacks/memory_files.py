# Keeps memory in files that live in memory: memfd, System V segments, /tmp and /dev/shm.
# expect: double=failed|error
import ctypes
import os


def double(x):
    got = 0
    libc = ctypes.CDLL(None)
    for name in ("memfd_create", "shmget"):
        made = libc.memfd_create(b"x", 0) if name == "memfd_create" else libc.shmget(0, 1 << 30, 0o1600)
        if made >= 0:
            print("GOT", name, 1 << 10, "MB", flush=True)
    for folder in ("/tmp", "/dev/shm", "/dev", "/proc", "/run", "/", "/dev/pts", "/dev/mqueue"):
        for number in range(20):
            try:
                with open(f"{folder}/fill{number}", "wb") as file:
                    for _ in range(64):
                        got += file.write(bytes(1 << 20))
                        file.flush()
            except OSError:
                pass
    if got > 400 << 20:
        print("GOT", got >> 20, "MB", flush=True)
    return x
