"""Builds a model and prints a lot at import, and a line at every call."""

import math

import torch
from torch import nn

print("=== VGG-16 과제 ===")
print("torch", torch.__version__, "| cuda:", torch.cuda.is_available())
torch.manual_seed(0)

CFG = [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"]


def make_layers(cfg, batch_norm=False):
    layers = []
    in_channels = 3
    for i, v in enumerate(cfg):
        print(f"[{i:2}] {v}")
        if v == "M":
            layers.append(nn.MaxPool2d(2, 2))
        else:
            layers.append(nn.Conv2d(in_channels, v, 3, padding=1))
            if batch_norm:
                layers.append(nn.BatchNorm2d(v))
            layers.append(nn.ReLU(inplace=True))
            in_channels = v
    return nn.Sequential(*layers)


class VGG(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.features = features
        self.classifier = nn.Sequential(
            nn.Dropout(), nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Dropout(), nn.Linear(512, 10)
        )
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                n = m.kernel_size[0] * m.kernel_size[1] * m.out_channels
                m.weight.data.normal_(0, math.sqrt(2 / n))
                m.bias.data.zero_()

    def forward(self, x):
        print("입력:", tuple(x.shape))
        x = self.features(x)
        print("특징:", tuple(x.shape))
        x = torch.flatten(x, 1)
        x = self.classifier(x)
        print("출력:", tuple(x.shape))
        return x


def vgg16():
    return VGG(make_layers(CFG))


model = vgg16()
model.eval()
print(model)
print("parameters:", sum(p.numel() for p in model.parameters()))
print(model(torch.zeros(2, 3, 32, 32)))
