# Dies, and leaves a stopped child that holds the channel and the output pipe open.
# expect: double=crashed|error
import os
import signal
import time


def double(x):
    if os.fork() == 0:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.kill(os.getpid(), signal.SIGSTOP)
        time.sleep(1000)
    time.sleep(0.1)
    os._exit(0)
