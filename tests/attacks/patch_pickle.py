# Returns objects and modules that would run code where they are unpickled or copied, and patches pickle.
# expect: double=failed names=failed function=failed
import copyreg
import os
import pickle


class Bomb:
    def __reduce__(self):
        return os.system, ("touch @ROOT@/out/attack-was-here",)

    __reduce_ex__ = __copy__ = __deepcopy__ = lambda self, *_: Bomb.__reduce__(self)
    __getstate__ = __reduce__


def double(x):
    return Bomb()


def names(count):
    return [Bomb(), pickle.dumps(Bomb()), (Bomb(),)]


pickle.loads = pickle.load = torch.load = lambda *_, **__: 2
copyreg.pickle(torch.Tensor, lambda tensor: (os.system, ("touch @ROOT@/out/attack-was-here",)))
