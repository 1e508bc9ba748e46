/* The review page: one library, looked at and decided on. It talks to the server of `facecluster review` alone.

   Order of this file: elements, the server, the top bar, dialogs, the field for a name, the grid, the views, the way
   between them. Texts of a library (names, paths, sentences) become text nodes, never markup. */

// ------------------------------------------------------------------------------------------------------- elements

const $ = id => document.getElementById(id);

/** Make an element: h("button.quiet", {type: "button", onclick}, "text", child). What is null or false is left out. */
function h(spec, properties, ...children) {
  const [tag, ...classes] = spec.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(properties ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key in element && !key.includes("-")) element[key] = value;
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter(child => child !== null && child !== undefined && child !== false));
  return element;
}

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** A button with a picture and a text; `key` is the key that does the same. */
function button(text, name, onclick, {kind = "", key = null, title = null} = {}) {
  const shown = key && `${title ?? text} (${key})`;
  const made = h("button", {type: "button", onclick, title: shown ?? title, "aria-keyshortcuts": key},
    name && icon(name), h("span", null, text));
  if (kind) made.className = kind;
  return made;
}

const numbers = new Intl.NumberFormat("en");
const many = (n, one, more = `${one}s`) => `${numbers.format(n)} ${n === 1 ? one : more}`;

const days = new Intl.DateTimeFormat("en", {day: "numeric", month: "short", year: "numeric", timeZone: "UTC"});
const day = text => text ? days.format(new Date(`${text}T00:00:00Z`)) : "";

const moments = new Intl.DateTimeFormat("en", {dateStyle: "medium", timeStyle: "short"});
function moment(time) {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? "" : moments.format(date);
}

const sure = confidence => confidence === null || confidence === undefined ? "" : `${Math.round(confidence)} %`;
const CONFIDENCE = "Confidence is how much nearer a face is to its person than to anybody else. 100 %: just like the faces that "
  + "the person was made of. 0 %: as near to somebody else, or as far as people are who are not alike. It says which "
  + "faces to check first, and is no share of right ones.";
const called = person => person.name ?? "Somebody without a name";
const phone = matchMedia("(max-width: 640px)"), touch = matchMedia("(hover: none)");

/** The address of a picture of a face; few sizes, so that the server keeps few. */
function faceAt(face, width) {
  const wanted = width * Math.min(devicePixelRatio || 1, 2);
  const size = [96, 160, 320, 640].find(one => one >= wanted * 0.85) ?? 640;
  return `/face/${encodeURIComponent(face)}?s=${size}`;
}

/** Where faces are in their pictures, in per cent, if another face is in there too; answers of the server bring it. */
const frames = {};

/** Draw that round the face whose picture an element has. */
function framed(element, face) {
  const at = frames[face];
  element.classList.toggle("framed", Boolean(at));
  return at ? style(element, {"--x": at[0], "--y": at[1], "--w": at[2], "--h": at[3]}) : element;
}

/** Show a picture in an <img>: softly once it is loaded, at once where it was loaded before. */
function picture(image, address, text = "") {
  if (image.alt !== text) image.alt = text;
  if (image.getAttribute("src") === address) return;
  image.src = address;
  image.classList.toggle("there", image.complete);
}

function img(address = null, text = "", properties = {}) {
  const image = h("img", {alt: text, draggable: false, decoding: "async", ...properties});
  const there = () => image.classList.add("there");
  image.addEventListener("load", there);
  image.addEventListener("error", there);
  if (address) picture(image, address, text);
  return image;
}

function style(element, properties) {
  for (const [key, value] of Object.entries(properties)) element.style.setProperty(key, value);
  return element;
}

const isTyping = target => target.closest?.("input, textarea, select, [contenteditable]") !== null;

// ------------------------------------------------------------------------------------------------------ the server

/** The server, or the library, says no: `status` as in HTTP, 0 where nobody answers. */
class Refusal extends Error {
  constructor(message, status, record = {}) {
    super(message);
    this.status = status;
    this.record = record;
  }
}

async function call(address, sent) {
  const asked = sent === undefined ? {} : {
    method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(sent),
  };
  let response;
  try {
    response = await fetch(address, asked);
  } catch {
    throw new Refusal("Nobody answers: facecluster review was ended. Start it again, and open the address it says.", 0);
  }
  const record = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refusal(record.error ?? `The server answers ${response.status}`, response.status, record);
  Object.assign(frames, record.frames);
  return record;
}

function query(values) {
  return new URLSearchParams(Object.entries(values).filter(([, value]) => value !== "" && value !== null)).toString();
}

/** What is known of the library. `print` tells whether something else than this window changed it. */
const library = {version: 0, print: null, undo: null, deciding: 0, decided: 0};

/** Decide, tell it, and have the view show it. Decisions go one after the other. */
let last = Promise.resolve();
function decide(act, {address = "/api/decide", quiet = false} = {}) {
  library.deciding += 1;
  const slow = setInterval(() => call("/api/state").then(state => library.deciding && showSaving(state), () => null), 2000);
  const done = last.then(() => call(address, act)).finally(() => {
    clearInterval(slow);
    library.deciding -= 1;
    library.decided += 1;
  });
  last = done.catch(() => null);
  return done.then(made => {
    library.version = Math.max(library.version, made.version);
    library.print = null;
    showUndo(made.undo);
    if (!quiet) {
      const isNew = act.do === "split" || act.do === "make";
      toast(made.said, {undo: act.do === "undo" ? null : made.decisions, to: isNew ? made.appeared?.[0] : null});
    }
    view?.applied?.(made);
    ask();
    return made;
  });
}

/** Do something that may be refused; the reason is told. Gives null then. */
async function attempt(doing) {
  try {
    return await doing();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    if (!error.status || error.status === 403) notConnected();
    toast(error.message, {bad: true});
    return null;
  }
}

const undo = decisions => attempt(() => decide({do: "undo", ...(decisions?.length ? {decisions} : {})}));

/** Ask how the library is; show what others changed. */
async function ask() {
  if (document.hidden || library.deciding || library.asking) return;
  library.asking = true;
  const decided = library.decided;
  let state;
  try {
    state = await call("/api/state");
  } catch (error) {
    notice(error.message, {bad: true});
    notConnected();
    return;
  } finally {
    library.asking = false;
  }
  if (decided !== library.decided || library.deciding) return; // of before what was decided meanwhile
  heard(state);
}

/** Where nobody answers, nobody knows whether all is saved. */
function notConnected() {
  $("saving").textContent = "Not connected";
  $("saving").className = "busy";
}

function heard(state) {
  const print = JSON.stringify([state.people, state.named, state.hidden, state.faces, state.nobody, state.photos,
    state.undo?.id]);
  const isOther = state.version !== library.version;
  if ($("notice").classList.contains("bad")) notice(null);
  if (isOther && library.version && library.print !== null && library.print !== print) {
    notice("Something changed elsewhere, and is shown here now", {detail: state.undo?.said});
  }
  const isFirst = !library.version;
  Object.assign(library, {version: state.version, print, state});
  showState(state);
  view?.stated?.();
  if (isOther && !isFirst) view?.refresh?.();
}

// ----------------------------------------------------------------------------------------------------- the top bar

function showState(state) {
  $("library").textContent = state.library;
  $("library").title = state.path;
  showSaving(state);
  $("n-people").textContent = numbers.format(state.people);
  $("n-nobody").textContent = numbers.format(state.nobody);
  showUndo(state.undo);
  titled();
}

function showSaving(state) {
  const said = state.busy ? "Waiting" : state.saving ? "Saving…" : "All saved";
  if ($("saving").textContent !== said) $("saving").textContent = said;
  const told = $("saving").title, busy = state.busy ?? "";
  if (busy !== told && (busy || $("notice").dataset.text === told)) notice(state.busy);
  $("saving").title = busy;
  $("saving").className = state.busy ? "busy" : state.saving ? "saving" : "";
}

function showUndo(taken) {
  library.undo = taken;
  $("undo").disabled = !taken;
  $("undo-said").textContent = taken?.said ?? "";
  $("undo").setAttribute("aria-label", taken ? `Undo: ${taken.said}` : "Undo: nothing to take back");
  $("undo").title = taken ? `Take back: ${taken.said} (Ctrl+Z)` : "Nothing to take back";
}

function titled() {
  const name = library.state?.library;
  document.title = [view?.title, name, "facecluster"].filter(Boolean).join(" · ");
}

let noticeTimer = 0;
function notice(text, {bad = false, detail = null} = {}) {
  const bar = $("notice");
  clearTimeout(noticeTimer);
  if (text !== null && bar.dataset.text === text && bad) return;
  bar.dataset.text = text ?? "";
  bar.classList.toggle("bad", bad && text !== null);
  bar.classList.toggle("open", text !== null);
  if (text === null) return bar.replaceChildren();
  const close = h("button.round.small", {type: "button", "aria-label": "Close this message", onclick: () => notice(null)},
    icon("close"));
  bar.replaceChildren(h("span", null, text), detail ? h("em", {dir: "auto"}, detail) : "", close);
  if (!bad) noticeTimer = setTimeout(() => notice(null), 7000);
}

/** Say something at the lower edge, with a way back where something was decided. */
function toast(text, {undo: decisions = null, to = null, bad = false} = {}) {
  const made = h(bad ? "div.toast.bad" : "div.toast", null, h("span", {dir: "auto"}, text));
  const go = () => { clearTimeout(timer); made.remove(); };
  let timer = 0;
  const start = () => { timer = setTimeout(go, bad ? 12000 : 7000); };
  if (to) made.append(h("button", {type: "button", onclick: () => { go(); location.hash = `#/person/${to}`; }}, "Look"));
  if (decisions?.length) made.append(h("button", {type: "button", onclick: () => { go(); undo(decisions); }}, "Undo"));
  made.append(h("button.round.small", {type: "button", "aria-label": "Close this message", onclick: go}, icon("close")));
  made.addEventListener("pointerenter", () => clearTimeout(timer));
  made.addEventListener("pointerleave", start);
  made.addEventListener("focusin", () => clearTimeout(timer)); // who reads it, or is about to press, has time
  made.addEventListener("focusout", start);
  $("toasts").replaceChildren(made);
  start();
}

// --------------------------------------------------------------------------------------------------------- dialogs

let nDialogs = 0;

/** Ask something. `answers` are [text, value, kind]; gives the value, null where it was closed. `fill` may answer too. */
function dialog(title, fill, answers = []) {
  return new Promise(resolve => {
    let value = null;
    const box = h("dialog", {"aria-labelledby": `dialog-${nDialogs += 1}`});
    const answer = given => { value = given; box.close(); };
    const buttons = answers.map(([text, given, kind = "quiet"]) =>
      h(`button.${kind}`, {type: "button", onclick: () => answer(given)}, text));
    box.append(
      h("header", null, h("h2", {id: `dialog-${nDialogs}`}, title),
        h("button.round.quiet", {type: "button", "aria-label": "Close", onclick: () => answer(null)}, icon("close"))),
      h("div.body", null, fill(answer) ?? ""), answers.length ? h("footer", null, buttons) : "");
    box.addEventListener("close", () => { box.remove(); resolve(value); });
    box.addEventListener("click", event => { if (event.target === box) answer(null); });
    document.body.append(box);
    box.showModal();
    (box.querySelector("input[type=text]") ?? buttons.at(-1) ?? box.querySelector("button")).focus();
  });
}

/** Ask for a name; gives {name, id}, id null where nobody has it. */
function whoDialog(title, text, {action = "Save", without = [], value = ""} = {}) {
  return dialog(title, answer => {
    const field = new NameField({label: "Name", value, without, eager: !touch.matches, done: answer});
    const done = h("button.primary", {type: "button", onclick: () => field.commit()}, action);
    return [text && h("p", null, text), h("div.row", null, field.element, done)];
  });
}

function card(person) {
  const counts = [many(person.n_faces, "face"), person.n_photos && many(person.n_photos, "photo")];
  return h("figure.card", null, img(faceAt(person.cover, 180), "", {className: "cover"}),
    h("figcaption", null, h("strong", {dir: "auto"}, called(person)), h("span", null, counts.filter(Boolean).join(", "))));
}

/** Ask whether who has a name, and who shall get it, are one: gives "merge", "again" for another name, or null. */
function bothOne(namesake, person, name) {
  return dialog("Are both one person?", () => [
    h("p", null, "Somebody else is called ", h("strong", {dir: "auto"}, name), " already."),
    h("div.pair", null, card(namesake), card({...person, name: person.name ?? "Without a name"})),
  ], [["No, choose another name", "again"], ["Yes, merge them", "merge", "primary"]]);
}

/** Name a person. Where somebody else has the name, ask whether both are one; gives "again" for another name. */
async function rename(person, name) {
  try {
    return await decide({do: "name", person: person.id, name});
  } catch (error) {
    if (error.status !== 409 || !error.record.namesake) throw error;
    const same = await bothOne(error.record.namesake, person, name);
    if (same === "merge") return decide({do: "name", person: person.id, name, merge: true});
    return same;
  }
}

const KEYS = [
  ["Everywhere", [["1 2 3 4 5", "people, questions, nobody, photos, history"], ["/", "find a name, or a photo"], ["Ctrl Z", "undo"],
    ["?", "these keys"], ["Esc", "close, or choose nothing"]]],
  ["In a grid", [["← → ↑ ↓", "go"], ["Home End", "first, last"], ["Space", "choose"], ["Shift ← →", "choose more"],
    ["Ctrl A", "choose all"], ["Enter", "open"], ["F2", "name"]]],
  ["People chosen", [["m", "merge"], ["h", "hide, or show"], ["x", "nobody I know"]]],
  ["Faces chosen", [["e", "somebody else"], ["m", "move to…"], ["x", "nobody"], ["f", "not a face"],
    ["c", "cover"], ["o", "open the photo"]]],
  ["Questions", [["y", "yes; or type who it is"], ["n", "no; or nobody I know"], ["s", "not sure"], ["u", "undo"],
    ["a", "the name that a file gives"]]],
  ["A photo", [["d", "draw a box: arrows move it, Shift and arrows size it, Enter takes it"],
    ["Tab", "from face to face"], ["f", "not a face"]]],
];

function showKeys() {
  dialog("Keys", () => h("div.keys", null, KEYS.map(([title, keys]) => h("section", null, h("h3", null, title),
    h("dl", null, keys.map(([key, what]) => h("div", null, h("dt", null, key.split(" ").map(one => h("kbd", null, one))),
      h("dd", null, what)))))), h("p", null, CONFIDENCE)));
}

// -------------------------------------------------------------------------------------------- the field for a name

let nFields = 0;
const same = (one, other) => one.trim().normalize("NFC").toLowerCase() === other.trim().normalize("NFC").toLowerCase();

/** A text field that offers the names that are there.

    `done` gets {name, id}; id is that of who has the name, null where nobody has it. `cancel` is called on Escape.
    `eager` offers names before anything is typed. `leave` is called with what stands there when somebody leaves it,
    and `tab` with 1 or -1 where that was by Tab. */
class NameField {
  constructor({label, value = "", without = [], eager = false, placeholder = "", done, cancel = null, leave = null, tab = null}) {
    Object.assign(this, {without, eager, done, cancel, leave, tab, options: [], active: -1, asked: 0});
    const id = `names-${nFields += 1}`;
    this.list = h("ul.names", {id, role: "listbox", "aria-label": "Names that are there", popover: "manual"});
    this.input = h("input", {
      type: "text", value, placeholder, role: "combobox", autocomplete: "off", spellcheck: false, maxLength: 200,
      dir: "auto", "aria-label": label, "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": id,
      oninput: () => { this.activate(-1); this.offer(); }, onkeydown: event => this.key(event), onblur: event => this.left(event),
      onfocus: () => { if (eager) this.offer(); },
    });
    this.element = h("div.combo", null, this.input, this.list);
  }

  async offer() {
    const asked = this.asked += 1;
    const text = this.input.value.trim();
    if (!text && !this.eager) return this.show([]);
    const found = await call(`/api/names?${query({q: text, limit: 7 + this.without.length})}`).catch(() => ({names: []}));
    if (asked === this.asked) this.show(found.names.filter(one => !this.without.includes(one.id)).slice(0, 7));
  }

  show(options) {
    const before = this.options[this.active]?.id; // whoever goes down the list while it comes anew stays there
    this.options = options;
    this.active = -1;
    this.list.replaceChildren(...options.map((one, i) => h("li", {
      id: `${this.list.id}-${i}`, role: "option", "aria-selected": "false",
      onpointerdown: event => { event.preventDefault(); this.pick(one); },
    }, img(faceAt(one.cover, 36), "", {className: "cover"}), h("span", {dir: "auto"}, one.name),
      h("small", null, numbers.format(one.n_faces)))));
    const isOpen = options.length > 0 && document.activeElement === this.input;
    this.open(isOpen);
    this.activate(options.findIndex(one => one.id === before));
  }

  get isOpen() { return this.input.getAttribute("aria-expanded") === "true"; }

  open(isOpen) {
    if (isOpen !== this.isOpen && this.list.isConnected) this.list.togglePopover(isOpen);
    this.input.setAttribute("aria-expanded", String(isOpen));
    if (isOpen) this.place();
  }

  /** Put the list below the field, or above where there is no room. As a popover it is over everything. */
  place() {
    const at = this.input.getBoundingClientRect();
    const width = Math.max(at.width, 220);
    const isBelow = innerHeight - at.bottom > Math.min(this.list.scrollHeight, 320) + 12 || at.top < innerHeight / 2;
    style(this.list, {
      left: `${Math.max(8, Math.min(at.left, innerWidth - width - 8))}px`, width: `${width}px`,
      top: isBelow ? `${at.bottom + 6}px` : "auto", bottom: isBelow ? "auto" : `${innerHeight - at.top + 6}px`,
    });
  }

  activate(i) {
    this.active = i;
    [...this.list.children].forEach((one, k) => one.setAttribute("aria-selected", String(k === i)));
    if (i < 0) this.input.removeAttribute("aria-activedescendant");
    else {
      this.input.setAttribute("aria-activedescendant", this.list.children[i].id);
      this.list.children[i].scrollIntoView({block: "nearest"});
    }
  }

  key(event) {
    if (event.isComposing) return;
    const n = this.options.length;
    if ((event.key === "ArrowDown" || event.key === "ArrowUp") && this.isOpen && n) {
      const step = event.key === "ArrowDown" ? 1 : -1;
      this.activate((this.active + 1 + step + n + 1) % (n + 1) - 1);
    } else if (event.key === "ArrowDown") {
      this.eager = true;
      this.offer();
    } else if (event.key === "Enter") {
      this.commit();
    } else if (event.key === "Escape" && (this.cancel || this.isOpen)) {
      this.close();
      this.cancel?.();
    } else if (event.key === "Tab" && this.tab) {
      this.tab(event.shiftKey ? -1 : 1);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  pick(one) {
    this.close();
    this.done({name: one.name, id: one.id, isPicked: true});
  }

  async commit() {
    if (this.active >= 0) return this.pick(this.options[this.active]);
    const name = this.input.value.trim();
    if (!name) return this.input.focus();
    this.close();
    const found = await call(`/api/names?${query({q: name, limit: 50})}`).catch(() => ({names: []}));
    const one = found.names.find(other => same(other.name, name) && !this.without.includes(other.id));
    this.done({name: one?.name ?? name, id: one?.id ?? null});
  }

  close() {
    this.asked += 1; // what is still asked for is not shown
    this.open(false);
  }

  left() {
    if (!document.hasFocus()) return; // another window, and they may come back
    this.close();
    this.leave?.(this.input.value.trim());
  }
}

// -------------------------------------------------------------------------------------------------------- the grid

const GAP = 16, PAGE = 120, FAR = 900;

/** A grid of which only what is seen is in the page, over a listing that comes in windows.

    Cells are as large before their pictures are there as after. Keys go from cell to cell; cells are chosen by a click,
    with Shift, by a rectangle, by keys, and by a long touch.

    options: label; min: least width of a cell in pixels, or "all" for one column; minPhone; ratio: height of the picture
    by its width; extra: height below it; load(offset, limit) gives {version, total, items}; make(cell) and
    fill(cell, item) draw; text(item) for screen readers; open(item); rename(i); onChoose(); clickChooses; choosable. */
class Grid {
  constructor(options) {
    this.options = {min: 160, minPhone: 100, ratio: 1, extra: 0, clickChooses: false, choosable: true, ...options};
    this.pages = new Map();
    this.rows = new Map();
    this.chosen = new Map();
    this.total = null;
    this.version = 0;
    this.active = 0;
    this.anchor = 0;
    this.box = h("div.grid", {role: "grid", "aria-label": options.label, hidden: true,
      "aria-multiselectable": this.options.choosable ? "true" : null,
      onclick: event => this.clicked(event), onkeydown: event => this.key(event),
      ondblclick: event => this.twice(event), onfocusin: event => this.focused(event),
      ondragstart: event => event.preventDefault(),
      oncontextmenu: event => { if (this.touched) event.preventDefault(); }});
    this.paintSoon = this.paintSoon.bind(this);
    this.resized = new ResizeObserver(() => this.measure());
  }

  attach(parent, area = parent) {
    parent.append(this.box);
    this.area = area;
    this.press = event => this.pressed(event);
    area.addEventListener("pointerdown", this.press);
    addEventListener("scroll", this.paintSoon, {passive: true});
    this.resized.observe(this.box);
    this.measure();
    this.refresh();
  }

  detach() {
    this.area?.removeEventListener("pointerdown", this.press);
    removeEventListener("scroll", this.paintSoon);
    this.resized.disconnect();
    this.box.remove();
  }

  // ---- what is there

  at(i) { return this.pages.get(Math.floor(i / PAGE))?.items[i % PAGE]; }

  /** Begin anew: another order, another filter. What is shown stays until the new is there. */
  reset() {
    this.generation = (this.generation ?? 0) + 1;
    for (const number of this.pages.keys()) if (number > 0) this.pages.delete(number);
    this.active = this.anchor = 0;
    return this.load(0);
  }

  /** Fetch again what is seen, and the rest when it is. */
  refresh() {
    for (const page of this.pages.values()) page.isOld = true;
    if (this.total === null) return this.load(0);
    this.paint();
    return this.load(this.shown ? Math.floor(this.shown[0] * this.columns / PAGE) : 0);
  }

  async load(number) {
    const page = this.pages.get(number) ?? {items: [], isOld: true};
    if (page.loading) return page.loading;
    this.pages.set(number, page);
    const generation = this.generation;
    page.isOld = false;
    const fetched = Promise.resolve(this.options.load(number * PAGE, PAGE));
    page.loading = fetched.then(found => {
      page.loading = null;
      if (this.pages.get(number) !== page) return null;
      if (generation !== this.generation) return this.load(number);
      if (found.version > this.version && this.version) {
        for (const other of this.pages.values()) if (other !== page) other.isOld = true;
      }
      this.version = Math.max(this.version, found.version ?? 0);
      page.items = found.items;
      this.setTotal(found.total);
    }, error => {
      page.loading = null;
      page.isOld = true;
      if (!(error instanceof Refusal)) throw error;
      if (this.box.isConnected) this.options.failed?.(error);
    });
    return page.loading;
  }

  /** Where somebody stands now, as far as it is known. */
  indexOf(id) {
    for (const [number, page] of this.pages) {
      const i = page.items.findIndex(item => item.id === id);
      if (i >= 0) return number * PAGE + i;
    }
    return null;
  }

  /** See to it that the items of a range are there: what is chosen by Shift may never have been seen. */
  async ensure(from, to) {
    const wanted = [];
    for (let number = Math.floor(from / PAGE); number <= Math.floor(to / PAGE); number += 1) {
      if (!this.pages.get(number)?.items.length) wanted.push(this.load(number));
    }
    await Promise.all(wanted);
  }

  setTotal(total) {
    this.total = total;
    for (const number of this.pages.keys()) if (number * PAGE >= total && number > 0) this.pages.delete(number);
    this.active = Math.max(0, Math.min(this.active, total - 1));
    this.box.hidden = total === 0;
    this.measure();
    if (this.box.isConnected) this.options.counted?.(total); // else somebody went elsewhere meanwhile
  }

  /** Show at once what a decision changed; the next refresh puts it in order. */
  patch(changed, gone) {
    const byId = new Map(changed.map(one => [one.id, one]));
    for (const page of this.pages.values()) {
      page.items = page.items.map(one => byId.has(one.id) ? {...one, ...byId.get(one.id)} : one);
    }
    for (const id of gone) this.chosen.delete(id);
    for (const [id, one] of this.chosen) if (byId.has(id)) this.chosen.set(id, {...one, ...byId.get(id)});
    this.paint();
    this.options.onChoose?.();
  }

  // ---- what is seen

  measure() {
    const width = this.box.clientWidth;
    if (!width) return;
    const {min, minPhone, ratio, extra} = this.options;
    const least = phone.matches ? minPhone : min;
    this.gap = min === "all" ? 0 : phone.matches ? 10 : GAP;
    this.columns = min === "all" ? 1 : Math.max(1, Math.floor((width + this.gap) / (least + this.gap)));
    this.cell = (width - this.gap * (this.columns - 1)) / this.columns;
    this.tall = Math.round((min === "all" ? 0 : this.cell * ratio) + extra);
    this.step = this.tall + this.gap;
    const nRows = Math.ceil((this.total ?? 0) / this.columns);
    style(this.box, {height: `${Math.max(0, nRows * this.step - this.gap)}px`, "--columns": this.columns,
      "--gap": `${this.gap}px`, "--tall": `${this.tall}px`, "--picture": `${Math.round(this.cell * ratio)}px`});
    this.box.setAttribute("aria-rowcount", nRows);
    this.box.setAttribute("aria-colcount", this.columns);
    this.paint();
  }

  paintSoon() {
    this.due ??= requestAnimationFrame(() => { this.due = null; this.paint(); });
  }

  paint() {
    if (!this.step || !this.box.isConnected) return;
    const nRows = Math.ceil((this.total ?? 0) / this.columns);
    const top = this.box.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor((-top - FAR) / this.step));
    const end = Math.min(nRows, Math.ceil((innerHeight - top + FAR) / this.step));
    this.shown = [first, end];
    const wanted = new Set();
    for (let r = first; r < end; r += 1) wanted.add(r);
    const kept = Math.floor(this.active / this.columns); // what has the focus, or gets it by Tab, stays in the page
    if (kept < nRows) wanted.add(kept);
    for (const [r, row] of this.rows) if (!wanted.has(r)) this.drop(r, row);
    for (const r of wanted) this.fillRow(r);
    const after = Math.min(end * this.columns, this.total);
    for (let number = Math.floor(first * this.columns / PAGE); number * PAGE < after; number += 1) {
      if (this.pages.get(number)?.isOld ?? true) this.load(number);
    }
  }

  drop(r, row) {
    for (const image of row.querySelectorAll("img")) image.removeAttribute("src"); // what is not seen is not loaded
    row.remove();
    this.rows.delete(r);
  }

  fillRow(r) {
    let row = this.rows.get(r);
    if (!row) {
      row = h("div.row-of-cells", {role: "row", "aria-rowindex": r + 1});
      this.rows.set(r, row);
      // In the order of the listing, so that screen readers and Tab go as eyes do.
      const after = [...this.rows.keys()].filter(one => one > r).sort((a, b) => a - b)[0];
      this.box.insertBefore(row, after === undefined ? null : this.rows.get(after));
    }
    style(row, {top: `${r * this.step}px`});
    const n = Math.min(this.columns, this.total - r * this.columns);
    while (row.children.length > n) row.lastChild.remove();
    while (row.children.length < n) row.append(this.makeCell());
    for (let c = 0; c < n; c += 1) this.fillCell(row.children[c], r * this.columns + c, c);
  }

  makeCell() {
    const cell = h("div.cell", {role: "gridcell"});
    this.options.make(cell);
    if (this.options.choosable) {
      cell.append(h("button.tick", {type: "button", tabIndex: -1, "aria-hidden": "true"}, icon("check")));
    }
    return cell;
  }

  fillCell(cell, i, c) {
    const item = this.at(i);
    cell.index = i;
    cell.setAttribute("aria-colindex", c + 1);
    cell.tabIndex = i === this.active ? 0 : -1;
    cell.classList.toggle("empty", !item);
    const isChosen = item !== undefined && this.chosen.has(item.id);
    if (this.options.choosable) cell.setAttribute("aria-selected", String(isChosen));
    if (!item || cell.item === item || cell.isEdited) return; // nothing is drawn under who types
    cell.item = item;
    cell.setAttribute("aria-label", this.options.text(item));
    this.options.fill(cell, item, this.cell);
  }

  cellAt(i) { return this.rows.get(Math.floor(i / this.columns))?.children[i % this.columns]; }

  // ---- what is chosen

  toggle(i, isChosen = null) {
    const item = this.at(i);
    if (!item || !this.options.choosable) return;
    if (isChosen ?? !this.chosen.has(item.id)) this.chosen.set(item.id, item);
    else this.chosen.delete(item.id);
    this.anchor = i;
    this.showChosen();
  }

  async range(to) {
    const [from, end] = [Math.min(this.anchor, to), Math.max(this.anchor, to)];
    await this.ensure(from, end);
    for (let i = from; i <= end; i += 1) {
      const item = this.at(i);
      if (item) this.chosen.set(item.id, item);
    }
    this.showChosen();
  }

  async all() {
    await this.ensure(0, this.total - 1);
    for (let i = 0; i < this.total; i += 1) {
      const item = this.at(i);
      if (item) this.chosen.set(item.id, item);
    }
    this.showChosen();
  }

  clear() {
    this.chosen.clear();
    this.showChosen();
  }

  showChosen() {
    for (const row of this.rows.values()) {
      for (const cell of row.children) {
        cell.setAttribute("aria-selected", String(cell.item !== undefined && this.chosen.has(cell.item.id)));
      }
    }
    this.box.classList.toggle("choosing", this.chosen.size > 0);
    this.options.onChoose?.();
  }

  clicked(event) {
    const cell = event.target.closest(".cell");
    if (!cell || !cell.item || event.target.closest(".own")) return;
    event.preventDefault();
    if (this.wasDragged) return;
    this.activate(cell.index, event.detail > 0);
    const isTick = event.target.closest(".tick") !== null;
    if (event.shiftKey && this.options.choosable) this.range(cell.index);
    else if (event.target.closest(".name") && this.options.rename && !this.chosen.size) this.options.rename(cell.index);
    else if (this.options.choosable
      && (isTick || this.options.clickChooses || event.ctrlKey || event.metaKey || this.chosen.size)) this.toggle(cell.index);
    else this.options.open?.(cell.item);
  }

  twice(event) {
    const cell = event.target.closest(".cell");
    if (cell?.item && this.options.clickChooses && !event.target.closest(".tick")) this.options.open?.(cell.item);
  }

  // ---- the rectangle, and the long touch

  pressed(event) {
    this.wasDragged = this.touched = false;
    if (event.button !== 0 || !this.options.choosable || !this.total) return;
    const isInside = this.box.contains(event.target);
    if (!isInside && event.target.closest("a, button, input, select, label, .years, .links, .toolbar")) return;
    if (event.target.closest("input, .own")) return;
    if (event.pointerType === "touch") {
      if (isInside) this.hold(event);
      return;
    }
    const start = this.place(event);
    const before = event.shiftKey || event.ctrlKey || event.metaKey ? new Map(this.chosen) : new Map();
    const drag = {start, before, at: event, frame: null, box: null};
    const move = moved => this.dragged(drag, moved);
    const end = () => {
      removeEventListener("pointermove", move);
      removeEventListener("pointerup", end);
      removeEventListener("pointercancel", end);
      cancelAnimationFrame(drag.frame);
      drag.box?.remove();
      document.body.classList.remove("dragging");
      if (drag.box) setTimeout(() => { this.wasDragged = false; }, 0); // after the click that follows
    };
    addEventListener("pointermove", move);
    addEventListener("pointerup", end);
    addEventListener("pointercancel", end);
  }

  place(event) {
    const at = this.box.getBoundingClientRect();
    return [event.clientX - at.left, event.clientY - at.top];
  }

  dragged(drag, event) {
    drag.at = event;
    const [x, y] = this.place(event);
    if (!drag.box) {
      if (Math.hypot(x - drag.start[0], y - drag.start[1]) < 6) return;
      drag.box = h("div.rectangle");
      this.box.append(drag.box);
      this.wasDragged = true;
      document.body.classList.add("dragging");
      getSelection()?.removeAllRanges();
      const scroll = () => {
        const near = 60, y = drag.at.clientY;
        const by = y < near ? y - near : y > innerHeight - near ? y - innerHeight + near : 0;
        if (by) {
          scrollBy(0, by / 3);
          this.dragged(drag, drag.at);
        }
        drag.frame = requestAnimationFrame(scroll);
      };
      scroll();
    }
    const left = Math.min(x, drag.start[0]), right = Math.max(x, drag.start[0]);
    const top = Math.min(y, drag.start[1]), bottom = Math.max(y, drag.start[1]);
    style(drag.box, {left: `${left}px`, top: `${top}px`, width: `${right - left}px`, height: `${bottom - top}px`});
    this.chosen = new Map(drag.before);
    for (const i of this.within(left, top, right, bottom)) {
      const item = this.at(i);
      if (item) this.chosen.set(item.id, item);
    }
    this.showChosen();
  }

  /** Which cells a rectangle touches, by arithmetic: most of them are not in the page. */
  within(left, top, right, bottom) {
    const wide = this.cell + this.gap, found = [];
    const r0 = Math.max(0, Math.ceil((top - this.tall) / this.step)), r1 = Math.floor(bottom / this.step);
    const c0 = Math.max(0, Math.ceil((left - this.cell) / wide)), c1 = Math.min(this.columns - 1, Math.floor(right / wide));
    for (let r = r0; r <= r1; r += 1) {
      for (let c = c0; c <= c1; c += 1) {
        const i = r * this.columns + c;
        if (i < this.total) found.push(i);
      }
    }
    return found;
  }

  hold(event) {
    const cell = event.target.closest(".cell");
    if (!cell) return;
    this.touched = true;
    const timer = setTimeout(() => {
      this.wasDragged = true;
      this.toggle(cell.index);
      navigator.vibrate?.(10);
    }, 450);
    const end = ended => {
      if (ended.type === "pointermove" && Math.hypot(ended.clientX - event.clientX, ended.clientY - event.clientY) < 10) return;
      clearTimeout(timer);
      for (const type of ["pointerup", "pointercancel", "pointermove"]) removeEventListener(type, end);
    };
    for (const type of ["pointerup", "pointercancel", "pointermove"]) addEventListener(type, end);
  }

  // ---- keys

  focused(event) {
    const cell = event.target.closest(".cell");
    if (cell && cell.index !== this.active) this.activate(cell.index, false);
  }

  activate(i, withFocus = true) {
    const before = this.cellAt(this.active);
    if (before) before.tabIndex = -1;
    this.active = i;
    this.paint();
    const cell = this.cellAt(i);
    if (!cell) return;
    cell.tabIndex = 0;
    if (withFocus && document.activeElement !== cell) cell.focus({preventScroll: true});
  }

  /** Go to a cell with the keys: it is brought into sight first, so that it is in the page. */
  go(i) {
    i = Math.max(0, Math.min(this.total - 1, i));
    const top = this.box.getBoundingClientRect().top + Math.floor(i / this.columns) * this.step;
    const above = 84, below = innerHeight - (phone.matches ? 190 : 150); // above what is said at the lower edge
    if (top < above) scrollBy(0, top - above);
    else if (top + this.tall > below) scrollBy(0, top + this.tall - below);
    this.activate(i);
  }

  focus() { if (this.total) this.activate(this.active); }

  key(event) {
    if (isTyping(event.target) || event.altKey) return;
    const page = Math.max(1, Math.floor((innerHeight - 140) / this.step)) * this.columns;
    const steps = {ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.columns, ArrowUp: -this.columns, PageDown: page,
      PageUp: -page, Home: -Infinity, End: Infinity};
    const isCommand = event.ctrlKey || event.metaKey;
    if (event.key in steps && !isCommand) {
      if (event.shiftKey && this.options.choosable) {
        if (!this.chosen.size) this.anchor = this.active;
        this.go(this.active + steps[event.key]);
        this.range(this.active);
      } else this.go(this.active + steps[event.key]);
    } else if (event.key === " " && this.options.choosable) {
      if (event.shiftKey) this.range(this.active);
      else this.toggle(this.active);
    } else if (event.key === "a" && isCommand && this.options.choosable) this.all();
    else if (event.key === "Enter" && event.target.closest(".cell") === event.target) {
      const item = this.at(this.active);
      if (item) this.options.open?.(item);
    } else if (event.key === "F2" && this.options.rename) this.options.rename(this.active);
    else if (event.key === "Escape" && this.chosen.size) this.clear();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

/** What can be done with what is chosen, at the lower edge. `make` gives the buttons. */
class Actions {
  constructor(label) {
    this.bar = h("div.actions", {role: "toolbar", "aria-label": label, hidden: true});
    this.count = h("strong", {role: "status"});
  }

  attach() { $("actions-place").replaceChildren(this.bar); }

  show(grid, what, make) {
    const n = grid.chosen.size;
    const hadFocus = this.bar.contains(document.activeElement);
    document.body.classList.toggle("acting", n > 0);
    this.bar.hidden = !n;
    if (!n) {
      if (hadFocus) grid.focus();
      return;
    }
    this.count.textContent = `${many(n, ...what)} chosen`;
    const text = make().map(one => one.textContent).join();
    if (this.made === text && this.bar.children.length) return; // the same buttons keep their focus
    this.made = text;
    this.bar.replaceChildren(this.count, h("div.buttons", null, make()),
      h("button.round.quiet", {type: "button", "aria-label": "Choose nothing", title: "Choose nothing (Esc)",
        onclick: () => grid.clear()}, icon("close")));
  }
}

/** Type the name of a person where it stands. `slot` is hidden meanwhile. `over` is called when it is over. */
function editName(person, slot, {value = person.name ?? "", over = () => null, next = null} = {}) {
  let isOver = false;
  const end = withFocus => {
    isOver = true;
    field.close();
    field.element.remove();
    slot.hidden = false;
    over(withFocus);
  };
  const save = async (name, withFocus) => {
    if (isOver) return;
    end(withFocus);
    if (!name || name === person.name) return;
    slot.textContent = name; // at once; what is refused is put back
    const done = await attempt(() => rename(person, name));
    if (done === "again") return editName(person, slot, {value: name, over, next});
    if (!done) over(withFocus);
  };
  const field = new NameField({
    label: `Name of ${called(person)}`, value, without: [person.id], placeholder: "Name",
    done: ({name}) => save(name, true), cancel: () => end(true),
    leave: name => { if (!isOver) save(name, false); },
    tab: next && (step => { save(field.input.value.trim(), false); next(step); }),
  });
  field.element.classList.add("own");
  slot.hidden = true;
  slot.after(field.element);
  field.input.focus();
  field.input.select();
}

// ----------------------------------------------------------------------------------------------------- the views

function empty(name, title, text, ...more) {
  return h("div.nothing", null, icon(name), h("h2", null, title), h("p", null, text), ...more);
}

/** Buttons of which one is pressed. */
function choice(label, options, current, choose) {
  const buttons = options.map(([value, text]) => h("button", {type: "button", "aria-pressed": String(value === current),
    "data-value": value, onclick: () => {
      buttons.forEach(one => one.setAttribute("aria-pressed", String(one.dataset.value === value)));
      choose(value);
    }}, text));
  return h("div.choice", {role: "group", "aria-label": label}, buttons);
}

function sorting(options, current, choose) {
  const select = h("select", {onchange: () => choose(select.value)},
    options.map(([value, text]) => h("option", {value, selected: value === current}, text)));
  return h("label.sort", null, h("span", null, "Sort by"), select);
}

const ids = grid => [...grid.chosen.keys()];

const countsOf = one => one.n_faces === one.n_photos || phone.matches ? many(one.n_photos, "photo")
  : `${many(one.n_faces, "face")} · ${many(one.n_photos, "photo")}`;
const lacks = group => !group.needed ? group.why
  : `needs ${phone.matches ? `${group.needed} more` : many(group.needed, "more photo")}`;

/** People, or almost-people, as covers. */
class PeopleView {
  title = "People";
  sort = "faces";
  filter = "all";
  q = "";
  scroll = 0;

  constructor() {
    this.grid = new Grid({
      label: "People", min: 158, minPhone: 100, extra: 60,
      load: (offset, limit) => this.load(offset, limit),
      make: cell => cell.append(h("a.cover-of", {tabIndex: -1, draggable: false}, img(null, "", {className: "cover"})),
        h("button.name", {type: "button", tabIndex: -1, dir: "auto"}), h("span.counts")),
      fill: (cell, one, width) => this.fill(cell, one, width),
      text: one => one.needed === undefined
        ? `${called(one)}, ${many(one.n_faces, "face")}, ${many(one.n_photos, "photo")}`
        : `Almost a person, ${many(one.n_faces, "face")}, ${one.why}`,
      open: one => go(one.needed === undefined ? `#/person/${one.id}` : `#/nobody/${one.id}`),
      rename: i => this.edit(i), onChoose: () => this.act(), counted: total => this.counted(total),
      failed: error => toast(error.message, {bad: true}),
    });
    this.actions = new Actions("What is done with the people who are chosen");
  }

  async load(offset, limit) {
    const {sort, filter, q} = this;
    const found = await call(`/api/people?${query({sort, filter, q, offset, limit})}`);
    return {...found, items: found.people};
  }

  fill(cell, one, width) {
    const [link, name, counts] = cell.children;
    link.href = one.needed === undefined ? `#/person/${one.id}` : `#/nobody/${one.id}`;
    picture(link.firstChild, faceAt(one.cover, width), called(one));
    name.textContent = one.needed === undefined ? one.name ?? "Add a name" : "Almost a person";
    name.title = one.name ?? "";
    name.className = one.name ? "name" : "name unnamed";
    counts.textContent = one.needed === undefined
      ? this.sort === "unsure" && one.unsure !== null ? `least sure ${sure(one.unsure)}`
        : this.sort === "newest" && one.newest ? day(one.newest) : countsOf(one)
      : lacks(one);
    counts.title = one.why ?? (this.sort === "unsure" ? CONFIDENCE : `${many(one.n_faces, "face")} in ${many(one.n_photos, "photo")}`);
  }

  /** Who comes back finds the choices as they were; who goes to People from People begins anew. */
  show(root, _, parameters, wasHere) {
    const isEmpty = this.filter !== "all" && (library.state?.[this.filter] ?? 1) === 0;
    const before = wasHere || isEmpty || [...parameters].length ? {sort: this.sort, filter: "all", q: ""} : this;
    const choices = Object.fromEntries(["sort", "filter", "q"].map(key => [key, parameters.get(key) ?? before[key]]));
    const isOther = ["sort", "filter", "q"].some(key => this[key] !== choices[key]);
    Object.assign(this, choices);
    this.tell();
    this.count = h("span.count", {role: "status"});
    this.none = h("div");
    this.filters = h("div");
    this.sorts = sorting([["faces", "most faces"], ["name", "name"], ["newest", "newest photo"], ["unsure", "least sure"]],
      this.sort, sort => this.choose({sort}));
    root.append(h("div.toolbar", null, h("h1", null, "People ", this.count), this.filters,
      this.sorts), this.none);
    $("search").value = this.q;
    this.showFilters();
    this.actions.attach();
    if (isOther) this.grid.reset();
    this.grid.attach(root, root);
    if (this.grid.total !== null) this.counted(this.grid.total);
    scrollTo(0, isOther ? 0 : this.scroll);
    this.act();
  }

  showFilters() {
    this.sorts.hidden = this.filter === "almost"; // they have an order of their own
    const state = library.state ?? {};
    const text = (word, n) => n === undefined ? word : `${word} ${numbers.format(n)}`;
    const print = JSON.stringify([state.named, state.unnamed, state.almost, state.hidden, this.filter]);
    if (print === this.filters.dataset.print) return;
    this.filters.dataset.print = print;
    const focused = this.filters.contains(document.activeElement) ? document.activeElement.dataset.value : null;
    this.filters.replaceChildren(choice("Show", [["all", "All"], ["named", text("Named", state.named)],
      ["unnamed", text("Unnamed", state.unnamed)], ["almost", text("Almost a person", state.almost)],
      ["hidden", text("Hidden", state.hidden)]], this.filter, filter => this.choose({filter})));
    if (focused) this.filters.querySelector(`[data-value=${focused}]`).focus();
  }

  choose(choices) {
    Object.assign(this, choices);
    this.grid.chosen.clear();
    this.act();
    this.tell();
    this.showFilters();
    scrollTo(0, 0);
    return this.grid.reset();
  }

  /** Have the address say what is shown. */
  tell() {
    const {sort, filter, q} = this;
    const set = query({sort: sort === "faces" ? "" : sort, filter: filter === "all" ? "" : filter, q});
    history.replaceState(null, "", set ? `#/people?${set}` : "#/people");
  }

  counted(total) {
    this.count.textContent = numbers.format(total);
    const none = {
      named: ["edit", "Nobody has a name yet", "Click what stands below a face, and type who it is."],
      unnamed: ["check", "Everybody has a name", "There is nobody left to name."],
      almost: ["people", "Nobody is nearly a person", "All who are in enough photos are people already."],
      hidden: ["hide", "Nobody is hidden", "Who is hidden stays a person, and is left out of lists."],
      all: ["people", "There are no people yet", "Type facecluster run PHOTOS -o LIBRARY to find the people of more photos."],
    };
    const [name, title, text] = this.q
      ? ["search", "Nobody is called so", `No name has “${this.q}” in it.`] : none[this.filter];
    this.none.replaceChildren(total ? "" : empty(name, title, text));
  }

  edit(i) {
    const cell = this.grid.cellAt(i), one = this.grid.at(i);
    if (!cell || !one) return;
    if (one.needed !== undefined) return this.nameAlmost([one.id]);
    this.grid.activate(i, false);
    cell.isEdited = true;
    editName(one, cell.querySelector(".name"), {
      over: withFocus => {
        cell.isEdited = false;
        cell.item = null;
        this.grid.paint();
        if (withFocus) this.grid.activate(i);
      },
      next: step => { // who has a name now may have left the list
        this.grid.go((this.grid.indexOf(one.id) ?? i) + step);
        this.edit(this.grid.active);
      },
    });
  }

  act() {
    const isAlmost = this.filter === "almost", isHidden = this.filter === "hidden", n = this.grid.chosen.size;
    this.actions.show(this.grid, isAlmost ? ["group"] : ["person", "people"], () => isAlmost ? [
      button("Make a person…", "add", () => this.nameAlmost(ids(this.grid)), {kind: "primary"}),
      button("Nobody I know", "none", () => this.nobody(), {key: "x"}),
    ] : [
      n > 1 ? button("Merge", "merge", () => this.merge(), {kind: "primary", key: "m"})
        : button("Name", "edit", () => this.nameChosen(), {key: "F2"}),
      button(isHidden ? "Show again" : "Hide", isHidden ? "show" : "hide", () => this.hide(), {key: "h"}),
      button("Nobody I know", "none", () => this.nobody(), {key: "x"}),
    ]);
  }

  nameChosen() {
    const [id] = ids(this.grid);
    const row = [...this.grid.rows.values()].flatMap(one => [...one.children]).find(cell => cell.item?.id === id);
    if (!row) return;
    this.grid.clear();
    this.edit(row.index);
  }

  async nameAlmost(groups) {
    const who = await whoDialog("Who is this?", "They become one person.", {action: "Make a person"});
    if (!who) return;
    const act = who.id ? {do: "move", faces: groups, to: who.id} : {do: "make", name: who.name, faces: groups};
    if (await attempt(() => decide(act))) this.grid.clear();
  }

  async merge() {
    const people = [...this.grid.chosen.values()];
    if (people.length < 2) return;
    const order = await mergeDialog(people);
    if (order && await attempt(() => decide({do: "merge", people: order}))) this.grid.clear();
  }

  async hide() {
    const verb = this.filter === "hidden" ? "unhide" : "hide";
    if (await attempt(() => decide({do: verb, people: ids(this.grid)}))) this.grid.clear();
  }

  async nobody() {
    if (await attempt(() => decide({do: "not_a_person", what: ids(this.grid)}))) this.grid.clear();
  }

  key(event) {
    if (!this.grid.chosen.size) return false;
    const does = {m: () => this.merge(), h: () => this.hide(), x: () => this.nobody(), Escape: () => this.grid.clear()};
    if (this.filter === "almost") delete does.m, delete does.h;
    does[event.key]?.();
    return event.key in does;
  }

  applied(done) {
    this.grid.patch(done.changed ?? [], done.gone ?? []);
    this.refresh();
  }

  refresh() { this.grid.refresh(); }

  stated() { this.showFilters(); }

  leave() {
    this.scroll = scrollY;
    this.grid.detach();
  }
}

/** Ask before people are merged; gives their ids, who keeps the name first, null for no. */
async function mergeDialog(people) {
  const named = people.filter(one => one.name);
  const sorted = [...people].sort((a, b) => Boolean(b.name) - Boolean(a.name) || b.n_faces - a.n_faces);
  let first = sorted[0];
  const names = new Map(named.map(one => [one.name, one]));
  const yes = await dialog(`Are these ${people.length} one person?`, () => [
    h("div.pair.many", null, sorted.slice(0, 12).map(one => card(one))),
    names.size > 1 && h("fieldset", null, h("legend", null, "They are called"), [...names].map(([name, one], i) =>
      h("label", null, h("input", {type: "radio", name: "keeps", checked: i === 0 && (first = one) !== null,
        onchange: () => { first = one; }}), h("span", {dir: "auto"}, name)))),
  ], [["No", false], ["Yes, merge them", true, "primary"]]);
  return yes ? [first, ...sorted.filter(one => one !== first)].map(one => one.id) : null;
}

const certain = face => sure(face.confidence) && `confidence ${sure(face.confidence)}`;
const about = face => [certain(face), face.where, day(face.date)].filter(Boolean).join(", ");

/** Faces as squares, of which some are chosen. */
function faceGrid(options) {
  return new Grid({
    min: 116, minPhone: 84, extra: 26, clickChooses: true,
    make: cell => cell.append(img(null, "", {className: "cover"}), h("span.counts")),
    fill: (cell, face, width) => {
      const [image, counts] = cell.children;
      picture(image, faceAt(face.id, width));
      framed(cell, face.id);
      counts.textContent = face.reason ?? [sure(face.confidence), face.date?.slice(0, 4)].filter(Boolean).join(" · ");
      counts.title = face.reason ?? `${about(face)}${certain(face) ? `\n${CONFIDENCE}` : ""}`;
    },
    text: face => ["Face", face.reason, about(face)].filter(Boolean).join(", "),
    open: face => go(`#/photo/${face.photo}`),
    failed: error => { if (error.status !== 404) toast(error.message, {bad: true}); },
    ...options,
  });
}

/** Move faces to who is asked for, or make a person of them. */
async function moveFaces(faces, title, {without = [], action = "Move"} = {}) {
  const who = await whoDialog(title, "A name that nobody has makes a new person.", {action, without});
  if (!who) return null;
  return attempt(() => decide(who.id ? {do: "move", faces, to: who.id} : {do: "make", name: who.name, faces}));
}

/** One person: faces, what holds them together, photos, what was said. */
class PersonView {
  title = "A person";
  sort = "unsure";
  tab = "faces";
  scroll = 0;

  show(root, id) {
    const {scroll} = this;
    this.backTo = () => {
      this.backTo = null;
      scrollTo(0, scroll);
    };
    this.id = id;
    this.root = root;
    this.isGone = false;
    this.head = h("header.person");
    this.links = h("section.links", {"aria-label": "What holds this person together"});
    this.tabs = h("div.inner-tabs", {role: "tablist", "aria-label": "Of this person"});
    this.panel = h("section.panel", {role: "tabpanel", id: "panel", "aria-label": "Faces"});
    root.append(h("a.back", {href: "#/people"}, icon("back"), "People"), this.head, this.links, this.tabs, this.panel);
    this.actions = new Actions("What is done with the faces that are chosen");
    this.actions.attach();
    this.ready = this.read().then(isThere => { if (isThere) this.open(this.tab); });
  }

  async read() {
    const id = this.id;
    try {
      const person = await call(`/api/person/${encodeURIComponent(id)}`);
      if (view !== this || id !== this.id) return false;
      this.person = person;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.over();
      this.isGone = true;
      this.root.replaceChildren(error.status === 404
        ? empty("nobody", "This person is not here any more", "They were merged with somebody, or are nobody now.",
          h("a.button", {href: "#/people"}, "All people"))
        : empty("none", "That did not work", error.message));
      return false;
    }
    this.draw();
    return true;
  }

  draw() {
    const one = this.person;
    this.title = called(one);
    titled();
    const years = one.first && one.last ? one.first.slice(0, 4) === one.last.slice(0, 4) ? one.first.slice(0, 4)
      : `${one.first.slice(0, 4)} – ${one.last.slice(0, 4)}` : null;
    if (!this.head.querySelector(".combo")) {
      const name = h("button.name", {type: "button", dir: "auto", title: "Change the name (F2)", "aria-label": one.name
        ? `${one.name}: change the name` : "Add a name", onclick: () => this.edit()}, one.name ?? "Add a name");
      if (!one.name) name.classList.add("unnamed");
      const cover = this.head.querySelector("img") ?? img(null, "", {className: "cover"});
      picture(cover, faceAt(one.cover, 132));
      const focused = this.head.contains(document.activeElement) ? document.activeElement.textContent : null;
      this.head.replaceChildren(cover, h("div.about", null,
        h("h1", null, name, icon("edit")),
        h("p", null, [many(one.n_faces, "face"), many(one.n_photos, "photo"), years].filter(Boolean).join(" · "),
          one.hidden && h("span.flag", null, "hidden")),
        h("div.buttons", null,
          button("Same as…", "merge", () => this.merge()),
          one.hidden ? button("Show again", "show", () => this.say({do: "unhide", people: [this.id]}))
            : button("Hide", "hide", () => this.say({do: "hide", people: [this.id]})),
          button("Nobody I know", "none", () => this.say({do: "not_a_person", what: [this.id]})))), this.years());
      if (focused) [...this.head.querySelectorAll("button")].find(each => each.textContent === focused)?.focus();
    }
    this.drawLinks();
    this.drawTabs();
  }

  years() {
    const found = this.person.years ?? [];
    if (!found.length) return "";
    const n = new Map(found);
    const [first, end] = [found[0][0], found.at(-1)[0]];
    const most = Math.max(...n.values());
    const all = Array.from({length: end - first + 1}, (_, i) => first + i);
    const bar = (year, i) => {
      const text = `${year}: ${many(n.get(year) ?? 0, "photo")}`;
      const isShown = i === 0 || i === all.length - 1;
      return h("li", {title: text}, style(h("span.bar"), {height: `${Math.round(100 * (n.get(year) ?? 0) / most)}%`}),
        h("span.sr", null, text), h("span.year", {"aria-hidden": "true"}, isShown ? String(year) : ""));
    };
    return h("ol.years", {"aria-label": "Photos by year"}, all.map(bar));
  }

  drawLinks() {
    const {weakest, seam} = this.person.links ?? {};
    const print = JSON.stringify([weakest, seam]);
    if (this.links.dataset.print === print) return;
    this.links.dataset.print = print;
    this.links.replaceChildren(...[
      weakest && this.link(weakest, "The weakest link", "Without these two being alike, this person would fall in two."),
      seam && this.link(seam, "The weakest link between two parts", "Here this person would fall in two, each with enough photos to be a person."),
    ].filter(Boolean));
    this.links.hidden = !this.links.children.length;
  }

  link(pair, title, text) {
    const side = (face, n) => framed(h("a", {href: `#/photo/${face.photo}`, title: "Open the photo"},
      img(faceAt(face.id, 132), "Face", {className: "cover"}), h("small", null, many(n, "face"), " on this side")), face.id);
    return h("article.link", null, h("h2", null, title), h("p", null, text),
      h("div.two", null, side(pair.a, pair.n_a), side(pair.b, pair.n_b)),
      h("div.buttons", null,
        button("The same", "check", () => this.say({do: "confirm", faces: [pair.a.id, pair.b.id], person: this.id})),
        button("Not the same", "split", () => this.say({do: "split", person: this.id, faces: pair.side}))));
  }

  drawTabs() {
    const {n_faces: nFaces, n_photos: nPhotos, history: said = []} = this.person;
    const tabs = [["faces", "Faces", nFaces], ["photos", "Photos", nPhotos], ["said", "History", said.length]]
      .map(([value, text, n]) => [value, `${text} ${numbers.format(n)}`]);
    const hadFocus = this.tabs.contains(document.activeElement);
    this.tabs.replaceChildren(...tabs.map(([value, text]) => h("button", {type: "button", role: "tab", id: `tab-${value}`,
      "aria-selected": String(value === this.tab), "aria-controls": "panel", tabIndex: value === this.tab ? 0 : -1,
      onclick: () => this.open(value)}, text)));
    this.tabs.onkeydown = event => {
      const step = {ArrowRight: 1, ArrowLeft: -1}[event.key];
      if (!step) return;
      event.preventDefault();
      const at = tabs.findIndex(([value]) => value === this.tab);
      this.open(tabs[(at + step + tabs.length) % tabs.length][0]);
      this.tabs.querySelector("[aria-selected=true]").focus();
    };
    if (hadFocus) this.tabs.querySelector("[aria-selected=true]").focus();
    this.panel.setAttribute("aria-labelledby", `tab-${this.tab}`);
  }

  open(tab) {
    this.over();
    this.tab = tab;
    this.drawTabs();
    this.panel.replaceChildren();
    ({faces: () => this.openFaces(), photos: () => this.openPhotos(), said: () => this.openSaid()})[tab]();
  }

  over() {
    this.grid?.detach();
    this.grid = null;
    document.body.classList.remove("acting");
    this.actions.bar.hidden = true;
  }

  openFaces() {
    const id = encodeURIComponent(this.id);
    this.grid = faceGrid({
      label: `Faces of ${called(this.person)}`, onChoose: () => this.act(), counted: () => this.backTo?.(),
      load: async (offset, limit) => {
        const found = await call(`/api/person/${id}/faces?${query({sort: this.sort, offset, limit})}`);
        return {...found, items: found.faces};
      },
    });
    this.panel.append(h("div.toolbar.slim", null, h("p.hint", null, touch.matches
      ? "Touch faces to choose them." : "Choose faces by a click, with Shift, or by dragging a rectangle.",
      h("span", {title: CONFIDENCE}, " Per cent: how much nearer a face is to this person than to anybody else.")),
      sorting([["unsure", "least sure"], ["date", "date"], ["best", "most typical"]], this.sort, sort => {
        this.sort = sort;
        this.grid.reset();
      })));
    this.grid.attach(this.panel, this.root);
  }

  openPhotos() {
    const id = encodeURIComponent(this.id);
    this.grid = new Grid({
      label: `Photos with ${called(this.person)}`, min: 280, minPhone: 300, ratio: 0.75, extra: 34, choosable: false,
      load: async (offset, limit) => {
        const found = await call(`/api/person/${id}/photos?${query({offset, limit})}`);
        return {...found, items: found.photos};
      },
      make: cell => cell.append(h("a.photo", {tabIndex: -1}, h("div.stage", null, img(), h("div.boxes"))), h("span.counts")),
      fill: (cell, photo) => fillPhoto(cell, photo, this.id),
      text: photo => [photo.name, day(photo.date), many(photo.faces, "face")].filter(Boolean).join(", "),
      open: photo => go(`#/photo/${photo.id}`), counted: () => this.backTo?.(),
    });
    this.grid.attach(this.panel, this.root);
  }

  openSaid() {
    const said = [...(this.person.history ?? [])].reverse();
    this.panel.append(said.length ? h("ol.said", null, said.map(one => h("li", null,
      h("div", null, h("span", {dir: "auto"}, one.said), h("small", null, moment(one.time))),
      one.holds ? button("Undo", "undo", () => undo([one.id]), {kind: "quiet"}) : h("span.flag", null, "taken back"))))
      : empty("history", "Nothing was decided here yet", 
        "Names, merges and moves of this person are told here, and can be taken back."));
  }

  act() {
    const n = this.grid?.chosen.size;
    this.actions.show(this.grid, ["face"], () => [
      button("Somebody else", "split", () => this.does("e"), {kind: "primary", key: "e", title: "They are somebody else"}),
      button("Move to…", "move", () => this.does("m"), {key: "m"}),
      button("Nobody", "nobody", () => this.does("x"), {key: "x", title: "They are nobody's"}),
      button("Not a face", "none", () => this.does("f"), {key: "f"}),
      n === 1 && button("Cover", "cover", () => this.does("c"), {key: "c", title: "Make it the cover"}),
      n === 1 && button("Photo", "photo", () => this.does("o"), {key: "o", title: "Open the photo"}),
    ].filter(Boolean));
  }

  async does(key) {
    const faces = ids(this.grid), {grid} = this;
    const acts = {
      e: () => attempt(() => decide({do: "split", person: this.id, faces})),
      m: () => moveFaces(faces, faces.length === 1 ? "Who is this?" : "Who are they?", {without: [this.id]}),
      x: () => attempt(() => decide({do: "move", faces, to: "nobody"})),
      f: () => attempt(() => decide({do: "not_a_person", what: faces})),
      c: () => attempt(() => decide({do: "cover", face: faces[0]})),
      o: () => go(`#/photo/${faces[0]}`),
    };
    if (await acts[key]()) grid.clear();
  }

  say(act) { return attempt(() => decide(act)); }

  edit() {
    const slot = this.head.querySelector(".name");
    if (slot && !slot.hidden) {
      editName(this.person, slot, {over: withFocus => {
        this.draw();
        if (withFocus) this.head.querySelector(".name").focus();
      }});
    }
  }

  async merge() {
    const who = await whoDialog(`Who is ${called(this.person)}?`, "Both become one person.",
      {action: "Merge", without: [this.id]});
    if (!who) return;
    if (who.id) await this.say({do: "merge", people: [who.id, this.id]});
    else await attempt(() => rename(this.person, who.name));
  }

  key(event) {
    if (event.key === "F2") { this.edit(); return true; }
    if (this.tab !== "faces" || !this.grid?.chosen.size) return false;
    if (event.key === "Escape") { this.grid.clear(); return true; }
    if (!"emxfco".includes(event.key) || "co".includes(event.key) && this.grid.chosen.size !== 1) return false;
    this.does(event.key);
    return true;
  }

  applied(done) {
    if (done.gone?.includes(this.id)) {
      const heir = done.changed?.[0];
      return go(heir ? `#/person/${heir.id}` : "#/people", true);
    }
    const changed = done.changed?.find(one => one.id === this.id);
    if (changed && this.person) {
      Object.assign(this.person, changed);
      this.draw();
    }
    this.refresh();
  }

  async refresh() {
    if (this.isGone) { // an undo may have brought them back
      this.root.replaceChildren();
      return this.show(this.root, this.id);
    }
    photos.clear();
    this.grid?.refresh();
    if (!this.person || !await this.read()) return;
    if (this.tab === "said") this.open("said");
  }

  leave() {
    this.scroll = scrollY;
    this.over();
  }
}

/** What is known of photos, so that scrolling back asks nothing. */
const photos = new Map();
function readPhoto(id) {
  if (!photos.has(id)) photos.set(id, call(`/api/photo/${encodeURIComponent(id)}`));
  return photos.get(id);
}

/** A small photo with all its faces boxed and named, that of `person` brighter. */
async function fillPhoto(cell, item, person) {
  const stage = cell.querySelector(".stage"), counts = cell.querySelector(".counts");
  cell.querySelector("a").href = `#/photo/${item.id}`;
  counts.textContent = [item.video && "▶", item.name, day(item.date)].filter(Boolean).join(" · ");
  counts.title = counts.textContent;
  const boxes = stage.querySelector(".boxes");
  if (stage.dataset.photo !== item.id) boxes.replaceChildren();
  stage.dataset.photo = item.id;
  const photo = await readPhoto(item.id).catch(() => null);
  if (stage.dataset.photo !== item.id) return;
  if (photo) style(stage, {"--ratio": photo.width / photo.height});
  picture(stage.querySelector("img"), `/photo/${encodeURIComponent(item.id)}?w=640`);
  boxes.replaceChildren(...(photo?.boxes ?? []).map(box => placed(h(box.person === person ? "span.box.this" : "span.box", null,
    h("span.label", {dir: "auto"}, box.name ?? (box.person ? "no name" : ""))), box, photo)));
}

/** Put a box where the face is, at any size of the picture. */
function placed(element, box, photo) {
  element.classList.toggle("at-left", box.left < 0.06 * photo.width); // its name would be cut off
  element.classList.toggle("at-right", box.right > 0.94 * photo.width);
  return style(element, {left: `${100 * box.left / photo.width}%`, top: `${100 * box.top / photo.height}%`,
    width: `${100 * (box.right - box.left) / photo.width}%`, height: `${100 * (box.bottom - box.top) / photo.height}%`});
}

const HOW_TO_BEGIN = touch.matches ? "Touch “Draw a face”, and then drag round a face that was missed."
  : "Drag on the photo to draw a box round a face that was missed.";
const HOW_TO_DRAW = "Drag round the face. Or move the box with the arrows, size it with Shift and arrows, "
  + "and take it with Enter.";

const NO_DRAWING = "A face can be drawn in a photo, not in a video or on a later page.";

/** One photo, page or frame: boxes with names; a box can be drawn. */
class PhotoView {
  title = "A photo";

  show(root, id) {
    this.id = id;
    this.root = root;
    this.chosen = null;
    this.photo = null;
    this.stage = h("div.stage.large", {onpointerdown: event => this.pressed(event),
      ondragstart: event => event.preventDefault()});
    this.side = h("aside.side", {"aria-label": "Faces of this photo"});
    this.head = h("div.toolbar.slim");
    root.append(h("a.back", {href: "#/photos", onclick: event => {
      if (history.length < 2) return;
      event.preventDefault();
      history.back();
    }}, icon("back"), "Back"), this.head, h("div.looking", null, h("div.frame", null, this.stage), this.side));
    $("actions-place").replaceChildren();
    this.refresh();
  }

  async refresh() {
    photos.delete(this.id);
    const id = this.id;
    try {
      const photo = await readPhoto(id);
      if (view !== this || id !== this.id) return;
      this.photo = photo;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      photos.delete(id);
      return this.root.replaceChildren(empty("photo", "This photo is not here any more", error.message,
        h("a.button", {href: "#/photos"}, "All photos")));
    }
    this.draw();
  }

  draw() {
    const {photo} = this;
    this.title = photo.name;
    titled();
    if (!this.stage.firstChild) {
      style(this.stage, {"--ratio": photo.width / photo.height});
      this.layer = h("div.boxes");
      this.stage.append(img(`/photo/${encodeURIComponent(this.id)}?w=1600`, `The photo ${photo.name}`), this.layer);
      this.draws = button("Draw a face", "draw", () => this.startDrawing(),
        {kind: "quiet", key: "d", title: "Draw a box round a face that was missed"});
      this.draws.setAttribute("aria-pressed", "false");
      this.draws.hidden = !photo.draws;
      this.head.append(h("div.titles", null, h("h1", {dir: "auto", title: photo.path}, photo.name),
        h("p", null, [photo.where, day(photo.date), `${photo.width} × ${photo.height}`].filter(Boolean).join(" · "))), this.draws);
    }
    const focused = document.activeElement?.closest?.(".box")?.dataset.face;
    if (!photo.boxes.some(box => box.face === this.chosen)) this.chosen = null;
    this.layer.replaceChildren(...photo.boxes.map(box => this.box(box)));
    if (focused) this.boxOf(focused)?.focus();
    this.drawSide();
  }

  box(box) {
    const text = box.name ?? (box.person ? "no name" : "nobody");
    const made = h(box.person ? "button.box" : "button.box.nobody", {type: "button", "data-face": box.face,
      "aria-pressed": String(box.face === this.chosen), "aria-label": `Face: ${this.who(box)}`,
      onclick: () => { if (!this.wasDrawn) this.choose(box.face); }}, h("span.label", {dir: "auto"}, text));
    return placed(made, box, this.photo);
  }

  who(box) { return box.name ?? (box.person ? "somebody without a name" : `nobody${box.reason ? `, ${box.reason}` : ""}`); }

  boxOf(face) { return [...this.layer.children].find(one => one.dataset.face === face); }

  choose(face) {
    this.chosen = this.chosen === face ? null : face;
    for (const one of this.layer.children) one.setAttribute("aria-pressed", String(one.dataset.face === this.chosen));
    this.drawSide();
    this.side.querySelector(".chosen")?.scrollIntoView({block: "nearest"});
  }

  drawSide() {
    if (this.side.querySelector("input") === document.activeElement && document.activeElement?.value) return; // who types
    const {photo} = this;
    const focused = this.side.contains(document.activeElement) ? document.activeElement.closest("li")?.dataset.face : null;
    this.side.replaceChildren(h("h2", null, photo.boxes.length ? many(photo.boxes.length, "face") : "No faces were found"),
      h("ul", null, photo.boxes.map(box => this.entry(box))),
      photo.others.length ? h("p.hint", null, "Other faces: ", photo.others.map(one =>
        h("a", {href: `#/photo/${one.id}`, title: one.names}, one.where)).flatMap((link, i) => i ? [", ", link] : [link])) : "",
      this.how ??= h("p.hint", {role: "status"}, photo.draws ? HOW_TO_BEGIN : NO_DRAWING));
    if (focused) [...this.side.querySelectorAll("li")].find(one => one.dataset.face === focused)?.firstChild.focus();
  }

  entry(box) {
    const isChosen = box.face === this.chosen;
    const light = isLit => this.boxOf(box.face)?.classList.toggle("lit", isLit);
    const told = box.person ? certain(box) : box.reason ?? "";
    const entry = h("li", {className: isChosen ? "chosen" : "", "data-face": box.face},
      h("button.face", {type: "button", "aria-expanded": String(isChosen), onclick: () => this.choose(box.face),
        onpointerenter: () => light(true), onpointerleave: () => light(false)},
      img(faceAt(box.face, 48), "", {className: "cover"}),
      h("span", null, h("strong", {dir: "auto"}, box.name ?? (box.person ? "No name yet" : "Nobody")), h("small", {title: box.person && told ? CONFIDENCE : null}, told))));
    if (!isChosen) return entry;
    const field = new NameField({label: "Who is this?", placeholder: box.person ? "Is somebody else…" : "Who is this?",
      without: box.person ? [box.person] : [], done: who => this.move(box, who)});
    const act = sent => attempt(() => decide(sent));
    entry.append(h("div.does", null, field.element, h("div.buttons", null,
      box.person && h("a.button", {href: `#/person/${box.person}`}, icon("people"), "Open"),
      box.person && button("Cover", "cover", () => act({do: "cover", face: box.face})),
      box.person && button("Nobody", "nobody", () => act({do: "move", faces: [box.face], to: "nobody"})),
      button("Not a face", "none", () => act({do: "not_a_person", what: [box.face]}), {key: "f"}))));
    return entry;
  }

  move(box, {name, id}) {
    document.activeElement?.blur();
    const faces = [box.face];
    return attempt(() => decide(id ? {do: "move", faces, to: id} : {do: "make", name, faces}));
  }

  // ---- drawing

  /** The box as the photo has it, in upright pixels, and put inside of it. */
  cut([left, top, right, bottom]) {
    const {width, height} = this.photo;
    const fit = (value, most) => Math.round(Math.max(0, Math.min(most, value)));
    return [fit(left, width), fit(top, height), fit(right, width), fit(bottom, height)];
  }

  at(event) {
    const seen = this.stage.getBoundingClientRect();
    const {width, height} = this.photo;
    return [(event.clientX - seen.left) / seen.width * width, (event.clientY - seen.top) / seen.height * height];
  }

  pressed(event) {
    this.wasDrawn = false;
    const isWaiting = this.stage.classList.contains("drawing");
    if (!this.photo?.draws || event.button !== 0 || event.pointerType === "touch" && !isWaiting || this.isAsking) return;
    const start = this.at(event), before = [event.clientX, event.clientY];
    const move = moved => {
      if (!this.wasDrawn && Math.hypot(moved.clientX - before[0], moved.clientY - before[1]) < 6) return;
      this.wasDrawn = true;
      const [[x, y], [u, v]] = [start, this.at(moved)];
      this.showDrawn([Math.min(x, u), Math.min(y, v), Math.max(x, u), Math.max(y, v)]);
    };
    const end = ended => {
      for (const [type, heard] of hears) removeEventListener(type, heard);
      if (ended.type === "pointercancel") return this.stopDrawing();
      if (this.wasDrawn) this.take();
    };
    const hears = [["pointermove", move], ["pointerup", end], ["pointercancel", end]];
    for (const [type, heard] of hears) addEventListener(type, heard);
  }

  showDrawn(box) {
    this.drawn = this.cut(box);
    this.frame ??= h("div.box.drawn", {tabIndex: -1, role: "group", "aria-label": HOW_TO_DRAW});
    if (!this.frame.isConnected) this.stage.append(this.frame);
    const [left, top, right, bottom] = this.drawn;
    placed(this.frame, {left, top, right, bottom}, this.photo);
  }

  /** Draw with the keys: a box in the middle, which arrows move and size. A finger draws from here on, too. */
  startDrawing() {
    if (!this.photo.draws) return toast(NO_DRAWING, {bad: true});
    if (this.stage.classList.contains("drawing")) return this.stopDrawing();
    this.stage.classList.add("drawing");
    this.draws.setAttribute("aria-pressed", "true");
    const {width, height} = this.photo, side = Math.min(width, height) / 4;
    this.showDrawn([width / 2 - side / 2, height / 2 - side / 2, width / 2 + side / 2, height / 2 + side / 2]);
    this.frame.focus({preventScroll: true});
    this.how.textContent = HOW_TO_DRAW;
  }

  stopDrawing() {
    this.stage.classList.remove("drawing");
    this.draws?.setAttribute("aria-pressed", "false");
    if (document.activeElement === this.frame) this.draws.focus({preventScroll: true});
    this.frame?.remove();
    this.drawn = null;
    if (this.how && this.photo.draws) this.how.textContent = HOW_TO_BEGIN;
  }

  async take() {
    const box = this.drawn;
    if (!box || Math.min(box[2] - box[0], box[3] - box[1]) < 8) return this.stopDrawing();
    this.isAsking = true;
    const who = await dialog("Who is this?", answer => {
      const field = new NameField({label: "Name", done: answer}); // not eager: its list would cover the answers below
      return [h("p", null, "The face is looked for in the box, and belongs to whom you say."),
        h("div.row", null, field.element, h("button.primary", {type: "button", onclick: () => field.commit()}, "Save"))];
    }, [["Not what I meant", null], ["Nobody I know", {name: null, id: null}]]);
    this.isAsking = false;
    if (who) {
      this.stage.classList.add("waiting");
      await attempt(() => decide({do: "draw", photo: this.photo.id, box, person: who.id ?? who.name}));
      this.stage.classList.remove("waiting");
    }
    this.stopDrawing();
  }

  key(event) {
    if (event.key === "d" && this.photo) { this.startDrawing(); return true; }
    if (this.drawn && !this.isAsking) return this.drawKey(event);
    if (event.key === "f" && this.chosen) {
      attempt(() => decide({do: "not_a_person", what: [this.chosen]}));
      return true;
    }
    if (event.key === "Escape" && this.chosen) { this.choose(this.chosen); return true; }
    return false;
  }

  drawKey(event) {
    if (event.key === "Escape") { this.stopDrawing(); return true; }
    if (event.key === "Enter" && event.target === this.frame) { this.take(); return true; }
    const way = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key];
    if (!way) return false;
    const [x, y] = way.map(one => one * Math.max(1, Math.min(this.photo.width, this.photo.height) / 50));
    const [left, top, right, bottom] = this.drawn;
    this.showDrawn(event.shiftKey ? [left, top, Math.max(left + 8, right + x), Math.max(top + 8, bottom + y)]
      : [left + x, top + y, right + x, bottom + y]);
    return true;
  }

  applied() {
    photos.clear();
    this.refresh();
  }

  leave() { this.stopDrawing(); }
}

/** The queue: a card at a time, the next one ready. */
class QuestionsView {
  title = "Questions";
  queue = [];
  current = null;
  answered = new Set();
  past = []; // what was answered here, for u: {question, decisions}, their ids as they are promised
  read = false;

  show(root) {
    this.root = root;
    this.bar = h("progress", {max: 1, value: 0, "aria-label": "Questions that are answered"});
    this.left = h("p.left", {role: "status"});
    this.place = h("div.question-place");
    this.said = h("p.last-said", {role: "status", dir: "auto"});
    root.append(h("h1.sr", null, "Questions"), h("div.progress", null, this.bar, this.left), this.place, this.said);
    $("actions-place").replaceChildren();
    this.draw();
    this.refresh();
  }

  async refresh() {
    const found = await attempt(() => call("/api/questions?number=12"));
    if (!found || view !== this || found.version < library.version) return; // of before: another one is on its way
    this.take(found);
  }

  /** Take the queue as it is now. The card that somebody looks at stays, as long as it can be asked. */
  take(found) {
    this.queue = found.questions.filter(one => !this.answered.has(one.id));
    const isPending = this.waiting > 0;
    const again = this.current && this.queue.find(one => one.id === this.current.id);
    const stays = this.current && (again || isPending || found.left > found.questions.length);
    if (!stays) this.current = this.queue[0] ?? null;
    this.queue = this.queue.filter(one => one.id !== this.current?.id);
    this.counts = found;
    this.read = true;
    this.draw();
    this.prepare();
  }

  /** Have the pictures of the next cards loaded before they are asked for. */
  prepare() {
    for (const one of this.queue.slice(0, 3)) {
      for (const side of [one.left, one.right].filter(Boolean)) {
        side.faces.slice(0, 5).forEach((face, i) => { new Image().src = this.address(face, i, one); });
      }
    }
  }

  /** The first face of two sides is large, and so is one that is alone. */
  address(face, i, question) {
    const isLarge = question.right ? i === 0 : question.left.faces.length === 1;
    return faceAt(face, isLarge ? 320 : question.right ? 72 : 150);
  }

  draw() {
    this.drawBar();
    const question = this.current;
    if (question && this.place.dataset.question === question.id) return; // nothing is drawn under who types
    this.place.dataset.question = question?.id ?? "";
    if (!question) {
      return this.place.replaceChildren(this.read && !this.waiting ? empty("check", "Nothing is left to ask",
        "Every question that is worth one was answered. New photos bring new ones.",
        h("a.button", {href: "#/people"}, "All people")) : "");
    }
    this.place.replaceChildren(h("article.question", {"aria-labelledby": "question"},
      h("header", null, h("h2", {id: "question", tabIndex: -1}, question.text), h("p", null, question.why)),
      h("div", {className: question.right ? "sides" : "sides one"}, this.side(question.left, question),
        question.right && this.side(question.right, question)),
      question.kind === "who" ? this.who(question) : this.yesNo()));
    const focused = document.activeElement;
    if (focused === document.body || this.root.contains(focused)) $("question").focus({preventScroll: true});
  }

  drawBar() {
    const counts = this.counts;
    if (!counts) return;
    const left = Math.max(0, counts.left - (this.waiting ?? 0)), whole = counts.worth_done + counts.worth_left;
    this.bar.value = whole > 0 ? counts.worth_done / whole : 1;
    const worth = Math.round(counts.worth_left), done = Math.round(counts.worth_done);
    this.left.replaceChildren(h("strong", null, left ? `${many(left, "question")} left` : "No questions left"),
      h("span", null, left ? `worth about ${many(worth, "face")}` : ""),
      done ? h("span", null, `${many(done, "face")} done`) : "");
    $("n-questions").textContent = numbers.format(left);
  }

  side(side, question) {
    const name = side.person ? h("a", {href: `#/person/${side.person}`, dir: "auto"}, side.name ?? "Without a name")
      : h("span", {dir: "auto"}, side.name ?? (side.n_faces > 1 ? "These faces" : "This face"));
    const shown = question.right ? side.faces.slice(0, 5) : side.faces;
    return h(`figure.side-of${question.right ? "" : ".spread"}${shown.length === 1 ? ".single" : ""}`, null,
      h("div.faces", null, shown.map((face, i) => framed(h("a", {href: `#/photo/${face}`, title: "Open the photo"},
        img(this.address(face, i, question), i ? "" : `Face of ${side.name ?? "somebody"}`, {className: "cover"}),
        i ? h("span.sr", null, "Another face") : ""), face))),
      h("figcaption", null, name, h("small", null, many(side.n_faces, "face"))));
  }

  yesNo() {
    return h("div.answers", null, this.button("Yes", "y", "yes"), this.button("No", "n", "no"),
      this.button("Not sure", "s", "unsure"), this.undoButton());
  }

  who(question) {
    this.field = new NameField({label: question.text, placeholder: "Type a name", done: who => this.name(question, who),
      cancel: () => $("question").focus()});
    this.proposed = [];
    const row = h("div.row", {hidden: true});
    this.propose(question, row);
    return h("div.answers.who", null, row,
      h("div.row", null, this.field.element, h("button.primary", {type: "button", onclick: () => this.field.commit()}, "Save")),
      h("div.row", null, this.button("Nobody I know", "n", "nobody"), this.button("Not sure", "s", "unsure"), this.undoButton()));
  }

  /** Offer the names that files of other programs give: they are read now, and nobody waits for it. */
  async propose(question, row) {
    const {names = []} = await call(`/api/proposed?${query({question: question.id})}`).catch(() => ({}));
    if (this.current !== question) return;
    this.proposed = names;
    row.hidden = !names.length;
    row.replaceChildren(...names.map((one, i) => h("button.answer", {type: "button", "aria-keyshortcuts": i ? null : "a",
      title: [many(one.n_faces, "face"), ...one.files].join(", "), onclick: () => this.name(question, one)},
    h("span", {dir: "auto"}, one.name), h("small", null, `in ${one.by}`), i ? "" : h("kbd", {"aria-hidden": "true"}, "a"))));
  }

  /** Whoever types the whole name of somebody is asked whether both are one; who picks it from the list has seen them. */
  async name(question, {name, id, isPicked}) {
    if (id && !isPicked && question.left.person) {
      const [one] = (await call(`/api/names?${query({q: name, limit: 1})}`).catch(() => ({names: []}))).names;
      const same = one && await bothOne(one, {...question.left, cover: question.left.faces[0]}, name);
      if (same === "again") return this.field.input.focus();
      if (same === null) return null;
    }
    return this.answer("name", name);
  }

  button(text, key, reply) {
    return h(reply === "yes" ? "button.answer.primary" : "button.answer", {type: "button", "aria-keyshortcuts": key,
      onclick: () => this.answer(reply)}, text, h("kbd", {"aria-hidden": "true"}, key));
  }

  undoButton() {
    return h("button.answer.quiet", {type: "button", "aria-keyshortcuts": "u", disabled: !library.undo,
      onclick: () => this.back()}, "Undo", h("kbd", {"aria-hidden": "true"}, "u"));
  }

  /** Take an answer: the next card shows at once, and the decision is made meanwhile. */
  async answer(reply, name = null) {
    const question = this.current;
    if (!question) return;
    this.answered.add(question.id);
    this.current = this.queue.shift() ?? null;
    this.waiting = (this.waiting ?? 0) + 1;
    this.draw();
    const sent = {question: question.id, reply, n_faces: question.left.n_faces, ...(name ? {name} : {})};
    const decided = attempt(() => decide(sent, {address: "/api/answer", quiet: true}).catch(error => {
      const now = error.record?.question ?? question; // of more faces than were shown
      if (error.status !== 400 && error.status !== 404) this.again(question, now); // else it cannot be asked any more
      throw error;
    }));
    this.past.push({question, decisions: decided.then(made => made?.decisions)});
    const done = await decided;
    this.waiting -= 1;
    this.said.textContent = done?.said ?? "";
    const gone = new Set(done?.gone ?? []);
    const isGone = one => [one?.left, one?.right].some(side => side?.person && gone.has(side.person));
    this.queue = this.queue.filter(one => !isGone(one));
    if (isGone(this.current)) this.current = this.queue.shift() ?? null;
    if (view === this) this.refresh();
  }

  /** Ask a question again, now, as it is now. */
  again(question, now = question) {
    this.answered.delete(question.id);
    this.past = this.past.filter(one => one.question !== question);
    if (this.current) this.queue.unshift(this.current);
    this.current = now;
    if (view === this) this.draw();
  }

  /** Take the last answer back, and ask again; where nothing was answered here, take back what was decided last. */
  async back() {
    const {question, decisions = null} = this.past.pop() ?? {};
    const ids = await decisions;
    if (!ids?.length && !library.undo) return;
    const done = await undo(ids);
    this.said.textContent = "";
    if (done && ids?.length) this.again(question);
  }

  key(event) {
    const isWho = this.current?.kind === "who";
    if (event.key === "u") { this.back(); return true; }
    if (!this.current) return false;
    if (event.key === "y" && isWho) this.field.input.focus();
    else if (event.key === "a" && isWho && this.proposed[0]) this.name(this.current, this.proposed[0]);
    else if (event.key === "y") this.answer("yes");
    else if (event.key === "n") this.answer(isWho ? "nobody" : "no");
    else if (event.key === "s") this.answer("unsure");
    else return false;
    return true;
  }

  applied() {
    for (const one of this.place.querySelectorAll("[aria-keyshortcuts=u]")) one.disabled = !library.undo;
    if (!this.waiting) this.refresh();
  }

  leave() { delete this.place.dataset.question; }
}

/** Faces of nobody: those that are alike together. */
class NobodyView {
  title = "Nobody";
  scroll = 0;

  constructor() {
    this.grid = new Grid({
      label: "Faces of nobody, those that are alike together", min: 158, minPhone: 100, extra: 60,
      load: (offset, limit) => this.load(offset, limit),
      make: cell => cell.append(h("a.mosaic", {tabIndex: -1, draggable: false}), h("strong.name"), h("span.counts")),
      fill: (cell, group, width) => this.fill(cell, group, width),
      text: group => `${many(group.n_faces, "face")}, ${group.why}`,
      open: group => go(`#/nobody/${group.id}`), onChoose: () => this.act(), counted: total => this.counted(total),
      failed: error => toast(error.message, {bad: true}),
    });
    this.actions = new Actions("What is done with the faces that are chosen");
  }

  async load(offset, limit) {
    const found = await call(`/api/nobody?${query({offset, limit})}`);
    this.found = found;
    return {...found, items: found.groups};
  }

  fill(cell, group, width) {
    const [link, name, counts] = cell.children;
    link.href = `#/nobody/${group.id}`;
    link.setAttribute("aria-label", many(group.n_faces, "face"));
    const shown = group.faces.length > 1 ? group.faces.slice(0, 4) : group.faces;
    while (link.children.length > shown.length) link.lastChild.remove();
    while (link.children.length < shown.length) link.append(img(null, "", {className: "cover"}));
    link.dataset.n = shown.length;
    shown.forEach((face, i) => picture(link.children[i], faceAt(face, shown.length > 1 ? width / 2 : width)));
    name.textContent = group.n_faces === 1 ? "One face" : many(group.n_faces, "face");
    counts.textContent = lacks(group);
    counts.title = group.why;
  }

  show(root) {
    this.count = h("span.count", {role: "status"});
    this.reasons = h("ul.reasons", {"aria-label": "Why faces are nobody's"});
    this.none = h("div");
    root.append(h("div.toolbar", null, h("h1", null, "Nobody ", this.count)),
      h("p.hint", null, "Faces of nobody; those that are alike stand together, the most promising first."),
      this.reasons, this.none);
    this.actions.attach();
    this.grid.attach(root, root);
    if (this.grid.total !== null) this.counted(this.grid.total);
    scrollTo(0, this.scroll);
    this.act();
  }

  counted(total) {
    const {reasons = [], searching = false} = this.found ?? {};
    this.count.textContent = total ? many(total, "group") : "";
    this.reasons.replaceChildren(...reasons.map(one => h("li", null, h("b", null, numbers.format(one.n)), ` ${one.text}`)));
    this.none.replaceChildren(total ? "" : searching
      ? empty("search", "Looking for faces that are alike…", "This takes a moment in a large library.")
      : empty("check", "Every face is somebody's", "There is no face of nobody."));
    if (searching) setTimeout(() => { if (view === this) this.refresh(); }, 700);
  }

  act() {
    this.actions.show(this.grid, ["group"], () => [
      button("Make a person…", "add", () => this.does("p"), {kind: "primary", key: "p"}),
      button("Nobody I know", "none", () => this.does("x"), {key: "x"}),
    ]);
  }

  async does(key) {
    const groups = ids(this.grid);
    const done = key === "p" ? await moveFaces(groups, "Who is this?", {action: "Make a person"})
      : await attempt(() => decide({do: "not_a_person", what: groups}));
    if (done) this.grid.clear();
  }

  key(event) {
    if (!this.grid.chosen.size) return false;
    if (event.key === "Escape") this.grid.clear();
    else if ("pfx".includes(event.key)) this.does(event.key);
    else return false;
    return true;
  }

  applied() { this.grid.refresh(); }

  refresh() { this.grid.refresh(); }

  leave() {
    this.scroll = scrollY;
    this.grid.detach();
  }
}

/** One group of faces of nobody. */
class GroupView {
  title = "Faces of nobody";

  show(root, id) {
    this.id = id;
    this.root = root;
    this.why = h("p.hint");
    this.count = h("span.count");
    this.grid = faceGrid({
      label: "Faces of nobody that are alike", extra: 44, onChoose: () => this.act(),
      load: async () => {
        const group = await call(`/api/nobody/${encodeURIComponent(id)}`);
        this.why.textContent = group.why;
        this.count.textContent = many(group.faces.length, "face");
        return {version: group.version ?? 0, total: group.faces.length, items: group.faces};
      },
      failed: error => this.gone(error),
    });
    this.grid.box.classList.add("wrapped");
    this.actions = new Actions("What is done with the faces that are chosen");
    root.append(h("a.back", {href: "#/nobody"}, icon("back"), "Nobody"),
      h("div.toolbar", null, h("h1", null, "Faces of nobody ", this.count),
        button("Make a person of all…", "add", () => this.make(null), {kind: "primary"})), this.why);
    this.actions.attach();
    this.grid.attach(root, root);
  }

  gone(error) {
    this.grid.detach();
    this.root.replaceChildren(error.status === 404 ? empty("nobody", "This group is not here any more",
      "Its faces belong to somebody now, or stand in another group.", h("a.button", {href: "#/nobody"}, "All faces of nobody"))
      : empty("none", "That did not work", error.message));
  }

  act() {
    this.actions.show(this.grid, ["face"], () => [
      button("Make a person…", "add", () => this.make(ids(this.grid)), {kind: "primary", key: "p"}),
      button("Not a face", "none", () => this.not(), {key: "f"}),
      this.grid.chosen.size === 1 && button("Photo", "photo", () => this.open(), {key: "o"}),
    ].filter(Boolean));
  }

  async make(faces) {
    const all = faces ?? this.grid.pages.get(0)?.items.map(face => face.id) ?? [];
    const done = await moveFaces(all, "Who is this?", {action: "Make a person"});
    const made = done?.changed?.[0];
    if (made) go(`#/person/${made.id}`);
  }

  open() { go(`#/photo/${ids(this.grid)[0]}`); }

  async not() {
    if (await attempt(() => decide({do: "not_a_person", what: ids(this.grid)}))) this.grid.clear();
  }

  key(event) {
    if (!this.grid.chosen.size) return false;
    if (event.key === "Escape") this.grid.clear();
    else if (event.key === "p") this.make(ids(this.grid));
    else if (event.key === "f" || event.key === "x") this.not();
    else if (event.key === "o" && this.grid.chosen.size === 1) this.open();
    else return false;
    return true;
  }

  applied() { this.grid.refresh(); }

  refresh() { this.grid.refresh(); }

  leave() { this.grid.detach(); }
}

const ALL_PHOTOS = {sort: "newest", only: "all", query: ""};

/** All photos, those in which no face was found too. */
class PhotosView {
  title = "Photos";
  choices = ALL_PHOTOS;
  scroll = 0;

  constructor() {
    this.grid = new Grid({
      label: "Photos", min: 200, minPhone: 150, ratio: 0.75, extra: 54, choosable: false,
      load: async (offset, limit) => {
        this.found = await call(`/api/photos?${query({...this.choices, offset, limit})}`);
        return {...this.found, items: this.found.photos};
      },
      make: cell => cell.append(h("a.photo", {tabIndex: -1, draggable: false}, img(null, "", {className: "whole"})),
        h("strong.name", {dir: "auto"}), h("span.counts")),
      fill: (cell, photo, width) => this.fill(cell, photo, width),
      text: photo => [photo.name, photo.folder, day(photo.date), this.faces(photo)].filter(Boolean).join(", "),
      open: photo => go(`#/photo/${photo.id}`), counted: total => this.counted(total),
      failed: error => toast(error.message, {bad: true}),
    });
  }

  faces(photo) {
    return (photo.video ? "video, " : "") + (photo.faces ? many(photo.faces, "face") : "no face") + (photo.nobody ? ", of nobody too" : "");
  }

  fill(cell, photo, width) {
    const [link, name, counts] = cell.children;
    link.href = `#/photo/${photo.id}`;
    const size = width * Math.min(devicePixelRatio || 1, 2) > 340 ? 640 : 320;
    picture(link.firstChild, `/photo/${encodeURIComponent(photo.id)}?w=${size}`, photo.name);
    name.textContent = photo.name;
    const where = this.choices.sort === "folder" || this.choices.query ? photo.folder : day(photo.date);
    counts.textContent = [photo.video && "▶ Video", photo.faces ? many(photo.faces, "face") : "No face", where].filter(Boolean).join(" · ");
    cell.title = [photo.folder, photo.name].filter(Boolean).join("/");
  }

  /** Who comes back finds the choices as they were; who goes to Photos from Photos begins anew. */
  show(root, _, parameters, wasHere) {
    const before = wasHere || [...parameters].length ? ALL_PHOTOS : this.choices;
    const choices = Object.fromEntries(Object.keys(before).map(key => [key, parameters.get(key) ?? before[key]]));
    const isOther = query(choices) !== query(this.choices);
    this.choices = choices;
    this.tell();
    this.count = h("span.count", {role: "status"});
    this.none = h("div");
    root.append(h("div.toolbar", null, h("h1", null, "Photos ", this.count),
      choice("Show", [["all", "All"], ["none", "Without a face"], ["nobody", phone.matches ? "Of nobody"
        : "With a face of nobody"]], choices.only, only => this.choose({only})),
      sorting([["newest", "newest"], ["oldest", "oldest"], ["name", "file name"], ["folder", "folder"]], choices.sort,
        sort => this.choose({sort}))), this.none);
    $("search").value = choices.query;
    if (isOther) this.grid.reset();
    this.grid.attach(root, root);
    if (this.grid.total !== null) this.counted(this.grid.total);
    scrollTo(0, isOther ? 0 : this.scroll);
  }

  choose(choices) {
    this.choices = {...this.choices, ...choices};
    this.tell();
    scrollTo(0, 0);
    return this.grid.reset();
  }

  /** Have the address say what is shown. */
  tell() {
    const others = Object.entries(this.choices).filter(([key, value]) => value !== ALL_PHOTOS[key]);
    history.replaceState(null, "", others.length ? `#/photos?${query(Object.fromEntries(others))}` : "#/photos");
  }

  counted(total) {
    const {searching} = this.found ?? {}, {only, query: text} = this.choices;
    this.count.textContent = searching ? "" : numbers.format(total);
    const none = {
      all: ["photo", "There are no photos yet", "Type facecluster run PHOTOS -o LIBRARY to look for faces in some."],
      none: ["check", "Every photo has a face", "There is no photo in which nobody was found."],
      nobody: ["check", "Every face is somebody's", "There is no photo with a face of nobody."],
    };
    const [name, title, why] = searching ? ["search", "Looking for the photos…", "This takes a moment in a large library."]
      : text ? ["search", "No photo is called so", `No folder and file has “${text}” in its name.`] : none[only];
    this.none.replaceChildren(total ? "" : empty(name, title, why));
    if (searching) setTimeout(() => { if (view === this) this.refresh(); }, 300);
  }

  applied() { this.refresh(); }

  refresh() { this.grid.refresh(); }

  leave() {
    this.scroll = scrollY;
    this.grid.detach();
  }
}

/** All decisions, the last first. */
class HistoryView {
  title = "History";
  scroll = 0;
  of = null; // the id of an import, all of whose decisions are shown

  constructor() {
    this.grid = new Grid({
      label: "Decisions, the last first", min: "all", extra: 68, choosable: false,
      load: async (offset, limit) => {
        const found = await call(`/api/history?${query({offset, limit, of: this.of})}`);
        return {...found, total: found.total ?? offset + found.decisions.length + (found.decisions.length === limit ? 1 : 0),
          items: found.decisions};
      },
      make: cell => cell.append(h("div.said-of", null, h("span", {dir: "auto"}), h("small")), h("span.flag"),
        h("button.quiet.own", {type: "button", onclick: () => undo([cell.item.id])}, icon("undo"), h("span", null, "Undo"))),
      fill: (cell, one) => {
        const [said, flag, taken] = cell.children;
        said.firstChild.textContent = one.said;
        said.lastChild.replaceChildren(moment(one.time),
          one.n > 1 ? h("a.own", {href: `#/history/${one.id}`}, ` · all ${one.n}`) : "");
        flag.textContent = one.holds ? "" : one.undone ? "taken back" : "overruled";
        taken.hidden = !one.holds;
        taken.setAttribute("aria-label", `Undo: ${one.said}`);
        cell.classList.toggle("undone", !one.holds);
      },
      text: one => [one.said, moment(one.time), one.holds ? "" : "taken back"].filter(Boolean).join(", "),
      open: () => this.grid.cellAt(this.grid.active).querySelector("button").focus(),
      counted: total => this.counted(total), failed: error => toast(error.message, {bad: true}),
    });
    this.grid.box.classList.add("list");
  }

  show(root, of = null) {
    const isOther = of !== this.of;
    this.of = of;
    this.count = h("span.count", {role: "status"});
    this.none = h("div");
    root.append(of ? h("a.back", {href: "#/history"}, icon("back"), "History") : "",
      h("div.toolbar", null, h("h1", null, of ? "An import " : "History ", this.count)), this.none);
    $("actions-place").replaceChildren();
    if (isOther) this.grid.reset();
    this.grid.attach(root, root);
    if (this.grid.total !== null) this.counted(this.grid.total);
    scrollTo(0, isOther ? 0 : this.scroll);
  }

  counted(total) {
    this.count.textContent = total ? many(total, "decision") : "";
    this.none.replaceChildren(total ? "" : empty("history", "Nothing was decided yet",
      "Every name, merge and answer is kept here, and each can be taken back."));
  }

  applied() { this.grid.refresh(); }

  refresh() { this.grid.refresh(); }

  leave() {
    this.scroll = scrollY;
    this.grid.detach();
  }
}

// ------------------------------------------------------------------------------------------------ the way between

let view = null;
const kept = {people: new PeopleView(), questions: new QuestionsView(), nobody: new NobodyView(),
  photos: new PhotosView(), history: new HistoryView()};
let lastPerson = null; // who comes back from a photo finds the tab, the order and the place as they were
const made = {
  person: id => lastPerson?.id === id ? lastPerson : lastPerson = new PersonView(),
  photo: () => new PhotoView(),
  group: () => new GroupView(),
};

function go(hash, inPlace = false) {
  if (inPlace) {
    history.replaceState(null, "", hash);
    route();
  } else location.hash = hash;
}

function route() {
  const [path, parameters = ""] = location.hash.replace(/^#\/?/, "").split("?");
  let [name, id] = path.split("/").map(part => { try { return decodeURIComponent(part); } catch { return part; } });
  if (name === "nobody" && id) name = "group";
  if (!kept[name] && !(made[name] && id)) return go("#/people", true);
  const before = view;
  view?.leave?.();
  view = kept[name] ?? made[name](id);
  document.body.classList.remove("acting");
  document.body.dataset.view = name;
  const root = h("div.view", {className: `view view-${name}`});
  $("main").replaceChildren(root);
  $("search").value = "";
  $("actions-place").replaceChildren();
  if (!kept[name] || name === "questions") scrollTo(0, 0);
  const tab = {person: "people", photo: "photos", group: "nobody"}[name] ?? name;
  const [finds, label] = tab === "photos" ? ["Find a photo", "Find photos by file name or folder"]
    : ["Find a name", "Find people by name"];
  $("search").placeholder = phone.matches ? "Find" : finds;
  $("search").setAttribute("aria-label", label);
  for (const link of document.querySelectorAll(".tabs a")) {
    if (link.dataset.view === tab) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  view.show(root, id, new URLSearchParams(parameters), view === before);
  titled();
}

function search() {
  const q = $("search").value.trim();
  if (view === kept.photos) view.choose({query: q});
  else if (view instanceof PhotoView) {
    kept.photos.scroll = 0;
    go(`#/photos?${query({query: q})}`);
  } else if (view !== kept.people) {
    kept.people.scroll = 0;
    go(`#/people?${query({q})}`);
  } else view.choose({q});
}

let searchTimer = 0;
$("search").addEventListener("input", () => {
  clearTimeout(searchTimer);
  searchTimer = setTimeout(search, 120);
});
$("search").addEventListener("keydown", event => {
  if (event.key === "Enter" || event.key === "ArrowDown") {
    event.preventDefault();
    view.grid?.focus();
  } else if (event.key === "Escape") {
    $("search").value = "";
    search();
    $("search").blur();
  }
});
$("undo").addEventListener("click", () => undo());
$("help").addEventListener("click", showKeys);

document.addEventListener("keydown", event => {
  if (isTyping(event.target) || document.querySelector("dialog[open]") || event.defaultPrevented) return;
  if ((event.ctrlKey || event.metaKey) && !event.shiftKey && event.key === "z") {
    event.preventDefault();
    if (library.undo) undo();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const views = {1: "people", 2: "questions", 3: "nobody", 4: "photos", 5: "history"};
  if (view?.key?.(event)) event.preventDefault();
  else if (event.key === "?") showKeys();
  else if (event.key === "/") {
    event.preventDefault();
    $("search").focus();
  } else if (event.key in views) go(`#/${views[event.key]}`);
  else if (event.key.startsWith("Arrow") && event.target === document.body && view?.grid?.total) {
    event.preventDefault();
    view.grid.focus();
  }
});

if ("scrollRestoration" in history) history.scrollRestoration = "manual";
addEventListener("hashchange", route);
document.addEventListener("visibilitychange", () => { if (!document.hidden) ask(); });
setInterval(ask, 1500);
route();
ask();
