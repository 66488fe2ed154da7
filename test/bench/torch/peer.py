"""PyTorch's side of `npm run bench compute`, started by peer.ts: one task in one process, driven by lines of JSON.

    peer.py FOLDER    the folder has task.json and task.safetensors
    {"layout": "channels_last"}   everything is kept in that memory layout from now on
    {"turn": true}                the work once; answers {"answer": a number that both sides must agree on,
                                  "processor": seconds of processor time it took}

Threads come from OMP_NUM_THREADS. Eager mode, float32, fused optimisers: what PyTorch does without being asked for more.
"""
import json
import os
import sys
import time

import torch
import torch.nn.functional as F

from networks import MEMORY_FORMATS, Scope, cemiface, iresnet, margin_logits, read_tensors


class Task:
    def __init__(self, settings, tensors):
        self.settings = settings
        self.inputs = {n[len('input/'):]: t for n, t in tensors.items() if n.startswith('input/')}
        trained = settings['kind'].startswith('train')
        self.network = Scope(tensors, 'network/', trained)
        self.recogniser = Scope(tensors, 'recogniser/', False)
        self.parameters = list(self.network.weights.values())
        self.average = [p.detach().clone() for p in self.parameters] if settings['kind'] == 'train-generator' else []
        self.format = torch.contiguous_format
        self.optimiser = self.make_optimiser() if trained else None

    def make_optimiser(self):
        settings = self.settings
        if settings['kind'] == 'train-recogniser':
            options = {'momentum': settings['momentum'], 'weight_decay': settings['weightDecay']}
            return torch.optim.SGD(self.parameters, lr=settings['lr'], fused=True, **options)
        groups = [
            {'params': [p for p in self.parameters if p.dim() > 1], 'weight_decay': settings['weightDecay']},
            {'params': [p for p in self.parameters if p.dim() <= 1], 'weight_decay': 0.0},
        ]
        return torch.optim.AdamW(groups, lr=settings['lr'], fused=True)

    def lay_out(self, name):
        self.format = MEMORY_FORMATS[name]
        states = self.optimiser.state.values() if self.optimiser else []
        moments = [value for state in states for value in state.values() if torch.is_tensor(value)]
        frozen = list(self.recogniser.weights.values())
        for tensor in [*self.parameters, *self.average, *moments, *frozen]:
            tensor.grad = None
            if tensor.dim() == 4:
                tensor.data = tensor.data.contiguous(memory_format=self.format)

    def image(self, name):
        """[B, H, W, 3] -> [B, 3, H, W] in the layout asked."""
        return self.inputs[name].permute(0, 3, 1, 2).contiguous(memory_format=self.format)

    def turn(self):
        kind = self.settings['kind']
        if kind == 'train-generator':
            return self.train_generator()
        if kind == 'train-recogniser':
            return self.train_recogniser()
        with torch.inference_mode():
            return self.denoise() if kind == 'sample' else self.embed()

    def step(self, loss):
        loss.backward()
        if self.settings['clip'] > 0:
            torch.nn.utils.clip_grad_norm_(self.parameters, self.settings['clip'])
        self.optimiser.step()
        self.optimiser.zero_grad()
        return loss.item()

    def predict(self, xt, time, identity, m):
        return cemiface(self.network, self.settings['network'], xt, time, identity, m)

    def estimate(self, xt, output, signal, noise):
        return signal * xt - noise * output if self.settings['prediction'] == 'v' else (xt - noise * output) / signal

    def embed_frozen(self, images):
        return F.normalize(iresnet(self.recogniser, self.settings['recogniser'], images))

    def train_generator(self):
        settings, inputs = self.settings, self.inputs
        images, eps = self.image('images'), self.image('noise')
        signal, noise, g, m = inputs['signal'], inputs['noiseScale'], inputs['g'], inputs['m']
        xt = signal * images + noise * eps
        with torch.no_grad():
            identity = self.embed_frozen(images)
        output = self.predict(xt, inputs['time'], identity, m)
        target = signal * eps - noise * images if settings['prediction'] == 'v' else eps
        x0 = self.estimate(xt, output, signal, noise)
        x0 = x0 + (x0.clamp(-1, 1) - x0).detach()  # the clip lets gradients through
        cos = (identity * self.embed_frozen(x0)).sum(1)
        matching = ((1 - g) * (1 - cos) ** 2 + g * (m - cos) ** 2).mean()
        answer = self.step(F.mse_loss(output, target) + settings['lambda'] * matching)
        with torch.no_grad():
            torch._foreach_lerp_(self.average, self.parameters, 1 - settings['decay'])
        return answer

    def train_recogniser(self):
        labels = self.inputs['labels'].long()
        embeddings = iresnet(self.network, self.settings['recogniser'], self.image('images'))
        logits, cos = margin_logits(self.network, self.settings['margin'], embeddings, labels)
        with torch.no_grad():
            (cos.argmax(1) == labels).float().mean().item()
        return self.step(F.cross_entropy(logits, labels))

    def denoise(self):
        at, inputs = self.settings['at'], self.inputs
        xt = self.image('start')
        time = inputs['time'].expand(len(xt), -1)
        output = self.predict(xt, time, inputs['identity'], inputs['m'])
        x0 = self.estimate(xt, output, at['signal'], at['noise']).clamp(-1, 1)
        x = at['previousSignal'] * x0 + at['direction'] * (xt - at['signal'] * x0) / at['noise']
        return ((x.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).sum().item() / x.numel()

    def embed(self):
        total = 0.0
        for images in self.inputs['images'].split(self.settings['batch']):
            x = images.permute(0, 3, 1, 2).contiguous(memory_format=self.format).float() / 127.5 - 1
            total += self.embed_frozen(x).abs().sum().item()
        return total


def main():
    threads = int(os.environ['OMP_NUM_THREADS'])
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    folder = sys.argv[1]
    with open(os.path.join(folder, 'task.json')) as file:
        settings = json.load(file)
    task = Task(settings, read_tensors(os.path.join(folder, 'task.safetensors')))
    print(json.dumps({'version': torch.__version__, 'threads': torch.get_num_threads()}), flush=True)
    for line in sys.stdin:
        words = json.loads(line)
        if 'layout' in words:
            task.lay_out(words['layout'])
        before = time.process_time()
        answer = {'answer': task.turn()} if 'turn' in words else {}
        print(json.dumps({**answer, 'processor': time.process_time() - before}), flush=True)


main()
