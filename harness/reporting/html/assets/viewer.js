/* Shows one problem with the responses of all versions side by side. */

/** The number of problems opened so far. A problem that is unpacked after another one was opened
 * must not be shown. */
let opened = 0;

async function showProblem(index, number, place) {
  opened += 1;
  const mine = opened;
  byId("viewer-title").textContent = index.problems.id[number];
  byId("viewer-place").textContent = place;
  const [question, ...records] = await Promise.all([
    index.problems.question[number] === null ? null : index.texts.get(index.problems.question[number]),
    ...index.versions.map((_, version) => recordOf(index, version, number)),
  ]);
  if (mine !== opened) return;
  const raw = state.raw !== "";
  byId("raw").checked = raw;
  byId("question").className = question === null ? "quiet" : raw ? "said verbatim" : "said";
  showText(byId("question"), question === null ? "The question is not available." : question.question, raw);
  showAnswer(byId("gold"), index.problems.gold[number] ?? "not available", raw);
  byId("columns").replaceChildren(
    ...index.versions.map((version, place) => columnOf(index, version, number, records[place], raw)),
  );
}

/** Return the place of the chosen sample in a problem's lists; null if the version has none. */
function samplePlace(version, number) {
  const indices = version.indices[number];
  if (indices === null) return null;
  const place = indices.indexOf(Number(state.sample || indices[0]));
  return place < 0 ? null : place;
}

async function recordOf(index, version, number) {
  const place = samplePlace(index.versions[version], number);
  const where = place === null ? null : index.versions[version].places[number]?.[place];
  return where === null || where === undefined ? null : index.streams[version].get(where);
}

function columnOf(index, version, number, record, raw) {
  const column = make("article", { className: "column" }, make("h3", { textContent: version.label }));
  const place = samplePlace(version, number);
  if (version.indices[number] === null) {
    column.append(make("p", { className: "quiet", textContent: "This version was not asked this problem." }));
    return column;
  }
  if (version.indices[number].length > 1) column.append(sampleStrip(index, version, number));
  if (place === null) {
    column.append(make("p", { className: "quiet", textContent: "This version has no sample with this number." }));
    return column;
  }
  if (version.reworded.includes(number)) {
    column.append(make("p", { className: "note", textContent: "For this version the problem had another wording or another gold." }));
  }
  column.append(factsOf(index, version, number, place, record, raw), ...responseOf(version, record, raw));
  return column;
}

function sampleStrip(index, version, number) {
  const buttons = version.indices[number].map((sample, place) => {
    const outcome = index.outcomes[version.outcomes[number][place]];
    const tone = { correct: "correct", wrong: "wrong" }[outcome] ?? "other";
    const button = make("button", { type: "button", className: `sample ${tone}`, textContent: sample + 1, title: `sample ${sample + 1}: ${outcome}` });
    button.setAttribute("aria-label", button.title);
    button.setAttribute("aria-pressed", samplePlace(version, number) === place);
    button.dataset.sample = sample;
    return button;
  });
  return make("div", { className: "strip", role: "group", "aria-label": `samples of ${version.label}` }, ...buttons);
}

function factsOf(index, version, number, place, record, raw) {
  const answer = make("span", { className: "answer" });
  const given = record?.answer ?? version.answers[number][place];
  if (given === null) answer.append(make("span", { className: "quiet", textContent: "none" }));
  else showAnswer(answer, given, raw);
  const tokens = version.tokens[number][place];
  const facts = [
    ["outcome", outcomeBadge(index.outcomes[version.outcomes[number][place]])],
    ["answer", answer],
    ["found by", record?.extraction],
    ["graded by", record?.rule],
    ["tokens", tokens?.toLocaleString("en")],
    ["ended by", record && ({ stop: "the model", length: "the token limit", context: "the model's context, which was full", unknown: "(not known)" }[record.finish] ?? record.finish)],
    ["error", record?.error],
  ].filter(([, value]) => value !== null && value !== undefined);
  return make("dl", {}, ...facts.map(([name, value]) => make("div", {}, make("dt", { textContent: name }), make("dd", {}, value))));
}

function responseOf(version, record, raw) {
  if (record === null) {
    const text = version.stream === null
      ? "The responses of this run are not available, because its folder has no samples.parquet."
      : "The response of this sample is not available.";
    return [make("p", { className: "note", textContent: text })];
  }
  const response = make("div", { className: raw ? "said response verbatim" : "said response", tabIndex: 0, role: "region", "aria-label": `response of ${version.label}` });
  if (record.response === "") response.append(make("span", { className: "quiet", textContent: "(empty)" }));
  else showText(response, record.response, raw);
  const reasoning = reasoningOf(record);
  if (record.cut === 0) return [...reasoning, response];
  return [...reasoning, response, make("p", { className: "note", textContent: `The response was cut here; it has ${record.cut.toLocaleString("en")} more characters.` })];
}

function reasoningOf(record) {
  if (!record.reasoning) return [];
  const text = make("div", { className: "said verbatim", textContent: record.reasoning });
  return [make("details", {}, make("summary", { textContent: "reasoning, which is not graded" }), text)];
}
