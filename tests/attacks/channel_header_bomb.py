# Answers with sixteen million empty containers, a gigabyte once decoded.
# expect: double=crashed
import os
import struct


def double(x):
    size = (16 << 20) - 20
    header = b"\x94\x01\xa5value\xdd" + struct.pack(">I", size) + b"\x80" * size + b"\x90"
    for fd in range(3, 64):
        try:
            frame = memoryview(struct.pack(">IQ", len(header), 0) + header)
            while frame:
                frame = frame[os.write(fd, frame) :]
        except OSError:
            pass
    return x
