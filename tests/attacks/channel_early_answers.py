# Answers requests that have not come yet, well-formed, for every number there may be.
# expect: *=crashed|failed|error
import os
import struct

import msgspec


def double(x):
    for number in range(1, 200):
        body = {"dict": [["result", ["a", "b", "c"]], ["mutated", []]]}
        header = msgspec.msgpack.encode([number, "value", body, []])
        for fd in range(3, 64):
            try:
                os.write(fd, struct.pack(">IQ", len(header), 0) + header)
            except OSError:
                pass
    return x
