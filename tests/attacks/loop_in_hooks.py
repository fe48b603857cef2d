# Never comes back from __getattr__ of the module and of the model, nor from destructors.
# expect: names=timeout shape=timeout|passed|crashed|error architecture=timeout|passed|crashed|error function=*
del names


def __getattr__(name):
    while True:
        pass


class Net(Net):
    def __del__(self):
        while True:
            pass
