/** The device 'webgpu'. */
import { asItIs, firstLine, isInstalled, load, starts, TFJS } from './backends.js';
import type { Probe } from './probes.js';

/** The version that CI runs the suite of stage maths on. */
const DAWN = '0.6.2';

/** tfjs on WebGPU, which npm's `webgpu` (Dawn) brings to Node: Vulkan, Metal or Direct3D 12. */
export async function probeWebgpu(): Promise<Probe> {
  const missing = ['webgpu', '@tensorflow/tfjs-backend-webgpu'].filter((name) => !isInstalled(name));
  if (missing.length > 0) {
    const versioned = missing.map((name) => `${name}@${name === 'webgpu' ? DAWN : TFJS}`);
    return {
      works: false,
      why: `${missing.join(' and ')} ${missing.length === 1 ? 'is' : 'are'} not installed`,
      remedy: `With a GPU and its Vulkan driver: npm install --no-save ${versioned.join(' ')}`,
    };
  }
  try {
    const adapter = await webgpuAdapter();
    if (!adapter) {
      return {
        works: false,
        why: 'no graphics adapter was found',
        remedy: "Install the GPU's Vulkan driver (vulkaninfo --summary must list it).",
      };
    }
    await load('@tensorflow/tfjs-backend-webgpu');
    await starts('webgpu');
    const drawn = [adapter.vendor, adapter.architecture, adapter.device, adapter.description]
      .join(' ')
      .trim();
    const software = /swiftshader|llvmpipe|lavapipe|software/i.test(drawn);
    return {
      works: true,
      description: `WebGPU on ${adapter.description || drawn}`,
      threads: 1,
      compile: asItIs('webgpu'),
      ...(software
        ? {
            drawback: {
              why: `its only adapter is a program, not a GPU (${adapter.description || drawn})`,
              remedy: "Install the GPU's Vulkan driver (vulkaninfo --summary must list it).",
            },
          }
        : {}),
    };
  } catch (error) {
    return { works: false, why: firstLine(error), remedy: 'Update webgpu and the graphics driver.' };
  }
}

interface AdapterInfo {
  vendor: string;
  architecture: string;
  device: string;
  description: string;
}

/** Puts Dawn where browsers have WebGPU, once, and asks it for its best adapter. */
async function webgpuAdapter(): Promise<AdapterInfo | undefined> {
  interface Gpu {
    requestAdapter(options: { powerPreference: string }): Promise<{ info: AdapterInfo } | null>;
  }
  const scope = globalThis as unknown as { navigator?: { gpu?: Gpu } };
  if (!scope.navigator?.gpu) {
    const { create, globals } = (await load('webgpu')) as { create(flags: string[]): Gpu; globals: object };
    Object.assign(globalThis, globals);
    // Node 20 has no navigator; later ones have one that takes no assignments.
    if (!scope.navigator) Object.defineProperty(globalThis, 'navigator', { value: {}, configurable: true });
    Object.defineProperty(scope.navigator, 'gpu', { value: create([]), configurable: true });
  }
  const adapter = await scope.navigator!.gpu!.requestAdapter({ powerPreference: 'high-performance' });
  return adapter?.info;
}
