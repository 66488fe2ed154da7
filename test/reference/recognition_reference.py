"""Reference numbers for the tests of recognition and evaluation, from PyTorch, NumPy and Python's colorsys.

    python3 test/reference/recognition_reference.py | npx prettier --parser json > test/reference/recognition.json

Needs torch and numpy (Debian: python3-torch). The network is arcface_torch's IResNet written down again with torch.nn, the
losses are their authors' formulas with acos, verification is insightface's calculate_roc; all in float64.
Weights and inputs come from `fill`, which the tests repeat, so that only results are stored.
"""
import colorsys
import json
import math

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)


def fill(name, shape, scale=1.0, offset=0.0):
    base = sum((i + 1) * ord(c) for i, c in enumerate(name)) % 1000
    n = int(np.prod(shape))
    return torch.from_numpy(offset + scale * np.sin(base + 1.37 * np.arange(n))).reshape(shape)


class SE(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.fc1 = nn.Linear(c, max(1, c // 16), bias=False)
        self.fc2 = nn.Linear(max(1, c // 16), c, bias=False)

    def forward(self, x):
        return x * torch.sigmoid(self.fc2(torch.relu(self.fc1(x.mean((2, 3))))))[:, :, None, None]


class Block(nn.Module):
    def __init__(self, ci, co, stride, se):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(ci, eps=1e-5)
        self.conv1 = nn.Conv2d(ci, co, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(co, eps=1e-5)
        self.prelu = nn.PReLU(co)
        self.conv2 = nn.Conv2d(co, co, 3, stride, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(co, eps=1e-5)
        self.se = SE(co) if se else None
        self.downsample = None
        if stride != 1 or ci != co:
            self.downsample = nn.Sequential(nn.Conv2d(ci, co, 1, stride, bias=False), nn.BatchNorm2d(co, eps=1e-5))

    def forward(self, x):
        y = self.bn3(self.conv2(self.prelu(self.bn2(self.conv1(self.bn1(x))))))
        if self.se is not None:
            y = self.se(y)
        return y + (x if self.downsample is None else self.downsample(x))


class IResNet(nn.Module):
    def __init__(self, widths, blocks, stem_stride, se, embedding, size):
        super().__init__()
        self.conv1 = nn.Conv2d(3, widths[0], 3, stem_stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0], eps=1e-5)
        self.prelu = nn.PReLU(widths[0])
        ci, r = widths[0], -(-size // stem_stride)
        for i, (co, n) in enumerate(zip(widths, blocks)):
            layer = [Block(ci if j == 0 else co, co, 2 if j == 0 else 1, se) for j in range(n)]
            setattr(self, f'layer{i + 1}', nn.Sequential(*layer))
            ci, r = co, -(-r // 2)
        self.stages = len(widths)
        self.bn2 = nn.BatchNorm2d(ci, eps=1e-5)
        self.fc = nn.Linear(ci * r * r, embedding)
        self.features = nn.BatchNorm1d(embedding, eps=1e-5)
        nn.init.constant_(self.features.weight, 1.0)
        self.features.weight.requires_grad = False

    def forward(self, x):
        x = self.prelu(self.bn1(self.conv1(x)))
        for i in range(self.stages):
            x = getattr(self, f'layer{i + 1}')(x)
        return self.features(self.fc(torch.flatten(self.bn2(x), 1)))


def filled(net):
    with torch.no_grad():
        for name, p in list(net.named_parameters()) + list(net.named_buffers()):
            if name == 'features.weight' or name.endswith('num_batches_tracked'):
                continue
            if name.endswith('running_var'):
                p.copy_(fill(name, p.shape, 0.3, 1.0))
            elif p.dim() == 1 and name.endswith('.weight'):
                p.copy_(fill(name, p.shape, 0.3, 0.8))
            else:
                p.copy_(fill(name, p.shape, 0.3))
    return net


def cosface(cos, y, norms, s, m, state):
    return s * (cos - m * F.one_hot(y, cos.shape[1]))


def arcface(cos, y, norms, s, m, state):
    hot = F.one_hot(y, cos.shape[1]).bool()
    bent = torch.where(cos > math.cos(math.pi - m), torch.cos(torch.acos(cos) + m), cos - m * math.sin(m))
    return s * torch.where(hot, bent, cos)


def adaface(cos, y, norms, s, m, state, h=0.333, t_alpha=0.01, eps=1e-3):
    safe = norms.clip(0.001, 100).detach()
    state['mean'] = t_alpha * safe.mean() + (1 - t_alpha) * state['mean']
    state['std'] = t_alpha * safe.std() + (1 - t_alpha) * state['std']
    scaler = ((safe - state['mean']) / (state['std'] + eps) * h).clip(-1, 1)
    hot = F.one_hot(y, cos.shape[1]).to(cos.dtype)
    theta_m = (torch.acos(cos) + hot * m * scaler * -1).clip(eps, math.pi - eps)
    return s * (theta_m.cos() - hot * (m + m * scaler))


LOSSES = {'cosface': cosface, 'arcface': arcface, 'adaface': adaface}


def network():
    out = {}
    for label, shape in {
        'plain': dict(widths=[4, 6], blocks=[1, 2], stem_stride=2, se=False, embedding=5, size=14),
        'se': dict(widths=[4, 6], blocks=[2, 1], stem_stride=1, se=True, embedding=5, size=10),
    }.items():
        size = shape['size']
        images = fill('images', (3, size, size, 3)).permute(0, 3, 1, 2)
        net = filled(IResNet(**shape)).eval()
        with torch.no_grad():
            embeddings = net(images)
        entry = {
            'shape': shape,
            'names': sorted(n for n, _ in net.named_parameters() if n != 'features.weight'),
            'embeddings': embeddings.tolist(),
            'losses': {},
        }
        for loss, logits_of in LOSSES.items():
            net = filled(IResNet(**shape)).train()
            rows = fill('classifier.weight', (4, 5), 0.3).requires_grad_()
            e = net(images)
            cos = F.normalize(e) @ F.normalize(rows).t()
            y = torch.tensor([2, 0, 3])
            # Starting values near the lengths that these weights give, so that the clip at +-1 is not all there is to see.
            state = {'mean': torch.tensor(2.0), 'std': torch.tensor(0.5)}
            value = F.cross_entropy(logits_of(cos, y, e.norm(dim=1, keepdim=True), 16.0, 0.4, state), y)
            value.backward()
            grads = {n: p.grad for n, p in net.named_parameters() if p.grad is not None} | {'classifier.weight': rows.grad}
            entry['losses'][loss] = {
                'value': value.item(),
                'gradients': {n: [g.norm().item(), (g.flatten() * fill('probe', (g.numel(),))).sum().item()] for n, g in grads.items()},
                'running': {n: b.norm().item() for n, b in net.named_buffers() if 'running' in n},
                'state': [state['mean'].item(), state['std'].item()] if loss == 'adaface' else None,
            }
        out[label] = entry
    return out


def margins():
    """Target logits / s and their derivative by the cosine."""
    out = {'arcface': [], 'adaface': []}
    for c in [-0.999, -0.97, -0.9, -0.4, 0.0, 0.3, 0.8, 0.95, 0.9999]:
        cos = torch.tensor([[c, 0.0]], requires_grad=True)
        y = arcface(cos, torch.tensor([0]), None, 1.0, 0.5, None)[0, 0]
        y.backward()
        out['arcface'].append([c, y.item(), cos.grad[0, 0].item()])
        for z in [-1.0, -0.5, 0.0, 0.7, 1.0]:
            cos = torch.tensor([[c, 0.0]], requires_grad=True)
            theta = (torch.acos(cos[0, 0]) - 0.4 * z).clip(1e-3, math.pi - 1e-3)
            y = theta.cos() - (0.4 + 0.4 * z)
            y.backward()
            out['adaface'].append([c, z, y.item(), cos.grad[0, 0].item()])
    return out


def verification():
    """insightface's calculate_roc on squared distances, and brute-force ROC figures."""
    pairs, folds = 600, 10
    same = np.array([(i // 30) % 2 for i in range(pairs)])
    u = fill('scores', (pairs,)).numpy()
    v = np.sin(0.618 * np.arange(pairs) ** 2)
    scores = (np.where(same == 1, 0.45, 0.05) + 0.2 * u + 0.2 * v).astype(np.float32).astype(np.float64)
    dist = 2 - 2 * scores
    fold = np.arange(pairs) * folds // pairs
    thresholds = np.arange(0, 4, 0.01)
    accuracy = []
    for k in range(folds):
        train, test = fold != k, fold == k
        acc = [((dist[train] < t) == (same[train] == 1)).mean() for t in thresholds]
        best = thresholds[int(np.argmax(acc))]
        accuracy.append(((dist[test] < best) == (same[test] == 1)).mean())
    tars = {}
    for far in (0.1, 0.01):
        best = 0.0
        for t in scores:
            if (scores[same == 0] >= t).mean() <= far:
                best = max(best, (scores[same == 1] >= t).mean())
        tars[str(far)] = best
    gaps = []
    for t in np.sort(scores):
        far, frr = (scores[same == 0] >= t).mean(), (scores[same == 1] < t).mean()
        gaps.append((abs(far - frr), (far + frr) / 2))
    return {
        'accuracy': float(np.mean(accuracy)), 'std': float(np.std(accuracy)), 'folds': [float(a) for a in accuracy],
        'tar': tars, 'eer': float(min(gaps)[1]),
    }


def frechet():
    d = 6
    a = fill('first set', (50, d)).numpy() + 0.3 * fill('first noise', (50, d)).numpy() ** 3
    b = 0.8 * fill('second set', (40, d)).numpy() + 0.2
    ca, cb = np.cov(a.T), np.cov(b.T)
    values, vectors = np.linalg.eigh(ca)
    root = vectors @ np.diag(np.sqrt(values.clip(0))) @ vectors.T
    inner = np.linalg.eigvalsh(root @ cb @ root).clip(0)
    distance = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(ca) + np.trace(cb) - 2 * np.sqrt(inner).sum()
    m = fill('matrix', (9, 9)).numpy()
    return {'distance': float(distance), 'eigenvalues': np.linalg.eigvalsh((m + m.T) / 2).tolist()}


def hues():
    out = []
    for rgb in [(0.8, 0.2, 0.1), (0.2, 0.7, 0.65), (0.1, 0.3, 0.9), (0.9, 0.1, 0.85), (0.5, 0.5, 0.5), (0.3, 0.3, 0.1)]:
        for turn in (-0.1, 0.07, 0.5):
            h, s, v = colorsys.rgb_to_hsv(*rgb)
            out.append([list(rgb), turn, list(colorsys.hsv_to_rgb((h + turn) % 1.0, s, v))])
    return out


def rounded(x):
    if isinstance(x, float):
        return float(f'{x:.8g}')
    if isinstance(x, dict):
        return {k: rounded(v) for k, v in x.items()}
    return [rounded(v) for v in x] if isinstance(x, (list, tuple)) else x


print(json.dumps(rounded({
    'network': network(), 'margins': margins(), 'verification': verification(), 'frechet': frechet(), 'hues': hues(),
})))
