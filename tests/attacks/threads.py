# Leaves a thousand threads behind that keep both cores busy.
# expect: *=error|crashed|timeout|failed
import threading


def spin():
    while True:
        sum(range(1000))


def double(x):
    for _ in range(1000):
        try:
            threading.Thread(target=spin, daemon=True).start()
        except RuntimeError:
            break
    return x
