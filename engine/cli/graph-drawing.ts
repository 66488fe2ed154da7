/** The graph of an experiment as text in three languages. Pure. */
import type { Experiment } from '../experiment/experiment.js';

export interface Graph {
  nodes: { name: string; kind: string; points: number }[];
  edges: { from: string; to: string; label: string }[];
}

/** @param points a node for each instance; else one for each stage of the file */
export function graphOf(experiment: Experiment, points: boolean): Graph {
  const named = new Map(experiment.stages.map(({ name, stage }) => [name, points ? name : stage]));
  const nodes = new Map<string, Graph['nodes'][number]>();
  const edges = new Map<string, Graph['edges'][number]>();
  const addEdge = (from: string, to: string, label: string) =>
    edges.set(JSON.stringify([from, to, label]), { from, to, label });
  for (const instance of experiment.stages) {
    const name = named.get(instance.name)!;
    const node = nodes.get(name) ?? { name, kind: instance.kind, points: 0 };
    nodes.set(name, { ...node, points: node.points + 1 });
    for (const [input, sources] of Object.entries(instance.inputs)) {
      for (const source of sources) {
        addEdge(source.from === 'path' ? source.path : named.get(source.stage)!, name, input);
      }
    }
    for (const before of instance.after) addEdge(named.get(before)!, name, 'after');
  }
  return { nodes: [...nodes.values()], edges: [...edges.values()] };
}

const title = ({ name, kind, points }: Graph['nodes'][number]) => ({
  name: points > 1 ? `${name} ×${points}` : name,
  kind,
});

function mermaid({ nodes, edges }: Graph): string {
  const ids = idsOf({ nodes, edges }, 'n');
  const text = (words: string) => `"${words.replaceAll('"', '#quot;')}"`;
  return [
    'graph TD',
    ...nodes.map(
      (node) => `  ${ids.get(node.name)}[${text(`${title(node).name}<br/><small>${node.kind}</small>`)}]`,
    ),
    ...outside({ nodes, edges }).map((path) => `  ${ids.get(path)}[/${text(path)}/]`),
    ...edges.map(({ from, to, label }) =>
      label === 'after'
        ? `  ${ids.get(from)} -.-> ${ids.get(to)}`
        : `  ${ids.get(from)} -->|${text(label)}| ${ids.get(to)}`,
    ),
  ].join('\n');
}

function dot({ nodes, edges }: Graph): string {
  const text = (words: string) => `"${words.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
  return [
    'digraph experiment {',
    '  node [shape=box, fontname="sans-serif"];',
    ...nodes.map(
      (node) =>
        `  ${text(node.name)} [label=${text(`${title(node).name}\n${node.kind}`).replaceAll('\n', '\\n')}];`,
    ),
    ...outside({ nodes, edges }).map((path) => `  ${text(path)} [shape=folder];`),
    ...edges.map(
      ({ from, to, label }) =>
        `  ${text(from)} -> ${text(to)} [${label === 'after' ? 'style=dashed' : `label=${text(label)}`}];`,
    ),
    '}',
  ].join('\n');
}

/** One stage a line, in an order in which they can run, with where each input comes from. */
function asText({ nodes, edges }: Graph): string {
  const width = Math.max(0, ...nodes.map((node) => title(node).name.length));
  return nodes
    .map((node) => {
      const from = edges
        .filter(({ to }) => to === node.name)
        .map((edge) => (edge.label === 'after' ? `after ${edge.from}` : `${edge.label}: ${edge.from}`));
      const sources = from.length > 0 ? `  <- ${from.join(', ')}` : '';
      return `${title(node).name.padEnd(width)}  ${node.kind}${sources}`;
    })
    .join('\n');
}

export const drawings = { mermaid, dot, text: asText };

/** Outside files and folders. */
function outside({ nodes, edges }: Graph): string[] {
  const names = new Set(nodes.map(({ name }) => name));
  return [...new Set(edges.map(({ from }) => from))].filter((name) => !names.has(name));
}

/** Mermaid's ids are words; names of instances are not. */
function idsOf(graph: Graph, letter: string): Map<string, string> {
  const names = [...graph.nodes.map(({ name }) => name), ...outside(graph)];
  return new Map(names.map((name, index) => [name, `${letter}${index}`]));
}
