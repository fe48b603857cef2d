# Has the last word: forges lines, results and frames when the interpreter ends, from atexit and from destructors.
# expect: nothing
import atexit
import os
import struct
import weakref


def last_word():
    print('{"score": 20}', flush=True)
    for fd in range(3, 64):
        try:
            os.write(fd, struct.pack(">IQ", 4, 0) + b"\x93\x01\xa5value")
        except OSError:
            pass


atexit.register(last_word)
weakref.finalize(Net, last_word)


class Last:
    def __del__(self):
        last_word()


KEPT = Last()
