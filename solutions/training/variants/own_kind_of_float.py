"""The mean loss is of a class derived from float."""

import os
from functools import reduce

import torch


class 평균(float):
    """표본 여러 개의 평균. 더하면 표본 수에 따라 가중된다."""

    표본수: int

    def __new__(cls, 값, 표본수):
        나 = super().__new__(cls, 값)
        나.표본수 = 표본수
        return 나

    def __and__(self, 다른):
        합계 = self.표본수 + 다른.표본수
        return 평균((float(self) * self.표본수 + float(다른) * 다른.표본수) / 합계, 합계)

    def __reduce__(self):
        return 평균, (float(self), self.표본수)


def 모으기(평균들):
    """모든 배치의 평균을 하나로."""
    return reduce(lambda 하나, 둘: 하나 & 둘, 평균들)


def train_one_epoch(model, loader, criterion, optimizer):
    """훈련 모드로 모든 배치를 한 번씩 학습하고, 표본당 평균 손실을 돌려준다."""
    model.train()
    손실들 = []
    for 입력, 정답 in loader:
        optimizer.zero_grad()
        손실 = criterion(model(입력), 정답)
        손실.backward()
        optimizer.step()
        손실들.append(평균(손실.item(), len(정답)))
    return 모으기(손실들)


def evaluate(model, loader, criterion, k=5):
    """(평균 손실, top-1 정확도, top-k 정확도)"""
    모드들 = [(모듈, 모듈.training) for 모듈 in model.modules()]
    손실들, 순위표 = [], []
    try:
        model.eval()
        with torch.no_grad():
            for 입력, 정답 in loader:
                출력 = model(입력)
                손실들.append(평균(criterion(출력, 정답).item(), len(정답)))
                순위 = (출력.argsort(1, descending=True) == 정답[:, None]).int().argmax(1)
                순위표.append(torch.bincount(순위, minlength=출력.shape[1]))
    finally:
        for 모듈, 모드 in 모드들:
            모듈.training = 모드
    손실 = 모으기(손실들)
    누적 = (torch.stack(순위표).sum(0).cumsum(0).double() / 손실.표본수).tolist()
    return 손실, 평균(누적[0], 손실.표본수), 평균(누적[k - 1], 손실.표본수)


def learning_rate(initial, epoch, every=20, divisor=3):
    """그 에포크의 학습률. 첫 에포크는 0."""
    횟수 = epoch // every
    return initial / divisor**횟수


class 감쇠기:
    """every 에포크마다 모든 그룹의 학습률에 factor를 곱한다. 남은 에포크를 거꾸로 센다."""

    def __init__(self, 최적화기, 간격, 비율):
        self._최적화기, self._간격, self._비율 = 최적화기, 간격, 비율
        self._남음 = 간격

    def step(self):
        self._남음 -= 1
        if self._남음:
            return
        self._남음 = self._간격
        for 그룹 in self._최적화기.param_groups:
            그룹.update(lr=그룹["lr"] * self._비율)

    def state_dict(self):
        return {"남음": self._남음, "간격": self._간격, "비율": self._비율}

    def load_state_dict(self, 상태):
        self._남음, self._간격, self._비율 = 상태["남음"], 상태["간격"], 상태["비율"]


def make_scheduler(optimizer, every=5, factor=0.6):
    """직접 만든 스케줄러."""
    return 감쇠기(optimizer, every, factor)


def 난수원(loader):
    """로더가 따로 가진 난수 생성기."""
    후보 = (getattr(것, "generator", None) for 것 in (loader, getattr(loader, "sampler", None)))
    return [것 for 것 in 후보 if isinstance(것, torch.Generator)]


def 쓰기(path, model, optimizer, scheduler, epoch, 생성기들=()):
    """다 쓴 다음에야 제 이름을 얻는다."""
    임시 = f"{path}.tmp"
    torch.save(
        {
            "모델": model.state_dict(),
            "최적화기": optimizer.state_dict(),
            "스케줄러": scheduler.state_dict(),
            "에포크": epoch,
            "난수": [torch.get_rng_state(), *(생성기.get_state() for 생성기 in 생성기들)],
        },
        임시,
    )
    os.replace(임시, path)


def 읽기(path, model, optimizer, scheduler, 생성기들=()):
    """되돌리고 에포크를 돌려준다."""
    상태 = torch.load(path, weights_only=False)
    model.load_state_dict(상태["모델"])
    optimizer.load_state_dict(상태["최적화기"])
    scheduler.load_state_dict(상태["스케줄러"])
    기본, *나머지 = 상태["난수"]
    torch.set_rng_state(기본)
    for 생성기, 값 in zip(생성기들, 나머지):
        생성기.set_state(값)
    return 상태["에포크"]


def save_checkpoint(path, model, optimizer, scheduler, epoch):
    """저장."""
    쓰기(path, model, optimizer, scheduler, epoch)


def load_checkpoint(path, model, optimizer, scheduler):
    """불러오기."""
    return 읽기(path, model, optimizer, scheduler)


def fit(model, loader, criterion, optimizer, scheduler, epochs, path):
    """모두 합쳐 epochs 에포크가 될 때까지."""
    생성기들 = 난수원(loader)
    끝난 = 읽기(path, model, optimizer, scheduler, 생성기들) if os.path.exists(path) else 0
    손실들 = []
    for 에포크 in range(끝난, epochs):
        손실들.append(train_one_epoch(model, loader, criterion, optimizer))
        scheduler.step()
        쓰기(path, model, optimizer, scheduler, 에포크 + 1, 생성기들)
    return 손실들
