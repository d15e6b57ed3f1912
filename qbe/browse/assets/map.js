// The map: what of it is seen, what lies where, what is chosen on it. `painting.js` draws it.

import { find } from "./page.js";
import { mark, paint } from "./painting.js";

const MOVING = 100000; // points drawn while the map moves: the first ones are a fair picture of all
const NEAR = 24; // pixels from a point within which it is meant
const CELLS = 512; // on a side, to find the nearest point
const SETTLED = 120; // milliseconds after which all points are drawn

class MapView {
  // marks: a canvas above that of the points; legend: what covers a part of both
  constructor(canvas, marks, legend) {
    Object.assign(this, { canvas, marks, legend });
    this.points = new Float32Array(0);
    this.count = 0;
    this.colours = new Uint8Array(0);
    this.palette = [];
    this.low = this.high = [0, 0];
    this.scale = 1;
    this.x = this.y = 0; // of the map, in the middle of the canvas
    this.chosen = this.hovered = -1;
    this.neighbours = [];
    this.selected = new Set();
    this.bearing = null; // whether each point is one of those that are looked for; null: none are
    this.lasso = [];
    this.words = [];
    this.frames = this.painted = 0; // how often it was drawn, and how many points the last time
    new ResizeObserver(() => this.resize()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  // points: x and y of each, the fairest first; colours: as for `colour`
  show(points, colours, palette) {
    this.points = points;
    this.count = points.length / 2;
    this.first = null;
    let [left, right, bottom, top] = [Infinity, -Infinity, Infinity, -Infinity];
    for (let k = 0; k < points.length; k += 2) {
      const x = points[k], y = points[k + 1];
      if (x < left) left = x;
      if (x > right) right = x;
      if (y < bottom) bottom = y;
      if (y > top) top = y;
    }
    this.low = [left, bottom];
    this.high = [right, top];
    this.isWhole = true;
    this.colour(colours, palette);
    this.resize();
  }

  // colours: the number of each point's; palette: these, as #rrggbb
  colour(colours, palette) {
    this.colours = colours;
    this.palette = palette;
    this.draw();
  }

  filter(bearing) {
    this.bearing = bearing;
    this.borneCount = bearing?.reduce((sum, one) => sum + one, 0);
    this.draw();
  }

  // Put the points into cells.
  sort() {
    this.cell = Math.max(this.high[0] - this.low[0], this.high[1] - this.low[1], 1e-6) / CELLS;
    const cells = new Uint32Array(this.count), first = new Uint32Array(CELLS * CELLS + 1);
    for (let k = 0; k < this.count; k++) {
      cells[k] = this.cellAt(this.points[2 * k], 0) + CELLS * this.cellAt(this.points[2 * k + 1], 1);
      first[cells[k] + 1]++;
    }
    for (let k = 0; k < CELLS * CELLS; k++) first[k + 1] += first[k];
    const next = first.slice();
    this.inCells = new Uint32Array(this.count);
    for (let k = 0; k < this.count; k++) this.inCells[next[cells[k]]++] = k;
    this.first = first;
  }

  cellAt(value, axis) {
    return Math.max(0, Math.min(CELLS - 1, Math.floor((value - this.low[axis]) / this.cell)));
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
    this.draw(true);
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

  // Move so far that a point is seen.
  reveal(point) {
    const [x, y] = this.toScreen(point), { clientWidth: width, clientHeight: height } = this.canvas;
    if (x < 0 || y < 0 || x > width || y > height) this.pan(width / 2 - x, height / 2 - y);
  }

  toMap([right, down]) {
    return [this.x + (right - this.canvas.clientWidth / 2) / this.scale,
      this.y - (down - this.canvas.clientHeight / 2) / this.scale];
  }

  toScreen(point) { return this.placeOf(this.points[2 * point], this.points[2 * point + 1]); }

  placeOf(x, y) {
    return [(x - this.x) * this.scale + this.canvas.clientWidth / 2,
      (this.y - y) * this.scale + this.canvas.clientHeight / 2];
  }

  // The point that is meant by a place on the screen; -1 where there is none.
  at(place) {
    if (!this.count) return -1;
    if (!this.first) this.sort();
    const [x, y] = this.toMap(place), reach = NEAR / this.scale;
    let best = -1, least = reach * reach;
    for (let row = this.cellAt(y - reach, 1); row <= this.cellAt(y + reach, 1); row++) {
      for (let column = this.cellAt(x - reach, 0); column <= this.cellAt(x + reach, 0); column++) {
        const cell = column + CELLS * row;
        for (let k = this.first[cell]; k < this.first[cell + 1]; k++) {
          const point = this.inCells[k];
          const apart = (this.points[2 * point] - x) ** 2 + (this.points[2 * point + 1] - y) ** 2;
          if (apart < least && this.isMeant(point)) [best, least] = [point, apart];
        }
      }
    }
    return best;
  }

  // All points that are looked for.
  borne() {
    const found = [];
    for (let point = 0; point < this.count; point++) if (this.isMeant(point)) found.push(point);
    return found;
  }

  isMeant(point) { return !this.bearing || this.bearing[point] === 1; }

  // The points within a line drawn on the screen.
  inside(line) {
    const corners = line.map((place) => this.toMap(place)), found = [];
    for (let point = 0; point < this.count; point++) {
      const x = this.points[2 * point], y = this.points[2 * point + 1];
      let within = false;
      for (let k = 0, before = corners.length - 1; k < corners.length; before = k++) {
        const [ax, ay] = corners[k], [bx, by] = corners[before];
        if ((ay > y) !== (by > y) && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) within = !within;
      }
      if (within && this.isMeant(point)) found.push(point);
    }
    return found;
  }

  // moving: fewer points now, all of them a moment later
  draw(moving = false) {
    clearTimeout(this.later);
    if (moving && this.count > MOVING) this.later = setTimeout(() => this.draw(), SETTLED);
    cancelAnimationFrame(this.next);
    this.next = requestAnimationFrame(() => {
      this.painted = moving ? Math.min(MOVING, this.count) : this.count;
      paint(this, this.painted);
      mark(this);
      this.frames++;
    });
  }

  // What lies above the points alone.
  mark() { mark(this); }
}

export const map = new MapView(find("map"), find("marks"), find("legend"));
