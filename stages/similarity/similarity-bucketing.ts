/**
 * Splits a data set into groups by similarity to the identity center. A group is a list of rows of the data set, which is
 * referred to, not copied.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SimilarityBucketingSettings } from '../../schemas/generated/stages/similarity-bucketing.js';
import { readCenters } from '../centers/centers.js';
import { type StageContext, StageError } from '../contract.js';
import { openDataset, rowsWhere } from '../data/dataset.js';
import { writeNpy } from '../data/npy.js';
import { figuresOf, groupByRank } from './groups.js';
import { drawSample } from './sample.js';

export async function run(context: StageContext<SimilarityBucketingSettings>): Promise<void> {
  const { groups: groupCount, sample } = context.settings as Required<SimilarityBucketingSettings>;
  const dataset = openDataset(context, 'dataset');
  const { info, similarity } = readCenters(context.input('centers').path);
  const source = context.input('dataset');
  if (info.dataset !== source.digest)
    throw new StageError(
      `the centers were computed of other images (${info.images} of ${info.identities} identities) than input dataset (${source.from})`,
      'Give both stages the same dataset.',
    );
  const group = groupByRank(similarity, dataset.labels, groupCount);
  const rows = Array.from({ length: groupCount }, (_, index) =>
    rowsWhere(group.length, (row) => group[row] === index),
  );
  const empty = rows.findIndex((members) => members.length === 0);
  if (empty >= 0)
    throw new StageError(
      `group ${empty} of ${groupCount} would hold no image: there are ${dataset.count} images`,
      'Lower with.groups, or give more images.',
    );

  const folder = context.output('groups');
  const figures = rows.map((members, index) => figuresOf(index, members, similarity, dataset.labels));
  for (const { index, count, identities, mean, largest, smallest } of figures) {
    writeNpy(join(folder, `group-${index}.npy`), rows[index]!, [count]);
    context.metric(`group-${index}/mean`, mean);
    context.metric(`group-${index}/largest`, largest);
    context.metric(`group-${index}/smallest`, smallest);
    context.log(
      `group ${index}: ${count} images of ${identities} identities, similarity ${mean.toFixed(3)}, ` +
        `mean of the largest ${largest.toFixed(3)}, of the smallest ${smallest.toFixed(3)}`,
    );
  }
  const few = figures.reduce((most, { identities }) => Math.max(most, dataset.identities - identities), 0);
  if (few > 0)
    context.warn(
      `up to ${few} of ${dataset.identities} identities have no image in a group: they have fewer images than there are groups (${groupCount})`,
    );
  const groups = { format: 'cemiflow-groups/1', source: source.digest, groups: figures };
  writeFileSync(join(folder, 'groups.json'), JSON.stringify(groups, null, 1));
  writeFileSync(join(folder, 'references.json'), JSON.stringify([source.digest]));
  await drawSample(folder, dataset, rows, similarity, sample);
}
