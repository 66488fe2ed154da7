/** One mistake hides no other, and makes none that is not there: what each file's errors say, in order. */
import { expect, test } from 'vitest';
import { Lab } from './lab.js';

interface Wrong {
  what: string;
  yaml: string;
  /** `line: message` */
  says: string[];
}

const wrong: Wrong[] = [
  {
    what: 'a stage whose matrix is wrong, and those below it',
    yaml: `stages:
  faces: { uses: faces }
  oracle: { uses: train, inputs: { dataset: faces }, with: { loss: adaface } }
  samples:
    uses: train
    matrix: { m: { from: 0, to: 1, step: 0 } }
    inputs: { datasett: faces, model: "oracle@k=1" }
    with: { loss: arcfase, lambda: "\${{ matrix.m }}", lr: 0, network: { widths: ["\${{ matrix.m }}"], blocks: two }, lamda: 1 }
    after: [orakle]
  fr:
    uses: train
    matrix: samples
    inputs: { dataset: samples, model: faces.modl }
    with: { lr: "\${{ matrix.m }}" }
  score: { uses: evaluate, matrix: fr, inputs: { model: "fr@k=2", verification: faces.verificatio } }`,
    says: [
      "6: the step of 'm' is 0: the range never ends",
      "7: 'datasett' is not an input of train. Did you mean 'dataset'?",
      "7: oracle has no axis 'k'",
      "8: 'loss' must be one of adaface, arcface, cosface, not 'arcfase'. Did you mean 'arcface'?",
      "8: 'lr' is 0: it must be above 0",
      "8: 'lamda' is not a setting of train. Did you mean 'lambda'?",
      "9: there is no stage 'orakle'. Did you mean 'oracle'?",
      "13: input 'dataset' takes images or groups, but samples is model",
      "13: faces has no output 'modl'",
      "14: train needs 'loss'",
      "15: faces has no output 'verificatio'. Did you mean 'verification'?",
    ],
  },
  {
    what: 'a matrix that the schema refuses; what it would have made possible is not missed',
    yaml: `stages:
  faces: { uses: faces }
  oracle: { uses: train, matrix: { k: [1, 2] }, inputs: { dataset: faces }, with: { loss: adaface } }
  samples:
    uses: generate
    matrix: { m: [0, [1]], k: [1, 2] }
    inputs: { generator: oracle, inquiry: "\${{ matrix.which }}" }
    with: { m: "\${{ matrix.m + 1 }}", mm: 1 }
  all: { uses: merge, inputs: { parts: "samples@k=1,m=*" } }
  one: { uses: merge, inputs: { parts: "samples.picture@k=1" }, after: ["samples@k=3"] }`,
    says: [
      "6: 'm[1]' must be a number or text or true or false, not a list",
      "7: matrix has no 'which'",
      "8: 'mm' is not a setting of generate",
      "10: samples has no output 'picture'",
    ],
  },
  {
    what: 'a matrix of which one axis is wrong: the values of the others are checked, and so are those of whoever has its points',
    yaml: `stages:
  faces: { uses: faces }
  samples:
    uses: train
    matrix: { k: [1, -1], m: { from: 1, to: 0, step: 1 }, zip: { a: [arcface, cosfase], b: [faces, face] }, include: [{ n: 0 }] }
    inputs: { dataset: "\${{ matrix.b }}" }
    with: { loss: "\${{ matrix.a }}", lambda: "\${{ matrix.k }}", lr: "\${{ matrix.n }}", milestones: ["\${{ matrix.m }}", "\${{ matrix.o }}"] }
  fr: { uses: train, matrix: samples, inputs: { dataset: faces }, with: { loss: adaface, lambda: "\${{ matrix.k - 1 }}" } }`,
    says: [
      "5: 'lambda' is -1: it must be at least 0 (with.lambda of samples@k=-1)",
      "5: the range of 'm' is empty: from 1 there is no way to 0 in steps of 1",
      "5: 'loss' must be one of adaface, arcface, cosface, not 'cosfase'. Did you mean 'cosface'? (with.loss of samples@a=cosfase)",
      "5: there is no stage 'face'. Did you mean 'faces'?",
      "5: 'lr' is 0: it must be above 0 (with.lr of samples@n=0)",
      "7: matrix has no 'o'",
      "8: 'lambda' is -2: it must be at least 0",
    ],
  },
  {
    what: 'settings and inputs that are none: what they would have given is not missed, and the other inputs are checked',
    yaml: `stages:
  faces: { uses: faces }
  a: { uses: train, with: [adaface], inputs: { dataset: 5, model: facez } }
  b: { uses: train, inputs: faces, with: { losss: adaface } }
  c: { usess: train }`,
    says: [
      "3: 'with' must be a map, not a list",
      "3: 'dataset' must be text or a list of texts or nothing, not 5",
      "3: there is no stage 'facez'. Did you mean 'faces'?",
      "4: 'inputs' must be a map, not text ('faces')",
      "4: 'losss' is not a setting of train. Did you mean 'loss'?",
      "5: 'usess' is not a key of a stage. Did you mean 'uses'?",
    ],
  },
  {
    what: 'seeds that are wrong, in the middle of a chain that inherits seeds',
    yaml: `stages:
  faces: { uses: faces }
  fr: { uses: train, seeds: [1, 1], inputs: { dataset: faces }, with: { loss: adaface } }
  next: { uses: train, inputs: { dataset: faces, model: fr }, with: { loss: adaface, lr: -1 } }
  score: { uses: evaluate, inputs: { model: "next@seed=1", verification: faces } }`,
    says: [
      '3: the seed 1 is there twice',
      "4: 'lr' is -1: it must be above 0",
      "5: input 'verification' takes verification, but faces is images",
    ],
  },
  {
    what: 'stages that depend on each other in a circle, and one above',
    yaml: `stages:
  faces: { uses: faces }
  a: { uses: train, inputs: { dataset: faces, model: b }, with: { loss: arcfase } }
  b: { uses: train, inputs: { dataset: faces, model: a }, with: { loss: adaface, lr: 0 } }
  c: { uses: train, inputs: { dataset: b.images, model: a }, with: { loss: adaface, lr: -1 } }`,
    says: [
      '3: stages depend on each other in a circle: a -> b -> a',
      "3: 'loss' must be one of adaface, arcface, cosface, not 'arcfase'. Did you mean 'arcface'?",
      "4: 'lr' is 0: it must be above 0",
      "5: b has no output 'images'",
      "5: 'lr' is -1: it must be above 0",
    ],
  },
  {
    what: 'a kind that does not exist, above a stage that would have inherited its seeds, and an expression that fails',
    yaml: `stages:
  faces: { uses: facez, seeds: [1, 2] }
  a: { uses: train, inputs: { dataset: faces }, with: { loss: adaface } }
  b: { uses: train, inputs: { dataset: faces@seed=1, model: a@seed=2 }, with: { loss: "\${{ params.x }}", lr: 0 } }
  c: { uses: train, inputs: { dataset: "\${{ params.y }}", model: a.modell }, with: { loss: adaface } }`,
    says: [
      "2: there is no stage kind 'facez'. Did you mean 'faces'?",
      "4: params has no 'x'",
      "4: 'lr' is 0: it must be above 0",
      "5: params has no 'y'",
      "5: a has no output 'modell'. Did you mean 'model'?",
    ],
  },
  {
    what: "a command's folder is not missed where the input that names it is wrong",
    yaml: `stages:
  faces: { uses: faces }
  tool:
    uses: command
    inputs: { data: "\${{ params.where }}", more: faces }
    with: { run: "cat \${{ inputs.data }} \${{ inputs.more }}", env: { N: 1 } }`,
    says: ["5: params has no 'where'", "6: 'env.N' must be text, not 1"],
  },
];

test.each(wrong)('$what', async ({ yaml, says }) => {
  using lab = new Lab();
  lab.write('x.yaml', yaml);
  const loaded = await lab.load();
  if (loaded.ok) throw new Error('it loads');
  expect(loaded.diagnostics.map(({ place, message }) => `${place.line}: ${message}`)).toEqual(says);
});
