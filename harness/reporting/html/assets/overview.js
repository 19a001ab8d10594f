/* Shows the top of the page: headings, tables and plots, with the texts that Python wrote. */

function showOverview(overview) {
  document.title = `${overview.title} · harness report`;
  byId("title").textContent = byId("bar-title").textContent = overview.title;
  byId("made").textContent = `Made ${overview.made}`;
  byId("verdicts").replaceChildren(...overview.verdicts.map(verdictCard), ...overview.remarks.map((text) => make("p", { className: "note", textContent: text })));
  fill(byId("scores"), ...overview.sections.map(scoreSection), notesOf(overview.notes));
  for (const name of ["ranks", "recipes"]) byId(`to-${name}`).hidden = !overview.sections.some((section) => section.anchor === name);
  const changes = overview.sections.filter((section) => section.changes !== null);
  byId("setup").replaceChildren(
    make("h2", { textContent: overview.facts.caption }),
    tableOf(overview.facts, false),
    ...changes.map((section) => folded(section.changes)),
  );
  if (overview.outcomes !== null) byId("outcomes").replaceChildren(folded(overview.outcomes, true));
}

/** The symbol of each tone of a verdict: the markers of the plot of differences. */
const MARKS = { better: "▲", worse: "▼", none: "○", same: "■", "not-worse": "►", withheld: "✖" };

function verdictCard(verdict) {
  const word = make("span", { className: `word ${verdict.tone}`, textContent: `${verdict.word === "not compared" ? "–" : MARKS[verdict.tone]} ${verdict.word}` });
  const subject = make("span", { className: "subject", textContent: verdict.subject });
  return make("div", { className: "verdict" }, make("p", {}, subject, word), make("p", { textContent: verdict.sentence }));
}

function scoreSection(section) {
  return make(
    "section",
    section.anchor === "" ? {} : { id: section.anchor, className: "anchor" },
    make("h2", { textContent: section.title }),
    ...section.tables.map((table) => tableOf(table, true)),
    ...section.paragraphs.map((text) => make("p", { className: text.startsWith("NOT ") || text.startsWith("VERDICT WITHHELD") ? "note alarm" : "note", textContent: text })),
  );
}

function notesOf(notes) {
  if (notes.length === 0) return null;
  const items = notes.map((text) => make("li", { textContent: text, className: text.includes("NOT TO BE TRUSTED") ? "alarm" : "" }));
  return make("ul", { className: "notes" }, ...items);
}

function folded(table, open = false) {
  const summary = make("summary", { textContent: `${table.caption} (${table.rows.length} ${table.rows.length === 1 ? "row" : "rows"})` });
  return make("details", { open }, summary, tableOf(table, false));
}

function tableOf(table, withCaption) {
  const head = make("tr", {}, ...table.heads.map((text) => make("th", { textContent: text, scope: "col" })));
  const rows = table.rows.map((cells) => make("tr", {}, ...cells.map(cellOf)));
  if (table.total) rows.at(-1).className = "total";
  const looks = [table.numeric ? "numeric" : "worded", table.heads.length === 2 ? "narrow" : ""];
  const element = make("table", { className: looks.join(" ") }, make("thead", {}, head), make("tbody", {}, ...rows));
  if (withCaption) element.prepend(make("caption", { textContent: table.caption }));
  return make("div", { className: "scroll" }, element);
}

function cellOf(cell, place) {
  const mark = MARKS[cell.tone] ? `${MARKS[cell.tone]} ` : "";
  const properties = { className: cell.tone };
  if (place === 0) properties.scope = "row";
  const element = make(place === 0 ? "th" : "td", properties, make("span", { className: "value", textContent: mark + cell.text }));
  if (cell.detail !== "") element.append(make("small", { textContent: cell.detail }));
  return element;
}

/** Show the plots. They are images, so that an SVG cannot run scripts, load files or repeat ids. */
function showPlots(plots) {
  byId("plots").hidden = byId("to-plots").hidden = plots.length === 0;
  byId("figures").replaceChildren(...plots.map(plotCard));
}

function plotCard(plot) {
  const image = make("img", { alt: `${plot.title}. ${plot.caption}`, decoding: "async", src: `data:image/svg+xml,${encodeURIComponent(plot.svg)}` });
  const caption = make("figcaption", {}, make("b", { textContent: `${plot.title}.` }), ` ${plot.caption}`);
  return make("figure", {}, image, caption);
}
