/** All kernels of the tracing backend. */
import { convolutionKernels } from './convolution.js';
import { elementwiseKernels } from './elementwise.js';
import { indexingKernels } from './indexing.js';
import type { TraceKernel } from './kernel.js';
import { poolingKernels } from './pooling.js';
import { productKernels } from './products.js';
import { reductionKernels } from './reductions.js';
import { shapeKernels } from './shape.js';

export const traceKernels: readonly TraceKernel[] = [
  ...elementwiseKernels,
  ...reductionKernels,
  ...shapeKernels,
  ...indexingKernels,
  ...productKernels,
  ...convolutionKernels,
  ...poolingKernels,
];
