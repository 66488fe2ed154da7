/**
 * Where data and models come from, carried along in set.json and config.json so that the protocol card of an evaluation
 * can name everything behind a number. Content only: no paths, names of stages, dates or machines.
 */
import type { JsonObject } from '../contract.js';

export interface ModelProvenance {
  kind: 'recognition' | 'unet' | 'face-api';
  /** e.g. "IResNet 24/48/96, 64-d" */
  architecture: string;
  /** CosFace, ArcFace, AdaFace; what the network was trained with, where known. */
  loss?: string;
  /** sha256 of model.safetensors. */
  weights: string;
  /** Training settings that a card states: batch, epochs or steps, margin, scale, augmentation, seed. */
  training?: JsonObject;
  data?: SetProvenance;
  /** The model whose weights it started from. */
  init?: ModelProvenance;
  /** E_id, for a generator trained under one. */
  recogniser?: ModelProvenance;
}

export interface SetProvenance {
  kind: 'faces-render' | 'faces-import' | 'generate';
  /** Images asked for and delivered, and why fewer. */
  asked: { identities: number; images: number };
  delivered: { identities: number; images: number };
  losses?: Record<string, number>;
  alignment: string;
  /** Names of real photograph collections among the ancestors, sorted. Empty for rendered data. */
  realData: string[];
  settings: JsonObject;
  seed: number;
  /** For generated sets: the generator, the E_id whose embedding conditions it, the inquiry images. */
  generator?: ModelProvenance;
  recogniser?: ModelProvenance;
  inquiry?: SetProvenance;
}

/** Names of all real collections that had a part in a set, its own and its ancestors'. */
export function realDataBehind(set: SetProvenance | undefined): string[] {
  const names = new Set<string>();
  const ofSet = (one: SetProvenance | undefined): void => {
    one?.realData.forEach((name) => names.add(name));
    if (one?.generator) ofModel(one.generator);
    if (one?.recogniser) ofModel(one.recogniser);
    if (one?.inquiry) ofSet(one.inquiry);
  };
  const ofModel = (model: ModelProvenance): void => {
    ofSet(model.data);
    if (model.init) ofModel(model.init);
    if (model.recogniser) ofModel(model.recogniser);
  };
  ofSet(set);
  return [...names].sort();
}
