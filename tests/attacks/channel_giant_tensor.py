# Streams a tensor of two gigabytes, which it need not hold itself, into the judge's memory.
# expect: double=crashed|timeout
import os
import struct

import msgspec


def double(x):
    size = 2 << 30
    header = msgspec.msgpack.encode([1, "value", {"tensor": 0}, [["uint8", [size]]]])
    block = bytes(1 << 20)
    for fd in range(3, 64):
        try:
            os.write(fd, struct.pack(">IQ", len(header), size) + header)
            for _ in range(size >> 20):
                rest = memoryview(block)
                while rest:
                    rest = rest[os.write(fd, rest) :]
        except OSError:
            pass
    return x
