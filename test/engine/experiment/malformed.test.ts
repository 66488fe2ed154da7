/** Malformed experiment files, each with the whole screen a user gets. */
import { expect, test } from 'vitest';
import { Lab } from './lab.js';

interface Malformed {
  what: string;
  yaml: string;
  screen: string;
  files?: Record<string, string>;
  set?: string[];
  profiles?: string[];
}

const malformed: Malformed[] = [
  {
    what: 'a file that is empty',
    yaml: ``,
    screen: `x.yaml:1:1  the file is empty
  an experiment has at least stages: (cemiflow init writes a first one)`,
  },
  {
    what: 'a file that holds a list',
    yaml: `- stages
- seed`,
    screen: `x.yaml:1:1  the file holds a list, not a map of keys
  1 | - stages
    | ~~~~~~~~  an experiment has at least stages: (cemiflow init writes a first one)`,
  },
  {
    what: 'YAML that does not parse: a bracket is never closed',
    yaml: `stages:
  faces: { uses: faces
seed: 3`,
    screen: `x.yaml:2:10  this '{' is never closed
  2 |   faces: { uses: faces
    |          ~  end it with '}'`,
  },
  {
    what: 'a tab used to indent',
    yaml: `stages:
	faces: { uses: faces }`,
    screen: `x.yaml:2:1  a tab is used to indent
  2 | 	faces: { uses: faces }
    | ~  YAML indents with spaces only`,
  },
  {
    what: 'a colon without a space',
    yaml: `stages:
  faces:
    uses:faces
    with: {}`,
    screen: `x.yaml:3:5  not valid YAML: implicit keys need to be on a single line
  3 |     uses:faces
    |     ~~~~~~~~~~  a key needs a space after its colon`,
  },
  {
    what: 'a key given twice',
    yaml: `seed: 1
seed: 2
stages:
  faces: { uses: faces }`,
    screen: `x.yaml:2:1  'seed' is given twice
  2 | seed: 2
    | ~~~~  the first one is on line 1; remove one of them`,
  },
  {
    what: 'a merge key',
    yaml: `stages:
  faces: { uses: faces }
  a: &a { uses: merge, inputs: { parts: faces } }
  b: { <<: *a }`,
    screen: `x.yaml:4:8  merge keys ('<<') are not supported
  4 |   b: { <<: *a }
    |        ~~  use 'extends' for files and 'params' for values`,
  },
  {
    what: 'a key that reaches into prototypes',
    yaml: `params: { __proto__: { x: 1 } }
stages:
  faces: { uses: faces }`,
    screen: `x.yaml:1:11  '__proto__' cannot be a key
  1 | params: { __proto__: { x: 1 } }
    |           ~~~~~~~~~  choose another name`,
  },
  {
    what: 'two documents',
    yaml: `stages:
  faces: { uses: faces }
---
seed: 1`,
    screen: `x.yaml:3:1  a second YAML document begins here: a file holds one experiment
  3 | ---
    | ~~~  remove the --- line, or make it a file of its own`,
  },
  {
    what: "a tag of a language's objects",
    yaml: `params: { x: !!python/object "os.system" }
stages:
  faces: { uses: faces }`,
    screen: `x.yaml:1:14  the tag '!!python/object' is not known
  1 | params: { x: !!python/object "os.system" }
    |              ~~~~~~~~~~~~~~~  experiment files use plain YAML: text, numbers, true/false, lists and maps`,
  },
  {
    what: 'anchors of values that are refused: their aliases are not missed',
    yaml: `params: { a: &a !!python/object 1, b: *a, c: *a }
stages: { f: { uses: faces } }`,
    screen: `x.yaml:1:17  the tag '!!python/object' is not known
  1 | params: { a: &a !!python/object 1, b: *a, c: *a }
    |                 ~~~~~~~~~~~~~~~  experiment files use plain YAML: text, numbers, true/false, lists and maps`,
  },
  {
    what: 'an alias without an anchor',
    yaml: `params: { x: *nowhere }
stages:
  faces: { uses: faces }`,
    screen: `x.yaml:1:14  there is no anchor '&nowhere' above this alias
  1 | params: { x: *nowhere }
    |              ~~~~~~~~  anchors: none`,
  },
  {
    what: 'another version of YAML',
    yaml: `%YAML 1.1
---
stages:
  faces: { uses: faces }`,
    screen: `x.yaml:1:1  this file says it is YAML 1.1; experiment files are YAML 1.2
  1 | %YAML 1.1
    | ~~~~~  remove the %YAML line`,
  },
  {
    what: 'a number too large to keep',
    yaml: `seed: 12345678901234567890
stages:
  faces: { uses: faces }`,
    screen: `x.yaml:1:7  12345678901234567890 is too large to be kept exactly
  1 | seed: 12345678901234567890
    |       ~~~~~~~~~~~~~~~~~~~~  quote it if it is text`,
  },
  {
    what: 'a number that is none',
    yaml: `params: { x: .inf }
stages:
  faces: { uses: faces }`,
    screen: `x.yaml:1:14  .inf is not a number that can be computed with
  1 | params: { x: .inf }
    |              ~~~~  use a finite number, or quote it if it is text`,
  },
  {
    what: 'no stages',
    yaml: `name: x
seed: 1`,
    screen: `x.yaml:1:1  an experiment needs 'stages'
  1 | name: x
    | ~  add stages:`,
  },
  {
    what: 'stages without a stage',
    yaml: `stages: {}`,
    screen: `x.yaml:1:9  'stages' is an empty map
  1 | stages: {}
    |         ~~  The steps by name, in any order`,
  },
  {
    what: 'an unknown key at the top, and one that is nothing like any',
    yaml: `sead: 1
qwertz: 2
stages:
  faces: { uses: faces }`,
    screen: `x.yaml:1:1  'sead' is not a key of an experiment. Did you mean 'seed'?
  1 | sead: 1
    | ~~~~  it takes name, description, params, seed, env, resources, tracking, report, extends, profiles, stages

x.yaml:2:1  'qwertz' is not a key of an experiment
  2 | qwertz: 2
    | ~~~~~~  it takes name, description, params, seed, env, resources, tracking, report, extends, profiles, stages`,
  },
  {
    what: 'an unknown key of a stage',
    yaml: `stages:
  faces: { uses: faces, wiht: { size: 32 } }`,
    screen: `x.yaml:2:25  'wiht' is not a key of a stage. Did you mean 'with'?
  2 |   faces: { uses: faces, wiht: { size: 32 } }
    |                         ~~~~  it takes uses, with, inputs, matrix, seeds, after, resources, device, retry, timeout`,
  },
  {
    what: 'a stage without uses',
    yaml: `stages:
  faces: { with: { size: 32 } }`,
    screen: `x.yaml:2:3  stage 'faces' needs 'uses'
  2 |   faces: { with: { size: 32 } }
    |   ~~~~~  add uses:`,
  },
  {
    what: 'a stage without anything',
    yaml: `stages:
  faces:
  more: { uses: faces }`,
    screen: `x.yaml:2:3  'faces' must be a map, but nothing is given
  2 |   faces:
    |   ~~~~~  give it a value, or remove the key`,
  },
  {
    what: "a stage's name with a dot",
    yaml: `stages:
  faces.a: { uses: faces }`,
    screen: `x.yaml:2:3  'faces.a' cannot be a name here
  2 |   faces.a: { uses: faces }
    |   ~~~~~~~  letters, digits, '_' and '-', a letter first`,
  },
  {
    what: 'a seed that is text',
    yaml: `seed: seven
stages:
  faces: { uses: faces }`,
    screen: `x.yaml:1:7  'seed' must be a whole number, not text ('seven')
  1 | seed: seven
    |       ~~~~~  The seed of all stages that have no seeds of their own`,
  },
  {
    what: 'a seed below 0',
    yaml: `seed: -1
stages:
  faces: { uses: faces }`,
    screen: `x.yaml:1:7  'seed' is -1: it must be from 0 to 4294967295
  1 | seed: -1
    |       ~~  The seed of all stages that have no seeds of their own`,
  },
  {
    what: "an experiment's name with a slash",
    yaml: `name: a/b
stages:
  faces: { uses: faces }`,
    screen: `x.yaml:1:7  'name' is 'a/b': it must be letters, digits, spaces, '.', '_' and '-', a letter or digit first
  1 | name: a/b
    |       ~~~  What runs are called`,
  },
  {
    what: 'an unknown kind',
    yaml: `stages:
  faces: { uses: facse }`,
    screen: `x.yaml:2:18  there is no stage kind 'facse'. Did you mean 'faces'?
  2 |   faces: { uses: facse }
    |                  ~~~~~  kinds: command, evaluate, faces, generate, merge, train`,
  },
  {
    what: 'a module without ./',
    yaml: `stages:
  faces: { uses: my-stage.js }`,
    screen: `x.yaml:2:18  there is no stage kind 'my-stage.js'
  2 |   faces: { uses: my-stage.js }
    |                  ~~~~~~~~~~~  a module of your own begins with ./, as in ./my-stage.js`,
  },
  {
    what: 'a module that does not exist',
    yaml: `stages:
  faces: { uses: ./my-stage.js }`,
    screen: `x.yaml:2:18  './my-stage.js' does not exist
  2 |   faces: { uses: ./my-stage.js }
    |                  ~~~~~~~~~~~~~  the path is relative to the file that says it`,
  },
  {
    what: 'an unknown setting',
    yaml: `stages:
  faces: { uses: faces }
  fr:
    uses: train
    inputs: { dataset: faces }
    with:
      loss: adaface
      lamda: 0.05`,
    screen: `x.yaml:8:7  'lamda' is not a setting of train. Did you mean 'lambda'?
  8 |       lamda: 0.05
    |       ~~~~~  it takes loss, lambda, lr, milestones, network (cemiflow schema train)`,
  },
  {
    what: 'an unknown setting within a setting',
    yaml: `stages:
  faces: { uses: faces }
  fr: { uses: train, inputs: { dataset: faces }, with: { loss: adaface, network: { width: [3] } } }`,
    screen: `x.yaml:3:84  'width' is not a setting of network in train. Did you mean 'widths'?
  3 |   fr: { uses: train, inputs: { dataset: faces }, with: { loss: adaface, network: { width: [3] } } }
    |                                                                                    ~~~~~  it takes widths, blocks (cemiflow schema train)`,
  },
  {
    what: 'a required setting that is missing',
    yaml: `stages:
  faces: { uses: faces }
  fr: { uses: train, inputs: { dataset: faces } }`,
    screen: `x.yaml:3:3  train needs 'loss'
  3 |   fr: { uses: train, inputs: { dataset: faces } }
    |   ~~  add loss: (cemiflow schema train)`,
  },
  {
    what: 'a setting of the wrong type, in quotes',
    yaml: `stages:
  faces: { uses: faces, with: { identities: '20' } }`,
    screen: `x.yaml:2:45  'identities' must be a whole number, not text ('20')
  2 |   faces: { uses: faces, with: { identities: '20' } }
    |                                             ~~~~  remove the quotes`,
  },
  {
    what: 'a setting with a fraction',
    yaml: `stages:
  faces: { uses: faces, with: { identities: 2.5 } }`,
    screen: `x.yaml:2:45  'identities' must be a whole number, not 2.5
  2 |   faces: { uses: faces, with: { identities: 2.5 } }
    |                                             ~~~  How many people`,
  },
  {
    what: 'a setting that is not among those allowed',
    yaml: `stages:
  faces: { uses: faces }
  fr: { uses: train, inputs: { dataset: faces }, with: { loss: adafce } }`,
    screen: `x.yaml:3:64  'loss' must be one of adaface, arcface, cosface, not 'adafce'. Did you mean 'adaface'?
  3 |   fr: { uses: train, inputs: { dataset: faces }, with: { loss: adafce } }
    |                                                                ~~~~~~  The margin loss`,
  },
  {
    what: 'a number that is not among those allowed',
    yaml: `stages:
  faces: { uses: faces, with: { size: 48 } }`,
    screen: `x.yaml:2:39  'size' must be one of 32, 64, 112, not 48
  2 |   faces: { uses: faces, with: { size: 48 } }
    |                                       ~~`,
  },
  {
    what: 'a word for a truth value of YAML 1.1',
    yaml: `stages:
  faces: { uses: faces, with: { glasses: yes } }`,
    screen: `x.yaml:2:42  'glasses' must be true or false, not text ('yes')
  2 |   faces: { uses: faces, with: { glasses: yes } }
    |                                          ~~~  YAML 1.2 has true and false only`,
  },
  {
    what: 'numbers out of range',
    yaml: `stages:
  faces: { uses: faces }
  fr: { uses: train, inputs: { dataset: faces }, with: { loss: adaface, lambda: -1, lr: 0, milestones: [] } }`,
    screen: `x.yaml:3:81  'lambda' is -1: it must be at least 0
  3 |   fr: { uses: train, inputs: { dataset: faces }, with: { loss: adaface, lambda: -1, lr: 0, milestones: [] } }
    |                                                                                 ~~  Weight of a part

x.yaml:3:89  'lr' is 0: it must be above 0
  3 |   fr: { uses: train, inputs: { dataset: faces }, with: { loss: adaface, lambda: -1, lr: 0, milestones: [] } }
    |                                                                                         ~  Learning rate

x.yaml:3:104  'milestones' is an empty list
  3 |   fr: { uses: train, inputs: { dataset: faces }, with: { loss: adaface, lambda: -1, lr: 0, milestones: [] } }
    |                                                                                                        ~~`,
  },
  {
    what: 'an item of a list of the wrong type',
    yaml: `stages:
  faces: { uses: faces }
  fr: { uses: train, inputs: { dataset: faces }, with: { loss: adaface, network: { widths: [16, wide] } } }`,
    screen: `x.yaml:3:97  'network.widths[1]' must be a whole number, not text ('wide')
  3 |   fr: { uses: train, inputs: { dataset: faces }, with: { loss: adaface, network: { widths: [16, wide] } } }
    |                                                                                                 ~~~~`,
  },
  {
    what: 'm outside [-1, 1]',
    yaml: `stages:
  faces: { uses: faces }
  fr: { uses: train, inputs: { dataset: faces }, with: { loss: adaface } }
  samples: { uses: generate, inputs: { generator: fr, inquiry: faces.inquiry }, with: { m: 1.5 } }`,
    screen: `x.yaml:4:92  'm' is 1.5: it must be from -1 to 1
  4 |   samples: { uses: generate, inputs: { generator: fr, inquiry: faces.inquiry }, with: { m: 1.5 } }
    |                                                                                            ~~~`,
  },
  {
    what: 'm outside [-1, 1] in a list of a matrix',
    yaml: `stages:
  faces: { uses: faces }
  fr: { uses: train, inputs: { dataset: faces }, with: { loss: adaface } }
  samples:
    uses: generate
    matrix: { m: [0, 0.5, 1.5] }
    inputs: { generator: fr, inquiry: faces.inquiry }
    with: { m: "\${{ matrix.m }}" }`,
    screen: `x.yaml:6:27  'm' is 1.5: it must be from -1 to 1 (with.m of samples@m=1.5)
  6 |     matrix: { m: [0, 0.5, 1.5] }
    |                           ~~~`,
  },
  {
    what: 'a value that fits none of several forms',
    yaml: `stages:
  faces: { uses: faces }
  fr: { uses: train, inputs: { dataset: faces }, with: { loss: adaface } }
  samples: { uses: generate, inputs: { generator: fr, inquiry: faces.inquiry }, with: { m: { from: 1 } } }`,
    screen: `x.yaml:4:92  'm' must be a number from -1 to 1 or a list, not a map
  4 |   samples: { uses: generate, inputs: { generator: fr, inquiry: faces.inquiry }, with: { m: { from: 1 } } }
    |                                                                                            ~~~~~~~~~~~  Wanted similarity`,
  },
  {
    what: 'what only the stage itself can check',
    yaml: `stages:
  faces: { uses: faces }
  fr: { uses: train, inputs: { dataset: faces }, with: { loss: cosface, lambda: 2 } }`,
    screen: `x.yaml:3:81  'lambda': must not be above 1 with cosface
  3 |   fr: { uses: train, inputs: { dataset: faces }, with: { loss: cosface, lambda: 2 } }
    |                                                                                 ~`,
  },
  {
    what: 'a value through a param',
    yaml: `params: { people: none }
stages:
  faces: { uses: faces, with: { identities: "\${{ params.people }}" } }`,
    screen: `x.yaml:1:19  'identities' must be a whole number, not text ('none') (with.identities of faces)
  1 | params: { people: none }
    |                   ~~~~  How many people`,
  },
  {
    what: 'a value through a profile',
    yaml: `profiles: { paper: { stages: { faces: { with: { identities: 0 } } } } }
stages:
  faces: { uses: faces }`,
    profiles: ['paper'],
    screen: `x.yaml:1:61 (profile paper)  'identities' is 0: it must be at least 1
  1 | profiles: { paper: { stages: { faces: { with: { identities: 0 } } } } }
    |                                                             ~  How many people`,
  },
  {
    what: 'a value through --set',
    yaml: `stages:
  faces: { uses: faces }`,
    set: ['stages.faces.with.identities=many'],
    screen: `--set  'identities' must be a whole number, not text ('many') (with.identities of faces)
  1 | --set stages.faces.with.identities=many
    |                                    ~~~~  How many people`,
  },
  {
    what: 'a value through an extended file',
    yaml: `extends: base/faces.yaml
seed: 1`,
    files: {
      'base/faces.yaml': `stages:
  faces: { uses: faces, with: { size: 33 } }`,
    },
    screen: `base/faces.yaml:2:39 (extends base/faces.yaml)  'size' must be one of 32, 64, 112, not 33
  2 |   faces: { uses: faces, with: { size: 33 } }
    |                                       ~~`,
  },
  {
    what: 'a typo in a profile that is not used',
    yaml: `profiles: { paper: { stages: { faces: { wiht: {} } }, sed: 1 } }
stages:
  faces: { uses: faces }`,
    screen: `x.yaml:1:41  'wiht' is not a key of a stage. Did you mean 'with'?
  1 | profiles: { paper: { stages: { faces: { wiht: {} } }, sed: 1 } }
    |                                         ~~~~  it takes uses, with, inputs, matrix, seeds, after, resources, device, retry, timeout

x.yaml:1:55  'sed' is not a key of a profile. Did you mean 'seed'?
  1 | profiles: { paper: { stages: { faces: { wiht: {} } }, sed: 1 } }
    |                                                       ~~~  it takes name, description, params, seed, env, resources, tracking, report, stages`,
  },
  {
    what: 'an unknown profile',
    yaml: `profiles: { paper: {}, quick: {} }
stages:
  faces: { uses: faces }`,
    profiles: ['papre'],
    screen: `--profile  there is no profile 'papre'. Did you mean 'paper'?
  1 | --profile papre
    |           ~~~~~  profiles: paper, quick`,
  },
  {
    what: "--set without a value's sign",
    yaml: `stages:
  faces: { uses: faces }`,
    set: ['seed'],
    screen: `--set  --set takes path=value, not 'seed'
  1 | --set seed
    |       ~~~~  for example --set params.identities=50`,
  },
  {
    what: '--set of a param there is not',
    yaml: `params: { identities: 3 }
stages:
  faces: { uses: faces }`,
    set: ['params.identites=4'],
    screen: `--set  params has no 'identites'. Did you mean 'identities'?
  1 | --set params.identites=4
    |              ~~~~~~~~~  it has identities`,
  },
  {
    what: '--set in a stage there is not',
    yaml: `stages:
  faces: { uses: faces }`,
    set: ['stages.face.with.size=32'],
    screen: `--set  stages has no 'face'. Did you mean 'faces'?
  1 | --set stages.face.with.size=32
    |              ~~~~  it has faces`,
  },
  {
    what: '--set below a value that is no map',
    yaml: `params: { identities: 3 }
stages:
  faces: { uses: faces }`,
    set: ['params.identities.x=4'],
    screen: `--set  'params.identities' is a number; it has no 'x' to set
  1 | --set params.identities.x=4
    |                         ~  set the whole: --set params.identities=...`,
  },
  {
    what: '--set of what is read before it',
    yaml: `stages:
  faces: { uses: faces }`,
    set: ['extends=other.yaml', 'profiles.a.seed=4'],
    screen: `--set  --set cannot change 'extends': it is read before --set is applied
  1 | --set extends=other.yaml
    |       ~~~~~~~  write it in a file of its own that extends both

--set  --set cannot change 'profiles': it is read before --set is applied
  1 | --set profiles.a.seed=4
    |       ~~~~~~~~  set the value itself, as in --set params.identities=50`,
  },
  {
    what: '--set of YAML that does not parse',
    yaml: `params: { a: 1 }
stages:
  faces: { uses: faces }`,
    set: ['params.a=[1'],
    screen: `--set  this '[' is never closed
  1 | --set params.a=[1
    |                ~  end it with ']'`,
  },
  {
    what: 'an extended file that does not exist',
    yaml: `extends: base/face.yaml
stages:
  faces: { uses: faces }`,
    files: {
      'base/faces.yaml': `stages:
  faces: { uses: faces }
`,
    },
    screen: `x.yaml:1:10  'base/face.yaml' does not exist
  1 | extends: base/face.yaml
    |          ~~~~~~~~~~~~~~  did you mean 'faces.yaml'?`,
  },
  {
    what: 'files that extend each other',
    yaml: `extends: b.yaml
stages:
  faces: { uses: faces }`,
    files: { 'b.yaml': `extends: x.yaml` },
    screen: `b.yaml:1:10 (extends b.yaml)  these files extend each other in a circle: x.yaml -> b.yaml -> x.yaml
  1 | extends: x.yaml
    |          ~~~~~~  remove one of the extends`,
  },
  {
    what: 'extends of no path',
    yaml: `extends: { a: 1 }
stages:
  faces: { uses: faces }`,
    screen: `x.yaml:1:10  'extends' takes the path of a file or a list of them, not a map
  1 | extends: { a: 1 }
    |          ~~~~~~~~  write extends: base.yaml, or extends: [faces.yaml, paper.yaml]`,
  },
  {
    what: 'an input that is missing',
    yaml: `stages:
  faces: { uses: faces }
  fr: { uses: train, with: { loss: adaface } }`,
    screen: `x.yaml:3:3  train needs the input 'dataset'
  3 |   fr: { uses: train, with: { loss: adaface } }
    |   ~~  images or groups. What it works on.`,
  },
  {
    what: 'an unknown input',
    yaml: `stages:
  faces: { uses: faces }
  fr: { uses: train, inputs: { datset: faces }, with: { loss: adaface } }`,
    screen: `x.yaml:3:32  'datset' is not an input of train. Did you mean 'dataset'?
  3 |   fr: { uses: train, inputs: { datset: faces }, with: { loss: adaface } }
    |                                ~~~~~~  it takes dataset, model, photos (cemiflow schema train)`,
  },
  {
    what: 'an input that names no stage',
    yaml: `stages:
  faces: { uses: faces }
  fr: { uses: train, inputs: { dataset: face }, with: { loss: adaface } }`,
    screen: `x.yaml:3:41  there is no stage 'face'. Did you mean 'faces'?
  3 |   fr: { uses: train, inputs: { dataset: face }, with: { loss: adaface } }
    |                                         ~~~~  stages: faces, fr`,
  },
  {
    what: 'an input that names a path without saying so',
    yaml: `stages:
  faces: { uses: faces }
  fr: { uses: train, inputs: { dataset: ../photos }, with: { loss: adaface } }`,
    screen: `x.yaml:3:41  '../photos' is neither a stage nor a path
  3 |   fr: { uses: train, inputs: { dataset: ../photos }, with: { loss: adaface } }
    |                                         ~~~~~~~~~  write a stage (faces), an output (faces.inquiry), a point (samples@m=0), all points (samples@*), or path:../photos`,
  },
  {
    what: 'a path that does not exist',
    yaml: `stages:
  faces: { uses: faces }
  fr: { uses: train, inputs: { dataset: faces, photos: path:photos }, with: { loss: adaface } }`,
    screen: `x.yaml:3:56  'photos' does not exist
  3 |   fr: { uses: train, inputs: { dataset: faces, photos: path:photos }, with: { loss: adaface } }
    |                                                        ~~~~~~~~~~~  looked for <folder>/photos`,
  },
  {
    what: 'a path param that is not set',
    yaml: `params: { photos: null }
stages:
  fr: { uses: train, inputs: { dataset: "path:\${{ params.photos }}" }, with: { loss: adaface } }`,
    screen: `x.yaml:3:41  the path of input 'dataset' is empty
  3 |   fr: { uses: train, inputs: { dataset: "path:\${{ params.photos }}" }, with: { loss: adaface } }
    |                                         ~~~~~~~~~~~~~~~~~~~~~~~~~~~  give it: --set params.photos=...`,
  },
  {
    what: 'an output there is not',
    yaml: `stages:
  faces: { uses: faces }
  fr: { uses: train, inputs: { dataset: faces.inquary }, with: { loss: adaface } }`,
    screen: `x.yaml:3:41  faces has no output 'inquary'. Did you mean 'inquiry'?
  3 |   fr: { uses: train, inputs: { dataset: faces.inquary }, with: { loss: adaface } }
    |                                         ~~~~~~~~~~~~~  it gives images (images), inquiry (images), verification (verification)`,
  },
  {
    what: 'an output of the wrong type',
    yaml: `stages:
  faces: { uses: faces }
  fr: { uses: train, inputs: { dataset: faces.verification }, with: { loss: adaface } }`,
    screen: `x.yaml:3:41  input 'dataset' takes images or groups, but faces.verification is verification
  3 |   fr: { uses: train, inputs: { dataset: faces.verification }, with: { loss: adaface } }
    |                                         ~~~~~~~~~~~~~~~~~~  write faces.images or faces.inquiry`,
  },
  {
    what: 'the wrong output, where another would do',
    yaml: `stages:
  faces: { uses: faces }
  fr: { uses: train, inputs: { dataset: faces }, with: { loss: adaface } }
  score: { uses: evaluate, inputs: { model: fr, verification: faces } }`,
    screen: `x.yaml:4:63  input 'verification' takes verification, but faces is images
  4 |   score: { uses: evaluate, inputs: { model: fr, verification: faces } }
    |                                                               ~~~~~  write faces.verification`,
  },
  {
    what: 'a list where one is taken',
    yaml: `stages:
  faces: { uses: faces }
  fr: { uses: train, inputs: { dataset: [faces, faces.inquiry] }, with: { loss: adaface } }`,
    screen: `x.yaml:3:49  input 'dataset' of train takes one artifact, not a list
  3 |   fr: { uses: train, inputs: { dataset: [faces, faces.inquiry] }, with: { loss: adaface } }
    |                                                 ~~~~~~~~~~~~~  keep one of them`,
  },
  {
    what: 'stages that depend on each other',
    yaml: `stages:
  a: { uses: merge, inputs: { parts: c } }
  b: { uses: merge, inputs: { parts: a } }
  c: { uses: merge, inputs: { parts: b } }`,
    screen: `x.yaml:2:38  stages depend on each other in a circle: a -> c -> b -> a
  2 |   a: { uses: merge, inputs: { parts: c } }
    |                                      ~  remove one of these references`,
  },
  {
    what: 'a stage that depends on itself',
    yaml: `stages:
  a: { uses: merge, inputs: { parts: a } }`,
    screen: `x.yaml:2:38  stages depend on each other in a circle: a -> a
  2 |   a: { uses: merge, inputs: { parts: a } }
    |                                      ~  remove one of these references`,
  },
  {
    what: 'a cycle through after',
    yaml: `stages:
  a: { uses: faces, after: b }
  b: { uses: merge, inputs: { parts: a } }`,
    screen: `x.yaml:2:28  stages depend on each other in a circle: a -> b -> a
  2 |   a: { uses: faces, after: b }
    |                            ~  remove one of these references`,
  },
  {
    what: "matrices that take each other's points",
    yaml: `stages:
  a: { uses: faces, matrix: b }
  b: { uses: faces, matrix: a }`,
    screen: `x.yaml:2:29  matrices take their points from each other in a circle: a -> b -> a
  2 |   a: { uses: faces, matrix: b }
    |                             ~  give one of them axes`,
  },
  {
    what: 'a stage with points without saying which',
    yaml: `stages:
  faces: { uses: faces, matrix: { n: [1, 2, 3] }, with: { identities: "\${{ matrix.n }}" } }
  fr: { uses: train, inputs: { dataset: faces }, with: { loss: adaface } }`,
    screen: `x.yaml:3:41  'faces' may be any of 3 points of faces for fr
  3 |   fr: { uses: train, inputs: { dataset: faces }, with: { loss: adaface } }
    |                                         ~~~~~  choices: faces@n=1, faces@n=2, faces@n=3`,
  },
  {
    what: 'a point there is not',
    yaml: `stages:
  faces: { uses: faces, matrix: { n: [1, 2, 3] }, with: { identities: "\${{ matrix.n }}" } }
  fr: { uses: train, inputs: { dataset: faces@n=4 }, with: { loss: adaface } }`,
    screen: `x.yaml:3:41  no point of faces fits 'faces@n=4' for fr
  3 |   fr: { uses: train, inputs: { dataset: faces@n=4 }, with: { loss: adaface } }
    |                                         ~~~~~~~~~  choices: faces@n=1, faces@n=2, faces@n=3`,
  },
  {
    what: 'an axis there is not',
    yaml: `stages:
  faces: { uses: faces, matrix: { n: [1, 2, 3] }, with: { identities: "\${{ matrix.n }}" } }
  fr: { uses: train, inputs: { dataset: faces@m=1 }, with: { loss: adaface } }`,
    screen: `x.yaml:3:41  faces has no axis 'm'
  3 |   fr: { uses: train, inputs: { dataset: faces@m=1 }, with: { loss: adaface } }
    |                                         ~~~~~~~~~  choices: faces@n=1, faces@n=2, faces@n=3`,
  },
  {
    what: 'all points where one is taken',
    yaml: `stages:
  faces: { uses: faces, matrix: { n: [1, 2, 3] }, with: { identities: "\${{ matrix.n }}" } }
  fr: { uses: train, inputs: { dataset: faces@* }, with: { loss: adaface } }`,
    screen: `x.yaml:3:41  input 'dataset' takes one artifact, and 'faces@*' is 3
  3 |   fr: { uses: train, inputs: { dataset: faces@* }, with: { loss: adaface } }
    |                                         ~~~~~~~  choices: faces@n=1, faces@n=2, faces@n=3`,
  },
  {
    what: 'points with values that the other stage has not',
    yaml: `stages:
  faces: { uses: faces, matrix: { n: [1, 2, 3] }, with: { identities: "\${{ matrix.n }}" } }
  fr: { uses: train, matrix: { n: [3, 4] }, inputs: { dataset: faces }, with: { loss: adaface } }`,
    screen: `x.yaml:3:64  no point of faces fits 'faces' for fr@n=4
  3 |   fr: { uses: train, matrix: { n: [3, 4] }, inputs: { dataset: faces }, with: { loss: adaface } }
    |                                                                ~~~~~  choices: faces@n=1, faces@n=2, faces@n=3`,
  },
  {
    what: 'a selector that selects nothing',
    yaml: `stages:
  faces: { uses: faces, matrix: { n: [1, 2, 3] }, with: { identities: "\${{ matrix.n }}" } }
  fr: { uses: train, inputs: { dataset: faces@1 }, with: { loss: adaface } }`,
    screen: `x.yaml:3:41  'faces@1' has '@1', which selects no point
  3 |   fr: { uses: train, inputs: { dataset: faces@1 }, with: { loss: adaface } }
    |                                         ~~~~~~~  write a stage (faces), an output (faces.inquiry), a point (samples@m=0), all points (samples@*), or path:../photos`,
  },
  {
    what: 'a matrix of a stage there is not',
    yaml: `stages:
  faces: { uses: faces }
  fr: { uses: train, matrix: sample, inputs: { dataset: faces }, with: { loss: adaface } }`,
    screen: `x.yaml:3:30  there is no stage 'sample' whose points to take
  3 |   fr: { uses: train, matrix: sample, inputs: { dataset: faces }, with: { loss: adaface } }
    |                              ~~~~~~  stages: faces, fr`,
  },
  {
    what: 'ranges that never end, are empty, are far too fine',
    yaml: `stages:
  a: { uses: faces, matrix: { x: { from: 0, to: 1, step: 0 } } }
  b: { uses: faces, matrix: { x: { from: 1, to: 0, step: 0.1 } } }
  c: { uses: faces, matrix: { x: { from: 0, to: 1, step: 1.0e-9 } } }`,
    screen: `x.yaml:2:34  the step of 'x' is 0: the range never ends
  2 |   a: { uses: faces, matrix: { x: { from: 0, to: 1, step: 0 } } }
    |                                  ~~~~~~~~~~~~~~~~~~~~~~~~~~~  give a step, as in {from: -1, to: 1, step: 0.1}

x.yaml:3:34  the range of 'x' is empty: from 1 there is no way to 0 in steps of 0.1
  3 |   b: { uses: faces, matrix: { x: { from: 1, to: 0, step: 0.1 } } }
    |                                  ~~~~~~~~~~~~~~~~~~~~~~~~~~~~~  from must not be above to

x.yaml:4:34  the range of 'x' has 1000000001 values; a stage has at most 10000 points
  4 |   c: { uses: faces, matrix: { x: { from: 0, to: 1, step: 1.0e-9 } } }
    |                                  ~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~  use a larger step`,
  },
  {
    what: 'a range without step',
    yaml: `stages:
  a: { uses: faces, matrix: { x: { from: 0, to: 1 } } }`,
    screen: `x.yaml:2:31  a range {from, to, step} needs 'step'
  2 |   a: { uses: faces, matrix: { x: { from: 0, to: 1 } } }
    |                               ~  add step:`,
  },
  {
    what: 'an axis that is neither list nor range',
    yaml: `stages:
  a: { uses: faces, matrix: { x: 3 } }`,
    screen: `x.yaml:2:34  'x' must be a list of values or a range {from, to, step}, not 3
  2 |   a: { uses: faces, matrix: { x: 3 } }
    |                                  ~  The values of one axis`,
  },
  {
    what: 'an axis with a value twice',
    yaml: `stages:
  a: { uses: faces, matrix: { x: [0.5, 1, 0.50] } }`,
    screen: `x.yaml:2:43  the axis 'x' has the value 0.5 twice
  2 |   a: { uses: faces, matrix: { x: [0.5, 1, 0.50] } }
    |                                           ~~~~  remove one of them`,
  },
  {
    what: 'zipped axes of different lengths',
    yaml: `stages:
  a: { uses: faces, matrix: { zip: { x: [1, 2], y: [1, 2, 3] } } }`,
    screen: `x.yaml:2:49  'y' has 3 values and 'x' 2: zipped axes go together
  2 |   a: { uses: faces, matrix: { zip: { x: [1, 2], y: [1, 2, 3] } } }
    |                                                 ~  give them equally many values`,
  },
  {
    what: 'exclude of an axis there is not, and of nothing',
    yaml: `stages:
  a: { uses: faces, matrix: { x: [1, 2], exclude: [{ y: 1 }, { x: 3 }] } }`,
    screen: `x.yaml:2:57  this matrix has no axis 'y'
  2 |   a: { uses: faces, matrix: { x: [1, 2], exclude: [{ y: 1 }, { x: 3 }] } }
    |                                                         ~  axes: x

x.yaml:2:62  this excludes no point
  2 |   a: { uses: faces, matrix: { x: [1, 2], exclude: [{ y: 1 }, { x: 3 }] } }
    |                                                              ~~~~~~~~  its values must be those of the axes`,
  },
  {
    what: 'a matrix that excludes all its points',
    yaml: `stages:
  a: { uses: faces, matrix: { x: [1], exclude: [{ x: 1 }] } }`,
    screen: `x.yaml:2:29  this matrix has no points
  2 |   a: { uses: faces, matrix: { x: [1], exclude: [{ x: 1 }] } }
    |                             ~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~  exclude leaves none`,
  },
  {
    what: 'seed as an axis',
    yaml: `stages:
  a: { uses: faces, matrix: { seed: [1, 2] } }`,
    screen: `x.yaml:2:31  'seed' is the axis that seeds make
  2 |   a: { uses: faces, matrix: { seed: [1, 2] } }
    |                               ~~~~  write seeds: [1, 2, 3] beside matrix instead`,
  },
  {
    what: 'a seed twice, and one that is no seed',
    yaml: `stages:
  a: { uses: faces, seeds: [1, 1] }
  b: { uses: faces, seeds: [1, one] }`,
    screen: `x.yaml:2:28  the seed 1 is there twice
  2 |   a: { uses: faces, seeds: [1, 1] }
    |                            ~~~~~~  replicas must differ

x.yaml:3:32  'seeds[1]' must be a whole number, not text ('one')
  3 |   b: { uses: faces, seeds: [1, one] }
    |                                ~~~`,
  },
  {
    what: 'seeds of two inputs that differ',
    yaml: `stages:
  a: { uses: faces, seeds: [1, 2] }
  b: { uses: train, seeds: [1, 3], inputs: { dataset: a@seed=1 }, with: { loss: adaface } }
  c: { uses: evaluate, inputs: { model: b, verification: a.verification } }`,
    screen: `x.yaml:4:58  the seeds of a (1, 2) are not those of b (1, 3)
  4 |   c: { uses: evaluate, inputs: { model: b, verification: a.verification } }
    |                                                          ~~~~~~~~~~~~~~  give both the same seeds, or take all of one: a@*`,
  },
  {
    what: 'an expression that is never closed',
    yaml: `params: { a: "\${{ 1 + 2" }
stages:
  faces: { uses: faces }`,
    screen: `x.yaml:1:15  this '\${{' is never closed
  1 | params: { a: "\${{ 1 + 2" }
    |               ~~~  end the expression with '}}'`,
  },
  {
    what: 'an expression that ends too early',
    yaml: `params: { a: "\${{ 1 + }}" }
stages:
  faces: { uses: faces }`,
    screen: `x.yaml:1:23  a value is expected here, but the expression ends
  1 | params: { a: "\${{ 1 + }}" }
    |                       ~~`,
  },
  {
    what: 'an expression with an unknown name, function, param',
    yaml: `params: { a: "\${{ parms.b }}", b: "\${{ fromat('x') }}", c: "\${{ params.d }}" }
stages:
  faces: { uses: faces }`,
    screen: `x.yaml:1:19  'parms' is not known here. Did you mean 'params'?
  1 | params: { a: "\${{ parms.b }}", b: "\${{ fromat('x') }}", c: "\${{ params.d }}" }
    |                   ~~~~~  known here: params, env; text takes single quotes

x.yaml:1:40  there is no function 'fromat'. Did you mean 'format'?
  1 | params: { a: "\${{ parms.b }}", b: "\${{ fromat('x') }}", c: "\${{ params.d }}" }
    |                                        ~~~~~~  functions: format, join, contains, startsWith, endsWith, toJSON, fromJSON, min, max, round, length

x.yaml:1:72  params has no 'd'
  1 | params: { a: "\${{ parms.b }}", b: "\${{ fromat('x') }}", c: "\${{ params.d }}" }
    |                                                                        ~  params has a, b, c`,
  },
  {
    what: 'an expression that adds text',
    yaml: `params: { a: "\${{ 1 + 'x' }}" }
stages:
  faces: { uses: faces }`,
    screen: `x.yaml:1:23  '+' takes numbers, not text ('x')
  1 | params: { a: "\${{ 1 + 'x' }}" }
    |                       ~~~  put text together with format('{0}{1}', a, b)`,
  },
  {
    what: 'params that refer to each other in a circle',
    yaml: `params: { a: "\${{ params.b }}", b: "\${{ params.c }}", c: "\${{ params.a }}" }
stages:
  faces: { uses: faces }`,
    screen: `x.yaml:1:19  params refer to each other in a circle, through params.b
  1 | params: { a: "\${{ params.b }}", b: "\${{ params.c }}", c: "\${{ params.a }}" }
    |                   ~~~~~~~~  give one of them a value of its own`,
  },
  {
    what: 'matrix where there is none',
    yaml: `stages:
  faces: { uses: faces, with: { identities: "\${{ matrix.n }}" } }`,
    screen: `x.yaml:2:57  matrix has no 'n'
  2 |   faces: { uses: faces, with: { identities: "\${{ matrix.n }}" } }
    |                                                         ~  this stage has no matrix`,
  },
  {
    what: "a matrix's axis there is not",
    yaml: `stages:
  faces: { uses: faces, matrix: { num: [1] }, with: { identities: "\${{ matrix.nmu }}" } }`,
    screen: `x.yaml:2:79  matrix has no 'nmu'. Did you mean 'num'?
  2 |   faces: { uses: faces, matrix: { num: [1] }, with: { identities: "\${{ matrix.nmu }}" } }
    |                                                                               ~~~  matrix has num`,
  },
  {
    what: 'an environment variable that is not listed',
    yaml: `env: [HOME]
params: { a: "\${{ env.USER }}" }
stages:
  faces: { uses: faces }`,
    screen: `x.yaml:2:23  env has no 'USER'
  2 | params: { a: "\${{ env.USER }}" }
    |                       ~~~~  list the name under env: to read it; listed now: HOME`,
  },
  {
    what: 'inputs outside of a command',
    yaml: `stages:
  faces: { uses: faces, with: { identities: "\${{ inputs.x }}" } }`,
    screen: `x.yaml:2:50  'inputs' is not known here
  2 |   faces: { uses: faces, with: { identities: "\${{ inputs.x }}" } }
    |                                                  ~~~~~~  only the settings of a command stage can name inputs`,
  },
  {
    what: 'an expression deep in a folded text',
    yaml: `stages:
  faces: { uses: faces }
  c:
    uses: command
    with:
      run: >
        python3 train.py
        --people \${{ params.people }}`,
    screen: `x.yaml:8:29  params has no 'people'
  8 |         --people \${{ params.people }}
    |                             ~~~~~~  declare it under params:`,
  },
  {
    what: 'names of folders that a command has not',
    yaml: `stages:
  faces: { uses: faces }
  c: { uses: command, inputs: { data: faces }, with: { run: "train \${{ inputs.dat }} \${{ outputs.model }}", outputs: { modl: model } } }`,
    screen: `x.yaml:3:79  stage 'c' has no input 'dat'. Did you mean 'data'?
  3 | ...mand, inputs: { data: faces }, with: { run: "train \${{ inputs.dat }} \${{ outputs.model }}", outputs: { modl: model } } }
    |                                                                  ~~~  inputs: data

x.yaml:3:98  stage 'c' has no output 'model'. Did you mean 'modl'?
  3 | ...mand, inputs: { data: faces }, with: { run: "train \${{ inputs.dat }} \${{ outputs.model }}", outputs: { modl: model } } }
    |                                                                                     ~~~~~  outputs: modl`,
  },
  {
    what: 'a report on stages there are not, or that evaluate nothing',
    yaml: `stages:
  faces: { uses: faces }
  fr: { uses: train, inputs: { dataset: faces }, with: { loss: adaface } }
  score: { uses: evaluate, inputs: { model: fr, verification: faces.verification } }
report: { baseline: scor, rows: [fr, score], plots: [rok] }`,
    screen: `x.yaml:5:21  there is no stage 'scor'. Did you mean 'score'?
  5 | report: { baseline: scor, rows: [fr, score], plots: [rok] }
    |                     ~~~~  choices: faces, fr, score

x.yaml:5:34  'fr' is a train stage: the report compares evaluate stages
  5 | report: { baseline: scor, rows: [fr, score], plots: [rok] }
    |                                  ~~  evaluate stages: score

x.yaml:5:54  'plots[0]' must be one of accuracy-over-m, similarity, samples, roc, loss, not 'rok'. Did you mean 'roc'?
  5 | report: { baseline: scor, rows: [fr, score], plots: [rok] }
    |                                                      ~~~`,
  },
  {
    what: 'times, retries, threads and devices that are none',
    yaml: `stages:
  a: { uses: faces, timeout: 10 minutes, retry: { times: 9999 }, resources: { cpu: 2, gpus: -1 }, device: cuda }`,
    screen: `x.yaml:2:30  'timeout' is '10 minutes': it must be text such as 90s, 30m, 2h
  2 |   a: { uses: faces, timeout: 10 minutes, retry: { times: 9999 }, resources: { cpu: 2, gpus: -1 }, device: cuda }
    |                              ~~~~~~~~~~

x.yaml:2:58  'times' is 9999: it must be from 0 to 20
  2 |   a: { uses: faces, timeout: 10 minutes, retry: { times: 9999 }, resources: { cpu: 2, gpus: -1 }, device: cuda }
    |                                                          ~~~~  Further attempts after the first

x.yaml:2:79  'cpu' is not a key of resources. Did you mean 'cpus'?
  2 |   a: { uses: faces, timeout: 10 minutes, retry: { times: 9999 }, resources: { cpu: 2, gpus: -1 }, device: cuda }
    |                                                                               ~~~  it takes cpus, gpus

x.yaml:2:93  'gpus' is -1: it must be from 0 to 64
  2 |   a: { uses: faces, timeout: 10 minutes, retry: { times: 9999 }, resources: { cpu: 2, gpus: -1 }, device: cuda }
    |                                                                                             ~~  Whole GPUs, where there are any

x.yaml:2:107  'device' must be one of auto, tensorflow, webgpu, onnx, onnx-webgpu, wasm, cpu, not 'cuda'
  2 |   a: { uses: faces, timeout: 10 minutes, retry: { times: 9999 }, resources: { cpu: 2, gpus: -1 }, device: cuda }
    |                                                                                                           ~~~~  What to compute this stage on`,
  },
  {
    what: 'retries that are none',
    yaml: `stages:
  a: { uses: faces, retry: often }
  b: { uses: faces, retry: { times: 2, on: [memory, oops], backof: 3 } }
  c: { uses: faces, retry: { on: [io], backoff: soon } }`,
    screen: `x.yaml:2:28  'retry' must be a number of times or a retry rule, not text ('often')
  2 |   a: { uses: faces, retry: often }
    |                            ~~~~~  Tries the stage again when it fails in a way that may pass

x.yaml:3:53  'on[1]' must be one of memory, crash, timeout, io, error, not 'oops'
  3 |   b: { uses: faces, retry: { times: 2, on: [memory, oops], backof: 3 } }
    |                                                     ~~~~

x.yaml:3:60  'backof' is not a key of a retry rule. Did you mean 'backoff'?
  3 |   b: { uses: faces, retry: { times: 2, on: [memory, oops], backof: 3 } }
    |                                                            ~~~~~~  it takes times, on, backoff

x.yaml:4:21  a retry rule needs 'times'
  4 |   c: { uses: faces, retry: { on: [io], backoff: soon } }
    |                     ~~~~~  add times:

x.yaml:4:49  'backoff' is 'soon': it must be text such as 90s, 30m, 2h
  4 |   c: { uses: faces, retry: { on: [io], backoff: soon } }
    |                                                 ~~~~`,
  },
  {
    what: 'after of no stage',
    yaml: `stages:
  a: { uses: faces, after: [b, path:x] }`,
    screen: `x.yaml:2:29  there is no stage 'b'
  2 |   a: { uses: faces, after: [b, path:x] }
    |                             ~  stages: a

x.yaml:2:32  'path:x' is no stage
  2 |   a: { uses: faces, after: [b, path:x] }
    |                                ~~~~~~  stages: a`,
  },
  {
    what: 'a password in the address of the tracking server',
    yaml: `tracking: { uri: "https://me:secret@mlflow.lab:5000/x" }
stages:
  a: { uses: faces }`,
    screen: `x.yaml:1:18  'tracking.uri' has a name or a password in it, which would be kept with every run
  1 | tracking: { uri: "https://*********@mlflow.lab:5000/x" }
    |                  ~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~  write the address alone (http://127.0.0.1:5000); secrets go into MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN`,
  },
  {
    what: 'a setting and its value in one word',
    yaml: `stages:
  faces: { uses: faces, with: { size=32 } }
  fr: { uses:train, inputs: { dataset: faces }, with: { loss: adaface } }`,
    screen: `x.yaml:2:33  'size=32' is not a setting of faces
  2 |   faces: { uses: faces, with: { size=32 } }
    |                                 ~~~~~~~  a key needs a colon and a space: size: 32

x.yaml:3:9  'uses:train' is not a key of a stage
  3 |   fr: { uses:train, inputs: { dataset: faces }, with: { loss: adaface } }
    |         ~~~~~~~~~~  a key needs a colon and a space: uses: train`,
  },
  {
    what: 'a required setting that is misspelt: said once',
    yaml: `stages:
  faces: { uses: faces }
  fr: { uses: train, inputs: { dataset: faces }, with: { los: adaface } }`,
    screen: `x.yaml:3:58  'los' is not a setting of train. Did you mean 'loss'?
  3 |   fr: { uses: train, inputs: { dataset: faces }, with: { los: adaface } }
    |                                                          ~~~  it takes loss, lambda, lr, milestones, network (cemiflow schema train)`,
  },
  {
    what: 'an expression without quotes within braces',
    yaml: `params: { n: 3 }
stages:
  faces: { uses: faces, with: { identities: \${{ params.n }} } }
  more: { uses: faces, with: { identities: \${{ params.n }} } }`,
    screen: `x.yaml:3:45  an expression within { } or [ ] needs quotes
  3 |   faces: { uses: faces, with: { identities: \${{ params.n }} } }
    |                                             ~~~~~~~~~~~~~~~  write "\${{ params.n }}"`,
  },
  {
    what: 'expressions of other languages',
    yaml: `params: { n: 3 }
stages:
  a: { uses: faces, with: { identities: "\${params.n}" } }
  b: { uses: faces, with: { identities: "{{ params.n }}" } }
  c: { uses: faces, with: { identities: $n } }`,
    screen: `x.yaml:3:41  'identities' must be a whole number, not text ('\${params.n}')
  3 |   a: { uses: faces, with: { identities: "\${params.n}" } }
    |                                         ~~~~~~~~~~~~~  an expression is written \${{ params.x }}

x.yaml:4:41  'identities' must be a whole number, not text ('{{ params.n }}')
  4 |   b: { uses: faces, with: { identities: "{{ params.n }}" } }
    |                                         ~~~~~~~~~~~~~~~~  an expression is written \${{ params.x }}

x.yaml:5:41  'identities' must be a whole number, not text ('$n')
  5 |   c: { uses: faces, with: { identities: $n } }
    |                                         ~~  an expression is written \${{ params.x }}`,
  },
  {
    what: 'a merge of two versions that was left unfinished',
    yaml: `stages:
<<<<<<< HEAD
  faces: { uses: faces }
=======
  faces: { uses: faces, with: { size: 32 } }
>>>>>>> sizes`,
    screen: `x.yaml:2:1  a merge of two versions was left unfinished here
  2 | <<<<<<< HEAD
    | ~~~~~~~  keep one of the two, and remove the lines <<<<<<<, ======= and >>>>>>>`,
  },
  {
    what: 'path: with a space behind it',
    yaml: `stages:
  fr: { uses: train, inputs: { dataset: path: photos }, with: { loss: adaface } }`,
    screen: `x.yaml:2:41  not valid YAML: block collections are not allowed within flow collections
  2 |   fr: { uses: train, inputs: { dataset: path: photos }, with: { loss: adaface } }
    |                                         ~~~~~~~~~~~~~  write path: without a space behind it`,
  },
  {
    what: 'a key that is indented unlike its neighbours',
    yaml: `stages:
  faces:
    uses: faces
   with: { size: 32 }`,
    screen: `x.yaml:4:4  not valid YAML: all mapping items must start at the same column
  4 |    with: { size: 32 }
    |    ~  indent it as the keys that it belongs to`,
  },
  {
    what: 'the bracket of a list within a map that is never closed',
    yaml: `stages:
  fr: { uses: train, seeds: [1, 2, with: { loss: adaface } }
  faces: { uses: faces }`,
    screen: `x.yaml:2:29  this '[' is never closed
  2 |   fr: { uses: train, seeds: [1, 2, with: { loss: adaface } }
    |                             ~  end it with ']'`,
  },
  {
    what: 'a matrix that is a list',
    yaml: `stages:
  a: { uses: faces, matrix: [1, 2] }`,
    screen: `x.yaml:2:29  'matrix' must be the name of a stage or a map of axes, not a list
  2 |   a: { uses: faces, matrix: [1, 2] }
    |                             ~~~~~~  Makes one instance of the stage at each point`,
  },
  {
    what: 'keys of GitHub Actions',
    yaml: `stages:
  faces: { uses: faces }
  train: { uses: merge, inputs: { parts: faces }, needs: faces, strategy: { matrix: { m: [0] } }, if: always(), name: Train }`,
    screen: `x.yaml:3:51  'needs' is not a key of a stage
  3 | ...in: { uses: merge, inputs: { parts: faces }, needs: faces, strategy: { matrix: { m: [0] } }, if: always(), name: Train }
    |                                                 ~~~~~  a stage waits for what it names under inputs:, or under after: where nothing of that is an input

x.yaml:3:65  'strategy' is not a key of a stage
  3 | ...in: { uses: merge, inputs: { parts: faces }, needs: faces, strategy: { matrix: { m: [0] } }, if: always(), name: Train }
    |                                                               ~~~~~~~~  write matrix: beside uses:

x.yaml:3:99  'if' is not a key of a stage
  3 | ...in: { uses: merge, inputs: { parts: faces }, needs: faces, strategy: { matrix: { m: [0] } }, if: always(), name: Train }
    |                                                                                                 ~~  every stage of a file runs; --until, --only and profiles choose among them

x.yaml:3:113  'name' is not a key of a stage
  3 | ...in: { uses: merge, inputs: { parts: faces }, needs: faces, strategy: { matrix: { m: [0] } }, if: always(), name: Train }
    |                                                                                                               ~~~~  a stage's name is its key under stages:`,
  },
  {
    what: 'a stage of DVC',
    yaml: `stages:
  faces: { cmd: python3 faces.py, deps: [faces.py], params: [size], outs: [faces] }`,
    screen: `x.yaml:2:3  stage 'faces' needs 'uses'
  2 |   faces: { cmd: python3 faces.py, deps: [faces.py], params: [size], outs: [faces] }
    |   ~~~~~  add uses:

x.yaml:2:12  'cmd' is not a key of a stage
  2 |   faces: { cmd: python3 faces.py, deps: [faces.py], params: [size], outs: [faces] }
    |            ~~~  a program is run by uses: command, with: { run: ..., outputs: { name: files } }

x.yaml:2:35  'deps' is not a key of a stage
  2 |   faces: { cmd: python3 faces.py, deps: [faces.py], params: [size], outs: [faces] }
    |                                   ~~~~  a stage waits for what it names under inputs:, or under after: where nothing of that is an input

x.yaml:2:53  'params' is not a key of a stage
  2 |   faces: { cmd: python3 faces.py, deps: [faces.py], params: [size], outs: [faces] }
    |                                                     ~~~~~~  a stage has its settings under with:

x.yaml:2:69  'outs' is not a key of a stage
  2 |   faces: { cmd: python3 faces.py, deps: [faces.py], params: [size], outs: [faces] }
    |                                                                     ~~~~  a program is run by uses: command, with: { run: ..., outputs: { name: files } }`,
  },
  {
    what: 'operators of other languages',
    yaml: `params:
  a: "\${{ 1 === 1 }}"
  b: "\${{ true and false }}"
  c: "\${{ not true }}"
  d: "\${{ true ? 1 : 2 }}"
  e: "\${{ format(\`x\`) }}"
stages:
  faces: { uses: faces }`,
    screen: `x.yaml:2:15  '=' has no meaning in an expression
  2 |   a: "\${{ 1 === 1 }}"
    |               ~  compare with '=='

x.yaml:3:16  an operator or the end of the expression is expected here, but there is 'and'
  3 |   b: "\${{ true and false }}"
    |                ~~~  'and' is written '&&'

x.yaml:4:11  'not' is not an operator here
  4 |   c: "\${{ not true }}"
    |           ~~~  write '!'

x.yaml:5:16  '?' has no meaning in an expression
  5 |   d: "\${{ true ? 1 : 2 }}"
    |                ~  a choice is written a && b || c

x.yaml:6:18  '\`' has no meaning in an expression
  6 |   e: "\${{ format(\`x\`) }}"
    |                  ~  text takes single quotes: 'text'`,
  },
  {
    what: "a misspelt name of a command's folders",
    yaml: `stages:
  c: { uses: command, with: { run: "train > \${{ output.model }}", outputs: { model: model } } }`,
    screen: `x.yaml:2:49  'output' is not known here. Did you mean 'outputs'?
  2 |   c: { uses: command, with: { run: "train > \${{ output.model }}", outputs: { model: model } } }
    |                                                 ~~~~~~  known here: params, env, matrix, inputs, outputs; text takes single quotes`,
  },
  {
    what: "a command's folders without saying which",
    yaml: `stages:
  faces: { uses: faces }
  c: { uses: command, inputs: { data: faces }, with: { run: "train \${{ inputs }} > \${{ outputs }}/x", outputs: { model: model } } }`,
    screen: `x.yaml:3:72  'inputs' alone is no folder
  3 | ...: command, inputs: { data: faces }, with: { run: "train \${{ inputs }} > \${{ outputs }}/x", outputs: { model: model } } }
    |                                                                ~~~~~~  name one (inputs.data), or all of them: join(inputs.*, ' ')

x.yaml:3:88  'outputs' alone is no folder
  3 | ...: command, inputs: { data: faces }, with: { run: "train \${{ inputs }} > \${{ outputs }}/x", outputs: { model: model } } }
    |                                                                                ~~~~~~~  name one (outputs.model), or all of them: join(outputs.*, ' ')`,
  },
  {
    what: 'an axis twice in one point',
    yaml: `stages:
  faces: { uses: faces, matrix: { n: [1, 2] }, with: { identities: "\${{ matrix.n }}" } }
  fr: { uses: train, inputs: { dataset: "faces@n=1,n=2" }, with: { loss: adaface } }`,
    screen: `x.yaml:3:41  'faces@n=1,n=2' names the axis 'n' twice
  3 |   fr: { uses: train, inputs: { dataset: "faces@n=1,n=2" }, with: { loss: adaface } }
    |                                         ~~~~~~~~~~~~~~~  write a stage (faces), an output (faces.inquiry), a point (samples@m=0), all points (samples@*), or path:../photos`,
  },
  {
    what: 'an address to extend',
    yaml: `extends: https://example.org/base.yaml
stages:
  faces: { uses: faces }`,
    screen: `x.yaml:1:10  'https://example.org/base.yaml' is an address, and nothing is fetched from there
  1 | extends: https://example.org/base.yaml
    |          ~~~~~~~~~~~~~~~~~~~~~~~~~~~~~  download it, and name the file`,
  },
  {
    what: 'extends with nothing behind it',
    yaml: `extends:
stages:
  faces: { uses: faces }`,
    screen: `x.yaml:1:1  'extends' takes the path of a file or a list of them, not nothing
  1 | extends:
    | ~~~~~~~  write extends: base.yaml, or extends: [faces.yaml, paper.yaml]`,
  },
  {
    what: 'the address of the tracking server without http',
    yaml: `tracking: { uri: 127.0.0.1:5000 }
profiles: { lab: { tracking: { uri: "sqlite:///runs.db" } } }
stages:
  faces: { uses: faces }`,
    screen: `x.yaml:1:18  'tracking.uri' is '127.0.0.1:5000': it must be an address that is reached over http
  1 | tracking: { uri: 127.0.0.1:5000 }
    |                  ~~~~~~~~~~~~~~  start one with \`mlflow server\`, and write http://127.0.0.1:5000

x.yaml:2:37  'tracking.uri' is 'sqlite:///runs.db': it must be an address that is reached over http
  2 | profiles: { lab: { tracking: { uri: "sqlite:///runs.db" } } }
    |                                     ~~~~~~~~~~~~~~~~~~~  start one with \`mlflow server\`, and write http://127.0.0.1:5000`,
  },
  {
    what: 'a value that depends on a matrix of which another axis is wrong',
    yaml: `stages:
  faces:
    uses: faces
    matrix: { n: [0, 5], s: { from: 1, to: 0, step: 1 } }
    with: { identities: "\${{ matrix.n }}", size: "\${{ matrix.size }}" }`,
    screen: `x.yaml:4:19  'identities' is 0: it must be at least 1 (with.identities of faces@n=0)
  4 |     matrix: { n: [0, 5], s: { from: 1, to: 0, step: 1 } }
    |                   ~  How many people

x.yaml:4:29  the range of 's' is empty: from 1 there is no way to 0 in steps of 1
  4 |     matrix: { n: [0, 5], s: { from: 1, to: 0, step: 1 } }
    |                             ~~~~~~~~~~~~~~~~~~~~~~~~~~~  from must not be above to

x.yaml:5:62  matrix has no 'size'
  5 |     with: { identities: "\${{ matrix.n }}", size: "\${{ matrix.size }}" }
    |                                                              ~~~~  matrix has n, s`,
  },
  {
    what: 'division by zero, a gap in format, text that is rounded',
    yaml: `params: { a: "\${{ 1 / 0 }}", b: "\${{ format('{1}', 1) }}", c: "\${{ round('x') }}" }
stages:
  faces: { uses: faces }`,
    screen: `x.yaml:1:23  division by zero
  1 | params: { a: "\${{ 1 / 0 }}", b: "\${{ format('{1}', 1) }}", c: "\${{ round('x') }}" }
    |                       ~

x.yaml:1:45  format has no value for {1}: it was given 1
  1 | params: { a: "\${{ 1 / 0 }}", b: "\${{ format('{1}', 1) }}", c: "\${{ round('x') }}" }
    |                                             ~~~~~  they count from 0

x.yaml:1:74  a number is expected here, not text ('x')
  1 | params: { a: "\${{ 1 / 0 }}", b: "\${{ format('{1}', 1) }}", c: "\${{ round('x') }}" }
    |                                                                          ~~~  round(number, decimals)`,
  },
  {
    what: 'what looks like code: a call, a constructor, a prototype',
    yaml: `params: { x: "\${{ process.exit(1) }}", y: "\${{ params.constructor }}", z: "\${{ params['__proto__'] }}" }
stages:
  faces: { uses: faces }`,
    screen: `x.yaml:1:31  an operator or the end of the expression is expected here, but there is '('
  1 | params: { x: "\${{ process.exit(1) }}", y: "\${{ params.constructor }}", z: "\${{ params['__proto__'] }}" }
    |                               ~

x.yaml:1:55  params has no 'constructor'
  1 | params: { x: "\${{ process.exit(1) }}", y: "\${{ params.constructor }}", z: "\${{ params['__proto__'] }}" }
    |                                                       ~~~~~~~~~~~  params has x, y, z

x.yaml:1:87  params has no '__proto__'
  1 | params: { x: "\${{ process.exit(1) }}", y: "\${{ params.constructor }}", z: "\${{ params['__proto__'] }}" }
    |                                                                                       ~~~~~~~~~~~  params has x, y, z`,
  },
  {
    what: 'retry after a failure there is not, and without saying how often',
    yaml: `stages:
  a: { uses: faces, retry: { on: [oom] } }
  b: { uses: faces, retry: { times: 2, on: memory, backoff: soon } }`,
    screen: `x.yaml:2:21  a retry rule needs 'times'
  2 |   a: { uses: faces, retry: { on: [oom] } }
    |                     ~~~~~  add times:

x.yaml:2:35  'on[0]' must be one of memory, crash, timeout, io, error, not 'oom'
  2 |   a: { uses: faces, retry: { on: [oom] } }
    |                                   ~~~

x.yaml:3:44  'on' must be a list, not text ('memory')
  3 |   b: { uses: faces, retry: { times: 2, on: memory, backoff: soon } }
    |                                            ~~~~~~  After which failures

x.yaml:3:61  'backoff' is 'soon': it must be text such as 90s, 30m, 2h
  3 |   b: { uses: faces, retry: { times: 2, on: memory, backoff: soon } }
    |                                                             ~~~~`,
  },
  {
    what: 'a stage twice',
    yaml: `stages:
  faces: { uses: faces }
  faces: { uses: merge }`,
    screen: `x.yaml:3:3  'faces' is given twice
  3 |   faces: { uses: merge }
    |   ~~~~~  the first one is on line 2; remove one of them`,
  },
  {
    what: 'the first letter of a key as a capital',
    yaml: `Stages:
  faces: { uses: faces }`,
    screen: `x.yaml:1:1  'Stages' is not a key of an experiment. Did you mean 'stages'?
  1 | Stages:
    | ~~~~~~  it takes name, description, params, seed, env, resources, tracking, report, extends, profiles, stages`,
  },
  {
    what: 'typographic quotes',
    yaml: `stages:
  faces: { uses: “faces” }`,
    screen: `x.yaml:2:18  there is no stage kind '“faces”'. Did you mean 'faces'?
  2 |   faces: { uses: “faces” }
    |                  ~~~~~~~  kinds: command, evaluate, faces, generate, merge, train`,
  },
  {
    what: "--set of nothing, of a path that ends early, and of a list's item there is not",
    yaml: `params: { a: [1, 2] }
stages:
  faces: { uses: faces }`,
    set: ['=3', 'params.=3', 'params.a.7=3', 'params..a=3'],
    screen: `--set  --set takes path=value, not '=3'
  1 | --set =3
    |       ~~  for example --set params.identities=50

--set  a name is missing in the path
  1 | --set params.=3
    |              ~  a path is names with dots between, as in stages.samples.matrix.m

--set  'params.a' is a list of 2; it has no item '7'
  1 | --set params.a.7=3
    |                ~  items count from 0

--set  a name is missing in the path
  1 | --set params..a=3
    |              ~  a path is names with dots between, as in stages.samples.matrix.m`,
  },
  {
    what: 'many things at once, each at its place',
    yaml: `sede: 1
stages:
  faces: { uses: faces, with: { identitys: 3, size: big } }
  fr: { uses: trian, inputs: { dataset: faces } }
  score: { uses: evaluate, inputs: { model: fr, verification: face.verification }, afer: fr }`,
    screen: `x.yaml:1:1  'sede' is not a key of an experiment. Did you mean 'seed'?
  1 | sede: 1
    | ~~~~  it takes name, description, params, seed, env, resources, tracking, report, extends, profiles, stages

x.yaml:3:33  'identitys' is not a setting of faces. Did you mean 'identities'?
  3 |   faces: { uses: faces, with: { identitys: 3, size: big } }
    |                                 ~~~~~~~~~  it takes identities, size, glasses (cemiflow schema faces)

x.yaml:3:53  'size' must be one of 32, 64, 112, not 'big'
  3 |   faces: { uses: faces, with: { identitys: 3, size: big } }
    |                                                     ~~~

x.yaml:4:15  there is no stage kind 'trian'. Did you mean 'train'?
  4 |   fr: { uses: trian, inputs: { dataset: faces } }
    |               ~~~~~  kinds: command, evaluate, faces, generate, merge, train

x.yaml:5:63  there is no stage 'face'. Did you mean 'faces'?
  5 |   score: { uses: evaluate, inputs: { model: fr, verification: face.verification }, afer: fr }
    |                                                               ~~~~~~~~~~~~~~~~~  stages: faces, fr, score

x.yaml:5:84  'afer' is not a key of a stage. Did you mean 'after'?
  5 |   score: { uses: evaluate, inputs: { model: fr, verification: face.verification }, afer: fr }
    |                                                                                    ~~~~  it takes uses, with, inputs, matrix, seeds, after, resources, device, retry, timeout`,
  },
];

test.each(malformed)('$what', async ({ yaml, screen, files = {}, ...options }) => {
  using lab = new Lab();
  lab.write('x.yaml', yaml);
  for (const [name, text] of Object.entries(files)) lab.write(name, text);
  expect(await lab.screen(options)).toBe(screen);
});
