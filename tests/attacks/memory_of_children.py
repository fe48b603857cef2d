# Has thirty children hold memory, each less than its own limit and less than a fresh worker has anyway.
# expect: double=out_of_memory|crashed|error|timeout
import os
import time


def double(x):
    for _ in range(30):
        if os.fork() == 0:
            kept = bytearray(100 << 20)
            for start in range(0, len(kept), 4096):
                kept[start] = 1
            time.sleep(100)
            os._exit(0)
    time.sleep(4)
    print("GOT", 3000, "MB", flush=True)
    return x
