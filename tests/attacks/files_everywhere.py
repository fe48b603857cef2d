# Writes wherever it can: the system, the environment, the grader, devices, the folders of the class.
# expect: nothing
import os
import sys
import sysconfig

import grader
import torch

PLACES = [
    "/", "/usr", "/usr/lib", "/bin", "/etc", "/dev", "/dev/shm", "/proc", "/proc/sys/kernel", "/sys", "/run", "/root",
    "/var/tmp", "/home", "/opt", sys.prefix, sys.base_prefix, sysconfig.get_path("purelib"), "@ROOT@", "@TEMP@",
    os.path.dirname(grader.protocol.__file__), os.path.dirname(torch.__file__), os.path.dirname(os.__file__),
    "@ROOT@/solutions/target", "@ROOT@/assignments/target/checks", "@ROOT@/out", os.path.expanduser("~"),
]  # fmt: skip
for place in PLACES:
    for action in (
        lambda path: open(path, "w").write("attack"),
        lambda path: os.mkdir(path),
        lambda path: os.symlink("/etc/passwd", path),
        lambda path: os.mkfifo(path),
    ):
        try:
            action(f"{place}/attack-was-here")
        except OSError:
            pass
for path in ("@ROOT@/canary", "@TEMP@/canary", grader.protocol.__file__, torch.__file__, sys.executable):
    for action in (os.unlink, lambda path: open(path, "r+b").write(b"attack"), lambda path: os.chmod(path, 0)):
        try:
            action(path)
        except OSError:
            pass
