// The map: points as pixels of a canvas, marks on another one above it.

const MOVING = 150000; // points drawn while the map moves: the first ones are a fair picture of all
const NEAR = 24; // pixels from a point within which it is meant
const LINES = 10; // to true neighbours
const COVERED = 0.08; // of the canvas, by points
const CELLS = 512; // on a side, to find the nearest point

export class MapView {
  constructor(canvas, marks) {
    this.canvas = canvas;
    this.marks = marks;
    this.points = new Float32Array(0);
    this.colours = new Uint8Array(0);
    this.palette = [];
    this.scale = 1;
    this.x = this.y = 0; // of the map, in the middle of the canvas
    this.chosen = this.hovered = -1;
    this.neighbours = [];
    this.selected = new Set();
    this.lasso = [];
    this.words = [];
    this.frames = 0;
    new ResizeObserver(() => this.resize()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  // points: x and y of each, the fairest first
  show(points) {
    this.points = points;
    this.count = points.length / 2;
    this.low = [Infinity, Infinity];
    this.high = [-Infinity, -Infinity];
    for (let k = 0; k < points.length; k++) {
      this.low[k % 2] = Math.min(this.low[k % 2], points[k]);
      this.high[k % 2] = Math.max(this.high[k % 2], points[k]);
    }
    this.sort();
    this.resize();
    this.all();
  }

  // Put the points into cells.
  sort() {
    this.cell = Math.max(this.high[0] - this.low[0], this.high[1] - this.low[1], 1e-6) / CELLS;
    const cells = new Uint32Array(this.count);
    this.first = new Uint32Array(CELLS * CELLS + 1);
    for (let k = 0; k < this.count; k++) {
      cells[k] = this.cellAt(this.points[2 * k], 0) + CELLS * this.cellAt(this.points[2 * k + 1], 1);
      this.first[cells[k] + 1]++;
    }
    for (let k = 0; k < CELLS * CELLS; k++) this.first[k + 1] += this.first[k];
    const next = this.first.slice();
    this.inCells = new Uint32Array(this.count);
    for (let k = 0; k < this.count; k++) this.inCells[next[cells[k]]++] = k;
  }

  cellAt(value, axis) {
    return Math.max(0, Math.min(CELLS - 1, Math.floor((value - this.low[axis]) / this.cell)));
  }

  colour(colours, palette) {
    this.colours = colours;
    this.palette = palette.map((hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)));
    this.draw();
  }

  resize() {
    this.ratio = window.devicePixelRatio || 1;
    for (const canvas of [this.canvas, this.marks]) {
      canvas.width = Math.max(1, Math.round(this.canvas.clientWidth * this.ratio));
      canvas.height = Math.max(1, Math.round(this.canvas.clientHeight * this.ratio));
    }
    if (this.isWhole && this.count) this.all();
    else this.draw();
  }

  // As much of the map as there is.
  all() {
    this.isWhole = true;
    const [width, height] = [0, 1].map((axis) => Math.max(this.high[axis] - this.low[axis], 1e-6));
    this.x = (this.low[0] + this.high[0]) / 2;
    this.y = (this.low[1] + this.high[1]) / 2;
    this.scale = 0.92 * Math.min(this.canvas.clientWidth / width, this.canvas.clientHeight / height) || 1;
    this.draw();
  }

  zoom(factor, at = [this.canvas.clientWidth / 2, this.canvas.clientHeight / 2]) {
    this.isWhole = false;
    const before = this.toMap(at);
    this.scale *= factor;
    const after = this.toMap(at);
    this.x += before[0] - after[0];
    this.y += before[1] - after[1];
    this.draw(true);
  }

  pan(right, down) {
    this.isWhole = false;
    this.x -= right / this.scale;
    this.y += down / this.scale;
    this.draw(true);
  }

  toMap([right, down]) {
    return [this.x + (right - this.canvas.clientWidth / 2) / this.scale,
      this.y - (down - this.canvas.clientHeight / 2) / this.scale];
  }

  toScreen(point) {
    return [(this.points[2 * point] - this.x) * this.scale + this.canvas.clientWidth / 2,
      (this.y - this.points[2 * point + 1]) * this.scale + this.canvas.clientHeight / 2];
  }

  // The point that is meant by a place on the screen; -1 where there is none.
  at(place) {
    if (!this.count) return -1;
    const [x, y] = this.toMap(place);
    const reach = NEAR / this.scale;
    let best = -1, least = reach * reach;
    for (let row = this.cellAt(y - reach, 1); row <= this.cellAt(y + reach, 1); row++) {
      for (let column = this.cellAt(x - reach, 0); column <= this.cellAt(x + reach, 0); column++) {
        const cell = column + CELLS * row;
        for (let k = this.first[cell]; k < this.first[cell + 1]; k++) {
          const point = this.inCells[k];
          const apart = (this.points[2 * point] - x) ** 2 + (this.points[2 * point + 1] - y) ** 2;
          if (apart < least) [best, least] = [point, apart];
        }
      }
    }
    return best;
  }

  // The points within a line drawn on the screen.
  inside(line) {
    const corners = line.map((place) => this.toMap(place));
    const found = [];
    for (let point = 0; point < this.count; point++) {
      const x = this.points[2 * point], y = this.points[2 * point + 1];
      let within = false;
      for (let k = 0, before = corners.length - 1; k < corners.length; before = k++) {
        const [ax, ay] = corners[k], [bx, by] = corners[before];
        if ((ay > y) !== (by > y) && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) within = !within;
      }
      if (within) found.push(point);
    }
    return found;
  }

  // moving: fewer points now, all of them a moment later
  draw(moving = false) {
    clearTimeout(this.later);
    if (moving) this.later = setTimeout(() => this.draw(), 120);
    cancelAnimationFrame(this.next);
    this.next = requestAnimationFrame(() => {
      this.paint(moving ? Math.min(MOVING, this.count || 0) : this.count || 0);
      this.mark();
      this.frames++;
    });
  }

  paint(count) {
    const { width, height } = this.canvas;
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const context = this.canvas.getContext("2d");
    const image = context.createImageData(width, height);
    const pixels = new Uint32Array(image.data.buffer);
    const ground = dark ? 0x14 : 0xfb;
    pixels.fill(0xff000000 | (ground << 16) | (ground << 8) | ground);
    const data = image.data;
    const scale = this.scale * this.ratio;
    const left = width / 2 - this.x * scale, top = height / 2 + this.y * scale;
    const size = this.size(), radius = (size - 1) / 2;
    const share = this.count > 20000 ? 0.55 : 0.9; // what lies on each other adds up: dense is strong
    for (let k = count - 1; k >= 0; k--) {
      const x = Math.round(left + this.points[2 * k] * scale - radius);
      const y = Math.round(top - this.points[2 * k + 1] * scale - radius);
      if (x < 0 || y < 0 || x + size > width || y + size > height) continue;
      const [red, green, blue] = this.palette[this.colours[k]] || [128, 128, 128];
      for (let down = 0; down < size; down++) {
        for (let right = 0; right < size; right++) {
          if (size > 3 && (down - radius) ** 2 + (right - radius) ** 2 > (radius + 0.4) ** 2) continue;
          const at = 4 * ((y + down) * width + x + right);
          data[at] += (red - data[at]) * share;
          data[at + 1] += (green - data[at + 1]) * share;
          data[at + 2] += (blue - data[at + 2]) * share;
        }
      }
    }
    context.putImageData(image, 0, 0);
  }

  // Of a point, in pixels of the canvas: more where there are few, or one is near.
  size() {
    const area = this.canvas.clientWidth * this.canvas.clientHeight;
    const whole = Math.max(this.high?.[0] - this.low?.[0], this.high?.[1] - this.low?.[1]) * this.scale || 1;
    const seen = this.count * Math.min(1, area / whole ** 2);
    return Math.round(this.ratio * Math.max(1, Math.min(9, Math.sqrt((COVERED * area) / (seen + 1)))));
  }

  // Rings, lines, the lasso and words.
  mark() {
    const context = this.marks.getContext("2d");
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.clearRect(0, 0, this.marks.width, this.marks.height);
    const style = getComputedStyle(document.documentElement);
    const [front, accent, back] = ["--front", "--accent", "--back"].map((name) => style.getPropertyValue(name));
    this.write(context, front, back);
    context.strokeStyle = context.fillStyle = accent;
    for (const point of this.selected) this.ring(context, point, 4, 1.5);
    if (this.chosen >= 0) {
      context.globalAlpha = 0.6;
      for (const point of this.neighbours.slice(0, LINES)) this.line(context, this.toScreen(this.chosen), this.toScreen(point));
      context.globalAlpha = 1;
      context.strokeStyle = front;
      this.ring(context, this.chosen, 9, 3);
    }
    context.strokeStyle = front;
    if (this.hovered >= 0) this.ring(context, this.hovered, 7, 1.5);
    for (let k = 1; k < this.lasso.length; k++) this.line(context, this.lasso[k - 1], this.lasso[k]);
  }

  write(context, front, back) {
    context.font = "600 13px system-ui, sans-serif";
    context.textAlign = "center";
    context.lineWidth = 3;
    context.lineJoin = "round";
    context.strokeStyle = back;
    context.fillStyle = front;
    for (const { text, point } of this.words) {
      const [x, above] = this.toScreen(point), y = above - 10;
      context.strokeText(text, x, y);
      context.fillText(text, x, y);
    }
  }

  ring(context, point, radius, width) {
    const [x, y] = this.toScreen(point);
    context.lineWidth = width;
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.stroke();
  }

  line(context, from, to) {
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(...from);
    context.lineTo(...to);
    context.stroke();
  }

  // A word for every colour that has one, where most of its points are.
  wordsOf(labels) {
    const side = 24, counts = labels.map(() => new Map());
    for (let k = 0; k < Math.min(this.count, MOVING); k++) {
      const cell = Math.floor((this.cellAt(this.points[2 * k], 0) * side) / CELLS)
        + side * Math.floor((this.cellAt(this.points[2 * k + 1], 1) * side) / CELLS);
      const seen = counts[this.colours[k]].get(cell) || { cell, count: 0, point: k };
      seen.count++;
      counts[this.colours[k]].set(cell, seen);
    }
    this.words = labels.flatMap((text, k) => {
      const most = [...counts[k].values()].sort((a, b) => b.count - a.count)[0];
      return most && text !== "others" ? [{ text, point: most.point }] : [];
    });
    this.draw();
  }
}
