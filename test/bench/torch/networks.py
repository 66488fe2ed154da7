"""The UNet and the IResNet of stages/ once more in PyTorch, weights asked by the same names from a file."""
import json
import math

import torch
import torch.nn.functional as F

MEMORY_FORMATS = {'contiguous': torch.contiguous_format, 'channels_last': torch.channels_last}


def read_tensors(path):
    """A .safetensors file: eight bytes of header length, a JSON header, the data."""
    with open(path, 'rb') as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), 'little')))
        data = bytearray(file.read())
    header.pop('__metadata__', None)
    types = {'F32': torch.float32, 'I32': torch.int32, 'U8': torch.uint8}
    tensors = {}
    for name, entry in header.items():
        begin, end = entry['data_offsets']
        flat = torch.frombuffer(data[begin:end], dtype=types[entry['dtype']])
        tensors[name] = flat.reshape(entry['shape'])
    return tensors


class Scope:
    """Named weights; filters come as [out, kh, kw, in]."""

    def __init__(self, tensors, prefix, trained):
        named = {name[len(prefix):]: value for name, value in tensors.items() if name.startswith(prefix)}
        self.buffers = {n: v.clone() for n, v in named.items() if '.running_' in n or n.startswith('adaface.')}
        self.weights = {
            n: (v.permute(0, 3, 1, 2) if v.dim() == 4 else v).contiguous().requires_grad_(trained)
            for n, v in named.items()
            if n not in self.buffers
        }
        self.training = trained

    def conv(self, name, x, stride=1):
        weight = self.weights[name + '.weight']
        return F.conv2d(x, weight, self.weights.get(name + '.bias'), stride, weight.shape[2] // 2)

    def linear(self, name, x):
        return F.linear(x, self.weights[name + '.weight'], self.weights.get(name + '.bias'))

    def group_norm(self, name, x, groups):
        return F.group_norm(x, groups, self.weights[name + '.weight'], self.weights[name + '.bias'])

    def batch_norm(self, name, x):
        mean, variance = self.buffers[name + '.running_mean'], self.buffers[name + '.running_var']
        gain, offset = self.weights.get(name + '.weight'), self.weights.get(name + '.bias')
        return F.batch_norm(x, mean, variance, gain, offset, self.training, 0.1, 1e-5)

    def prelu(self, name, x):
        return F.prelu(x, self.weights[name + '.weight'])


def residual(s, name, x, embedding, groups):
    h = s.conv(name + '.conv1', F.silu(s.group_norm(name + '.norm1', x, groups)))
    scale, shift = s.linear(name + '.adagn', embedding)[:, :, None, None].chunk(2, 1)
    h = s.conv(name + '.conv2', F.silu(F.group_norm(h, groups) * (1 + scale) + shift))
    return (s.conv(name + '.skip', x) if name + '.skip.weight' in s.weights else x) + h


def cross_attention(s, name, x, tokens, settings):
    b, c, h, w = x.shape
    heads = max(1, c // settings['headChannels'])
    split = lambda t: t.reshape(b, t.shape[1], heads, c // heads).transpose(1, 2)
    places = s.group_norm(name + '.norm', x, settings['groups']).flatten(2).transpose(1, 2)
    q, k, v = s.linear(name + '.qkv', places).chunk(3, 2)
    kc, vc = s.linear(name + '.condition', tokens).chunk(2, 2)
    mixed = F.scaled_dot_product_attention(split(q), split(torch.cat([k, kc], 1)), split(torch.cat([v, vc], 1)))
    out = s.linear(name + '.out', mixed.transpose(1, 2).reshape(b, h * w, c))
    return x + out.transpose(1, 2).reshape(b, c, h, w)


def unet(s, settings, x, time, tokens, modulation):
    full = settings['decoder'] == 'full'
    levels, blocks = len(settings['multipliers']), settings['blocks']
    embedding = s.linear('time.2', F.silu(s.linear('time.0', time)))
    embedding = F.silu(embedding if modulation is None else embedding + modulation)

    def block(name, h, level):
        h = residual(s, name, h, embedding, settings['groups'])
        return attend(name + '.attention', h) if 2 ** level in settings['attentionAt'] else h

    attend = lambda name, h: cross_attention(s, name, h, tokens, settings)
    h = s.conv('in', x)
    skips = [[] for _ in range(levels)]
    for level in range(levels):
        if full:
            skips[level].append(h)
        for i in range(blocks):
            h = block(f'down.{level}.{i}', h, level)
            if full or i == blocks - 1:
                skips[level].append(h)
        if level < levels - 1:
            h = s.conv(f'down.{level}.sample', h, 2)
    h = residual(s, 'middle.0', h, embedding, settings['groups'])
    if full:
        h = residual(s, 'middle.1', attend('middle.attention', h), embedding, settings['groups'])
    for level in reversed(range(levels)):
        for i in range(blocks + 1 if full else blocks):
            h = block(f'up.{level}.{i}', torch.cat([h, skips[level].pop()], 1) if skips[level] else h, level)
        if level > 0:
            height, width = skips[level - 1][-1].shape[2:]
            enlarge = lambda t: F.interpolate(t, scale_factor=2, mode='nearest')[:, :, :height, :width]
            name = f'up.{level}.sample'
            h = s.conv(name, enlarge(h)) if full else enlarge(s.conv(name, h))
    return s.conv('out', F.silu(s.group_norm('out.norm', h, settings['groups'])))[:, :3]


def cemiface(s, network, xt, time, identity, m):
    """The prediction for x_t under C_id and C_sim."""
    condition = network['condition']
    similarity = s.linear('condition.similarity', m[:, None])
    both = torch.cat([identity * math.sqrt(condition['embedding']), similarity], 1)
    tokens = s.linear('condition.tokens', both).reshape(len(m), condition['tokens'], condition['channels'])
    modulation = s.linear('condition.modulation', both) if condition['modulation'] else None
    return unet(s, network['unet'], xt, time, tokens, modulation)


def iresnet(s, config, x):
    x = s.prelu('prelu', s.batch_norm('bn1', s.conv('conv1', x, config['stemStride'])))
    for stage, blocks in enumerate(config['blocks'], 1):
        for i in range(blocks):
            name = f'layer{stage}.{i}'
            stride = 2 if i == 0 else 1
            y = s.conv(name + '.conv1', s.batch_norm(name + '.bn1', x))
            y = s.conv(name + '.conv2', s.prelu(name + '.prelu', s.batch_norm(name + '.bn2', y)), stride)
            y = s.batch_norm(name + '.bn3', y)
            if config['se']:
                gate = F.relu(s.linear(name + '.se.fc1', y.mean((2, 3))))
                y = y * torch.sigmoid(s.linear(name + '.se.fc2', gate))[:, :, None, None]
            if name + '.downsample.0.weight' in s.weights:
                x = s.batch_norm(name + '.downsample.1', s.conv(name + '.downsample.0', x, stride))
            x = x + y
    return s.batch_norm('features', s.linear('fc', torch.flatten(s.batch_norm('bn2', x), 1)))


def margin_logits(s, margin, embeddings, labels):
    """CosFace's or AdaFace's logits, with arc cosines as the latter's authors wrote it."""
    cos = F.normalize(embeddings) @ F.normalize(s.weights['classifier.weight']).t()
    hot = F.one_hot(labels, cos.shape[1]).to(cos.dtype)
    m, scale = margin['margin'], margin['scale']
    if margin['loss'] == 'cosface':
        return scale * (cos - m * hot), cos
    eps, alpha = 1e-3, margin['tAlpha']
    lengths = embeddings.norm(dim=1, keepdim=True).clip(0.001, 100).detach()
    s.buffers['adaface.batch_mean'].lerp_(lengths.mean(), alpha)
    s.buffers['adaface.batch_std'].lerp_(lengths.std(), alpha)
    z = (lengths - s.buffers['adaface.batch_mean']) / (s.buffers['adaface.batch_std'] + eps)
    z = (z * margin['h']).clip(-1, 1)
    theta = (torch.acos(cos.clip(-1 + eps, 1 - eps)) - hot * m * z).clip(eps, math.pi - eps)
    return scale * (theta.cos() - hot * (m + m * z)), cos
