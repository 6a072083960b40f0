import { PointMap, color } from "/map.js";

const $ = (id) => document.getElementById(id);
// Sliders that are shown at first.
const FIRST = 12;
// How far sliders go, in standard deviations of the codes.
const REACH = 3.5;

let model, atlas, map;
let numbers = null; // of the points, where not all examples are on the map
const state = { code: [], class: null, item: null, a: null, b: null };

// ---- Asking the server

async function ask(path, body) {
  const options = body === undefined ? {} : { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("the program does not answer: is it still running?");
  }
  if (!response.ok) {
    const said = await response.json().catch(() => ({}));
    throw new Error(said.error ?? `the program answered ${response.status}`);
  }
  return response;
}

const json = async (path, body) => (await ask(path, body)).json();

function say(error) {
  $("message").textContent = error ? error.message ?? error : "";
  $("message").hidden = !error;
}

// The newest request alone is worth an answer: others that wait are left out.
function newest(work) {
  let running = false, next = null;
  return async function go(...given) {
    next = given;
    if (running) return;
    running = true;
    while (next) {
      const now = next;
      next = null;
      try {
        await work(...now);
        say(null);
      } catch (error) {
        say(error);
      }
    }
    running = false;
  };
}

// ---- Showing examples

function bytes(base64) {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}

function canvasOf(place, width, height) {
  let canvas = place.querySelector("canvas");
  if (!canvas) {
    canvas = document.createElement("canvas");
    place.replaceChildren(canvas);
  }
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  return canvas;
}

function paint(place, width, height, pixel) {
  const context = canvasOf(place, width, height).getContext("2d");
  const image = context.createImageData(width, height);
  for (let at = 0; at < width * height; at++) {
    const [r, g, b] = pixel(at);
    image.data.set([r, g, b, 255], 4 * at);
  }
  context.putImageData(image, 0, 0);
}

function show(place, example) {
  const { data } = model;
  if (data.kind === "image") {
    const values = bytes(example.pixels), channels = data.channels;
    paint(place, data.width, data.height, (at) =>
      channels >= 3 ? [values[channels * at], values[channels * at + 1], values[channels * at + 2]] : Array(3).fill(values[channels * at]));
    return;
  }
  const rows = data.columns.map((column, at) => [column.name, example.cells[at] === "" ? "–" : example.cells[at]]);
  table(place, rows);
}

function table(place, rows, bars) {
  const body = document.createElement("table");
  rows.forEach(([name, text], at) => {
    const row = body.insertRow();
    row.insertCell().textContent = name;
    row.insertCell().textContent = text;
    if (bars) {
      const bar = document.createElement("span");
      bar.className = "bar";
      bar.style.width = `${Math.round(100 * bars[at])}%`;
      row.insertCell().append(bar);
    }
  });
  place.replaceChildren(body);
}

function showErrors(place, found) {
  const { data } = model, values = bytes(found.errors);
  if (data.kind === "image") {
    paint(place, data.width, data.height, (at) => {
      const share = values[at] / 255;
      return [255 * Math.min(1, 2 * share), 255 * Math.max(0, 2 * share - 1), 40 * (1 - share)];
    });
  } else {
    table(place, data.columns.map((column, at) => [column.name, ""]), Array.from(values, (value) => value / 255));
  }
  $("errors-text").textContent = `squared error: mean ${found.error.toPrecision(3)}, largest ${found.largest_error.toPrecision(3)}`;
}

const className = (label) => (label === null || label === undefined || label < 0 ? "" : atlas?.classes?.[label] ?? `${label}`);

// A row of small examples to choose from.
function strip(place, entries, choose) {
  place.classList.toggle("wide", model.data.kind !== "image");
  place.replaceChildren(
    ...entries.map((entry, at) => {
      const button = document.createElement("button");
      const shown = document.createElement("div");
      shown.className = "shown";
      show(shown, entry.example);
      button.append(shown);
      if (entry.text) {
        const text = document.createElement("span");
        text.textContent = entry.text;
        text.title = entry.text;
        button.append(text);
      }
      button.addEventListener("click", () => choose(entry, at));
      return button;
    }),
  );
}

const thumbnails = async (wanted) => (wanted.length ? (await json(`/api/examples?numbers=${wanted.join(",")}`)).examples : []);

// ---- The code and its sliders

const decode = newest(async (request, keepsSliders) => {
  const began = performance.now();
  const found = await json("/api/decode", { ...request, class: state.class ?? undefined });
  state.code = found.codes[0];
  show($("picture"), found.examples[0]);
  document.body.dataset.decodeMs = (performance.now() - began).toFixed(2);
  if (!keepsSliders) setSliders();
  map.marks.place = found.points?.[0];
  map.draw();
  remember();
});

function here() {
  decode({ codes: [Array.from(state.code)] });
}

function setCode(code) {
  state.code = Array.from(code);
  here();
}

function range(latent) {
  const { latents } = atlas;
  const [middle, spread] = [latents.mean[latent], Math.max(latents.deviation[latent], 1e-3)];
  const reach = model.standard_prior ? Math.max(REACH, Math.abs(middle) + REACH * spread) : REACH * spread;
  return model.standard_prior ? [-reach, reach] : [middle - reach, middle + reach];
}

function makeSliders(count) {
  const { order, kl, deviation } = atlas.latents;
  $("sliders").replaceChildren(
    ...order.slice(0, count).map((latent) => {
      const line = document.createElement("label");
      line.className = "slider";
      const [low, high] = range(latent);
      const use = kl ? `KL ${kl[latent].toFixed(2)}` : `± ${deviation[latent].toFixed(2)}`;
      line.innerHTML = "<span><b></b><br><small></small></span><input type=range><output></output>";
      line.querySelector("b").textContent = `z${latent + 1}`;
      line.querySelector("small").textContent = use;
      const input = line.querySelector("input");
      Object.assign(input, { min: low, max: high, step: (high - low) / 400 });
      input.dataset.latent = latent;
      input.setAttribute("aria-label", `latent ${latent + 1}, ${use}`);
      input.addEventListener("input", () => {
        state.code[latent] = Number(input.value);
        line.querySelector("output").textContent = Number(input.value).toFixed(2);
        decode({ codes: [Array.from(state.code)] }, true);
      });
      return line;
    }),
  );
  const left = order.length - count;
  $("all-sliders").hidden = left <= 0;
  $("all-sliders").textContent = `All ${order.length} latents`;
  setSliders();
}

function setSliders() {
  for (const input of document.querySelectorAll("#sliders input")) {
    const value = state.code[input.dataset.latent] ?? 0;
    if (value < Number(input.min)) input.min = value;
    if (value > Number(input.max)) input.max = value;
    input.value = value;
    input.parentElement.querySelector("output").textContent = value.toFixed(2);
  }
}

function nextSlider(by) {
  const all = [...document.querySelectorAll("#sliders input")];
  const at = all.indexOf(document.activeElement);
  all[(at + by + all.length) % all.length]?.focus();
}

// ---- Examples

function present(found) {
  show($("original"), found.original);
  show($("reconstructed"), found.reconstructed);
  showErrors($("errors"), found);
  if (found.under !== null && found.under !== undefined && model.conditional) {
    state.class = found.under;
    $("class").value = found.under;
  }
  map.marks.item = found.point ?? null;
  map.marks.spread = found.spread ?? null;
  setCode(found.code);
  return neighbours(found);
}

async function neighbours(found) {
  const near = (found.neighbours ?? []).filter((other) => other.number !== state.item).slice(0, 10);
  const shown = await thumbnails(near.map((other) => other.number));
  const entries = near.map((other, at) => ({
    ...other,
    example: shown[at],
    text: [other.name, className(other.class), other.distance.toFixed(2)].filter(Boolean).join(" · "),
  }));
  strip($("neighbours"), entries, (entry) => pick(entry.number));
}

const pick = newest(async (number) => {
  const found = await json(`/api/items/${number}`);
  state.item = number;
  $("number").value = number;
  $("example-name").textContent = [found.name, className(found.class)].filter(Boolean).join(" · ");
  await present(found);
});

function step(by) {
  const count = model.count;
  pick((((state.item ?? (by > 0 ? -1 : 0)) + by) % count + count) % count);
}

const drop = newest(async (file) => {
  $("example-name").textContent = `reading ${file.name}`;
  try {
    const response = await fetch("/api/drop", { method: "POST", headers: { "content-type": "application/octet-stream" }, body: file });
    const found = await response.json().catch(() => ({}));
    if (!response.ok) throw new Error(`${file.name}: ${found.error ?? response.status}`);
    state.item = null;
    const first = found.examples[0];
    $("example-name").textContent = found.examples.length > 1 ? `${file.name}, the first of ${found.examples.length} rows` : file.name;
    await present(first);
  } catch (error) {
    $("example-name").textContent = "";
    throw error;
  }
});

// ---- The walk

async function mark(end) {
  state[end] = Array.from(state.code);
  map.marks[end] = map.marks.place;
  map.draw();
  $(`set-${end}`).setAttribute("aria-pressed", "true");
  remember();
}

const walk = newest(async () => {
  const [from, to] = [state.a ?? atlas.latents.mean, state.b ?? state.code];
  const steps = Number($("steps").value);
  const request = { from, to, steps, spherical: $("spherical").checked, class: state.class ?? undefined };
  const found = await json("/api/walk", request);
  const entries = found.examples.map((example, at) => ({ example, code: found.codes[at], text: `${Math.round((100 * at) / (steps - 1))} %` }));
  strip($("walk-strip"), entries, (entry) => setCode(entry.code));
});

// ---- Samples

let seed = 0;
const sample = newest(async () => {
  seed += 1;
  const found = await json("/api/sample", { count: 1, seed, temperature: Number($("temperature").value), class: state.class ?? undefined });
  setCode(found.codes[0]);
});

// ---- Links

function encodeCode(code) {
  const text = String.fromCharCode(...new Uint8Array(new Float32Array(code).buffer));
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function decodeCode(text) {
  const raw = bytes(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Array.from(new Float32Array(raw.buffer, 0, raw.length >> 2));
}

function link() {
  const { x, y, scale } = map.view;
  const parts = { z: encodeCode(state.code), m: [x, y, scale].map((of) => Number(of.toPrecision(7))).join(",") };
  if (state.class !== null) parts.c = state.class;
  if (state.item !== null) parts.i = state.item;
  if (state.a) parts.a = encodeCode(state.a);
  if (state.b) parts.b = encodeCode(state.b);
  return Object.entries(parts).map(([key, value]) => `${key}=${value}`).join("&");
}

let remembering = 0;
function remember() {
  clearTimeout(remembering);
  remembering = setTimeout(() => history.replaceState(null, "", `#${link()}`), 200);
}

async function restore() {
  const parts = new URLSearchParams(location.hash.slice(1).replaceAll("+", "%2B"));
  const code = (key) => {
    try {
      const found = decodeCode(parts.get(key) ?? "");
      return found.length === model.latent && found.every(Number.isFinite) ? found : null;
    } catch {
      return null;
    }
  };
  const label = Number(parts.get("c"));
  if (model.conditional && parts.has("c") && Number.isInteger(label) && label >= 0 && label < model.classes.length) {
    state.class = label;
    $("class").value = label;
  }
  const view = (parts.get("m") ?? "").split(",").map(Number);
  if (view.length === 3 && view.every(Number.isFinite) && view[2] > 0) {
    map.view = { x: view[0], y: view[1], scale: view[2] };
    map.draw();
  }
  [state.a, state.b] = [code("a"), code("b")];
  const z = code("z"), item = Number(parts.get("i"));
  if (parts.has("i") && Number.isInteger(item) && item >= 0 && item < model.count) await pick(item);
  else if (!z) await pick(0);
  if (z) setCode(z);
}

// ---- The start

function wire() {
  $("sample").addEventListener("click", () => sample());
  $("sample").disabled = !model.generative;
  $("temperature-label").hidden = !model.generative;
  $("temperature").addEventListener("input", () => ($("temperature-value").textContent = $("temperature").value));
  $("reset").addEventListener("click", () => setCode(atlas.latents.mean));
  $("all-sliders").addEventListener("click", () => makeSliders(model.latent));
  $("previous").addEventListener("click", () => step(-1));
  $("next").addEventListener("click", () => step(1));
  $("number").addEventListener("change", () => pick(Math.max(0, Math.trunc(Number($("number").value)))));
  $("number").max = model.count - 1;
  $("file").addEventListener("change", () => $("file").files[0] && drop($("file").files[0]));
  for (const name of ["dragenter", "dragover"]) {
    document.addEventListener(name, (event) => {
      event.preventDefault();
      $("example").classList.add("over");
    });
  }
  document.addEventListener("dragleave", (event) => event.relatedTarget || $("example").classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    $("example").classList.remove("over");
    if (event.dataTransfer.files[0]) drop(event.dataTransfer.files[0]);
  });
  $("set-a").addEventListener("click", () => mark("a"));
  $("set-b").addEventListener("click", () => mark("b"));
  $("walk").addEventListener("click", () => walk());
  $("mode").addEventListener("change", () => (map.moves = $("mode").checked));
  $("zoom-in").addEventListener("click", () => map.zoom(1.5));
  $("zoom-out").addEventListener("click", () => map.zoom(1 / 1.5));
  $("zoom-all").addEventListener("click", () => map.whole());
  $("show-holes").addEventListener("change", () => {
    map.marks.holes = $("show-holes").checked ? atlas.holes?.points : null;
    map.draw();
  });
  $("link").addEventListener("click", async () => {
    history.replaceState(null, "", `#${link()}`);
    const done = await navigator.clipboard?.writeText(location.href).then(() => true, () => false);
    $("link").textContent = done ? "Copied" : "In the address";
    setTimeout(() => ($("link").textContent = "Copy link"), 1500);
  });
  $("keys-button").addEventListener("click", () => $("keys").showModal());
  window.addEventListener("hashchange", () => restore());
  document.addEventListener("keydown", keys);
}

function keys(event) {
  const typing = event.target.matches("input:not([type=range]):not([type=checkbox]), select") || $("keys").open;
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const does = {
    s: () => model.generative && sample(),
    n: () => step(1),
    p: () => step(-1),
    j: () => nextSlider(1),
    k: () => nextSlider(-1),
    z: () => setCode(atlas.latents.mean),
    a: () => mark("a"),
    b: () => mark("b"),
    w: () => walk(),
    "?": () => $("keys").showModal(),
  }[event.key.toLowerCase()];
  if (does) {
    event.preventDefault();
    does();
  }
}

function theme(wanted) {
  const dark = wanted ? wanted === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  if (wanted) document.documentElement.dataset.theme = wanted;
  $("theme").textContent = dark ? "Light" : "Dark";
  $("theme").onclick = () => {
    const next = dark ? "light" : "dark";
    localStorage.setItem("theme", next);
    theme(next);
  };
  map?.draw();
}

const hover = newest(async (x, y, left, top) => {
  const found = await json("/api/decode", { at: [[x, y]], class: state.class ?? undefined });
  if (!hovering) return;
  show($("hover-picture"), found.examples[0]);
  const near = map.nearest(left, top);
  const number = near < 0 ? null : numbers?.[near] ?? near;
  $("hover-text").textContent = number === null ? "" : [`example ${number}`, className(map.labels?.[near])].filter(Boolean).join(" · ");
  const frame = $("map-frame");
  const [w, h] = [frame.clientWidth, frame.clientHeight];
  $("hover").hidden = false;
  $("hover").style.left = `${left + 130 > w ? left - 120 : left + 14}px`;
  $("hover").style.top = `${Math.min(top + 14, Math.max(h - 150, 0))}px`;
});
let hovering = false;

function makeMap() {
  map = new PointMap($("map"), {
    decode: (x, y) => decode({ at: [[x, y]] }),
    hover: (x, y, left, top) => {
      hovering = true;
      hover(x, y, left, top);
    },
    leave: () => {
      hovering = false;
      $("hover").hidden = true;
    },
    pick: (point) => pick(numbers?.[point] ?? point),
    moved: () => remember(),
  });
  window.explorer = { map, state }; // for whoever looks from outside
}

async function waitForAtlas() {
  for (;;) {
    const found = await json("/api/atlas");
    if (found.failed) throw new Error(found.failed);
    if (found.ready) return found;
    const share = found.total ? ` ${Math.round((100 * found.done) / found.total)} %` : "";
    $("progress").textContent = `${found.doing || "starting"}${share}`;
    await new Promise((done) => setTimeout(done, 150));
  }
}

function describe() {
  const count = model.count.toLocaleString("en");
  $("title").textContent = `${model.variant} · ${model.dataset}`;
  document.title = `${model.variant} · ${model.dataset} · vae explore`;
  $("about").textContent = `${model.latent} latents, ${model.parameters.toLocaleString("en")} parameters, ${count} examples of ${model.items}`;
  $("triple").classList.toggle("rows", model.data.kind !== "image");
  if (model.conditional) {
    $("class-label").hidden = false;
    $("class").replaceChildren(...model.classes.map((name, at) => new Option(name, at)));
    state.class = 0;
    $("class").addEventListener("change", () => {
      state.class = Number($("class").value);
      here();
    });
  }
}

function describeMap() {
  const how = { codes: "the two latents", pca: "the first two principal components", tsne: "t-SNE" }[atlas.method];
  $("map-about").textContent = `${how}, ${atlas.count.toLocaleString("en")} codes`;
  if (map.labels && atlas.classes.length <= 20) {
    $("legend").replaceChildren(
      ...atlas.classes.map((name, at) => {
        const entry = document.createElement("span");
        const dot = document.createElement("i");
        dot.style.background = color(at);
        entry.append(dot, name);
        return entry;
      }),
    );
  }
  $("show-holes").disabled = !atlas.holes;
  $("holes-text").textContent = atlas.holes
    ? `Holes: ${(100 * atlas.holes.share).toFixed(1)} % of the prior is farther from every code than 95 % of the codes that examples draw; 5 % would be no hole.`
    : "This model has no prior, so that it has no holes.";
}

async function outliers() {
  const shown = [];
  for (let at = 0; at < atlas.outliers.length; at += 100) {
    shown.push(...(await thumbnails(atlas.outliers.slice(at, at + 100).map((of) => of.number))));
  }
  const entries = atlas.outliers.map((of, at) => ({
    ...of,
    example: shown[at],
    text: [of.name, className(of.class), of.score.toPrecision(3)].filter(Boolean).join(" · "),
  }));
  strip($("outliers"), entries, (entry) => pick(entry.number));
}

async function start() {
  makeMap();
  theme(localStorage.getItem("theme"));
  model = await json("/api/model");
  describe();
  atlas = await waitForAtlas();
  numbers = atlas.numbers;
  const [points, labels] = await Promise.all([ask("/api/points"), ask("/api/labels")]);
  map.set(new Float32Array(await points.arrayBuffer()), new Int16Array(await labels.arrayBuffer()));
  $("progress").hidden = true;
  describeMap();
  state.code = Array.from(atlas.latents.mean);
  makeSliders(FIRST);
  wire();
  await restore();
  document.body.dataset.ready = "yes";
  await outliers();
}

start().catch((error) => {
  $("progress").textContent = "";
  say(error);
});
