# Takes memory in Python until there is no more, and again whenever that fails.
# expect: double=out_of_memory names=out_of_memory|timeout
KEPT = []


def double(x):
    while True:
        KEPT.append(bytearray(10**7))


def names(count):
    while True:
        try:
            KEPT.append("x" * 10**7 + str(len(KEPT)))
        except MemoryError:
            pass
