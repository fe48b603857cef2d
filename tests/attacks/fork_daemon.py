# Leaves a daemon behind: forked twice, in a session of its own, without the judge's descriptors.
# expect: double=error
import os
import signal
import time


def double(x):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.chdir("/")
            os.closerange(0, 300)
            for number in range(1, 30):
                try:
                    signal.signal(number, signal.SIG_IGN)
                except OSError:
                    pass
            while True:
                time.sleep(1)
        os._exit(0)
    os.wait()
    return x
