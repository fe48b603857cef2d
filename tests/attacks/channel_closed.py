# Closes the channel and lives on, so that it neither answers nor dies.
# expect: double=crashed
import os
import time


def double(x):
    os.closerange(3, 300)
    time.sleep(60)
