/** The first experiment of somebody who has none: what `cemiflow init` writes. Valid as it is, and small. */

/**
 * @param name   of the experiment, as YAML: letters, digits, '.', '_' and '-'; in quotes where YAML would read a number
 * @param schema path of schemas/experiment.schema.json from where the file will lie, for editors
 */
export function initExperiment({ name, schema }: { name: string; schema: string }): string {
  return `# yaml-language-server: $schema=${schema}
#
# Which margin loss verifies strangers best? Faces of invented people are rendered, a small recognition network is trained
# on them with each loss, and tested on people it has never seen. Some two minutes on a laptop.
#
#   cemiflow plan FILE       what would run, and why
#   cemiflow run FILE        runs it; run it again and nothing runs
#   cemiflow schema          all kinds of stages; cemiflow schema fr-train: the settings of one
name: ${name}
seed: 1 # every random number comes from it

# Values that expressions below name. From the command line: --set params.identities=200
params:
  identities: 100
  epochs: 4

stages:
  faces:
    uses: faces-render
    with:
      size: 32 # pixels; 112 is the field's size
      identities: \${{ params.identities }}
      perIdentity: 16
      verification: { identities: 60, pairs: 600 }

  # One training for each value of the axis: fr@loss=cosface, fr@loss=arcface, fr@loss=adaface.
  # For replicas with other seeds, add seeds: [1, 2, 3] here: score follows by itself.
  fr:
    uses: fr-train
    matrix: { loss: [cosface, arcface, adaface] }
    inputs: { dataset: faces }
    with:
      loss: \${{ matrix.loss }}
      margin: 0.3
      scale: 16
      epochs: \${{ params.epochs }}
      # Small enough for a laptop. The paper's network is the default: backbone: irse50.
      backbone: custom
      network: { widths: [16, 32, 64], blocks: [1, 1, 1], stemStride: 2, embeddingSize: 64 }

  # The same points as fr; at each, model is the fr with the same loss.
  score:
    uses: evaluate
    matrix: fr
    inputs: { model: fr, verification: faces.verification }

report:
  baseline: score@loss=cosface
  notes: [Small networks and rendered faces; no evidence about these losses at the size of a paper.]
`;
}
