"use strict";
// Draws what report.html.jinja leaves to scripts. Texts from the data only ever become text nodes.
(() => {
  const report = JSON.parse(document.getElementById("report-data").textContent);
  const byId = (id) => document.getElementById(id);
  const SVG = "http://www.w3.org/2000/svg";
  // Ten colours and four shapes: classes stay apart for colour-blind readers and in grey.
  const PALETTES = {
    light: ["#2f6db5", "#d2691e", "#1f8a5b", "#b03a78", "#8a6d00", "#5a4fb0", "#1b8ea6", "#a33131", "#5f6f2a", "#555f6b"],
    dark: ["#7db2f0", "#f0a05a", "#63cf9d", "#ec8fc0", "#dcc04a", "#aea4f7", "#62cfe4", "#f28c86", "#b6c96a", "#b6c0cb"],
  };
  const RAMPS = {
    light: ["#b9c9dd", "#86aacd", "#4f86b8", "#2c5f93", "#143a63", "#0a1f3a"],
    dark: ["#3c5f8a", "#3a73a8", "#4a8cc4", "#7db0dc", "#b4d3ee", "#edf5fc"],
  };
  let printing = false;
  const redraws = [];

  function isDark() {
    if (printing) return false;
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  }
  const mode = () => (isDark() ? "dark" : "light");
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  function figure(value) {
    if (value === null || value === undefined || Number.isNaN(value)) return "missing";
    const size = Math.abs(value);
    // Thousands are set apart from five digits on, so that years stay years.
    if (Number.isInteger(value) && size < 1e7) return value.toLocaleString("en", { useGrouping: "min2" });
    if (size !== 0 && (size < 1e-4 || size >= 1e7)) return value.toPrecision(3);
    const digits = size === 0 ? 0 : Math.max(0, 3 - Math.floor(Math.log10(size)));
    return value.toLocaleString("en", { maximumFractionDigits: digits, useGrouping: "min2" });
  }

  function unpacked(packed) {
    const bytes = Uint8Array.from(atob(packed.codes), (c) => c.charCodeAt(0));
    const wide = packed.bits === 16;
    const view = new DataView(bytes.buffer);
    const missing = wide ? 65535 : 255;
    return packed.low.map((low, column) => {
      const span = packed.high[column] - low;
      const values = new Float64Array(packed.rows);
      for (let row = 0; row < packed.rows; row++) {
        const at = column * packed.rows + row;
        const code = wide ? view.getUint16(2 * at, true) : bytes[at];
        values[row] = code === missing ? NaN : low + (code / (missing - 1)) * span;
      }
      return values;
    });
  }

  function svg(name, attributes, text) {
    const found = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes || {})) found.setAttribute(key, value);
    if (text !== undefined) found.textContent = text;
    return found;
  }
  function element(name, text, className) {
    const found = document.createElement(name);
    if (text !== undefined && text !== null) found.textContent = text;
    if (className) found.className = className;
    return found;
  }
  function option(select, value, text) {
    const found = element("option", text);
    found.value = value;
    select.append(found);
  }
  const shortened = (text, length) => (text.length > length ? `${text.slice(0, length - 1)}…` : text);

  function ticks(low, high, count) {
    if (!(high > low)) return [low];
    const raw = (high - low) / count;
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((f) => f * power).find((s) => s >= raw);
    const found = [];
    for (let at = Math.ceil(low / step) * step; at <= high + step * 1e-9; at += step) found.push(Math.abs(at) < step * 1e-9 ? 0 : at);
    return found;
  }
  // Places of 1, 2 and 5 times powers of ten between two logarithms; powers alone where these are many.
  function decades(low, high) {
    const found = [];
    for (let power = Math.floor(low); power <= high; power++) for (const factor of [1, 2, 5]) found.push(power + Math.log10(factor));
    const inside = found.filter((at) => at >= low - 1e-9 && at <= high + 1e-9);
    if (inside.length <= 6) return inside;
    const powers = inside.filter((at) => Number.isInteger(at));
    return powers.filter((_, i) => i % Math.ceil(powers.length / 5) === 0);
  }
  const tick = (value) => (value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e6) ? value.toExponential(0).replace("+", "") : figure(Number(value.toPrecision(4))));
  const componentName = (number) => report.code.component_names[number];
  const known = (values) => values.filter((v) => v !== null && Number.isFinite(v));

  // ---- small line charts -------------------------------------------------------------------
  function lines(box, title, xs, series, { phases = [], log = false, xLabel = "" } = {}) {
    const width = Math.max(box.clientWidth, 180), height = 190;
    const left = 54, right = 10, top = 26, bottom = 30;
    const scale = (v) => (log ? Math.log10(v) : v);
    const all = known(series.flatMap((s) => s.values)).map(scale);
    const drawing = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
    drawing.append(svg("text", { x: 0, y: 14, class: "title" }, title));
    if (!all.length) return box.replaceChildren(drawing);
    let low = Math.min(...all), high = Math.max(...all);
    if (low === high) { const reach = Math.abs(low) * 0.1 || 1; low -= reach; high += reach; }
    const x0 = xs[0], x1 = Math.max(xs[xs.length - 1], x0 + 1);
    const px = (x) => left + ((x - x0) / (x1 - x0)) * (width - left - right);
    const py = (v) => height - bottom - ((v - low) / (high - low)) * (height - top - bottom);
    for (const at of log ? decades(low, high) : ticks(low, high, 4)) {
      drawing.append(svg("line", { x1: left, x2: width - right, y1: py(at), y2: py(at), class: "axis" }));
      drawing.append(svg("text", { x: left - 6, y: py(at) + 4, "text-anchor": "end" }, tick(log ? 10 ** at : at)));
    }
    for (const at of ticks(x0, x1, width < 300 ? 3 : 5)) if (Number.isInteger(at)) drawing.append(svg("text", { x: px(at), y: height - bottom + 16, "text-anchor": "middle" }, figure(at)));
    if (xLabel) drawing.append(svg("text", { x: width - right, y: height - 2, "text-anchor": "end" }, xLabel));
    phases.slice(1).forEach((phase) => {
      drawing.append(svg("line", { x1: px(phase.first), x2: px(phase.first), y1: top, y2: height - bottom, class: "phase" }));
      if (phases.length <= 4) drawing.append(svg("text", { x: px(phase.first) + 3, y: top + 10 }, shortened(phase.name, 14)));
    });
    for (const { values, kind, label } of series) {
      let path = "", pen = false, last = null;
      values.forEach((value, i) => {
        if (value === null || (log && value <= 0)) { pen = false; return; }
        last = [px(xs[i]), py(scale(value))];
        path += `${pen ? "L" : "M"}${last[0].toFixed(1)} ${last[1].toFixed(1)}`;
        pen = true;
      });
      drawing.append(svg("path", { d: path, class: `line ${kind}` }));
      if (label && last) drawing.append(svg("text", { x: last[0] - 4, y: Math.max(last[1] - 6, top + 8) + (kind === "expected" ? 0 : 20), "text-anchor": "end", class: kind }, label));
    }
    box.replaceChildren(drawing);
  }

  function training() {
    const { parts, epochs, phases } = report.training;
    const host = byId("curves");
    const boxes = parts.map(() => host.appendChild(element("div")));
    redraws.push(() => parts.forEach((part, i) => {
      const held = part.valid && known(part.valid).length ? part.valid : null;
      const values = known([...part.train, ...(held || [])]);
      const log = values.length > 0 && Math.min(...values) > 0 && Math.max(...values) > 8 * Math.min(...values);
      const series = [{ values: part.train, kind: "measured", label: held ? "training" : "" }];
      if (held) series.push({ values: held, kind: "expected", label: "held-out" });
      lines(boxes[i], part.name.replaceAll("_", " "), epochs, series, { phases, log, xLabel: "epoch" });
    }));
  }

  // ---- images and curves -------------------------------------------------------------------
  function image(values, { shape, low, high }, size) {
    const [channels, height, width] = shape;
    const canvas = element("canvas");
    canvas.width = width;
    canvas.height = height;
    const shown = Math.max(1, Math.round(size / Math.max(width, height)));
    canvas.style.width = `${width * shown}px`;
    canvas.style.height = `${height * shown}px`;
    const context = canvas.getContext("2d");
    const pixels = context.createImageData(width, height);
    const span = high - low || 1;
    for (let i = 0; i < width * height; i++) {
      for (let c = 0; c < 3; c++) {
        const value = values[channels >= 3 ? c * width * height + i : i];
        const share = Math.min(Math.max((value - low) / span, 0), 1);
        pixels.data[4 * i + c] = Number.isNaN(value) ? [214, 90, 60][c] : Math.round(255 * (channels >= 3 ? share : 1 - share));
      }
      pixels.data[4 * i + 3] = 255;
    }
    context.putImageData(pixels, 0, 0);
    return canvas;
  }
  function caption(row) {
    const text = `row ${row.name}${row.class === null ? "" : ` · ${row.class}`}`;
    const found = element("figcaption");
    found.append(element("bdi", text), element("br"), `error ${figure(row.error)}`);
    return found;
  }
  function gallery() {
    const { kind, groups } = report.gallery;
    if (kind === "table") return;
    document.querySelectorAll("[data-group]").forEach((host) => {
      const { rows, name } = groups[Number(host.dataset.group)];
      for (const row of rows) {
        const frame = element("figure");
        host.append(frame);
        if (kind === "image") {
          [["measured", row.measured], ["from the code", row.expected]].forEach(([what, packed]) => {
            const canvas = image(unpacked(packed)[0], report.gallery, 84);
            canvas.setAttribute("role", "img");
            canvas.setAttribute("aria-label", `${name}, row ${row.name}: ${what}`);
            frame.append(canvas);
          });
          frame.append(caption(row));
        } else {
          const box = element("div");
          box.setAttribute("role", "img");
          box.setAttribute("aria-label", `${name}, row ${row.name}: measured and from the code over the steps`);
          frame.append(box, caption(row));
          redraws.push(() => curvesOf(box, row.measured, row.expected, ""));
        }
      }
    });
  }
  function curvesOf(box, measured, expected, title) {
    const xs = (measured || expected)[0].map((_, i) => i + 1);
    const series = [];
    (measured || []).forEach((values) => series.push({ values, kind: "measured" }));
    expected.forEach((values) => series.push({ values, kind: "expected" }));
    lines(box, title, xs, series, { xLabel: "step" });
  }

  function importanceMaps() {
    const host = byId("importance-maps");
    if (!host) return;
    for (const found of report.importance.components) {
      const values = unpacked(found.image)[0];
      const frame = element("figure");
      const canvas = image(values, { ...report.importance, low: 0, high: Math.max(...values) }, 96);
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `which cells move ${componentName(found.component)}; dark is much`);
      frame.append(canvas, element("figcaption", componentName(found.component)));
      host.append(frame);
    }
  }

  function missingMap() {
    const host = byId("missing-map");
    if (!host) return;
    const map = report.data.map;
    const canvas = host.appendChild(element("canvas"));
    const names = host.appendChild(svg("svg", { "aria-hidden": "true" }));
    redraws.push(() => {
      const columns = map.columns.length;
      const longest = Math.max(...map.columns.map((name) => Math.min(name.length, 24)));
      const fit = Math.min(host.clientWidth / columns, 140), level = fit > longest * 6.6 + 8;
      const cell = Math.max(1, level || fit > 4 ? Math.floor(fit) : fit);
      canvas.width = columns;
      canvas.height = map.row_bins;
      const width = Math.min(columns * cell, host.clientWidth), every = Math.ceil(14 / cell);
      canvas.style.width = `${width}px`;
      const deep = level ? 20 : Math.ceil(longest * 4.9) + 14;
      for (const [key, value] of [["width", host.clientWidth], ["height", deep], ["viewBox", `0 0 ${host.clientWidth} ${deep}`]]) names.setAttribute(key, value);
      names.replaceChildren(...map.columns.map((name, i) => [name, (i + 0.5) * cell]).filter((_, i) => i % every === 0).map(([name, x]) => {
        const place = level ? { x, y: 14, "text-anchor": "middle" } : { x, y: 10, "text-anchor": "end", transform: `rotate(-45 ${x} 10)` };
        return svg("text", place, shortened(name, 24));
      }));
      canvas.style.height = `${Math.min(240, map.row_bins * 6)}px`;
      canvas.style.imageRendering = "pixelated";
      const context = canvas.getContext("2d");
      context.fillStyle = css("--panel");
      context.fillRect(0, 0, canvas.width, canvas.height);
      context.fillStyle = css("--ink");
      map.shares.forEach((row, y) => row.forEach((share, x) => {
        if (!share) return;
        context.globalAlpha = 0.15 + 0.85 * (share / 100);
        context.fillRect(x, y, 1, 1);
      }));
      context.globalAlpha = 1;
    });
    canvas.addEventListener("pointermove", (event) => {
      const at = Math.floor((event.offsetX / canvas.clientWidth) * map.columns.length);
      canvas.title = map.columns[at] || "";
    });
  }

  // ---- the code ----------------------------------------------------------------------------
  function code() {
    const data = report.code;
    const canvas = byId("code-canvas"), tip = byId("code-tip"), live = byId("code-live");
    const codes = unpacked(data.codes), errors = unpacked(data.errors)[0], cells = unpacked(data.cells);
    const n = data.n_shown;
    const selects = { x: byId("code-x"), y: byId("code-y"), colour: byId("code-colour") };
    const axes = data.components.map((c, i) => ({ name: componentName(c), values: codes[i] }));
    axes.push({ name: "error", values: errors });
    axes.forEach((axis, i) => { option(selects.x, i, axis.name); option(selects.y, i, axis.name); });
    selects.x.value = data.axes[0];
    selects.y.value = data.axes[1] === null ? axes.length - 1 : data.axes[1];

    const colours = [];
    if (data.classes.kind === "classes") colours.push({ name: data.classes.label, names: data.classes.names, values: data.classes.values });
    if (data.classes.kind === "number") colours.push({ name: data.classes.label, values: data.classes.values });
    colours.push({ name: "error", values: errors, log: true });
    data.columns.forEach((column, i) => colours.push({ name: column.name, names: column.levels, values: cells[i], column: i }));
    colours.forEach((colour, i) => option(selects.colour, i, shortened(colour.name, 40)));

    let view, moving = false, hovered = -1, drag = null, hidden = new Set(), chosen = new Set();
    let xs = new Float64Array(n), ys = new Float64Array(n), grid = null, ranks = null;
    const name = (i) => (data.names ? data.names[i] : String(data.rows[i]));
    const colouring = () => colours[Number(selects.colour.value)];

    function bounds(values) {
      const finite = known(Array.from(values));
      let low = Infinity, high = -Infinity;
      for (const v of finite) { if (v < low) low = v; if (v > high) high = v; }
      if (!(high > low)) { low -= 1; high += 1; }
      const reach = 0.05 * (high - low);
      return [low - reach, high + reach];
    }
    const shownAxes = () => ({ x: axes[Number(selects.x.value)], y: axes[Number(selects.y.value)] });
    function whole() {
      const { x, y } = shownAxes();
      view = { x: bounds(x.values), y: bounds(y.values) };
    }
    // Where a few far rows would press all others together, the view begins without them, and says so.
    function core(always) {
      for (const [key, axis] of Object.entries(shownAxes())) {
        const sorted = known(Array.from(axis.values)).sort((a, b) => a - b);
        const inner = bounds(sorted.slice(Math.floor(sorted.length * 0.01), Math.max(Math.ceil(sorted.length * 0.99), 1)));
        if (always || view[key][1] - view[key][0] > 2 * (inner[1] - inner[0])) view[key] = inner;
      }
    }
    function prepare() {
      const colour = colouring();
      hidden = new Set();
      ranks = null;
      if (colour.names) return;
      const order = Array.from(colour.values.keys ? colour.values.keys() : colour.values.map((_, i) => i)).filter((i) => colour.values[i] !== null && !Number.isNaN(colour.values[i]));
      order.sort((a, b) => colour.values[a] - colour.values[b]);
      ranks = new Float64Array(n).fill(NaN);
      order.forEach((i, rank) => { ranks[i] = order.length > 1 ? rank / (order.length - 1) : 0.5; });
    }
    const classOf = (colour, i) => (colour.values[i] === null || Number.isNaN(colour.values[i]) ? -1 : Math.round(colour.values[i]));
    function paint(i, colour, palette, ramp, none) {
      if (colour.names) { const k = classOf(colour, i); return k < 0 ? none : palette[k % palette.length]; }
      const rank = ranks[i];
      return Number.isNaN(rank) ? none : ramp[Math.min(ramp.length - 1, Math.floor(rank * ramp.length))];
    }
    function mark(context, x, y, r, shape) {
      context.beginPath();
      if (shape === 1) context.rect(x - r * 0.9, y - r * 0.9, 1.8 * r, 1.8 * r);
      else if (shape === 2) { context.moveTo(x, y - 1.25 * r); context.lineTo(x + 1.15 * r, y + 0.9 * r); context.lineTo(x - 1.15 * r, y + 0.9 * r); context.closePath(); }
      else if (shape === 3) { context.moveTo(x, y - 1.3 * r); context.lineTo(x + 1.3 * r, y); context.lineTo(x, y + 1.3 * r); context.lineTo(x - 1.3 * r, y); context.closePath(); }
      else context.arc(x, y, r, 0, 7);
      context.fill();
    }
    const LEFT = 52, BOTTOM = 40, TOP = 10, RIGHT = 12;
    function draw() {
      const width = canvas.clientWidth, height = canvas.clientHeight, dense = devicePixelRatio || 1;
      if (!width) return;
      if (canvas.width !== Math.round(width * dense) || canvas.height !== Math.round(height * dense)) { canvas.width = Math.round(width * dense); canvas.height = Math.round(height * dense); }
      const context = canvas.getContext("2d");
      context.setTransform(dense, 0, 0, dense, 0, 0);
      context.fillStyle = css("--back");
      context.fillRect(0, 0, width, height);
      const [x, y] = [axes[Number(selects.x.value)], axes[Number(selects.y.value)]];
      const px = (v) => LEFT + ((v - view.x[0]) / (view.x[1] - view.x[0])) * (width - LEFT - RIGHT);
      const py = (v) => height - BOTTOM - ((v - view.y[0]) / (view.y[1] - view.y[0])) * (height - TOP - BOTTOM);
      context.font = "11.5px system-ui, sans-serif";
      context.strokeStyle = css("--line");
      context.fillStyle = css("--soft");
      context.lineWidth = 1;
      context.textAlign = "center";
      for (const at of ticks(view.x[0], view.x[1], width < 500 ? 4 : 8)) { line(context, px(at), TOP, px(at), height - BOTTOM); context.fillText(tick(at), px(at), height - BOTTOM + 16); }
      context.textAlign = "right";
      for (const at of ticks(view.y[0], view.y[1], 6)) { line(context, LEFT, py(at), width - RIGHT, py(at)); context.fillText(tick(at), LEFT - 6, py(at) + 4); }
      context.textAlign = "center";
      context.fillStyle = css("--ink");
      context.fillText(x.name, (LEFT + width - RIGHT) / 2, height - 7);
      context.save();
      context.translate(13, (TOP + height - BOTTOM) / 2);
      context.rotate(-Math.PI / 2);
      context.fillText(y.name, 0, 0);
      context.restore();
      const colour = colouring(), palette = PALETTES[mode()], ramp = RAMPS[mode()], none = css("--line");
      const r = n > 2000 ? 2.4 : n > 500 ? 3 : 4;
      let outside = 0;
      const cellSize = 24;
      grid = new Map();
      context.save();
      context.beginPath();
      context.rect(LEFT, TOP, width - LEFT - RIGHT, height - TOP - BOTTOM);
      context.clip();
      for (let i = 0; i < n; i++) {
        xs[i] = px(x.values[i]); ys[i] = py(y.values[i]);
        const k = colour.names ? classOf(colour, i) : 0;
        if (hidden.has(k)) { xs[i] = NaN; continue; }
        if (!(xs[i] >= LEFT - r && xs[i] <= width - RIGHT + r && ys[i] >= TOP - r && ys[i] <= height - BOTTOM + r)) { outside += 1; continue; }
        context.fillStyle = paint(i, colour, palette, ramp, none);
        context.globalAlpha = chosen.size && !chosen.has(i) ? 0.18 : 0.8;
        mark(context, xs[i], ys[i], r, colour.names ? k % 4 : 0);
        const key = Math.floor(xs[i] / cellSize) * 10000 + Math.floor(ys[i] / cellSize);
        if (grid.has(key)) grid.get(key).push(i); else grid.set(key, [i]);
      }
      context.globalAlpha = 1;
      if (colour.names && colour.names.length <= 12) labels(context, colour, palette, r, { left: LEFT, right: width - RIGHT, top: TOP, bottom: height - BOTTOM });
      byId("code-outside").textContent = outside ? `${outside.toLocaleString("en")} rows lie outside this view; All rows shows them.` : "";
      if (hovered >= 0) { context.strokeStyle = css("--ink"); context.lineWidth = 2; context.beginPath(); context.arc(xs[hovered], ys[hovered], r + 4, 0, 7); context.stroke(); }
      if (drag && !moving) { context.strokeStyle = css("--accent"); context.lineWidth = 1.5; context.strokeRect(Math.min(drag.x0, drag.x1), Math.min(drag.y0, drag.y1), Math.abs(drag.x1 - drag.x0), Math.abs(drag.y1 - drag.y0)); }
      context.restore();
    }
    // The name of each class as near to the middle of its points as there is room beside all points
    // and other names; where there is none, the legend has to do.
    let placed = [], placedFor = "";
    function labels(context, colour, palette, r, inside) {
      context.font = "600 12px system-ui, sans-serif";
      context.textAlign = "center";
      const state = JSON.stringify([view, inside, selects.x.value, selects.y.value, selects.colour.value, [...hidden]]);
      if (state !== placedFor) { placed = places(context, colour, r, inside); placedFor = state; }
      for (const { k, text, x, y } of placed) {
        context.fillStyle = palette[k % palette.length];
        context.fillText(text, x, y);
      }
    }
    function places(context, colour, r, inside) {
      const found = [];
      const taken = [], cell = 24, high = 14;
      const covers = (x, y, half) => {
        const [left, right, top, bottom] = [x - half - r, x + half + r, y - high + 3 - r, y + 4 + r];
        if (left < inside.left || right > inside.right || top < inside.top || bottom > inside.bottom) return true;
        if (taken.some((box) => left < box[1] && right > box[0] && top < box[3] && bottom > box[2])) return true;
        for (let a = Math.floor(left / cell); a <= Math.floor(right / cell); a++) {
          for (let b = Math.floor(top / cell); b <= Math.floor(bottom / cell); b++) {
            for (const i of grid.get(a * 10000 + b) || []) if (xs[i] > left && xs[i] < right && ys[i] > top && ys[i] < bottom) return true;
          }
        }
        return false;
      };
      colour.names.forEach((text, k) => {
        const own = [];
        for (let i = 0; i < n; i++) if (classOf(colour, i) === k && !Number.isNaN(xs[i])) own.push(i);
        if (!own.length) return;
        const middle = (values) => own.map((i) => values[i]).sort((a, b) => a - b)[own.length >> 1];
        const [x0, y0] = [middle(xs), middle(ys)], name_ = shortened(text, 18), half = context.measureText(name_).width / 2;
        for (let reach = 0; reach <= 220; reach += 8) {
          const around = reach ? Math.max(8, Math.round(reach / 4)) : 1;
          let place = null;
          for (let turn = 0; turn < around && !place; turn++) {
            const angle = (2 * Math.PI * turn) / around - Math.PI / 2;
            const [x, y] = [x0 + reach * Math.cos(angle), y0 + reach * Math.sin(angle)];
            if (!covers(x, y, half)) place = [x, y];
          }
          if (!place) continue;
          taken.push([place[0] - half, place[0] + half, place[1] - high + 3, place[1] + 4]);
          found.push({ k, text: name_, x: place[0], y: place[1] });
          return;
        }
      });
      return found;
    }
    function line(context, x0, y0, x1, y1) { context.beginPath(); context.moveTo(x0, y0); context.lineTo(x1, y1); context.stroke(); }
    function nearest(x, y) {
      let best = -1, least = 18 * 18;
      const cx = Math.floor(x / 24), cy = Math.floor(y / 24);
      for (let a = cx - 1; a <= cx + 1; a++) for (let b = cy - 1; b <= cy + 1; b++) for (const i of grid.get(a * 10000 + b) || []) {
        const far = (xs[i] - x) ** 2 + (ys[i] - y) ** 2;
        if (far < least) { least = far; best = i; }
      }
      return best;
    }
    function cellText(column, i) {
      const value = cells[column][i], levels = data.columns[column].levels;
      if (Number.isNaN(value)) return "missing";
      return levels ? levels[Math.round(value)] : figure(Number(value.toPrecision(4)));
    }
    function classText(i) {
      const { kind, names, values } = data.classes;
      if (kind === "none" || values[i] === null) return null;
      return kind === "classes" ? names[Math.round(values[i])] : figure(values[i]);
    }
    function hover(i) {
      if (i === hovered) return;
      hovered = i;
      draw();
      if (i < 0) { tip.hidden = true; return; }
      const about = classText(i);
      tip.replaceChildren(element("b", `row ${name(i)}`));
      if (about !== null) tip.append(element("span", about, "plainrow"));
      tip.append(element("span", `error ${figure(Number(errors[i].toPrecision(3)))}`, "plainrow"));
      const colour = colouring();
      if (colour.column !== undefined && !data.image) tip.append(element("span", `${colour.name}: ${cellText(colour.column, i)}`, "plainrow"));
      if (data.image) tip.append(image(Float64Array.from(cells, (column) => column[i]), data.image, 72));
      for (const [column, measured, expected, off] of data.why[i] || []) {
        const said = element("span", null, "plainrow");
        said.append(`${shortened(data.why_names[column], 28)}: `, element("span", measured, "measured"));
        if (measured === expected) said.append(", unsure");
        else said.append(" → ", element("span", expected, "expected"), off === null ? "" : ` (${off > 0 ? "+" : ""}${off.toFixed(1)} sd)`);
        tip.append(said);
      }
      tip.hidden = false;
      const box = tip.getBoundingClientRect(), room = canvas.clientWidth;
      tip.style.left = `${Math.max(4, Math.min(xs[i] + 14, room - box.width - 6))}px`;
      tip.style.top = `${ys[i] + box.height + 20 > canvas.clientHeight ? Math.max(4, ys[i] - box.height - 14) : ys[i] + 14}px`;
      live.textContent = `row ${name(i)}${about === null ? "" : `, ${about}`}, error ${figure(errors[i])}`;
    }
    const LISTED = 50;
    function list() {
      const box = byId("code-chosen");
      box.replaceChildren();
      box.hidden = !chosen.size;
      if (!chosen.size) return;
      const rows = [...chosen].sort((a, b) => errors[b] - errors[a]);
      const head = element("p");
      head.append(element("b", `${rows.length.toLocaleString("en")} rows selected`), rows.length > LISTED ? `, the ${LISTED} of greatest error: ` : " ");
      const clear = element("button", "Clear");
      clear.type = "button";
      clear.addEventListener("click", () => { chosen = new Set(); list(); draw(); canvas.focus(); });
      head.append(clear);
      const scroll = element("div", null, "scroll");
      scroll.tabIndex = 0;
      const table = element("table"), thead = table.createTHead().insertRow(), tbody = table.createTBody();
      const shown = data.image ? [] : data.columns.slice(0, 6);
      for (const text of ["row", ...(data.classes.kind === "none" ? [] : [data.classes.label]), "error", ...shown.map((c) => c.name)]) { const th = element("th", text); th.scope = "col"; thead.append(th); }
      for (const i of rows.slice(0, LISTED)) {
        const tr = tbody.insertRow();
        tr.append(element("th", name(i)));
        if (data.classes.kind !== "none") tr.append(element("td", classText(i) ?? "–"));
        tr.append(element("td", figure(Number(errors[i].toPrecision(4)))), ...shown.map((_, c) => element("td", cellText(c, i))));
      }
      scroll.append(table);
      box.append(head, scroll);
      live.textContent = `${rows.length} rows selected`;
    }
    function legend() {
      const host = byId("code-legend"), colour = colouring();
      host.replaceChildren();
      if (colour.names) {
        colour.names.forEach((text, k) => {
          const item = element("li"), button = element("button");
          const key = svg("svg", { width: 12, height: 12, viewBox: "-6 -6 12 12", "aria-hidden": "true" });
          const fill = PALETTES[mode()][k % 10];
          key.append([svg("circle", { r: 4.6, fill }), svg("rect", { x: -4.4, y: -4.4, width: 8.8, height: 8.8, fill }), svg("path", { d: "M0 -5.4L5.2 4.4L-5.2 4.4Z", fill }), svg("path", { d: "M0 -5.8L5.8 0L0 5.8L-5.8 0Z", fill })][k % 4]);
          button.type = "button";
          button.setAttribute("aria-pressed", String(!hidden.has(k)));
          button.append(key, element("bdi", shortened(text, 40)));
          button.addEventListener("click", () => { if (hidden.has(k)) hidden.delete(k); else hidden.add(k); hover(-1); legend(); draw(); });
          item.append(button);
          host.append(item);
        });
        return;
      }
      const values = known(Array.from(colour.values)).sort((a, b) => a - b);
      const ramp = RAMPS[mode()], drawing = svg("svg", { width: 120, height: 12, "aria-hidden": "true" });
      ramp.forEach((fill, k) => drawing.append(svg("rect", { x: k * 20, width: 20, height: 12, fill })));
      const item = element("li");
      if (values.length) item.append(`${figure(Number(values[0].toPrecision(3)))} `, drawing, ` ${figure(Number(values[values.length - 1].toPrecision(3)))} (equal numbers of rows per colour)`);
      host.append(item);
    }
    function zoom(factor, at) {
      for (const key of ["x", "y"]) {
        const [low, high] = view[key], center = at ? at[key] : (low + high) / 2;
        view[key] = [center - (center - low) * factor, center + (high - center) * factor];
      }
      hover(-1);
      draw();
    }
    function valueAt(x, y) {
      const width = canvas.clientWidth, height = canvas.clientHeight;
      return {
        x: view.x[0] + ((x - LEFT) / (width - LEFT - RIGHT)) * (view.x[1] - view.x[0]),
        y: view.y[0] + ((height - BOTTOM - y) / (height - TOP - BOTTOM)) * (view.y[1] - view.y[0]),
      };
    }
    canvas.addEventListener("pointermove", (event) => {
      const { offsetX: x, offsetY: y } = event;
      if (!drag) { hover(nearest(x, y)); return; }
      if (moving) {
        const from = valueAt(drag.x1, drag.y1), to = valueAt(x, y);
        for (const key of ["x", "y"]) view[key] = view[key].map((v) => v + from[key] - to[key]);
      }
      drag.x1 = x; drag.y1 = y;
      draw();
    });
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      drag = { x0: event.offsetX, y0: event.offsetY, x1: event.offsetX, y1: event.offsetY };
      canvas.setPointerCapture(event.pointerId);
      hover(-1);
    });
    canvas.addEventListener("pointerup", (event) => {
      if (!drag) return;
      const { x0, y0, x1, y1 } = drag;
      drag = null;
      if (!moving) {
        const far = Math.abs(x1 - x0) > 4 || Math.abs(y1 - y0) > 4;
        const [left, right, top, bottom] = [Math.min(x0, x1), Math.max(x0, x1), Math.min(y0, y1), Math.max(y0, y1)];
        const hit = nearest(event.offsetX, event.offsetY);
        chosen = new Set();
        if (far) { for (let i = 0; i < n; i++) if (xs[i] >= left && xs[i] <= right && ys[i] >= top && ys[i] <= bottom) chosen.add(i); }
        else if (hit >= 0) chosen.add(hit);
        list();
      }
      draw();
    });
    canvas.addEventListener("pointercancel", () => { drag = null; draw(); });
    canvas.addEventListener("pointerleave", () => { if (!drag) hover(-1); });
    canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey && !moving) return; // plain scrolling stays the page's
      event.preventDefault();
      zoom(event.deltaY > 0 ? 1.2 : 1 / 1.2, valueAt(event.offsetX, event.offsetY));
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => {
      const steps = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (steps) {
        let best = -1, least = Infinity;
        const from = hovered >= 0 ? [xs[hovered], ys[hovered]] : [canvas.clientWidth / 2, canvas.clientHeight / 2];
        for (let i = 0; i < n; i++) {
          const along = (xs[i] - from[0]) * steps[0] + (ys[i] - from[1]) * steps[1];
          const aside = Math.abs((xs[i] - from[0]) * steps[1]) + Math.abs((ys[i] - from[1]) * steps[0]);
          if (i !== hovered && along > 0.5 && along + 2 * aside < least) { least = along + 2 * aside; best = i; }
        }
        if (best >= 0) hover(best);
      } else if (event.key === "+" || event.key === "=") zoom(1 / 1.4);
      else if (event.key === "-") zoom(1.4);
      else if (event.key === "Enter" && hovered >= 0) { chosen = new Set([hovered]); list(); draw(); }
      else if (event.key === "Escape") { chosen = new Set(); hover(-1); list(); draw(); }
      else return;
      event.preventDefault();
    });
    canvas.addEventListener("blur", () => hover(-1));
    for (const key of ["x", "y"]) selects[key].addEventListener("change", () => { whole(); core(false); hover(-1); draw(); });
    selects.colour.addEventListener("change", () => { prepare(); hover(-1); legend(); draw(); });
    const setMoving = (on) => {
      moving = on;
      canvas.classList.toggle("moving", on);
      byId("code-brush").setAttribute("aria-pressed", String(!on));
      byId("code-pan").setAttribute("aria-pressed", String(on));
    };
    byId("code-brush").addEventListener("click", () => setMoving(false));
    byId("code-pan").addEventListener("click", () => setMoving(true));
    byId("code-in").addEventListener("click", () => zoom(1 / 1.5));
    byId("code-out").addEventListener("click", () => zoom(1.5));
    byId("code-reset").addEventListener("click", () => { whole(); hover(-1); draw(); });
    byId("code-core").addEventListener("click", () => { core(true); hover(-1); draw(); });
    whole();
    core(false);
    prepare();
    redraws.push(() => { legend(); draw(); });
  }

  // ---- along a component -------------------------------------------------------------------
  function traversal() {
    const data = report.traversal, host = byId("walk");
    const select = byId("walk-component"), slider = byId("walk-value"), output = byId("walk-output");
    data.components.forEach((c, i) => option(select, i, componentName(c.component)));
    const images = data.kind === "image" ? data.components.map((c) => unpacked(c.images)) : null;
    function dots(columns, step) {
      const width = Math.max(host.clientWidth, 240), row = 26, left = Math.min(210, width * 0.4), right = Math.min(96, width * 0.26);
      const height = columns.length * row + 34;
      const drawing = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": columns.map((c) => `${c.column} ${c.texts[step]}`).join(", ") });
      const px = (z) => left + ((Math.max(-4, Math.min(4, z)) + 4) / 8) * (width - left - right);
      for (const z of [-4, -2, 0, 2, 4]) {
        drawing.append(svg("line", { x1: px(z), x2: px(z), y1: 4, y2: height - 26, class: "axis" }));
        drawing.append(svg("text", { x: px(z), y: height - 8, "text-anchor": "middle" }, z === 0 ? "mean" : `${z > 0 ? "+" : "−"}${Math.abs(z)}`));
      }
      columns.forEach((column, i) => {
        const y = i * row + 17;
        const label = svg("text", { x: left - 12, y: y + 4, "text-anchor": "end", class: "tag" }, shortened(column.column, Math.max(8, Math.floor(left / 7))));
        label.append(svg("title", {}, column.column));
        drawing.append(label);
        if (!column.places) {
          const levels = [...new Set(column.texts)], wide = (px(4) - px(-4)) / column.texts.length;
          column.texts.forEach((text, at) => {
            const block = svg("rect", { x: px(-4) + at * wide + 1, y: y - 7, width: Math.max(wide - 2, 1), height: 14, rx: 2, fill: PALETTES[mode()][levels.indexOf(text) % 10], opacity: at === step ? 1 : 0.35 });
            block.append(svg("title", {}, text));
            drawing.append(block);
          });
        }
        if (column.places) {
          const known_ = known(column.places);
          if (known_.length) drawing.append(svg("line", { x1: px(Math.min(...known_)), x2: px(Math.max(...known_)), y1: y, y2: y, class: "whisker" }));
          if (column.places[step] !== null) drawing.append(svg("circle", { cx: px(column.places[step]), cy: y, r: 5.5, class: "point" }));
        }
        drawing.append(svg("text", { x: width, y: y + 4, "text-anchor": "end", class: "tag" }, shortened(column.texts[step], 13)));
      });
      host.replaceChildren(drawing);
    }
    function draw() {
      const found = data.components[Number(select.value)], step = Number(slider.value);
      output.textContent = figure(Number(found.values[step].toPrecision(3)));
      slider.setAttribute("aria-valuetext", output.textContent);
      if (data.kind === "table") dots(found.columns, step);
      else if (data.kind === "curves") curvesOf(host, null, found.curves[step], "");
      else {
        const large = image(images[Number(select.value)][step], data, 200);
        large.setAttribute("role", "img");
        large.setAttribute("aria-label", `decoded at ${output.textContent}`);
        const strip = element("div", null, "pictures");
        images[Number(select.value)].forEach((values, i) => {
          const small = image(values, data, 48);
          if (i === step) small.style.outline = `2px solid ${css("--accent")}`;
          small.setAttribute("aria-hidden", "true");
          strip.append(small);
        });
        const frame = element("div", null, "pictures");
        frame.append(large);
        host.replaceChildren(frame, strip);
      }
    }
    select.addEventListener("change", draw);
    slider.addEventListener("input", draw);
    redraws.push(draw);
  }

  // ---- errors ------------------------------------------------------------------------------
  function errors() {
    const { histogram, median } = report.anomalies, host = byId("errors");
    redraws.push(() => {
      const width = Math.max(host.clientWidth, 240), height = 180, bottom = 26, top = 24, left = 6, right = 6;
      const { low, high, log, counts } = histogram, most = Math.max(...counts, ...(histogram.train_counts || []));
      const drawing = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
      const px = (v) => left + (high > low ? (v - low) / (high - low) : 0.5) * (width - left - right);
      const py = (share) => height - bottom - (share / most) * (height - top - bottom);
      const step = (width - left - right) / counts.length;
      counts.forEach((share, i) => { if (share) drawing.append(svg("rect", { x: left + i * step, width: Math.max(step - 1, 0.5), y: py(share), height: height - bottom - py(share), class: "column" })); });
      if (histogram.train_counts) {
        let path = "";
        histogram.train_counts.forEach((share, i) => { path += `${i ? "L" : "M"}${left + i * step} ${py(share)}H${left + (i + 1) * step}`; });
        drawing.append(svg("path", { d: path, class: "line expected" }), svg("text", { x: width - right, y: 12, "text-anchor": "end", class: "expected" }, "line: training rows"));
      }
      drawing.append(svg("line", { x1: left, x2: width - right, y1: height - bottom, y2: height - bottom, class: "axis" }));
      for (const at of log ? decades(low, high) : ticks(low, high, 6)) drawing.append(svg("text", { x: Math.max(16, Math.min(width - 16, px(at))), y: height - 8, "text-anchor": "middle" }, tick(log ? 10 ** at : at)));
      const middle = px(log ? Math.log10(median) : median);
      drawing.append(svg("line", { x1: middle, x2: middle, y1: top - 6, y2: height - bottom, class: "phase" }), svg("text", { x: middle + 4, y: top - 8, class: "tag" }, `median ${figure(Number(median.toPrecision(3)))}`));
      host.replaceChildren(drawing);
    });
  }

  // ---- comparison --------------------------------------------------------------------------
  function comparison() {
    const data = report.comparison;
    if (!data) return;
    const select = byId("comparison-metric"), host = byId("comparison-plot");
    data.metrics.forEach((metric, i) => option(select, i, metric.label));
    function draw() {
      const metric = data.metrics[Number(select.value)];
      const of = (row) => (row.values && Object.hasOwn(row.values, metric.name) ? row.values[metric.name] : null);
      const rows = data.summary.filter((row) => row.status === "ok" && of(row) && of(row).mean !== null && row.fit_seconds > 0);
      byId("comparison-caption").textContent = `${metric.label} against seconds to fit (logarithmic); ${metric.higher_is_better ? "higher" : "lower"} is better. ${metric.meaning}`;
      const width = Math.max(host.clientWidth, 260), height = 340, left = 58, right = 16, top = 14, bottom = 40;
      const drawing = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
      host.replaceChildren(drawing);
      if (!rows.length) { drawing.append(svg("text", { x: left, y: 40 }, "no method has this figure")); return; }
      const seconds = rows.map((row) => Math.log10(row.fit_seconds));
      const ends = rows.flatMap((row) => [of(row).mean, of(row).low, of(row).high]).filter((v) => v !== null && v !== undefined);
      let [x0, x1, y0, y1] = [Math.min(...seconds), Math.max(...seconds), Math.min(...ends), Math.max(...ends)];
      const rx = (x1 - x0) * 0.08 || 0.5, ry = (y1 - y0) * 0.08 || Math.abs(y0) * 0.1 || 1;
      x0 -= rx; x1 += rx; y0 -= ry; y1 += ry;
      const px = (v) => left + ((v - x0) / (x1 - x0)) * (width - left - right);
      const py = (v) => height - bottom - ((v - y0) / (y1 - y0)) * (height - top - bottom);
      for (const at of ticks(y0, y1, 5)) drawing.append(svg("line", { x1: left, x2: width - right, y1: py(at), y2: py(at), class: "axis" }), svg("text", { x: left - 6, y: py(at) + 4, "text-anchor": "end" }, tick(at)));
      for (const at of decades(x0, x1)) drawing.append(svg("text", { x: px(at), y: height - bottom + 16, "text-anchor": "middle" }, tick(10 ** at)));
      drawing.append(svg("text", { x: width - right, y: height - 6, "text-anchor": "end" }, "seconds per fit"));
      const taken = [];
      rows.forEach((row, i) => {
        const x = px(seconds[i]), { mean, low, high } = of(row), y = py(mean);
        if (low !== null && high !== null) drawing.append(svg("line", { x1: x, x2: x, y1: py(low), y2: py(high), class: "whisker" }));
        const point = svg("circle", { cx: x, cy: y, r: 5, class: row.method === data.reference ? "point reference" : "point" });
        point.append(svg("title", {}, `${row.method} (${row.n_components}): ${figure(mean)} in ${figure(row.fit_seconds)} s`));
        drawing.append(point);
        const text = shortened(`${row.method} ${row.n_components}`, 22), flip = x > width * 0.66;
        const reach = text.length * 6.4, x2 = flip ? x - 9 - reach : x + 9;
        const free = (at) => !taken.some(([a, b, c]) => Math.abs(at - c) < 12 && x2 < b && x2 + reach > a);
        const place = [0, -13, 13, -26, 26].map((d) => y + d).find(free);
        if (place === undefined) return; // its name is in the point's title and in the table
        taken.push([x2, x2 + reach, place]);
        drawing.append(svg("text", { x: flip ? x - 9 : x + 9, y: place + 4, "text-anchor": flip ? "end" : "start", class: "tag" }, text));
      });
    }
    select.addEventListener("change", draw);
    redraws.push(draw);
  }

  // ---- the page ----------------------------------------------------------------------------
  function page() {
    const themes = ["auto", "light", "dark"], button = byId("theme");
    let theme = 0;
    button.addEventListener("click", () => {
      theme = (theme + 1) % themes.length;
      if (theme) document.documentElement.dataset.theme = themes[theme];
      else delete document.documentElement.dataset.theme;
      button.textContent = `Colours: ${themes[theme]}`;
      button.setAttribute("aria-label", `Colours: ${theme ? themes[theme] : "as the system has them"}`);
      redraw();
    });
    byId("print").addEventListener("click", () => window.print());
    const links = new Map([...document.querySelectorAll("nav a")].map((a) => [a.hash.slice(1), a]));
    const seen = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        links.forEach((a) => a.removeAttribute("aria-current"));
        const link = links.get(entry.target.id);
        if (link) link.setAttribute("aria-current", "true");
      }
    }, { rootMargin: "-20% 0px -70% 0px" });
    document.querySelectorAll("main > section").forEach((section) => seen.observe(section));
  }
  function redraw() { for (const draw of redraws) draw(); }
  page();
  training();
  gallery();
  importanceMaps();
  missingMap();
  code();
  traversal();
  errors();
  comparison();
  redraw();
  byId("no-script").remove();
  let waiting = 0, width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth === width) return; // a phone's bars come and go
    width = innerWidth;
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(redraw);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  const print = (on) => { printing = on; redraw(); };
  matchMedia("print").addEventListener("change", (event) => print(event.matches));
  addEventListener("beforeprint", () => print(true));
  addEventListener("afterprint", () => print(false));
})();
