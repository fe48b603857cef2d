# Answers one byte at a time, each just before patience might end, for ever.
# expect: double=timeout
import os
import struct
import time


def double(x):
    frame = struct.pack(">IQ", 1000, 0)
    for byte in frame + b"\xc0" * 1000:
        for fd in range(3, 64):
            try:
                os.write(fd, bytes([byte]))
            except OSError:
                pass
        time.sleep(0.4)
