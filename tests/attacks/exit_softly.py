# Leaves with SystemExit, KeyboardInterrupt, GeneratorExit: whatever a grader may forget to catch.
# expect: double=error names=timeout shape=error architecture=error function=blocked
import _thread
import sys


def double(x):
    sys.exit(0)


def names(count):
    _thread.interrupt_main()
    while True:
        pass


class Net:
    def __init__(self):
        raise GeneratorExit
