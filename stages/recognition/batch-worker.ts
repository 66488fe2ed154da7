/** The program of the threads that make fr-train's batches. */
import { serveTraining } from '../training/serve.js';
import { TrainBatches } from './train-batches.js';

serveTraining(TrainBatches);
