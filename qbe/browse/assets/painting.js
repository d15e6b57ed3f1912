// How the map looks: points as pixels of a canvas; rings, lines, the lasso and words on another one above it.

const LINES = 10; // to true neighbours
const COVERED = 0.08; // of the canvas, by points
const LARGEST = 9; // pixels, of a point
const FILLED = 0.15; // of the canvas, by a map
const SHARE = 0.6, FAINTEST = 0.15, STRONGEST = 0.9; // of a pixel, by a point where one would lie on each; by any
const CELL = 50; // pixels, of the cell that a word stands for, from which on it is shown
const APART = 260; // pixels between the same words
const MOST_WORDS = 40;
const MOST_RINGS = 5000; // around selected points
const GROUND = { light: 0xfb, dark: 0x14 }, FADED = { light: 0xe2e2e2, dark: 0x2c2c2c };

const isDark = () => matchMedia("(prefers-color-scheme: dark)").matches;

// The first `count` points of a map, the fairest on top; over those that are not looked for, those that are.
export function paint(map, count) {
  const { width, height } = map.canvas, context = map.canvas.getContext("2d"), theme = isDark() ? "dark" : "light";
  if (map.image?.width !== width || map.image?.height !== height) map.image = context.createImageData(width, height);
  const pixels = new Uint32Array(map.image.data.buffer);
  pixels.fill(0xff000000 | (GROUND[theme] * 0x010101));
  if (map.bearing) dots(map, pixels, count, 0, map.palette.map(() => FADED[theme]));
  dots(map, pixels, count, 1, map.palette.map((hex) => parseInt(hex.slice(1), 16)));
  context.putImageData(map.image, 0, 0);
}

// bears: whether of those points that are looked for, or of the others; colours: as 0xRRGGBB
function dots(map, pixels, count, bears, colours) {
  const { width, height } = map.canvas, { points, bearing, colours: numbers } = map, scale = map.scale * map.ratio;
  const { size, share } = sizeOf(map, bears && bearing ? map.borneCount : map.count), offsets = disc(size, width);
  const left = width / 2 - map.x * scale - size / 2 + 1, top = height / 2 + map.y * scale - size / 2 + 1;
  const right = width - size + 1, bottom = height - size + 1;
  // Of 256 parts, `share` come of the point; pixels are 0xAABBGGRR, and red and blue go at a time.
  const outer = Int32Array.from(colours, (rgb) => Math.imul(((rgb & 0xff) << 16) | (rgb >>> 16), share));
  const green = Int32Array.from(colours, (rgb) => ((rgb >>> 8) & 0xff) * share), keep = 256 - share;
  for (let k = count - 1; k >= 0; k--) {
    if (bearing && bearing[k] !== bears) continue;
    const x = left + points[2 * k] * scale, y = top - points[2 * k + 1] * scale;
    if (!(x >= 0 && y >= 0 && x < right && y < bottom)) continue;
    const colour = numbers[k], first = Math.trunc(y) * width + Math.trunc(x);
    for (let n = 0; n < offsets.length; n++) {
      const old = pixels[first + offsets[n]];
      const both = ((Math.imul(old & 0xff00ff, keep) + outer[colour]) >>> 8) & 0xff00ff;
      const middle = (Math.imul((old >>> 8) & 0xff, keep) + green[colour]) & 0xff00;
      pixels[first + offsets[n]] = 0xff000000 | both | middle;
    }
  }
}

// Where the pixels of a point are, counted from its first one.
function disc(size, width) {
  const radius = (size - 1) / 2, offsets = [];
  for (let down = 0; down < size; down++) {
    for (let right = 0; right < size; right++) {
      const isCorner = size > 3 && (down - radius) ** 2 + (right - radius) ** 2 > (radius + 0.4) ** 2;
      if (!isCorner) offsets.push(down * width + right);
    }
  }
  return offsets;
}

// Of one of so many points, in pixels of the canvas: more where there are few, or one is near. And how much of 256 it
// covers what is under it: less where many lie on each other, so that it shows how many they are.
function sizeOf(map, count) {
  const area = map.canvas.clientWidth * map.canvas.clientHeight;
  const whole = Math.max(map.high[0] - map.low[0], map.high[1] - map.low[1]) * map.scale || 1;
  const seen = count * Math.min(1, area / whole ** 2);
  const size = Math.round(map.ratio * Math.max(1, Math.min(LARGEST, Math.sqrt((COVERED * area) / (seen + 1)))));
  const crowd = (seen * size ** 2) / (FILLED * area * map.ratio ** 2);
  return { size, share: Math.round(256 * Math.max(FAINTEST, Math.min(STRONGEST, SHARE / crowd))) };
}

// Rings, lines, the lasso and words.
export function mark(map) {
  const context = map.marks.getContext("2d"), style = getComputedStyle(document.documentElement);
  const [front, accent, back] = ["--front", "--accent", "--back"].map((name) => style.getPropertyValue(name));
  context.setTransform(map.ratio, 0, 0, map.ratio, 0, 0);
  context.clearRect(0, 0, map.marks.width, map.marks.height);
  write(map, context, front, back);
  context.strokeStyle = accent;
  for (const point of [...map.selected].slice(0, MOST_RINGS)) ring(map, context, point, 4, 1.5);
  if (map.chosen >= 0) {
    context.globalAlpha = 0.6;
    for (const point of map.neighbours.slice(0, LINES)) line(context, map.toScreen(map.chosen), map.toScreen(point));
    context.globalAlpha = 1;
    context.strokeStyle = front;
    ring(map, context, map.chosen, 9, 3);
  }
  context.strokeStyle = front;
  if (map.hovered >= 0) ring(map, context, map.hovered, 7, 1.5);
  for (let k = 1; k < map.lasso.length; k++) line(context, map.lasso[k - 1], map.lasso[k]);
}

// As many words as have room, the most telling first.
function write(map, context, front, back) {
  const whole = Math.max(map.high[0] - map.low[0], map.high[1] - map.low[1]) * map.scale, placed = [legendOf(map)];
  Object.assign(context, { font: "600 13px system-ui, sans-serif", textAlign: "center", lineJoin: "round",
    lineWidth: 3, strokeStyle: back, fillStyle: front });
  for (const { text, x, y, side } of map.words) {
    if (whole / side < CELL || placed.length > MOST_WORDS) break;
    const [middle, bottom] = map.placeOf(x, y), half = context.measureText(text).width / 2 + 6;
    const isIn = middle > half && middle < map.canvas.clientWidth - half && bottom > 20 && bottom < map.canvas.clientHeight - 24;
    const isFree = placed.every((other) => (Math.abs(other.middle - middle) > other.half + half || Math.abs(other.bottom - bottom) > (other.tall ?? 20))
      && (other.text !== text || Math.hypot(other.middle - middle, other.bottom - bottom) > APART));
    if (!isIn || !isFree) continue;
    placed.push({ text, middle, bottom, half });
    context.strokeText(text, middle, bottom);
    context.fillText(text, middle, bottom);
  }
  map.written = placed.slice(1).map(({ text }) => text);
}

// What the legend covers, as a word that is there already.
function legendOf(map) {
  const own = map.canvas.getBoundingClientRect(), { left, width, bottom } = map.legend.getBoundingClientRect();
  return { middle: left - own.left + width / 2, half: width / 2, bottom: bottom - own.top + 16, tall: bottom - own.top };
}

function ring(map, context, point, radius, width) {
  const [x, y] = map.toScreen(point);
  context.lineWidth = width;
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.stroke();
}

function line(context, from, to) {
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(...from);
  context.lineTo(...to);
  context.stroke();
}
