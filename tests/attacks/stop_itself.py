# Stops itself, its group and whoever waits for it, so that nobody answers and nobody can be waited for.
# expect: double=timeout
import ctypes
import os
import signal


def double(x):
    for number in (signal.SIGTSTP, signal.SIGSTOP, signal.SIGTTIN):
        for target in (0, os.getpid(), -os.getpid(), -1):
            try:
                os.kill(target, number)
            except OSError:
                pass
    ctypes.CDLL(None).pause()
