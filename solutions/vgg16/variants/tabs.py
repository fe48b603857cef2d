"""Indented with tabs, camelCase names, names imported one by one."""

import math
from torch import flatten
from torch.nn import BatchNorm1d, BatchNorm2d, Conv2d, Dropout, Linear, MaxPool2d, Module, ReLU, Sequential

vgg16Config = (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M")

def make_layers(cfg, batch_norm=False):
	layerList = []
	inChannels = 3
	for outChannels in cfg:
		if outChannels == "M":
			layerList.append(MaxPool2d(2, 2))
		else:
			layerList.append(Conv2d(inChannels, outChannels, 3, padding=1))
			if batch_norm:
				layerList.append(BatchNorm2d(outChannels))
			layerList.append(ReLU(inplace=True))
			inChannels = outChannels
	return Sequential(*layerList)

class VGG(Module):
	def __init__(self, features):
		Module.__init__(self)
		self.features = features
		fc1 = Linear(512, 512)
		bn = BatchNorm1d(512)
		fc2 = Linear(512, 10)
		self.classifier = Sequential(Dropout(), fc1, bn, ReLU(), Dropout(), fc2)
		self.initWeights()

	def initWeights(self):
		for mod in self.features.modules():
			if isinstance(mod, Conv2d):
				n = mod.kernel_size[0] * mod.kernel_size[1] * mod.out_channels
				mod.weight.data.normal_(mean=0, std=math.sqrt(2 / n))
				mod.bias.data.zero_()

	def forward(self, x):
		out = self.features(x)
		out = flatten(out, 1)
		out = self.classifier(out)
		return out

def vgg16():
	return VGG(make_layers(vgg16Config))
