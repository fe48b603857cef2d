# Starts other programs: a shell, another Python, a background job that outlives it.
# expect: nothing
import os
import subprocess
import sys


def double(x):
    for command in (["/bin/sh", "-c", "sleep 1000 & echo $!"], [sys.executable, "-c", "import time; time.sleep(99)"]):
        try:
            subprocess.Popen(command, start_new_session=True, close_fds=True)
        except OSError:
            pass
    os.system("nohup sleep 1000 >/dev/null 2>&1 &")
    return x
