# Writes garbage into every descriptor it has.
# expect: double=crashed
import os


def double(x):
    for fd in range(3, 300):
        try:
            os.write(fd, os.urandom(500))
        except OSError:
            pass
    return 2 * x
