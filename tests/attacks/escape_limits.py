# Lifts its limits, its priority and its cores, and then takes what they kept from it.
# expect: double=out_of_memory|failed
import os
import resource


def double(x):
    for name in dir(resource):
        if name.startswith("RLIMIT_"):
            number = getattr(resource, name)
            try:
                resource.setrlimit(number, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
                if resource.getrlimit(number)[1] == resource.RLIM_INFINITY and number in (
                    resource.RLIMIT_DATA, resource.RLIMIT_NPROC, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE,
                ):  # fmt: skip
                    print("ESCAPED", name, flush=True)
            except (OSError, ValueError):
                pass
    for action in (
        lambda: os.nice(-20),
        lambda: os.setpriority(os.PRIO_USER, 0, -5),
        lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50)),
    ):
        try:
            action()
            print("ESCAPED priority", flush=True)
        except OSError:
            pass
    os.sched_setaffinity(0, range(1000))
    return bytearray(600 << 20)
