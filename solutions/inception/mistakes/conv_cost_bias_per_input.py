"""One bias for each input channel.

Caught by: conv_cost
"""

import torch, torch.nn as nn

def conv_cost(in_channels, out_channels, kernel_size, height, width):
    w = in_channels*out_channels*kernel_size*kernel_size
    return w*height*width, w+in_channels

def bottleneck_cost(in_channels, reduced, out_channels, kernel_size, height, width):
    a = conv_cost(in_channels, reduced, 1, height, width)
    b = conv_cost(reduced, out_channels, kernel_size, height, width)
    return a[0]+b[0], a[1]+b[1]

def most_reduced(in_channels, out_channels, kernel_size):
    d = conv_cost(in_channels, out_channels, kernel_size, 1, 1)[0]
    r = 0
    while bottleneck_cost(in_channels, r+1, out_channels, kernel_size, 1, 1)[0] < d: r += 1
    return r

class Inception(nn.Module):
    def __init__(self, in_channels, c1, r3_c3, r5_c5, cp):
        super().__init__()
        (r3, c3), (r5, c5), n = r3_c3, r5_c5, in_channels
        self.branch1 = nn.Sequential(nn.Conv2d(n, c1, 1), nn.ReLU())
        self.branch3 = nn.Sequential(nn.Conv2d(n, r3, 1), nn.ReLU(), nn.Conv2d(r3, c3, 3, 1, 1), nn.ReLU())
        self.branch5 = nn.Sequential(nn.Conv2d(n, r5, 1), nn.ReLU(), nn.Conv2d(r5, c5, 5, 1, 2), nn.ReLU())
        self.branch_pool = nn.Sequential(nn.MaxPool2d(3, 1, 1), nn.Conv2d(n, cp, 1), nn.ReLU())

    def forward(self, x):
        return torch.cat([self.branch1(x), self.branch3(x), self.branch5(x), self.branch_pool(x)], 1)

def inception_cost(in_channels, c1, r3_c3, r5_c5, cp, height, width):
    s = (height, width)
    a = conv_cost(in_channels, c1, 1, *s)
    b = bottleneck_cost(in_channels, *r3_c3, 3, *s)
    c = bottleneck_cost(in_channels, *r5_c5, 5, *s)
    d = conv_cost(in_channels, cp, 1, *s)
    return a[0]+b[0]+c[0]+d[0], a[1]+b[1]+c[1]+d[1]
