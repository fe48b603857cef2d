# Ends the process with success in the middle of a call.
# expect: double=crashed
import os


def double(x):
    os._exit(0)
