"""Numbers of PyTorch for test/stages/maths/functions.ts: every layer, loss and optimiser, with gradients, in float64.

Run: python3 test/reference/maths_reference.py > test/reference/maths.json   (needs torch and numpy; Debian's python3-torch does)

Each function below is a case: its name is the case's, its parameters are the inputs, with their shapes and ranges. The numbers of an
input are made from both names, so nothing has to be shared but this rule. What is written: the results, and the gradient by each
input of sum_i cos(1.7 i) y_i. Images are NHWC and filters [out, kh, kw, in], as in stages/tensors.
"""
import inspect
import json
import math

import numpy as np
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
CASES = {}


def case(differentiated=None, given=None):
    """Makes a function a case. Both are {input: shape or (shape, lo, hi)}."""

    def register(function):
        CASES[function.__name__] = (function, differentiated or {}, given or {})
        return function

    return register


def numbers(name, key, spec):
    """Uniform in [lo, hi), rounded to float32: mulberry32 seeded by FNV-1a of the names."""
    shape, lo, hi = spec if isinstance(spec, tuple) else (spec, -1, 1)
    mask, state = 0xFFFFFFFF, 0x811C9DC5
    for byte in f'{name}/{key}'.encode():
        state = (state ^ byte) * 0x01000193 & mask
    out = []
    for _ in range(math.prod(shape)):
        state = state + 0x6D2B79F5 & mask
        t = (state ^ state >> 15) * (state | 1) & mask
        t ^= t + ((t ^ t >> 7) * (t | 61) & mask) & mask
        out.append(lo + (hi - lo) * ((t ^ t >> 14) & mask) / 2**32)
    return torch.from_numpy(np.array(out, np.float32).astype(np.float64)).reshape(shape)


nchw = lambda t: t.permute(0, 3, 1, 2)
nhwc = lambda t: t.permute(0, 2, 3, 1)
flat = lambda *ts: torch.cat([t.reshape(-1) for t in ts])


# Layers


def convolution(name, x, out, kernel=3, stride=1, bias=True):
    def run(x, l_weight, l_bias=None):
        return nhwc(F.conv2d(nchw(x), nchw(l_weight), l_bias, stride, kernel // 2))

    weights = {'l.weight': [out, kernel, kernel, x[3]]} | ({'l.bias': [out]} if bias else {})
    CASES[name] = (run, {'x': x} | weights, {})


convolution('conv2d', [2, 5, 4, 2], 3)
convolution('conv2d_stride_2', [2, 6, 6, 2], 3, stride=2, bias=False)
convolution('conv2d_stride_2_odd', [2, 5, 7, 2], 2, stride=2)
convolution('conv2d_1x1', [2, 3, 3, 4], 3, kernel=1)
convolution('conv2d_1x1_stride_2', [2, 6, 6, 2], 3, kernel=1, stride=2)
convolution('conv2d_7x7_stride_2', [1, 8, 8, 2], 2, kernel=7, stride=2)
convolution('conv2d_one_image', [1, 6, 5, 3], 4)


@case({'x': [2, 3, 4], 'l.weight': [3, 4], 'l.bias': [3]})
def linear(x, l_weight, l_bias):
    return F.linear(x, l_weight, l_bias)


@case({'x': [5, 4], 'l.weight': [2, 4]})
def linear_without_bias(x, l_weight):
    return F.linear(x, l_weight)


@case({'x': ([2, 5, 4, 4], -2, 2), 'gain': [2, 1, 1, 4], 'offset': [2, 1, 1, 4]})
def group_norm(x, gain, offset):
    return nhwc(F.group_norm(nchw(x), 2)) * gain + offset


@case({'x': [2, 3, 2, 6], 'l.weight': [6], 'l.bias': [6]})
def group_norm_affine(x, l_weight, l_bias):
    return nhwc(F.group_norm(nchw(x), 3, l_weight, l_bias))


STATISTICS = {'l.running_mean': [2], 'l.running_var': ([2], 0.5, 2)}


@case({'x': [3, 2, 3, 2], 'l.weight': [2], 'l.bias': [2]}, STATISTICS)
def batch_norm_training(x, l_weight, l_bias, l_running_mean, l_running_var):
    y = nhwc(F.batch_norm(nchw(x), l_running_mean, l_running_var, l_weight, l_bias, training=True))
    return y, {'l.running_mean': l_running_mean, 'l.running_var': l_running_var}


@case({'x': [3, 2, 3, 2], 'l.weight': [2], 'l.bias': [2]}, STATISTICS)
def batch_norm_in_use(x, l_weight, l_bias, l_running_mean, l_running_var):
    return nhwc(F.batch_norm(nchw(x), l_running_mean, l_running_var, l_weight, l_bias, training=False))


@case({'x': [5, 3], 'l.bias': [3]}, {'l.running_mean': [3], 'l.running_var': ([3], 0.5, 2)})
def batch_norm_of_rows_without_gain(x, l_bias, l_running_mean, l_running_var):
    y = F.batch_norm(x, l_running_mean, l_running_var, None, l_bias, training=True, momentum=0.3, eps=1e-3)
    return y, {'l.running_mean': l_running_mean, 'l.running_var': l_running_var}


@case({'x': [3, 2, 2, 3], 'l.weight': [3]})
def prelu(x, l_weight):
    return nhwc(F.prelu(nchw(x), l_weight))


@case({'x': ([3, 7], -6, 6)})
def silu(x):
    return F.silu(x)


@case({'x': ([3, 2, 3, 2], -2, 2)})
def upsample2(x):
    return nhwc(F.interpolate(nchw(x), scale_factor=2, mode='nearest'))


@case({'q': ([2, 3, 4], -2, 2), 'k': ([2, 5, 4], -2, 2), 'v': [2, 5, 4]})
def attention(q, k, v):
    split = lambda t: t.reshape(2, t.shape[1], 2, 2).transpose(1, 2)
    weights = torch.softmax(split(q) @ split(k).transpose(2, 3) / math.sqrt(2), 3)
    return (weights @ split(v)).transpose(1, 2).reshape(2, 3, 4)


@case({'x': ([3, 4], -2, 2)})
def l2_normalise(x):
    return F.normalize(x)


@case({'x': ([3, 4], -2, 2)})
def l2_normalise_first_axis(x):
    return F.normalize(x, dim=0)


@case({'x': [4, 3]}, {'chance': ([4, 3], 0, 1)})
def dropout(x, chance):
    return x * (chance > 0.3) / 0.7


@case({'x': ([12], -2, 2)})
def clip_straight_through(x):
    return x + (x.clamp(-1, 1) - x).detach()


@case({'x': ([6], 0.1, 2)})
def safe_sqrt(x):
    return x.sqrt()


@case({'x': ([2, 7, 7, 2], -2, 2)})
def max_pool_3x3_stride_2(x):
    return nhwc(F.max_pool2d(nchw(x), 3, 2))


@case({'x': ([2, 4, 6, 2], -2, 2)})
def average_pool_2x2(x):
    return nhwc(F.avg_pool2d(nchw(x), 2))


@case({'x': ([3, 4], -2, 2)})
def gather_rows(x):
    return x[torch.tensor([2, 0, 2])]


@case({'x': ([3, 7], -2, 2)})
def relu(x):
    return F.relu(x)


# The frozen recogniser of face-api, through which a generator's loss goes back to its images.


def dlib_block(name, x, channels, down):
    """dlib's residual block: `res` of dnn_face_recognition_ex.cpp, or `res_down`, with scales folded in; filters are [kh, kw, in, out]."""

    def run(x, first, first_bias, second, second_bias):
        turned = lambda t: t.permute(3, 2, 0, 1)
        y = F.relu(F.conv2d(nchw(x), turned(first), first_bias, 2 if down else 1, 0 if down else 1))
        y = F.conv2d(y, turned(second), second_bias, 1, 1)
        shortcut = F.avg_pool2d(nchw(x), 2) if down else nchw(x)
        sizes = [max(a, b) for a, b in zip(y.shape, shortcut.shape)]
        grown = lambda t: F.pad(t, [0, sizes[3] - t.shape[3], 0, sizes[2] - t.shape[2], 0, sizes[1] - t.shape[1]])
        return nhwc(F.relu(grown(y) + grown(shortcut)))

    weights = {f'b/conv{i}/{what}': shape for i, width in ((1, x[3]), (2, channels))
               for what, shape in (('filters', [3, 3, width, channels]), ('bias', [channels]))}
    CASES[name] = (run, {'x': (x, -2, 2)} | weights, {})


dlib_block('dlib_block', [2, 4, 5, 3], 3, False)
dlib_block('dlib_block_down', [2, 7, 6, 3], 5, True)


@case({'x': [1, 3, 4, 3]})
def face_chips(x):
    """dlib's chip, 103 of the 112 pixels of ArcFace's frame around (56, 71), here with a margin of a tenth; means of 15 x 15 of its pixels."""

    def axis(size, middle):
        pixel = size / (112 * 1.2)
        step = 103 / 150 * pixel
        centres = (middle + 0.1 * 112) * pixel + (torch.arange(150) - 74.5) * step - 0.5
        # Far enough beyond the picture that each triangle is whole.
        places = torch.arange(-200, 200)
        weights = (1 - (places[None] - centres[:, None]).abs() / max(1, step)).clamp(min=0)
        matrix = torch.zeros(150, size)
        matrix.index_add_(1, places.clamp(0, size - 1), weights)
        return matrix / matrix.sum(1, keepdim=True)

    chips = torch.einsum('ih,bhwc,jw->bijc', axis(3, 71), x, axis(4, 56))
    return nhwc(F.avg_pool2d(nchw(chips), 15))


# Losses. Those with margins are their authors' formulas, with acos.

LABELS = torch.tensor([2, 0, 3])
HOT = F.one_hot(LABELS, 4)
CLASSIFIED = {'embeddings': ([3, 5], -3, 3), 'classifier.weight': [4, 5]}
ADAFACE = {'adaface.batch_mean': ([1], 3, 4), 'adaface.batch_std': ([1], 0.5, 1)}


def classified(cos, logits, state=None):
    return F.cross_entropy(logits, LABELS), {'logits': logits, 'cosines': cos, 'own': (cos * HOT).sum(1)} | (state or {})


@case(CLASSIFIED)
def cosface(embeddings, classifier_weight):
    cos = F.normalize(embeddings) @ F.normalize(classifier_weight).t()
    return classified(cos, 16 * (cos - 0.4 * HOT))


def arc(cos, m):
    return torch.where(cos > math.cos(math.pi - m), torch.cos(torch.acos(cos) + m), cos - m * math.sin(m))


@case(CLASSIFIED)
def arcface(embeddings, classifier_weight):
    cos = F.normalize(embeddings) @ F.normalize(classifier_weight).t()
    return classified(cos, 16 * torch.where(HOT.bool(), arc(cos, 0.5), cos))


def ada(cos, hot, z, m, eps=1e-3):
    theta = (torch.acos(cos) - hot * m * z).clip(eps, math.pi - eps)
    return theta.cos() - hot * (m + m * z)


def quality(embeddings, mean, std, h=0.333, t_alpha=0.5):
    lengths = embeddings.norm(dim=1, keepdim=True).clip(0.001, 100).detach()
    state = {
        'adaface.batch_mean': t_alpha * lengths.mean() + (1 - t_alpha) * mean,
        'adaface.batch_std': t_alpha * lengths.std() + (1 - t_alpha) * std,
    }
    z = ((lengths - state['adaface.batch_mean']) / (state['adaface.batch_std'] + 1e-3) * h).clip(-1, 1)
    return z, state


@case(CLASSIFIED, ADAFACE)
def adaface(embeddings, classifier_weight, adaface_batch_mean, adaface_batch_std):
    cos = F.normalize(embeddings) @ F.normalize(classifier_weight).t()
    z, state = quality(embeddings, adaface_batch_mean, adaface_batch_std)
    return classified(cos, 16 * ada(cos, HOT, z, 0.4), state)


@case({'cosine': ([24, 1], -0.99, 0.95)})
def arcface_target(cosine):
    return arc(cosine, 0.5)


@case({'cosine': ([24, 1], -0.99, 0.95)}, {'z': [24, 1]})
def adaface_target(cosine, z):
    return ada(cosine, 1, z, 0.4)


@case({}, {'embeddings': ([4, 5], -3, 3)} | ADAFACE)
def quality_indicator(embeddings, adaface_batch_mean, adaface_batch_std):
    return quality(embeddings, adaface_batch_mean, adaface_batch_std)


@case({'logits': ([3, 4], -5, 5)})
def cross_entropy(logits):
    return F.cross_entropy(logits, LABELS)


@case({'a': [4, 5], 'b': [4, 5]})
def similarity_cosine(a, b):
    return (a * b).sum(1)


@case({'a': [4, 5], 'b': [4, 5]})
def similarity_euclidean(a, b):
    return 1 - (a - b).norm(dim=1)


@case({'similarity': [6], 'm': [6], 'g': ([6], 0, 1)})
def similarity_matching_loss(similarity, m, g):
    rec, sim = (1 - similarity) ** 2, (m - similarity) ** 2
    return (1 - g) * rec + g * sim, {'rec': rec, 'sim': sim}


@case({'identity': [6], 'style': [6], 'g': ([6], 0, 1)})
def dual_condition_loss(identity, style, g):
    return g * (1 - identity) + (1 - g) * (1 - style)


PICTURE = [2, 2, 3, 3]


def diffusion(prediction):
    def run(x0, eps, output, abar):
        signal, noise = abar.sqrt(), (1 - abar).sqrt()
        xt = signal * x0 + noise * eps
        target = {'eps': eps, 'x0': x0, 'v': signal * eps - noise * x0}[prediction]
        estimate = {'eps': (xt - noise * output) / signal, 'x0': output, 'v': signal * xt - noise * output}[prediction]
        return flat((output - target) ** 2, xt, estimate)

    wide = (PICTURE, -2, 2)
    CASES[f'diffusion_{prediction}'] = (run, {'x0': PICTURE, 'eps': wide, 'output': wide}, {'abar': ([2, 1, 1, 1], 0.1, 0.9)})


ABAR = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000), 0)


def ddim(prediction, t, previous, eta):
    def run(xt, output, z=None):
        a, before = ABAR[t], torch.tensor(1.0) if previous < 0 else ABAR[previous]
        signal, noise = a.sqrt(), (1 - a).sqrt()
        x0 = {'eps': (xt - noise * output) / signal, 'x0': output, 'v': signal * xt - noise * output}[prediction].clamp(-1, 1)
        sigma = eta * ((1 - before) / (1 - a)).sqrt() * (1 - a / before).sqrt()
        towards = (xt - signal * x0) / noise
        step = before.sqrt() * x0 + (1 - before - sigma**2).sqrt() * towards
        return step if z is None else step + sigma * z

    inputs = {'xt': (PICTURE, -2, 2), 'output': PICTURE} | ({} if prediction == 'v' else {'z': (PICTURE, -2, 2)})
    CASES[f'ddim_step_{prediction}'] = (run, inputs, {})


for which, numbers_of_step in {'eps': (700, 650, 1), 'v': (400, -1, 0), 'x0': (300, 100, 0.5)}.items():
    diffusion(which)
    ddim(which, *numbers_of_step)


@case()
def ddim_steps():
    """As diffusers spaces 8 of 1000 steps."""
    linspace = np.linspace(0, 999, 8).round()[::-1]
    leading = (np.arange(0, 8) * (1000 // 8)).round()[::-1]
    trailing = np.round(np.arange(1000, 0, -1000 / 8)) - 1
    return torch.tensor(np.concatenate([linspace, leading, trailing]))


@case()
def time_embedding():
    angles = torch.tensor([0.0, 1, 731])[:, None] * 10000 ** (-torch.arange(64) / 64)
    return torch.cat([angles.sin(), angles.cos()], 1)


@case({'map': [2, 5, 6, 2]})
def style_statistics(map):
    x = nchw(map)
    mean = lambda t: F.adaptive_avg_pool2d(t, 2).flatten(2)
    cells = torch.cat([mean(x), x.mean((2, 3))[:, :, None]], 2)
    squares = torch.cat([mean(x**2), (x**2).mean((2, 3))[:, :, None]], 2)
    return torch.cat([cells, (squares - cells**2 + 1e-6).sqrt()], 1).transpose(1, 2)


@case({'condition.tokens.bias': [6]})
def condition_unconditional(condition_tokens_bias):
    return condition_tokens_bias.reshape(1, 2, 3).repeat(2, 1, 1)


@case({
    'identity': [2, 5], 'm': [2],
    'condition.similarity.weight': [5, 1], 'condition.similarity.bias': [5],
    'condition.tokens.weight': [6, 10], 'condition.tokens.bias': [6],
    'condition.modulation.weight': [4, 10], 'condition.modulation.bias': [4],
})
def condition_cemiface(identity, m, similarity, similarity_bias, tokens, tokens_bias, modulation, modulation_bias):
    both = torch.cat([identity * math.sqrt(5), F.linear(m[:, None], similarity, similarity_bias)], 1)
    return flat(F.linear(both, tokens, tokens_bias), F.linear(both, modulation, modulation_bias))


@case({
    'identity': [2, 5], 'style': [2, 5, 6],
    'condition.style.weight': [3, 6], 'condition.style.bias': [3], 'condition.position': [1, 5, 3],
    'condition.tokens.weight': [6, 5], 'condition.tokens.bias': [6],
    'condition.modulation.weight': [4, 5], 'condition.modulation.bias': [4], 'condition.modulation.scale': [1],
}, {'chance': ([2, 5, 3], 0, 1)})
def condition_dcface(identity, style, look, look_bias, position, tokens, tokens_bias, modulation, modulation_bias, scale, chance):
    identity = identity * math.sqrt(5)
    told = F.linear(style, look, look_bias) * (chance > 0.3) / 0.7 + position
    own = F.linear(identity, tokens, tokens_bias).reshape(2, 2, 3)
    return flat(torch.cat([own, told], 1), scale * F.linear(identity, modulation, modulation_bias))


# Optimisers: three steps of torch.optim


def optimiser(name, make, asides, masked=False):
    def run(weights, g1, g2, g3):
        # One parameter a weight, so that some can go without decay.
        parameters = [torch.nn.Parameter(w.clone()) for w in weights]
        groups = [{'params': parameters[::2]}, {'params': parameters[1::2]} | ({'weight_decay': 0} if masked else {})]
        stepper = make(groups)
        for g in (g1, g2, g3):
            for p, d in zip(parameters, g):
                p.grad = d.clone()
            stepper.step()
        kept = {ours: torch.stack([stepper.state[p][theirs] for p in parameters]) for ours, theirs in asides.items()}
        return torch.stack([p.detach() for p in parameters]), kept

    CASES[name] = (run, {}, {key: [8] for key in ('weights', 'g1', 'g2', 'g3')})


MOMENTS = {'m': 'exp_avg', 'v': 'exp_avg_sq'}
optimiser('adam', lambda p: torch.optim.Adam(p, 0.1), MOMENTS)
optimiser('adamw', lambda p: torch.optim.AdamW(p, 0.1, (0.8, 0.95), 1e-3, 0.3), MOMENTS)
optimiser('adamw_masked', lambda p: torch.optim.AdamW(p, 0.1, weight_decay=0.3), MOMENTS, masked=True)
optimiser('sgd_momentum', lambda p: torch.optim.SGD(p, 0.1, 0.9, weight_decay=0.3), {'m': 'momentum_buffer'})
optimiser('sgd_masked', lambda p: torch.optim.SGD(p, 0.1, 0.9, weight_decay=0.3), {'m': 'momentum_buffer'}, masked=True)


@case({}, {key: [8] for key in ('weights', 'g1', 'g2', 'g3')})
def sgd(weights, g1, g2, g3):
    # Without momentum PyTorch keeps none; ours is then the last gradient.
    return weights - 0.1 * (g1 + g2 + g3), {'m': g3}


def clip(name, limit):
    def run(gradient):
        norm = gradient.norm()
        clipped = gradient * (limit / (norm + 1e-6)).clamp(max=1)
        # The formula has a gradient; PyTorch's own function, which works in place, has not.
        parameter = torch.nn.Parameter(gradient.detach())
        parameter.grad = gradient.detach().clone()
        torch.nn.utils.clip_grad_norm_([parameter], limit)
        assert torch.allclose(clipped, parameter.grad)
        return clipped, {'norm': norm}

    CASES[name] = (run, {'gradient': [8]}, {})


clip('clip_longer', 0.7)
clip('clip_shorter', 70)


@case({'average': [8], 'weights': [8]})
def ema(average, weights):
    return 0.9 * average + 0.1 * weights


def result(name):
    run, differentiated, given = CASES[name]
    inputs = {key: numbers(name, key, spec).requires_grad_() for key, spec in differentiated.items()}
    others = [numbers(name, key, spec) for key, spec in given.items()]
    out = run(*inputs.values(), *others)
    value, aside = out if isinstance(out, tuple) else (out, {})
    if inputs:
        (value.reshape(-1) * torch.cos(1.7 * torch.arange(value.numel()))).sum().backward()
    plain = lambda t: [float(f'{x:.9g}') for x in t.detach().reshape(-1).tolist()]
    return {
        'value': plain(value),
        'aside': {key: plain(t) for key, t in aside.items()},
        'gradients': {key: plain(x.grad) for key, x in inputs.items()},
    }


print(json.dumps({name: result(name) for name in CASES}, indent=0))
