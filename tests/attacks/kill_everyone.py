# Sends SIGKILL, SIGSTOP and SIGSEGV to every process number there may be: siblings, the template, the judge.
# expect: nothing
import os
import signal


def double(x):
    for number in (signal.SIGSTOP, signal.SIGSEGV, signal.SIGKILL):
        for pid in [-1, 0, os.getppid(), @PID@, *range(2, 5000), *range(@PID@ - 3000, @PID@ + 3000)]:
            if pid not in (os.getpid(), 1) and pid >= -1:
                try:
                    os.kill(pid, number)
                except OSError:
                    pass
    return x
