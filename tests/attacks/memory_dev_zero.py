# The same by way of /dev/zero, whose shared mappings are memory too.
# expect: double=error|failed|out_of_memory
import mmap
import os


def double(x):
    kept = []
    zero = os.open("/dev/zero", os.O_RDWR)
    for _ in range(40):
        block = mmap.mmap(zero, 1 << 26, mmap.MAP_SHARED)
        block[:] = bytes(1 << 26)
        block.madvise(mmap.MADV_DONTNEED)
        kept.append(block)
        print("GOT", len(kept) << 6, "MB", flush=True)
    return x
