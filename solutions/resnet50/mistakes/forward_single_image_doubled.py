"""In train mode a single image goes through the network twice, as a batch of two: running variances count twice as
many values.

Caught by: whole
"""

import torch
from torch import nn


def conv1x1(in_channels, out_channels, stride, padding):
    """Given: 1x1 convolution, batch normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, padding=padding),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


def conv3x3(in_channels, out_channels, stride, padding):
    """Given: 3x3 convolution, batch normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size=3, stride=stride, padding=padding),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


class ResidualBlock(nn.Module):
    """1x1 (here the stride), 3x3, 1x1, plus a projected shortcut"""

    def __init__(self, in_channels, middle_channels, out_channels, downsample=False):
        super().__init__()
        self.downsample = downsample

        def branch(stride):
            return nn.Sequential(
                conv1x1(in_channels, middle_channels, stride, 0),
                conv3x3(middle_channels, middle_channels, 1, 1),
                conv1x1(middle_channels, out_channels, 1, 0),
            )

        if self.downsample:
            self.layer = branch(2)
            self.downsize = conv1x1(in_channels, out_channels, 2, 0)
        else:
            self.layer = branch(1)
            self.make_equal_channel = conv1x1(in_channels, out_channels, 1, 0)

    def forward(self, x):
        """Given. The shortcut is projected in every block, also where the channels already match."""
        shortcut = self.downsize(x) if self.downsample else self.make_equal_channel(x)
        return self.layer(x) + shortcut


# (in, middle, out, downsample) of each block and the height and width that the handout gives behind it
TABLE = {
    "layer2": [(64, 64, 256, False, 8), (256, 64, 256, False, 8), (256, 64, 256, True, 4)],
    "layer3": [(256, 128, 512, False, 4), (512, 128, 512, False, 4), (512, 128, 512, False, 4),
               (512, 128, 512, True, 2)],
    "layer4": [(512, 256, 1024, False, 2), (1024, 256, 1024, False, 2), (1024, 256, 1024, False, 2),
               (1024, 256, 1024, False, 2), (1024, 256, 1024, False, 2), (1024, 256, 1024, False, 2)],
}


class ResNet50_layer4(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        self.layer1 = nn.Sequential(
            nn.Conv2d(3, 64, kernel_size=7, stride=2, padding=3),
            nn.BatchNorm2d(64),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
        )
        self.layer2, self.layer3, self.layer4 = (
            nn.Sequential(*[ResidualBlock(i, m, o, d) for i, m, o, d, _ in rows]) for rows in TABLE.values()
        )
        self.avgpool = nn.AvgPool2d(kernel_size=2)
        self.fc = nn.Linear(1024, num_classes)

        # Given: Xavier-uniform weights.
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.xavier_uniform_(module.weight)

    def forward(self, x):
        """Given. Images (N, 3, 32, 32), float32 -> logits (N, num_classes), float32."""
        if self.training and x.size(0) == 1:
            # batch norm needs more than one image
            return self.forward(torch.cat([x, x]))[:1]
        out = self.layer1(x)
        out = self.layer2(out)
        out = self.layer3(out)
        out = self.layer4(out)
        out = self.avgpool(out)
        out = torch.flatten(out, 1)
        return self.fc(out)


def sizes(net, images):
    """Heights behind every child of layer1 to layer4; the network is left as it was."""
    found, hooks = {}, []
    for stage in ("layer1", "layer2", "layer3", "layer4"):
        for name, child in getattr(net, stage).named_children():
            def note(module, inputs, output, key=f"{stage}.{name}"):
                found[key] = output.shape[-1]
            hooks.append(child.register_forward_hook(note))
    training = net.training
    net.eval()
    with torch.no_grad():
        net(images)
    net.train(training)
    for hook in hooks:
        hook.remove()
    return found


if __name__ == "__main__":
    network = ResNet50_layer4()
    result = sizes(network, torch.zeros(1, 3, 32, 32))
    print(result)
    for stage, rows in TABLE.items():
        for i, row in enumerate(rows):
            assert result[f"{stage}.{i}"] == row[-1], (stage, i)
    assert sum(p.numel() for p in network.parameters()) == 14_750_730
    assert len(network.state_dict()) == 373
