# Fills shared memory and drops it from its own page tables, so that no count of its resident memory shows it.
# expect: double=error|failed|out_of_memory
import mmap


def double(x):
    kept = []
    for _ in range(20):
        block = mmap.mmap(-1, 1 << 26, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS)
        block[:] = bytes(1 << 26)
        block.madvise(mmap.MADV_DONTNEED)
        kept.append(block)
        print("GOT", len(kept) << 6, "MB", flush=True)
    return x
