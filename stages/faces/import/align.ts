/**
 * From photographs to aligned crops: find the face nearest the picture's centre, its landmarks, the similarity that brings five of
 * them to ArcFace's template, and resample.
 */
import type { FaceBox } from './detector.js';
import { detectorSize } from './detector.js';
import { fivePoints, landmarkCount, landmarkSize } from './landmarks.js';
import type { FaceNetworks } from './networks.js';
import { apply, fitSimilarity, invert, type Point, type Similarity, templateFor } from './similarity.js';
import { type Picture, squareAt, warp } from './warp.js';

/**
 * Width of the border on every side at each look, as a fraction of the longer edge. The detector knows faces that are small in the
 * picture: on portraits its confidence rises with the border, and with its boxes' fit the landmarks (measured on LFW: mean confidence 0.88, 0.94,
 * 0.97 with 0, 0.25, 0.5; 6, 0, 0 of 480 faces missed). Small faces need the last look.
 */
const borders = [0.25, 0.5, 0];
/** A look that finds a face with this confidence is the last one. */
const sure = 0.5;

/**
 * Where the five points lie in the landmark network's crop of a well placed box, pixels (mean over confident detections). A second pass
 * with a crop turned, shifted and scaled to bring the first pass' points there mends what a loose or tilted box costs.
 */
const pointsInCrop: readonly Point[] = [
  { x: 35.6, y: 39.0 },
  { x: 75.4, y: 38.5 },
  { x: 56.0, y: 63.0 },
  { x: 39.8, y: 82.6 },
  { x: 73.4, y: 82.5 },
];

export interface FoundFace {
  /** In the picture's pixels. */
  box: FaceBox;
  /** The border it took to find it. */
  border: number;
  /** Faces in the picture, this one included. */
  faces: number;
  /** Eyes, nose and corners of the mouth in the picture's pixels (centres of pixels count from 0). */
  points: Point[];
}

/**
 * @param pictures   at most `networkBatch`
 * @param confidence detections above it are faces
 * @returns the face nearest the centre of each picture, undefined where none was found
 */
export async function findFaces(
  networks: FaceNetworks,
  pictures: readonly Picture[],
  confidence: number,
): Promise<(FoundFace | undefined)[]> {
  const best: (Omit<FoundFace, 'points'> | undefined)[] = pictures.map(() => undefined);
  for (const border of borders) {
    const open = [...pictures.keys()].filter((i) => !(best[i] && best[i].box.score >= sure));
    if (open.length === 0) break;
    const views = open.map((i) => viewOf(pictures[i]!, border));
    const detected = await networks.detect(
      open.map((i, k) => warp(pictures[i]!, views[k]!, detectorSize)),
      confidence,
    );
    open.forEach((i, k) => {
      const boxes = detected[k]!.map((one) => inPicture(one, views[k]!));
      const rivals = credible(boxes);
      const box = nearestCentre(rivals, pictures[i]!);
      if (box && box.score > (best[i]?.box.score ?? 0)) best[i] = { box, border, faces: rivals.length };
    });
  }
  const withFace = [...pictures.keys()].filter((i) => best[i]);
  const first = await fivePointsIn(
    networks,
    withFace.map((i) => ({ picture: pictures[i]!, crop: squareAround(best[i]!.box) })),
  );
  const second = await fivePointsIn(
    networks,
    withFace.map((i, k) => ({ picture: pictures[i]!, crop: invert(fitSimilarity(first[k]!, pointsInCrop)) })),
  );
  const faces: (FoundFace | undefined)[] = pictures.map(() => undefined);
  withFace.forEach((i, k) => (faces[i] = { ...best[i]!, points: second[k]! }));
  return faces;
}

/** @param faces for each its picture, and the similarity from the landmark network's input to the picture */
async function fivePointsIn(
  networks: FaceNetworks,
  faces: readonly { picture: Picture; crop: Similarity }[],
): Promise<Point[][]> {
  if (faces.length === 0) return [];
  const marks = await networks.landmarks(faces.map(({ picture, crop }) => warp(picture, crop, landmarkSize)));
  return faces.map(({ crop }, k) =>
    fivePoints(
      Array.from({ length: landmarkCount }, (_, m) =>
        apply(crop, {
          x: marks[k]![2 * m]! * landmarkSize - 0.5,
          y: marks[k]![2 * m + 1]! * landmarkSize - 0.5,
        }),
      ),
    ),
  );
}

/**
 * @param size   edge of the crop, pixels
 * @param margin see templateFor
 * @returns uint8 [size, size, 3], black where the frame leaves the picture
 */
export function alignFace(
  picture: Picture,
  points: readonly Point[],
  size: number,
  margin: number,
): Uint8Array {
  return warp(picture, invert(fitSimilarity(points, templateFor(size, margin))), size);
}

/** The central square of this fraction of the shorter edge, scaled. */
export function cropCentre(picture: Picture, fraction: number, size: number): Uint8Array {
  return warp(
    picture,
    squareAt(centreOf(picture), Math.min(picture.width, picture.height) * fraction, size),
    size,
  );
}

/** The whole picture, scaled to fit; black beside one that is not square. */
export function fitWhole(picture: Picture, size: number): Uint8Array {
  return warp(picture, squareAt(centreOf(picture), Math.max(picture.width, picture.height), size), size);
}

const centreOf = ({ width, height }: Picture): Point => ({ x: width / 2, y: height / 2 });

/** From the detector's input to the picture: the longer edge with its borders fills the input; the picture starts at its top left corner. */
function viewOf({ width, height }: Picture, border: number): Similarity {
  const longer = Math.max(width, height);
  const scale = (longer * (1 + 2 * border)) / detectorSize;
  const shift = scale / 2 - 0.5 - border * longer;
  return { a: scale, b: 0, tx: shift, ty: shift };
}

/** Box edges count from the corner of the picture, pixel centres from half a pixel inside it. */
function inPicture(box: FaceBox, view: Similarity): FaceBox {
  const corner = apply(view, { x: box.left - 0.5, y: box.top - 0.5 });
  const other = apply(view, { x: box.right - 0.5, y: box.bottom - 0.5 });
  return {
    left: corner.x + 0.5,
    top: corner.y + 0.5,
    right: other.x + 0.5,
    bottom: other.y + 0.5,
    score: box.score,
  };
}

/** Boxes less than half as confident as the best one are no rivals: at a low confidence, collars and hands are among them. */
function credible(boxes: readonly FaceBox[]): FaceBox[] {
  const top = boxes.reduce((score, box) => Math.max(score, box.score), 0);
  return boxes.filter(({ score }) => score >= top / 2);
}

function nearestCentre(boxes: readonly FaceBox[], picture: Picture): FaceBox | undefined {
  const centre = centreOf(picture);
  const distance = (box: FaceBox) =>
    Math.hypot((box.left + box.right) / 2 - centre.x, (box.top + box.bottom) / 2 - centre.y);
  return boxes.reduce<FaceBox | undefined>(
    (best, box) => (best && distance(best) <= distance(box) ? best : box),
    undefined,
  );
}

/** The square around a box: what the landmark network sees. */
function squareAround(box: FaceBox): Similarity {
  const middle = { x: (box.left + box.right) / 2, y: (box.top + box.bottom) / 2 };
  return squareAt(middle, Math.max(box.right - box.left, box.bottom - box.top), landmarkSize);
}
