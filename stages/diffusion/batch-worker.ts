/** The program of the threads that make diffusion-train's batches. */
import { serveBatches } from '../training/batch-server.js';
import { TrainBatches } from './train-batches.js';

serveBatches(TrainBatches);
