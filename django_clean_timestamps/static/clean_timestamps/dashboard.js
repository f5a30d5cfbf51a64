/*
What the dashboard gains by a script; without it every page serves as well.

A pointer or the arrow keys follow a chart, a stretch of it can be chosen, and fresh figures are fetched now and then.
Nothing is drawn from the figures that the server has not written: what the readout says stands in the chart's table.
*/
(function () {
  "use strict";

  const SVG = "http://www.w3.org/2000/svg";
  const SHORTEST = 300;
  const UNATTENDED = 30 * 60 * 1000;
  const STORED = "clean-timestamps-renew";
  const MARKER = "X-Clean-Timestamps-Fragment";

  const figures = document.getElementById("timestamp-figures");
  const live = document.querySelector(".timestamp-live");
  if (!figures || !live) {
    return;
  }
  const texts = live.dataset;
  const policy = window.trustedTypes
    ? window.trustedTypes.createPolicy("clean-timestamps", { createHTML: (text) => text })
    : { createHTML: (text) => text };

  /* Following a chart. */

  let charts = [];
  let dragging = null;

  class Chart {
    constructor(figure) {
      this.figure = figure;
      this.data = JSON.parse(figure.dataset.chart);
      this.canvas = figure.querySelector(".timestamp-canvas");
      this.plot = figure.querySelector(".timestamp-plot");
      this.rows = figure.querySelectorAll(".timestamp-chart-table tbody tr");
      this.heads = figure.querySelectorAll(".timestamp-chart-table thead th");
      this.index = this.data.times.length - 1;
      this.anchor = null;
      this.line = make("line", "timestamp-cross", { y1: "0", y2: "100%" });
      this.stretch = make("rect", "timestamp-stretch", { y: "0", height: "100%" });
      this.readout = document.createElement("div");
      this.readout.className = "timestamp-readout";
      this.readout.setAttribute("aria-hidden", "true");
      this.prepare();
    }

    prepare() {
      const title = this.figure.querySelector(".timestamp-chart-title");
      const canvas = this.canvas;
      canvas.tabIndex = 0;
      canvas.setAttribute("role", "slider");
      canvas.setAttribute("aria-label", title.textContent + ". " + texts.follow);
      canvas.setAttribute("aria-valuemin", "0");
      canvas.setAttribute("aria-valuemax", String(this.data.times.length - 1));
      this.say();
      canvas.addEventListener("pointermove", (event) => this.moved(event));
      canvas.addEventListener("pointerdown", (event) => this.pressed(event));
      canvas.addEventListener("pointerup", (event) => this.released(event));
      canvas.addEventListener("pointercancel", () => this.clear());
      canvas.addEventListener("pointerleave", () => dragging !== this && this.left());
      canvas.addEventListener("focus", () => canvas.matches(":focus-visible") && this.show());
      canvas.addEventListener("blur", () => this.clear());
      canvas.addEventListener("keydown", (event) => this.keyed(event));
    }

    share(index) {
      const { times, step, since, until } = this.data;
      return (times[index] + step / 2 - since) / (until - since);
    }

    edge(index) {
      const { times, since, until } = this.data;
      return (times[index] - since) / (until - since);
    }

    at(event) {
      const box = this.plot.getBoundingClientRect();
      const { times, step, since, until } = this.data;
      const time = since + ((event.clientX - box.left) / box.width) * (until - since) - step / 2;
      let low = 0;
      let high = times.length - 1;
      while (high - low > 1) {
        const middle = (low + high) >> 1;
        if (times[middle] <= time) {
          low = middle;
        } else {
          high = middle;
        }
      }
      return time - times[low] < times[high] - time ? low : high;
    }

    show() {
      this.mark(this.index);
      this.write();
      this.drawStretch();
      const time = this.data.times[this.index];
      charts.forEach((other) => other !== this && other.markTime(time));
    }

    mark(index) {
      const x = this.share(index) * 100 + "%";
      this.line.setAttribute("x1", x);
      this.line.setAttribute("x2", x);
      this.plot.append(this.line);
    }

    markTime(time) {
      const index = this.data.times.indexOf(time);
      if (index < 0) {
        this.line.remove();
      } else {
        this.mark(index);
      }
    }

    cells() {
      const row = this.rows[this.index];
      return row ? Array.from(row.children, (cell, place) => [this.heads[place].textContent, cell.textContent]) : [];
    }

    write() {
      const [time, ...rest] = this.cells();
      this.readout.replaceChildren();
      if (!time) {
        return;
      }
      const head = document.createElement("b");
      head.textContent = time[1];
      this.readout.append(head);
      rest.forEach(([label, value]) => {
        const line = document.createElement("div");
        const name = document.createElement("bdi");
        const figure = document.createElement("bdi");
        name.textContent = label;
        figure.textContent = value;
        line.append(name, figure);
        this.readout.append(line);
      });
      this.canvas.append(this.readout);
      const outer = this.canvas.getBoundingClientRect();
      const box = this.plot.getBoundingClientRect();
      const x = box.left - outer.left + this.share(this.index) * box.width;
      const width = this.readout.offsetWidth;
      const isLeft = x + 12 + width > outer.width;
      this.readout.style.left = Math.max(0, isLeft ? x - 12 - width : x + 12) + "px";
      this.say();
    }

    say() {
      const said = this.cells().map(([label, value], place) => (place ? label + " " + value : value));
      this.canvas.setAttribute("aria-valuenow", String(this.index));
      const chosen = this.anchor === null ? "" : texts.range + ": ";
      this.canvas.setAttribute("aria-valuetext", chosen + said.join(", "));
    }

    drawStretch() {
      if (this.anchor === null || this.anchor === this.index) {
        this.stretch.remove();
        return;
      }
      const [first, last] = [this.anchor, this.index].sort((one, other) => one - other);
      const { step, since, until } = this.data;
      const left = this.edge(first);
      this.stretch.setAttribute("x", left * 100 + "%");
      this.stretch.setAttribute("width", (this.edge(last) + step / (until - since) - left) * 100 + "%");
      this.plot.prepend(this.stretch);
    }

    left() {
      if (document.activeElement !== this.canvas || !this.canvas.matches(":focus-visible")) {
        this.clear();
      }
    }

    clear() {
      this.anchor = null;
      dragging = dragging === this ? null : dragging;
      this.stretch.remove();
      this.readout.remove();
      charts.forEach((chart) => chart.line.remove());
    }

    moved(event) {
      this.index = this.at(event);
      this.show();
    }

    pressed(event) {
      if (event.button !== 0 || event.pointerType === "touch") {
        return;
      }
      this.index = this.at(event);
      this.anchor = this.index;
      dragging = this;
      this.canvas.setPointerCapture(event.pointerId);
    }

    released(event) {
      if (dragging !== this) {
        return;
      }
      this.index = this.at(event);
      dragging = null;
      if (this.anchor === this.index) {
        this.anchor = null;
        this.show();
      } else {
        this.go();
      }
    }

    keyed(event) {
      const last = this.data.times.length - 1;
      const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageUp: 10, PageDown: -10 };
      let index = this.index;
      if (event.key in steps) {
        index += steps[event.key];
      } else if (event.key === "Home") {
        index = 0;
      } else if (event.key === "End") {
        index = last;
      } else if (event.key === "Escape") {
        this.clear();
        return;
      } else if (event.key === "Enter" && this.anchor !== null && this.anchor !== this.index) {
        event.preventDefault();
        this.go();
        return;
      } else {
        return;
      }
      event.preventDefault();
      if (event.shiftKey) {
        this.anchor = this.anchor === null ? this.index : this.anchor;
      } else {
        this.anchor = null;
      }
      this.index = Math.min(last, Math.max(0, index));
      this.show();
    }

    go() {
      const { times, step } = this.data;
      let first = Math.min(times[this.anchor], times[this.index]);
      let last = Math.max(times[this.anchor], times[this.index]) + step;
      if (last - first < SHORTEST) {
        const more = (SHORTEST - (last - first)) / 2;
        first -= Math.ceil(more);
        last += Math.ceil(more);
      }
      const url = new URL(figures.dataset.rangeUrl, location.href);
      url.searchParams.set("from", iso(first));
      url.searchParams.set("to", iso(last));
      location.assign(url);
    }
  }

  function make(name, className, attributes) {
    const element = document.createElementNS(SVG, name);
    element.setAttribute("class", className);
    Object.entries(attributes).forEach(([key, value]) => element.setAttribute(key, value));
    return element;
  }

  function iso(seconds) {
    return new Date(seconds * 1000).toISOString();
  }

  function followAll() {
    charts = Array.from(figures.querySelectorAll("[data-chart]"), (figure) => new Chart(figure));
  }

  /* Fresh figures. */

  const sources = new Map();
  const choice = live.querySelector("select");
  const note = live.querySelector(".timestamp-live-note");
  let etag = "";
  let timer = 0;
  let attended = Date.now();
  let isOver = false;

  function remember() {
    sources.clear();
    blocks(figures).forEach((block) => sources.set(block.id, block.outerHTML));
  }

  function blocks(root) {
    return Array.from(root.querySelectorAll("[data-live]"));
  }

  function names(root) {
    return blocks(root)
      .map((block) => block.id)
      .join(" ");
  }

  function swap(text) {
    const parsed = new DOMParser().parseFromString(policy.createHTML(text), "text/html");
    const fresh = parsed.getElementById("timestamp-figures");
    if (!fresh) {
      return false;
    }
    const kept = keep();
    if (names(fresh) === names(figures)) {
      blocks(fresh).forEach(renew);
    } else {
      figures.replaceChildren(...Array.from(fresh.childNodes, (node) => document.importNode(node, true)));
    }
    sources.clear();
    blocks(fresh).forEach((block) => sources.set(block.id, block.outerHTML));
    followAll();
    kept();
    return true;
  }

  function renew(block) {
    const there = document.getElementById(block.id);
    if (sources.get(block.id) !== block.outerHTML) {
      // The element itself stays, so that what reads its changes aloud goes on listening.
      there.replaceChildren(...Array.from(block.childNodes, (node) => document.importNode(node, true)));
    } else {
      // The same figures: only what this script has added is taken back, to be added anew.
      there.querySelectorAll(".timestamp-canvas").forEach((canvas) => canvas.replaceWith(canvas.cloneNode(true)));
      there.querySelectorAll(".timestamp-cross, .timestamp-stretch, .timestamp-readout").forEach((each) => each.remove());
    }
  }

  /* Remembers what is open, how far it is scrolled and what has the focus, and returns what restores it. */
  function keep() {
    const open = Array.from(figures.querySelectorAll("figure[id] details[open]"), (each) => each.closest("figure").id);
    const selector = "figure[id] .timestamp-chart-scroll, .timestamp-scroll";
    const scrolled = Array.from(figures.querySelectorAll(selector), (each) => [each.scrollTop, each.scrollLeft]);
    const focused = figures.contains(document.activeElement) ? document.activeElement : null;
    const all = () => Array.from(figures.querySelectorAll("a[href], summary, [tabindex], button, input, select"));
    const place = focused ? all().indexOf(focused) : -1;
    const followed = charts.find((chart) => chart.canvas === focused);
    const time = followed && followed.data.times[followed.index];
    const isShown = followed && focused.matches(":focus-visible");
    return () => {
      open.forEach((id) => {
        const details = document.querySelector("#" + CSS.escape(id) + " details");
        if (details) {
          details.open = true;
        }
      });
      figures.querySelectorAll(selector).forEach((each, index) => {
        [each.scrollTop, each.scrollLeft] = scrolled[index] || [0, 0];
      });
      const again = all()[place];
      if (again && document.activeElement !== again) {
        again.focus({ preventScroll: true, focusVisible: Boolean(isShown) });
      }
      const chart = charts.find((each) => each.canvas === again);
      if (chart && followed) {
        const index = chart.data.times.indexOf(time);
        chart.index = index < 0 ? chart.index : index;
        if (isShown) {
          chart.show();
        }
      }
    };
  }

  function tell(text, button, act) {
    note.replaceChildren(text);
    note.classList.toggle("timestamp-is-bad", Boolean(text));
    if (button) {
      const element = document.createElement("button");
      element.type = "button";
      element.className = "button timestamp-button";
      element.textContent = button;
      element.addEventListener("click", act);
      note.append(" ", element);
    }
  }

  async function ask() {
    const headers = etag ? { "If-None-Match": etag } : {};
    const response = await fetch(figures.dataset.url, { headers, credentials: "same-origin", cache: "no-store" });
    if (response.status >= 500) {
      tell(texts.failed);
      return;
    }
    if (response.redirected || response.headers.get(MARKER) !== figures.dataset.fragment) {
      isOver = true;
      tell(texts.loggedOut, texts.logIn, () => location.reload());
      return;
    }
    // Whoever is choosing a stretch is not disturbed.
    const isChoosing = charts.some((chart) => chart.anchor !== null);
    if (response.status !== 304 && !isChoosing) {
      const text = await response.text();
      if (swap(text)) {
        etag = response.headers.get("ETag") || "";
      }
    }
    tell("");
  }

  async function tick() {
    if (Date.now() - attended > UNATTENDED) {
      isOver = true;
      tell(texts.stopped, texts.goOn, goOn);
      return;
    }
    if (!document.hidden) {
      try {
        await ask();
      } catch {
        tell(texts.failed);
      }
    }
    plan();
  }

  function plan() {
    clearTimeout(timer);
    const seconds = Number(choice.value);
    if (seconds && !isOver) {
      timer = setTimeout(tick, seconds * 1000);
    }
  }

  function goOn() {
    isOver = false;
    attended = Date.now();
    tell("");
    clearTimeout(timer);
    tick();
  }

  function stored() {
    try {
      return localStorage.getItem(STORED);
    } catch {
      return null;
    }
  }

  function store(value) {
    try {
      localStorage.setItem(STORED, value);
    } catch {
      // It holds for this page then.
    }
  }

  choice.value = stored() || "15";
  if (choice.selectedIndex < 0) {
    choice.value = "15";
  }
  choice.addEventListener("change", () => {
    store(choice.value);
    isOver = false;
    tell("");
    plan();
  });
  ["pointermove", "pointerdown", "keydown", "scroll"].forEach((name) => {
    document.addEventListener(name, () => (attended = Date.now()), { passive: true, capture: true });
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && !isOver && Number(choice.value)) {
      attended = Date.now();
      clearTimeout(timer);
      tick();
    }
  });
  live.addEventListener("submit", (event) => event.preventDefault());
  live.hidden = false;

  remember();
  followAll();
  plan();
})();
