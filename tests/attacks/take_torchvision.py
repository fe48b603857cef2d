# Takes the network from torchvision, past every rule about the source: by files, encoded text, import tricks.
# expect: double=*
import base64
import importlib
import sys


def take():
    for name in ("torchvision.models.vgg", "torchvision.models.resnet"):
        try:
            print("TAKEN", importlib.import_module(name).vgg16(), flush=True)
        except (ImportError, AttributeError, RuntimeError):
            pass
    try:
        exec(base64.b64decode(b"ZnJvbSB0b3JjaHZpc2lvbi5tb2RlbHMgaW1wb3J0IHZnZzE2"), globals())
        print("TAKEN", vgg16(), flush=True)
    except (ImportError, AttributeError, RuntimeError):
        pass


def double(x):
    for folder in sys.path:
        for name in ("vgg", "resnet"):
            try:
                with open(f"{folder}/torchvision/models/{name}.py") as file:
                    print("TAKEN", len(file.read()), flush=True)
            except OSError:
                pass
    take()
    sys.meta_path[:] = [finder for finder in sys.meta_path if "withheld" not in type(finder).__module__]
    for name in [name for name in sys.modules if name.startswith("torchvision")]:
        del sys.modules[name]
    take()
    return x
