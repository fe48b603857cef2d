# Sends the judge hundreds of open descriptors beside its bytes.
# expect: double=failed|crashed
import array
import os
import socket


def double(x):
    many = array.array("i", [os.open("/dev/null", os.O_RDONLY)] * 200)
    for fd in range(3, 20):
        try:
            sock = socket.socket(fileno=os.dup(fd))
            for _ in range(5):
                sock.sendmsg([b"\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, many)])
        except OSError:
            pass
    return x
