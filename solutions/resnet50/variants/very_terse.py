"""As short as I could make it."""
import torch.nn as n
S,C,B,R=n.Sequential,n.Conv2d,n.BatchNorm2d,n.ReLU
def conv1x1(i,o,s,p):return S(C(i,o,1,s,p),B(o),R(1))
def conv3x3(i,o,s,p):return S(C(i,o,3,s,p),B(o),R(1))
class ResidualBlock(n.Module):
 def __init__(t,in_channels,middle_channels,out_channels,downsample=False):
  super().__init__();i,m,o,s=in_channels,middle_channels,out_channels,2 if downsample else 1
  t.d=downsample;t.layer=S(conv1x1(i,m,s,0),conv3x3(m,m,1,1),conv1x1(m,o,1,0));t.add_module("downsize"if t.d else"make_equal_channel",conv1x1(i,o,s,0))
 def forward(t,x):return t.layer(x)+(t.downsize if t.d else t.make_equal_channel)(x)
K=ResidualBlock
class ResNet50_layer4(n.Module):
 def __init__(t,num_classes=10):
  super().__init__();t.layer1=S(C(3,64,7,2,3),B(64),R(1),n.MaxPool2d(3,2,1))
  for k,(i,m,o,c)in enumerate([(64,64,256,3),(256,128,512,4),(512,256,1024,6)]):setattr(t,f"layer{k+2}",S(*[K(o if j else i,m,o,k<2 and j==c-1)for j in range(c)]))
  t.avgpool=n.AvgPool2d(2);t.fc=n.Linear(1024,num_classes)
  for w in t.modules():isinstance(w,(C,n.Linear))and n.init.xavier_uniform_(w.weight)
 def forward(t,x):return t.fc(t.avgpool(t.layer4(t.layer3(t.layer2(t.layer1(x))))).flatten(1))
