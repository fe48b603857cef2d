# Has small programs hold memory: a fresh interpreter needs less than a worker, and the difference is not to be had.
# expect: double=out_of_memory|crashed|error|failed
import subprocess
import sys
import time

CODE = "import time; kept = b'x' * (140 << 20); print('GOT', 140, 'MB'); time.sleep(100)"


def double(x):
    running = [subprocess.Popen([sys.executable, "-S", "-c", CODE], stdout=subprocess.PIPE) for _ in range(12)]
    got = sum(140 for each in running if each.stdout.readline())
    time.sleep(1)
    print("GOT", got, "MB", flush=True)
    return x
