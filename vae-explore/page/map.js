// The map: points by the million, drawn as a density.

const PALETTE = [
  "#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf",
];
// Above so many points each is one pixel.
const MANY = 20000;

export function color(index) {
  return index < 0 ? "#8a93a0" : PALETTE[index % PALETTE.length];
}

function rgb(text) {
  return [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16));
}

export class PointMap {
  constructor(canvas, tell) {
    this.canvas = canvas;
    this.tell = tell; // decode(x, y), hover(x, y, left, top), pick(point), leave(), moved()
    this.points = new Float32Array(0);
    this.labels = null;
    this.view = { x: 0, y: 0, scale: 1 };
    this.marks = {}; // place, item, spread, holes, a, b
    this.moves = false;
    this.pending = false;
    this.frames = 0;
    this.pointers = new Map();
    new ResizeObserver(() => this.resize()).observe(canvas);
    for (const name of ["pointerdown", "pointermove", "pointerup", "pointercancel", "pointerleave"]) {
      canvas.addEventListener(name, (event) => this[name](event));
    }
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  get count() {
    return this.points.length / 2;
  }

  set(points, labels) {
    this.points = points;
    this.labels = labels && labels.some((label) => label >= 0) ? labels : null;
    let [x0, y0, x1, y1] = [Infinity, Infinity, -Infinity, -Infinity];
    for (let i = 0; i < points.length; i += 2) {
      const x = points[i], y = points[i + 1];
      if (x < x0) x0 = x;
      if (x > x1) x1 = x;
      if (y < y0) y0 = y;
      if (y > y1) y1 = y;
    }
    this.bounds = [x0, y0, x1, y1];
    this.whole();
  }

  whole() {
    const [x0, y0, x1, y1] = this.bounds ?? [-1, -1, 1, 1];
    const [w, h] = [this.canvas.clientWidth || 1, this.canvas.clientHeight || 1];
    const scale = 0.92 * Math.min(w / Math.max(x1 - x0, 1e-6), h / Math.max(y1 - y0, 1e-6));
    this.view = { x: (x0 + x1) / 2, y: (y0 + y1) / 2, scale };
    this.draw();
  }

  resize() {
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    const [w, h] = [this.canvas.clientWidth, this.canvas.clientHeight].map((size) => Math.max(1, Math.round(size * ratio)));
    if (this.canvas.width !== w || this.canvas.height !== h) {
      this.canvas.width = w;
      this.canvas.height = h;
      this.draw();
    }
  }

  toScreen(x, y) {
    const { canvas, view } = this;
    return [canvas.clientWidth / 2 + (x - view.x) * view.scale, canvas.clientHeight / 2 - (y - view.y) * view.scale];
  }

  toPlane(left, top) {
    const { canvas, view } = this;
    return [view.x + (left - canvas.clientWidth / 2) / view.scale, view.y - (top - canvas.clientHeight / 2) / view.scale];
  }

  draw() {
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => {
      this.pending = false;
      this.paint();
      this.frames += 1;
    });
  }

  paint() {
    const context = this.canvas.getContext("2d");
    const [w, h] = [this.canvas.width, this.canvas.height];
    const ratio = w / Math.max(this.canvas.clientWidth, 1);
    context.clearRect(0, 0, w, h);
    this.density(context, w, h, ratio);
    this.drawMarks(context, ratio);
  }

  density(context, w, h, ratio) {
    const { points, labels, view } = this;
    const dot = this.count > MANY ? 1 : this.count > 3000 ? 3 : 5;
    const cells = w * h;
    if (!this.counts || this.counts.length !== cells) {
      this.counts = new Uint32Array(cells);
      this.sums = new Float32Array(3 * cells);
    }
    const { counts, sums } = this;
    counts.fill(0);
    if (labels) sums.fill(0);
    const colors = PALETTE.map(rgb);
    const grey = rgb(color(-1));
    const scale = view.scale * ratio;
    const left = w / 2 - view.x * scale, top = h / 2 + view.y * scale;
    let most = 0;
    for (let i = 0, n = this.count; i < n; i++) {
      const x = (left + points[2 * i] * scale) | 0, y = (top - points[2 * i + 1] * scale) | 0;
      if (x < 0 || y < 0 || x >= w || y >= h) continue;
      for (let dy = 0; dy < dot && y + dy < h; dy++) {
        for (let dx = 0; dx < dot && x + dx < w; dx++) {
          const at = (y + dy) * w + x + dx;
          const count = ++counts[at];
          if (count > most) most = count;
          if (labels) {
            const label = labels[i];
            const of = label < 0 ? grey : colors[label % colors.length];
            sums[3 * at] += of[0];
            sums[3 * at + 1] += of[1];
            sums[3 * at + 2] += of[2];
          }
        }
      }
    }
    if (most === 0) return;
    const image = context.createImageData(w, h);
    const pixels = image.data;
    const plain = rgb("#3f7fd0");
    const least = dot > 1 ? 0.65 : 0.3, per = (1 - least) / Math.log1p(most);
    for (let at = 0; at < cells; at++) {
      const count = counts[at];
      if (count === 0) continue;
      const to = 4 * at;
      if (labels) {
        pixels[to] = sums[3 * at] / count;
        pixels[to + 1] = sums[3 * at + 1] / count;
        pixels[to + 2] = sums[3 * at + 2] / count;
      } else {
        [pixels[to], pixels[to + 1], pixels[to + 2]] = plain;
      }
      pixels[to + 3] = 255 * (least + per * Math.log1p(count));
    }
    context.putImageData(image, 0, 0);
  }

  drawMarks(context, ratio) {
    const style = getComputedStyle(document.documentElement);
    const ink = style.getPropertyValue("--ink"), accent = style.getPropertyValue("--accent");
    context.save();
    context.scale(ratio, ratio);
    context.lineWidth = 2;
    const { place, item, spread, holes, a, b } = this.marks;
    if (holes) {
      context.strokeStyle = style.getPropertyValue("--bad");
      for (const [x, y] of holes) {
        const [left, top] = this.toScreen(x, y);
        context.beginPath();
        context.arc(left, top, 4, 0, 7);
        context.stroke();
      }
    }
    if (item) {
      const [left, top] = this.toScreen(...item);
      context.strokeStyle = ink;
      if (spread) {
        // Two standard deviations.
        const [xx, xy, yy] = spread;
        const mean = (xx + yy) / 2, root = Math.hypot((xx - yy) / 2, xy);
        const [long, short] = [mean + root, Math.max(mean - root, 0)].map((of) => 2 * Math.sqrt(of) * this.view.scale);
        context.beginPath();
        context.ellipse(left, top, long, short, -0.5 * Math.atan2(2 * xy, xx - yy), 0, 7);
        context.stroke();
      }
      context.beginPath();
      context.arc(left, top, 6, 0, 7);
      context.stroke();
    }
    context.font = "bold 13px system-ui, sans-serif";
    context.fillStyle = ink;
    for (const [name, at] of [["A", a], ["B", b]]) {
      if (at) {
        const [left, top] = this.toScreen(...at);
        context.fillText(name, left + 5, top - 5);
        context.fillRect(left - 2, top - 2, 4, 4);
      }
    }
    if (place) {
      const [left, top] = this.toScreen(...place);
      context.strokeStyle = accent;
      context.beginPath();
      context.moveTo(left - 9, top);
      context.lineTo(left + 9, top);
      context.moveTo(left, top - 9);
      context.lineTo(left, top + 9);
      context.stroke();
    }
    context.restore();
  }

  // The nearest point within some pixels.
  nearest(left, top, within = 9) {
    const [x, y] = this.toPlane(left, top);
    const { points } = this;
    let best = (within / this.view.scale) ** 2, found = -1;
    for (let i = 0, n = this.count; i < n; i++) {
      const dx = points[2 * i] - x, dy = points[2 * i + 1] - y, square = dx * dx + dy * dy;
      if (square < best) {
        best = square;
        found = i;
      }
    }
    return found;
  }

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  pointerdown(event) {
    this.canvas.setPointerCapture(event.pointerId);
    const [left, top] = this.place(event);
    const shifts = this.moves || event.shiftKey || event.button !== 0;
    this.pointers.set(event.pointerId, { left, top, from: [left, top], shifts, far: false });
  }

  pointermove(event) {
    const [left, top] = this.place(event);
    const pointer = this.pointers.get(event.pointerId);
    if (!pointer) {
      if (event.pointerType === "mouse") this.tell.hover(...this.toPlane(left, top), left, top);
      return;
    }
    const others = [...this.pointers.values()].filter((other) => other !== pointer);
    pointer.far ||= Math.hypot(left - pointer.from[0], top - pointer.from[1]) > 4;
    if (others.length > 0) {
      const other = others[0];
      const before = Math.hypot(pointer.left - other.left, pointer.top - other.top);
      const after = Math.hypot(left - other.left, top - other.top);
      this.shift((left - pointer.left) / 2, (top - pointer.top) / 2);
      if (before > 0) this.zoom(after / before, (left + other.left) / 2, (top + other.top) / 2);
      other.far = true;
    } else if (pointer.shifts) {
      this.shift(left - pointer.left, top - pointer.top);
    } else if (pointer.far) {
      this.tell.decode(...this.toPlane(left, top));
    }
    Object.assign(pointer, { left, top });
  }

  pointerup(event) {
    const pointer = this.pointers.get(event.pointerId);
    this.pointers.delete(event.pointerId);
    if (!pointer || pointer.far) return;
    const [left, top] = this.place(event);
    const found = this.nearest(left, top);
    if (found >= 0) this.tell.pick(found);
    else this.tell.decode(...this.toPlane(left, top));
  }

  pointercancel(event) {
    this.pointers.delete(event.pointerId);
  }

  pointerleave() {
    this.tell.leave();
  }

  shift(dx, dy) {
    this.view.x -= dx / this.view.scale;
    this.view.y += dy / this.view.scale;
    this.tell.moved();
    this.draw();
  }

  zoom(by, left = this.canvas.clientWidth / 2, top = this.canvas.clientHeight / 2) {
    const [x, y] = this.toPlane(left, top);
    this.view.scale = Math.min(Math.max(this.view.scale * by, 1e-6), 1e9);
    const [nx, ny] = this.toPlane(left, top);
    this.view.x += x - nx;
    this.view.y += y - ny;
    this.tell.moved();
    this.draw();
  }

  wheel(event) {
    event.preventDefault();
    this.zoom(Math.exp(-event.deltaY * 0.0015), ...this.place(event));
  }

  key(event) {
    const moves = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] };
    if (moves[event.key]) this.shift(...moves[event.key]);
    else if (event.key === "+" || event.key === "=") this.zoom(1.4);
    else if (event.key === "-") this.zoom(1 / 1.4);
    else if (event.key === "0") this.whole();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
