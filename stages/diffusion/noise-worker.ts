/** The program of the thread that draws generate's noise. */
import { serveBatches } from '../batches/batch-server.js';
import { NoiseBatches, type NoiseRecipe } from './noise-batches.js';

serveBatches((recipe: NoiseRecipe) => new NoiseBatches(recipe));
