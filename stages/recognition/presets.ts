/** Shapes of IResNets, and the named ones: plain data, which the plan's estimate of memory reads, too. */

export interface Shape {
  /** Channels of each stage. Every stage halves the map. */
  widths: number[];
  /** Residual blocks of each stage. */
  blocks: number[];
  /** 1, or 2 to halve the map before the first stage. */
  stemStride: number;
  /** Squeeze-and-excitation at the end of each block (Hu et al., CVPR 2018), as in IR-SE. */
  se: boolean;
  embeddingSize: number;
}

const full = { widths: [64, 128, 256, 512], stemStride: 1, embeddingSize: 512 };

/** Named shapes. ir18 to ir100 are arcface_torch's r18 to r100; the small ones are ours, sized for 32 px on a laptop. */
export const presets = {
  ir18: { ...full, blocks: [2, 2, 2, 2], se: false },
  ir34: { ...full, blocks: [3, 4, 6, 3], se: false },
  ir50: { ...full, blocks: [3, 4, 14, 3], se: false },
  ir100: { ...full, blocks: [3, 13, 30, 3], se: false },
  irse18: { ...full, blocks: [2, 2, 2, 2], se: true },
  irse50: { ...full, blocks: [3, 4, 14, 3], se: true },
  irse100: { ...full, blocks: [3, 13, 30, 3], se: true },
  /** 4 MFLOPs forward at 32 px. */
  small: { widths: [24, 48, 96], blocks: [1, 1, 1], stemStride: 2, se: false, embeddingSize: 64 },
  /** 2 MFLOPs forward at 32 px. */
  tiny: { widths: [16, 32, 64], blocks: [1, 1, 1], stemStride: 2, se: false, embeddingSize: 64 },
} satisfies Record<string, Shape>;

export type PresetName = keyof typeof presets;
