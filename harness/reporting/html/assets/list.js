/* Filters the problems and shows the list of those that match. */

const PAGE_ROWS = 50;
const RIGHT = 0.5; // A problem counts as right if at least half of its samples are, as in `harness diff`.
const CHANGES = { fixed: [false, true], broken: [true, false], "both right": [true, true], "both wrong": [false, false] };

/** The index of all problems and outcomes, with values that are needed often. */
class Index {
  constructor(columns) {
    Object.assign(this, columns);
    this.count = this.problems.id.length;
    this.lowered = this.problems.id.map((id) => id.toLowerCase());
    this.numbers = new Map(this.problems.id.map((id, number) => [id, number]));
    this.correct = this.outcomes.indexOf("correct");
    this.streams = this.versions.map((version) => version.stream && new Records(version.stream));
    this.texts = new Records(this.questions);
  }

  accuracy(version, number) {
    const outcomes = this.versions[version].outcomes[number];
    return outcomes === null ? null : outcomes.filter((code) => code === this.correct).length / outcomes.length;
  }

  /** Return "fixed", "broken", … if both versions were asked this problem, else "". */
  change(number, first, second) {
    const before = this.accuracy(first, number);
    const after = this.accuracy(second, number);
    if (before === null || after === null) return "";
    const found = Object.entries(CHANGES).find(([, [a, b]]) => a === before >= RIGHT && b === after >= RIGHT);
    return found[0];
  }
}

/** Return the numbers of the two compared versions: the first, and the chosen one or else the last. */
function comparedVersions(index) {
  const chosen = index.versions.findIndex((version) => version.label === state.version);
  return [0, chosen > 0 ? chosen : index.versions.length - 1];
}

function comparedLabels(index) {
  return comparedVersions(index).map((version) => index.versions[version].label);
}

function filtered(index) {
  const benchmark = index.benchmarks.indexOf(state.benchmark);
  const outcome = index.outcomes.indexOf(state.outcome);
  const chosen = index.versions.findIndex((version) => version.label === state.version);
  const asked = chosen < 0 ? index.versions : [index.versions[chosen]];
  const [first, second] = comparedVersions(index);
  const query = state.query.trim().toLowerCase();
  const kept = [];
  for (let number = 0; number < index.count; number += 1) {
    if (benchmark >= 0 && index.problems.benchmark[number] !== benchmark) continue;
    if (query !== "" && !index.lowered[number].includes(query)) continue;
    if (outcome >= 0 && !asked.some((version) => version.outcomes[number]?.includes(outcome))) continue;
    if (state.change !== "" && index.change(number, first, second) !== state.change) continue;
    kept.push(number);
  }
  return kept;
}

function showList(index, numbers, page) {
  const shown = numbers.slice(page * PAGE_ROWS, (page + 1) * PAGE_ROWS);
  const heads = ["Problem", "Gold", ...index.versions.map((version) => version.label)];
  byId("list").tHead.replaceChildren(make("tr", {}, ...heads.map((text) => make("th", { textContent: text, scope: "col" }))));
  byId("list").tBodies[0].replaceChildren(...shown.map((number) => rowOf(index, number)));
  byId("list").hidden = numbers.length === 0;
  byId("pager").hidden = false;
  const last = page * PAGE_ROWS + shown.length;
  byId("count").textContent = numbers.length === 0
    ? "No problem matches these filters."
    : `${(page * PAGE_ROWS + 1).toLocaleString("en")}–${last.toLocaleString("en")} of ${numbers.length.toLocaleString("en")} problems`;
  byId("page-before").disabled = page === 0;
  byId("page-after").disabled = last >= numbers.length;
}

function rowOf(index, number) {
  const name = make("button", { type: "button", className: "open", textContent: index.problems.id[number] });
  const gold = make("td", { className: "answer" });
  showBriefly(gold, index.problems.gold[number] ?? "");
  const row = make("tr", {}, make("th", { scope: "row" }, name), gold);
  row.append(...index.versions.map((version) => make("td", {}, ...outcomeSummary(index, version, number))));
  row.dataset.number = number;
  return row;
}

/** Return a version's outcome and answer. With several samples, return the count of correct ones
 * and the most frequent answer. */
function outcomeSummary(index, version, number) {
  const outcomes = version.outcomes[number];
  if (outcomes === null) return [make("span", { className: "quiet", textContent: "not asked" })];
  const right = outcomes.filter((code) => code === index.correct).length;
  const place = outcomes.length === 1 ? 0 : mostFrequent(version.classes[number]);
  const mark = outcomes.length === 1
    ? outcomeBadge(index.outcomes[outcomes[0]])
    : make("span", { className: `badge ${right / outcomes.length >= RIGHT ? "correct" : "wrong"}`, textContent: `${right}/${outcomes.length}` });
  const answer = make("span", { className: "answer" });
  if (place !== null && version.answers[number][place] !== null) showBriefly(answer, version.answers[number][place]);
  return [mark, " ", answer];
}

/** Return the first place of the most frequent answer; null if no sample states an answer. */
function mostFrequent(classes) {
  const votes = new Map();
  for (const name of classes) if (name !== null) votes.set(name, (votes.get(name) ?? 0) + 1);
  if (votes.size === 0) return null;
  const most = Math.max(...votes.values());
  return classes.findIndex((name) => votes.get(name) === most);
}

function outcomeBadge(outcome) {
  const mark = { correct: "✓", wrong: "✗" }[outcome] ?? "!";
  const tone = { correct: "correct", wrong: "wrong" }[outcome] ?? "other";
  return make("span", { className: `badge ${tone}`, textContent: `${mark} ${outcome}` });
}
