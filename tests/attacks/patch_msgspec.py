# Makes msgpack encode nonsense.
# expect: double=crashed
import msgspec


def double(x):
    msgspec.msgpack.encode = lambda value, **_: b"\x93\x01\xa5value\xc3"
    return 2 * x
