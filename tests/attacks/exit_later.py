# Answers, and ends the process from a thread a moment later.
# expect: *=crashed
import os
import threading
import time


def double(x):
    threading.Thread(target=lambda: (time.sleep(0.02), os._exit(0)), daemon=True).start()
    return x
