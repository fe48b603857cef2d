"""No blank lines, several statements a line, two-letter names."""
import torch, torch.nn as nn
cfg16 = [64,64,'M',128,128,'M',256,256,256,'M',512,512,512,'M',512,512,512,'M']

def make_layers(cfg, batch_norm=False):
    L, c = [], 3
    for v in cfg:
        if v == 'M': L.append(nn.MaxPool2d(2)); continue
        L.append(nn.Conv2d(c, v, 3, 1, 1))
        if batch_norm: L.append(nn.BatchNorm2d(v))
        L.append(nn.ReLU(True)); c = v
    return nn.Sequential(*L)

class VGG(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.features = features
        self.classifier = nn.Sequential(nn.Dropout(), nn.Linear(512,512), nn.BatchNorm1d(512), nn.ReLU(), nn.Dropout(), nn.Linear(512,10))
        for m in self.modules():
            if type(m) is nn.Conv2d:
                n = m.kernel_size[0]*m.kernel_size[1]*m.out_channels
                nn.init.normal_(m.weight, 0, (2/n)**.5)
                nn.init.constant_(m.bias, 0)

    def forward(self, x):
        x = self.features(x)
        return self.classifier(x.flatten(1))

def vgg16(): return VGG(make_layers(cfg16))
