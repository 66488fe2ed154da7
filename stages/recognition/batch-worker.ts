/** The program of the threads that make fr-train's batches. */
import { serveBatches } from '../training/batch-server.js';
import { TrainBatches } from './train-batches.js';

serveBatches(TrainBatches);
