# Answers from two thousand copies of itself at once.
# expect: *=crashed|timeout|out_of_memory|error|blocked
import os

for _ in range(11):
    try:
        os.fork()
    except OSError:
        pass
