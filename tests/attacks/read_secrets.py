# Reads whatever can be reached: solutions, hidden checks, the gradebook, other students' work, /proc, the environment.
# expect: nothing
import os
import sqlite3
import subprocess


def look(path):
    try:
        if os.path.isdir(path):
            print("LISTED" if "@ROOT@" in path and os.listdir(path) else "", end="", flush=True)
            return
        with open(path, "rb") as file:
            print(file.read(100_000))
    except OSError:
        pass


for path in (
    "@ROOT@/solutions/target/work.py", "@ROOT@/solutions/target/checks/test_hidden.py", "@ROOT@/canary", "@TEMP@/canary",
    "@ROOT@/class/other/work.py", "@ROOT@/out/grades.sqlite", "@ROOT@", "@ROOT@/solutions", "@ROOT@/../",
    "/proc/@PID@/environ", "/proc/@PID@/cwd/canary", "/proc/1/environ", "/proc/1/root/@ROOT@/canary", "/proc/self/environ",
    "/proc/self/root/@ROOT@/canary", "/proc/@PID@/maps", "/proc/@PID@/mem", "/etc/passwd", "/etc/shadow", "/root/.bashrc",
):  # fmt: skip
    look(path)
for mode in ("ro", "rw"):
    try:
        store = sqlite3.connect(f"file:@ROOT@/out/grades.sqlite?mode={mode}", uri=True)
        print(store.execute("select * from grades").fetchall())
        store.execute("update grades set score = 20")
        store.commit()
    except sqlite3.Error:
        pass
print(dict(os.environ))
try:
    print(subprocess.run(["grep", "-r", "@CANARY@"[:6], "/tmp", "/etc", "/dev"], capture_output=True, timeout=2).stdout)
except (OSError, subprocess.SubprocessError):
    pass
for fd in range(300):
    try:
        os.lseek(fd, 0, 0)
        print(os.read(fd, 10_000))
    except OSError:
        pass
