# Puts /dev/null, and a socket of its own, in the channel's place.
# expect: double=crashed|timeout
import os
import socket


def double(x):
    ours, theirs = socket.socketpair()
    for fd in range(3, 64):
        if fd not in (ours.fileno(), theirs.fileno()):
            try:
                os.fstat(fd)
                os.dup2(theirs.fileno(), fd)
            except OSError:
                pass
    return 2 * x
