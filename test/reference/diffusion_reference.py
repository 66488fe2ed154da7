"""Numbers of PyTorch for test/stages/maths/unet-case.ts: UNet, losses and gradients on tiny networks.

Run: python3 diffusion_reference.py > diffusion_reference.json   (needs torch; Debian's python3-torch does)

Weights are asked by name in the same order as in stages/diffusion and filled by a formula of their place in the flat
vector, so nothing but this order has to be shared. E_id is one linear layer here: what matters is that gradients go
through it.
"""
import json
import math

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
SIZE, B, D, T = 10, 2, 6, 1000


def wave(shape, scale, frequency, phase):
    # The square keeps rows of a matrix from being shifted copies of each other, which would make its rank 2.
    i = torch.arange(math.prod(shape))
    return (scale * torch.sin(frequency * i + 0.0137 * i * i + phase)).reshape(shape)


class Scope:
    def __init__(self):
        self.slots, self.at = [], 0

    def weight(self, name, *shape):
        n = math.prod(shape)
        i = torch.arange(self.at, self.at + n)
        value = (0.3 * torch.sin(1.7 * i + 0.0137 * i * i + 0.3)).reshape(shape).requires_grad_()
        self.at += n
        self.slots.append((name, value))
        return value

    def conv(self, name, x, out, kernel=3, stride=1):
        w = self.weight(name + '.weight', out, kernel, kernel, x.shape[1])
        b = self.weight(name + '.bias', out)
        return F.conv2d(x, w.permute(0, 3, 1, 2), b, stride, kernel // 2)

    def linear(self, name, x, out):
        w = self.weight(name + '.weight', out, x.shape[-1])
        return F.linear(x, w, self.weight(name + '.bias', out))

    def norm(self, name, x, groups):
        return F.group_norm(x, groups, self.weight(name + '.weight', x.shape[1]), self.weight(name + '.bias', x.shape[1]))


def residual(s, name, x, width, embedding, groups):
    h = s.conv(name + '.conv1', F.silu(s.norm(name + '.norm1', x, groups)), width)
    scale, shift = s.linear(name + '.adagn', embedding, 2 * width)[:, :, None, None].chunk(2, 1)
    h = s.conv(name + '.conv2', F.silu(F.group_norm(h, groups) * (1 + scale) + shift), width)
    return (x if x.shape[1] == width else s.conv(name + '.skip', x, width, 1)) + h


def cross_attention(s, name, x, tokens, head, groups):
    b, c, h, w = x.shape
    places = s.norm(name + '.norm', x, groups).flatten(2).transpose(1, 2)
    q, k, v = s.linear(name + '.qkv', places, 3 * c).chunk(3, 2)
    kc, vc = s.linear(name + '.condition', tokens, 2 * c).chunk(2, 2)
    split = lambda t: t.reshape(b, t.shape[1], c // head, head).transpose(1, 2)
    q, k, v = split(q), split(torch.cat([k, kc], 1)), split(torch.cat([v, vc], 1))
    mixed = (torch.softmax(q @ k.transpose(2, 3) / math.sqrt(head), 3) @ v).transpose(1, 2).reshape(b, h * w, c)
    return x + s.linear(name + '.out', mixed, c).transpose(1, 2).reshape(x.shape)


def unet(s, x, time, tokens, modulation, full, base=8, multipliers=(1, 2, 2), attention_at=(4,), head=8, groups=4, width=16):
    hidden = F.silu(s.linear('time.0', time, width))
    hidden = s.linear('time.2', hidden, width)
    embedding = F.silu(hidden if modulation is None else hidden + modulation)
    widths = [base * m for m in multipliers]
    deepest = len(widths) - 1
    block = lambda name, h, w: residual(s, name, h, w, embedding, groups)
    attend = lambda name, h: cross_attention(s, name, h, tokens, head, groups)
    h = s.conv('in', x, base)
    skips = [[] for _ in widths]
    for level, w in enumerate(widths):
        if full:
            skips[level].append(h)
        h = block(f'down.{level}.0', h, w)
        if 2 ** level in attention_at:
            h = attend(f'down.{level}.0.attention', h)
        skips[level].append(h)
        if level < deepest:
            h = s.conv(f'down.{level}.sample', h, w, 3, 2)
    h = block('middle.0', h, widths[deepest])
    if full:
        h = block('middle.1', attend('middle.attention', h), widths[deepest])
    for level in range(deepest, -1, -1):
        w = widths[level]
        for i in range(2 if full else 1):
            h = block(f'up.{level}.{i}', torch.cat([h, skips[level].pop()], 1), w)
            if 2 ** level in attention_at:
                h = attend(f'up.{level}.{i}.attention', h)
        if level > 0:
            size = (SIZE, 5, 3)[level - 1]
            enlarge = lambda t: F.interpolate(t, scale_factor=2, mode='nearest')[:, :, :size, :size]
            h = s.conv(f'up.{level}.sample', enlarge(h), w) if full else enlarge(s.conv(f'up.{level}.sample', h, widths[level - 1], 1))
    out = s.conv('out', F.silu(s.norm('out.norm', h, groups)), 6 if full else 3)
    return out[:, :3]


def style_statistics(f, grid):
    h, w = f.shape[2:]
    cut = lambda i, n: slice(i * n // grid, -(-(i + 1) * n // grid))
    parts = [f[:, :, cut(r, h), cut(c, w)] for r in range(grid) for c in range(grid)] + [f]
    row = lambda p: torch.cat([p.mean((2, 3)), (p.var((2, 3), unbiased=False) + 1e-6).sqrt()], 1)
    return torch.stack([row(p) for p in parts], 1)


def case(method, prediction, lam, full):
    s = Scope()
    images = wave((B, SIZE, SIZE, 3), 0.8, 0.731, 0.1).permute(0, 3, 1, 2)
    other = wave((B, SIZE, SIZE, 3), 0.8, 0.517, 0.9).permute(0, 3, 1, 2)
    eps = wave((B, SIZE, SIZE, 3), 1.2, 2.113, 0.4).permute(0, 3, 1, 2)
    E = wave((SIZE * SIZE * 3, D), 0.5, 1.319, 0.2)
    embed = lambda x: F.normalize(x.permute(0, 2, 3, 1).flatten(1) @ E, dim=1)
    t = torch.tensor([100, 700])
    abar = torch.cumprod(1 - torch.linspace(1e-4, 0.02, T), 0)[t][:, None, None, None]
    signal, noise = abar.sqrt(), (1 - abar).sqrt()
    frequencies = torch.exp(-math.log(1e4) * torch.arange(64) / 64)
    time = torch.cat([(t[:, None] * frequencies).sin(), (t[:, None] * frequencies).cos()], 1)
    m, g = torch.tensor([0.5, -0.4]), t / T
    xt = signal * images + noise * eps
    own = embed(images)
    tokens, channels, modulation = 2, 5, None
    if method == 'cemiface':
        identity = own
        sim = s.linear('condition.similarity', m[:, None], D)
        told = s.linear('condition.tokens', torch.cat([identity * math.sqrt(D), sim], 1), tokens * channels).reshape(B, tokens, channels)
    else:
        identity, grid = embed(other), 3
        keep = (wave((B, grid * grid + 1, channels), 1, 3.3, 0.5) > -0.4).double()
        look = s.linear('condition.style', style_statistics(images, grid), channels) * keep / 0.7
        position = s.weight('condition.position', 1, grid * grid + 1, channels)
        mine = s.linear('condition.tokens', identity * math.sqrt(D), tokens * channels).reshape(B, tokens, channels)
        scale = s.weight('condition.modulation.scale', 1)
        told = torch.cat([mine, look + position], 1)
        modulation = s.linear('condition.modulation', identity * math.sqrt(D), 16) * scale
    output = unet(s, xt, time, told, modulation, full)
    if prediction == 'eps':
        target, x0 = eps, (xt - noise * output) / signal
    else:
        target, x0 = signal * eps - noise * images, signal * xt - noise * output
    mse = ((output - target) ** 2).mean()
    x0 = x0 + (x0.clamp(-1, 1) - x0).detach()  # the clip lets gradients through
    estimate = embed(x0)
    cos = (identity * estimate).sum(1)
    if method == 'cemiface':
        first, second = (1 - cos) ** 2, (m - cos) ** 2
        loss = mse + lam * ((1 - g) * first + g * second).mean()
    else:
        first, second = 1 - cos, 1 - (own * estimate).sum(1)
        loss = mse + lam * (g * first + (1 - g) * second).mean()
    loss.backward()
    return {
        'method': method, 'prediction': prediction, 'lambda': lam, 'full': full, 'size': s.at,
        'output': output.permute(0, 2, 3, 1).flatten()[::37].tolist(),
        'reported': [v.item() for v in (loss, mse, first.mean(), second.mean())],
        # Beside the norm a product, which sees what lies where.
        'gradients': {name: [w.grad.norm().item(), (w.grad * wave(w.shape, 1, 2.39, 0.7)).sum().item()] for name, w in s.slots},
    }


round8 = lambda v: {k: round8(x) for k, x in v.items()} if isinstance(v, dict) else [round8(x) for x in v] if isinstance(v, list) else float(f'{v:.8g}') if isinstance(v, float) else v
print(json.dumps({'torch': torch.__version__, 'cases': [round8(case('cemiface', 'eps', 0.3, False)), round8(case('dcface', 'v', 0.3, True))]}, indent=1))
