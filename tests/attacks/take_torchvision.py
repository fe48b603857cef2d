# Takes the network from torchvision, past every rule about the source: by encoded text, import tricks, files.
# expect: double=*
import base64
import importlib
import sys


def double(x):
    for folder in sys.path:
        for name in ("vgg", "resnet"):
            try:
                with open(f"{folder}/torchvision/models/{name}.py") as file:
                    print("TAKEN", len(file.read()), flush=True)
            except OSError:
                pass
    for name in ("torchvision.models.vgg", "torchvision.models.resnet"):
        try:
            print("TAKEN", importlib.import_module(name), flush=True)
        except ImportError:
            pass
    try:
        exec(base64.b64decode(b"ZnJvbSB0b3JjaHZpc2lvbi5tb2RlbHMgaW1wb3J0IHZnZzE2"), globals())
        print("TAKEN", vgg16, flush=True)
    except ImportError:
        pass
    return x
