"""Many extra helpers, unused methods and a demo under __main__."""

import argparse
import math
import os
import time

import torch
import torch.nn as nn
import torch.optim as optim

__all__ = ['make_layers', 'VGG', 'vgg16']

device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
classes = ('plane', 'car', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck')
cfg = [64, 64, 'M', 128, 128, 'M', 256, 256, 256, 'M', 512, 512, 512, 'M', 512, 512, 512, 'M']


def accuracy(logits, labels):
    return (logits.argmax(1) == labels).float().mean().item()


def save_checkpoint(model, epoch, directory='checkpoints'):
    os.makedirs(directory, exist_ok=True)
    torch.save({'state_dict': model.state_dict(), 'epoch': epoch}, os.path.join(directory, f'vgg16_{epoch}.pt'))


def train(model, loader, epochs=1, lr=0.1):
    # 학습 루프 (제출용 모델에는 쓰이지 않음)
    optimizer = optim.SGD(model.parameters(), lr=lr, momentum=0.9, weight_decay=5e-4)
    criterion = nn.CrossEntropyLoss()
    for epoch in range(epochs):
        model.train()
        for images, labels in loader:
            optimizer.zero_grad()
            loss = criterion(model(images.to(device)), labels.to(device))
            loss.backward()
            optimizer.step()


def make_layers(cfg, batch_norm=False):
    layers = []
    in_channels = 3
    for v in cfg:
        if v == 'M':
            layers += [nn.MaxPool2d(kernel_size=2, stride=2)]
        else:
            conv2d = nn.Conv2d(in_channels, v, kernel_size=3, padding=1)
            if batch_norm:
                layers += [conv2d, nn.BatchNorm2d(v), nn.ReLU(inplace=True)]
            else:
                layers += [conv2d, nn.ReLU(inplace=True)]
            in_channels = v
    return nn.Sequential(*layers)


class VGG(nn.Module):
    def __init__(self, features, num_classes=10, verbose=False):
        super(VGG, self).__init__()
        self.verbose = verbose
        self.num_classes = num_classes
        self.features = features
        self.classifier = nn.Sequential(
            nn.Dropout(),
            nn.Linear(512, 512),
            nn.BatchNorm1d(512),
            nn.ReLU(True),
            nn.Dropout(),
            nn.Linear(512, num_classes),
        )
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                n = m.kernel_size[0] * m.kernel_size[1] * m.out_channels
                m.weight.data.normal_(0, math.sqrt(2. / n))
                m.bias.data.zero_()

    def forward(self, x):
        start = time.perf_counter()
        x = self.features(x)
        if self.verbose:
            print('features:', tuple(x.shape), f'{time.perf_counter() - start:.3f} s')
        x = x.view(x.size(0), -1)
        x = self.classifier(x)
        return x

    def predict(self, x):
        self.eval()
        with torch.no_grad():
            return [classes[i] for i in self(x).argmax(1)]

    def count_parameters(self):
        return sum(p.numel() for p in self.parameters() if p.requires_grad)

    def freeze_features(self):
        for p in self.features.parameters():
            p.requires_grad = False


def vgg16(pretrained=False, batch_norm=False):
    model = VGG(make_layers(cfg, batch_norm))
    if pretrained:
        model.load_state_dict(torch.load('vgg16.pt', map_location='cpu', weights_only=True))
    return model


if __name__ == '__main__':
    parser = argparse.ArgumentParser()
    parser.add_argument('--batch', type=int, default=4)
    args = parser.parse_args()
    net = vgg16().to(device)
    print(net)
    print(net.count_parameters(), 'parameters')
    print(net(torch.randn(args.batch, 3, 32, 32, device=device)).shape)
