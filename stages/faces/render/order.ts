/** Orders for pictures: which picture of whom, under which conditions. Plain data, so that threads can be handed them. */
import { Random } from '../../tensors/random.js';
import { personOf, type Person } from './person.js';
import type { FaceRenderer } from './renderer.js';
import { drawShot, type Vary, type Wish } from './shot.js';

export interface Order {
  /** The family of people: 'train', 'inquiry', 'general', ... Two have nobody in common. */
  purpose: string;
  person: number;
  /** Which picture of that person. */
  image: number;
  vary: Vary;
  wish?: Wish;
  /** People come in groups of this many that share sex, age and origin. 1 where left out. */
  lookalikes?: number;
}

/** Fills pictures from orders; remembers the last person, as orders for one person usually follow one another. */
export class Studio {
  #key = '';
  #person!: Person;

  constructor(
    private readonly renderer: FaceRenderer,
    private readonly seed: number,
    private readonly population: number,
  ) {}

  /** Renders into `out` at `offset`, size * size * 3 bytes. */
  take(order: Order, out: Uint8Array, offset: number): void {
    const { seed, population } = this;
    const { purpose, person: index, image, lookalikes = 1 } = order;
    const key = `${purpose} ${index} ${lookalikes}`;
    if (key !== this.#key) {
      const first = index - (index % lookalikes);
      this.#person = (
        first === index
          ? personOf(seed, purpose, population, index)
          : personOf(seed, purpose, population, index, personOf(seed, purpose, population, first).likeness)
      ).person;
      this.#key = key;
    }
    const random = new Random(seed, 'face image', purpose, population, index, image);
    this.renderer.render(
      this.#person,
      drawShot(random, order.vary, this.#person.age, order.wish),
      out,
      offset,
    );
  }
}
