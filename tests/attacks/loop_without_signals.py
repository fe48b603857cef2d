# Ignores every signal, cancels every alarm, and goes on for ever.
# expect: double=timeout
import signal


def double(x):
    signal.alarm(0)
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number in signal.valid_signals():
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass
