/* Starts the page. Controls change the state, and a change of the state updates the page. */

/** The browser of samples: it keeps the filtered problems and the one that is open. */
class Browser {
  constructor(index) {
    this.index = index;
    this.numbers = [];
    this.page = 0;
    this.viewer = byId("viewer");
    this.fillFilters();
    this.listen();
    this.apply(stateFromHash());
  }

  fillFilters() {
    const { index } = this;
    const labels = index.versions.map((version) => version.label);
    options("filter-benchmark", "all", index.benchmarks);
    options("filter-change", "any", Object.keys(CHANGES));
    options("filter-outcome", "any", index.outcomes);
    options("filter-version", "any", labels);
    byId("with-change").hidden = labels.length < 2;
    byId("with-version").hidden = labels.length < 2;
    byId("change-of").hidden = labels.length < 3;
    byId("filters").hidden = false;
    const samples = index.versions.flatMap((version) => version.outcomes).reduce((sum, list) => sum + (list?.length ?? 0), 0);
    byId("samples-about").textContent = aboutSamples(index, samples);
  }

  listen() {
    for (const key of FILTERS) {
      byId(`filter-${key}`).addEventListener("input", (event) => this.apply({ ...state, [key]: event.target.value }));
    }
    byId("filters").addEventListener("submit", (event) => event.preventDefault());
    byId("filters").addEventListener("reset", () => this.apply({ ...EMPTY_STATE }));
    byId("page-before").addEventListener("click", () => this.turn(this.page - 1));
    byId("page-after").addEventListener("click", () => this.turn(this.page + 1));
    byId("list").tBodies[0].addEventListener("click", (event) => this.clicked(event));
    byId("columns").addEventListener("click", (event) => this.pickSample(event.target.dataset.sample));
    byId("previous").addEventListener("click", () => this.step(-1));
    byId("next").addEventListener("click", () => this.step(1));
    byId("close").addEventListener("click", () => this.viewer.close());
    byId("raw").addEventListener("change", (event) => this.apply({ ...state, raw: event.target.checked ? "1" : "" }));
    this.viewer.addEventListener("close", () => this.closed());
    document.addEventListener("keydown", (event) => this.pressed(event));
    window.addEventListener("hashchange", () => followAddress((found) => this.apply(found)));
  }

  /** Set a new state, and update the parts of the page that it changes. */
  apply(wanted) {
    const refilter = this.numbers.length === 0 || FILTERS.some((key) => state[key] !== wanted[key]);
    Object.assign(state, wanted);
    for (const key of FILTERS) if (byId(`filter-${key}`).value !== state[key]) byId(`filter-${key}`).value = state[key];
    byId("change-of").textContent = comparedLabels(this.index).join(" → ");
    if (refilter) {
      this.numbers = filtered(this.index);
      this.turn(0);
    }
    this.showOpen();
    rememberState();
  }

  turn(page) {
    this.page = page;
    showList(this.index, this.numbers, page);
  }

  showOpen() {
    const number = this.index.numbers.get(state.problem);
    if (number === undefined) {
      if (this.viewer.open) this.viewer.close();
      return;
    }
    const place = this.numbers.indexOf(number);
    const where = place < 0 ? "not in the filtered list" : `${(place + 1).toLocaleString("en")} of ${this.numbers.length.toLocaleString("en")}`;
    byId("previous").disabled = place <= 0;
    byId("next").disabled = place < 0 || place + 1 >= this.numbers.length;
    if (!this.viewer.open) this.viewer.showModal();
    showProblem(this.index, number, where).catch(failed);
  }

  open(number) {
    this.apply({ ...state, problem: this.index.problems.id[number], sample: this.firstSample(number) });
    byId("viewer-body").scrollTop = 0;
    byId("viewer-body").focus();
  }

  /** Return the first sample with the outcome that the filter selects; "" if it selects none. */
  firstSample(number) {
    const outcome = this.index.outcomes.indexOf(state.outcome);
    if (outcome < 0) return "";
    for (const version of this.index.versions) {
      if (state.version !== "" && version.label !== state.version) continue;
      const place = version.outcomes[number]?.indexOf(outcome) ?? -1;
      if (place >= 0) return String(version.indices[number][place]);
    }
    return "";
  }

  pickSample(sample) {
    if (sample !== undefined) this.apply({ ...state, sample });
  }

  step(by) {
    const place = this.numbers.indexOf(this.index.numbers.get(state.problem)) + by;
    if (this.numbers[place] !== undefined) this.open(this.numbers[place]);
  }

  /** After the viewer is closed, show and focus the problem in the list that was open. */
  closed() {
    const place = this.numbers.indexOf(this.index.numbers.get(state.problem));
    opened += 1; // a problem that is still being unpacked must not be shown any more
    this.apply({ ...state, problem: "", sample: "" });
    if (place < 0) return;
    if (Math.floor(place / PAGE_ROWS) !== this.page) this.turn(Math.floor(place / PAGE_ROWS));
    byId("list").tBodies[0].rows[place % PAGE_ROWS].querySelector("button").focus();
  }

  clicked(event) {
    const row = event.target.closest("tr");
    // Selecting text in a row must not open its problem.
    if (row !== null && String(getSelection()) === "") this.open(Number(row.dataset.number));
  }

  pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches("input[type=search], select")) return;
    const by = { j: 1, k: -1 }[event.key] ?? (this.viewer.open ? { ArrowRight: 1, ArrowLeft: -1 }[event.key] : undefined);
    if (by === undefined) return;
    event.preventDefault();
    if (this.viewer.open) this.step(by);
    else this.moveFocus(by);
  }

  moveFocus(by) {
    const buttons = [...byId("list").tBodies[0].querySelectorAll("button.open")];
    const place = buttons.indexOf(document.activeElement);
    (buttons[place < 0 ? 0 : place + by] ?? buttons[place])?.focus();
  }
}

function options(id, none, values) {
  const choices = [["", none], ...values.map((value) => [value, value])];
  byId(id).replaceChildren(...choices.map(([value, text]) => make("option", { value, textContent: text })));
}

function aboutSamples(index, samples) {
  if (index.count === 0) return "No version in this report has verdicts on single problems.";
  const without = index.versions.filter((version) => version.stream === null).map((version) => version.label);
  const missing = without.length === 0 ? "" : ` The responses of ${without.join(", ")} are not available.`;
  return `${index.count.toLocaleString("en")} problems, ${samples.toLocaleString("en")} samples.${missing}`;
}

function failed(error) {
  const old = typeof DecompressionStream === "undefined";
  byId("samples-about").textContent = old
    ? "This browser is too old to unpack the data: it needs DecompressionStream (2023)."
    : `The data could not be read: ${error}`;
  throw error;
}

/** Show scores and plots while the browser is still reading the rest of the file, then the samples. */
async function start() {
  showOverview(await decoded("overview"));
  showPlots(await decoded("plots"));
  if (document.readyState === "loading") {
    await new Promise((resolve) => document.addEventListener("DOMContentLoaded", resolve, { once: true }));
  }
  const index = new Index(await decoded("index"));
  if (index.count === 0) byId("samples-about").textContent = aboutSamples(index, 0);
  else new Browser(index);
  document.documentElement.dataset.ready = "yes";
}

start().catch(failed);
