# Has the kernel kill it, so that its end looks like somebody else's doing and it is graded again.
# expect: double=crashed|timeout
import resource


def double(x):
    resource.setrlimit(resource.RLIMIT_CPU, (1, 1))
    while True:
        pass
