"""As short as it gets: conditional expressions, sum of lists, lambdas, semicolons."""
import torch.nn as n
def make_layers(cfg,batch_norm=False):
 i=[3]+[v for v in cfg if v!='M'];k=iter(range(len(i)));return n.Sequential(*sum(([n.MaxPool2d(2)]if v=='M'else[n.Conv2d(i[next(k)],v,3,1,1)]+[n.BatchNorm2d(v)]*batch_norm+[n.ReLU(1)]for v in cfg),[]))
class VGG(n.Module):
 def __init__(s,f):
  super().__init__();s.features=f;s.classifier=n.Sequential(n.Dropout(),n.Linear(512,512),n.BatchNorm1d(512),n.ReLU(),n.Dropout(),n.Linear(512,10))
  for m in s.modules():isinstance(m,n.Conv2d)and(m.weight.data.normal_(0,(2/(m.weight[0,0].numel()*len(m.weight)))**.5),m.bias.data.zero_())
 forward=lambda s,x:s.classifier(s.features(x).flatten(1))
vgg16=lambda:VGG(make_layers([64]*2+['M']+[128]*2+['M']+[256]*3+['M']+([512]*3+['M'])*2))
