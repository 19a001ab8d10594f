/* Texts with mathematics in them. A model's TeX is hostile: what it can cost is bounded before
 * KaTeX sees it and again before a browser has to lay it out; what is over a bound is shown as text. */

const LIMITS = {
  formula: 2000, // characters of one formula
  formulae: 600, // of one text
  characters: 60000, // of all formulae of one text
  depth: 14, // of braces in each other
  elements: 4000, // that one formula may become
  allElements: 40000, // that those of one text may become
  milliseconds: 700, // for one text
  listed: 60, // characters of an answer in the list
};
const KATEX = { trust: false, strict: "ignore", maxExpand: 200, maxSize: 20, errorColor: "var(--worse)" };
/* A definition can double its argument again and again, \char can name a mark that reverses the
 * writing direction, and a name with @ is one of KaTeX's own; no answer needs any of them. */
const DEFINES = /\\[a-zA-Z]*@|\\(?:[gex]?def|(?:new|renew|provide)command|let|futurelet|global|long|char)(?![a-zA-Z])/;
const ENVIRONMENTS = /^\\begin\{(align|aligned|equation|gather|gathered|cases|array|[pbvBV]?matrix)(\*?)\}/;
const FENCES = [
  ["$$", "$$", true],
  ["\\[", "\\]", true],
  ["\\(", "\\)", false],
  ["$", "$", false],
];

/** Split a text into `{text}` and `{tex, display, source}`, in time linear in its length. */
function pieces(text) {
  const found = [];
  let from = 0;
  let at = 0;
  const finder = /[\\$]/g;
  const hopeless = new Set(); // closings that do not come any more: searched for once
  while (at < text.length) {
    finder.lastIndex = at;
    const next = finder.exec(text);
    if (next === null) break;
    at = next.index;
    const formula = formulaAt(text, at, hopeless);
    if (formula === null) {
      at += text[at] === "\\" ? 2 : 1; // what follows a backslash opens nothing
      continue;
    }
    if (at > from) found.push({ text: text.slice(from, at) });
    found.push({ ...formula, source: text.slice(at, formula.end) });
    at = from = formula.end;
  }
  if (from < text.length) found.push({ text: text.slice(from) });
  return found;
}

function formulaAt(text, at, hopeless) {
  for (const [open, close, display] of FENCES) {
    if (text.startsWith(open, at)) return fencedAt(text, at, open, close, display, hopeless);
  }
  if (text.startsWith("\\boxed{", at)) return bracedAt(text, at, at + 6);
  if (text.startsWith("\\begin{", at)) return environmentAt(text, at);
  return null;
}

function fencedAt(text, at, open, close, display, hopeless) {
  const start = at + open.length;
  if (hopeless.has(close)) return null;
  const window = text.slice(start, start + LIMITS.formula + close.length);
  let length = window.indexOf(close);
  while (length > 0 && close[0] === "$" && window[length - 1] === "\\") length = window.indexOf(close, length + 1);
  if (length < 0) {
    if (start + window.length >= text.length) hopeless.add(close);
    return null;
  }
  const tex = window.slice(0, length);
  if (tex.trim() === "" || /\n\s*\n/.test(tex)) return null;
  // "$5 and $6" are prices: a formula neither begins nor ends with a space, nor ends before a digit.
  const after = text[start + length + 1] ?? "";
  if (open === "$" && (/^\s|\s$/.test(tex) || /[0-9]/.test(after))) return null;
  return { tex, display, end: start + length + close.length };
}

/** A command with its braced argument, outside of any delimiters. */
function bracedAt(text, at, brace) {
  let depth = 0;
  const last = Math.min(text.length, at + LIMITS.formula);
  for (let i = brace; i < last; i += 1) {
    if (text[i] === "\\") i += 1;
    else if (text[i] === "{") depth += 1;
    else if (text[i] === "}") {
      depth -= 1;
      if (depth === 0) return { tex: text.slice(at, i + 1), display: false, end: i + 1 };
    }
  }
  return null;
}

function environmentAt(text, at) {
  const window = text.slice(at, at + LIMITS.formula);
  const named = ENVIRONMENTS.exec(window);
  if (named === null) return null;
  const close = `\\end{${named[1]}${named[2]}}`;
  const length = window.indexOf(close);
  if (length < 0) return null;
  const end = length + close.length;
  return { tex: window.slice(0, end), display: true, end: at + end };
}

function tooDeep(tex) {
  let depth = 0;
  for (const found of tex.matchAll(/\\(?:left|begin)(?![a-zA-Z])|\\(?:right|end)(?![a-zA-Z])|\\.|[{}]/gs)) {
    const token = found[0];
    if (token === "{" || token === "\\left" || token === "\\begin") depth += 1;
    else if (token === "}" || token === "\\right" || token === "\\end") depth -= 1;
    if (depth > LIMITS.depth) return true;
  }
  return false;
}

/** Return the element of a formula, or null if it is over a bound. It is not in the page yet. */
function typeset(tex, { display = false, throwOnError = false } = {}) {
  if (tex.length > LIMITS.formula || DEFINES.test(tex) || tooDeep(tex)) return null;
  const holder = make("span", { className: display ? "maths display" : "maths" });
  try {
    katex.render(tex, holder, { ...KATEX, displayMode: display, throwOnError });
  } catch (error) {
    return null; // no formula, too deep for the stack, or a fault in KaTeX
  }
  if (elementsOf(holder) > LIMITS.elements) return null;
  return [...holder.querySelectorAll("[style]")].some(isVast) ? null : holder;
}

function elementsOf(holder) {
  return holder.getElementsByTagName("*").length;
}

/** A size of a hundred em or more: KaTeX bounds what is large, but not what is far below zero. */
function isVast(element) {
  return /(?<![0-9.])[0-9]{3,}(?:\.[0-9]*)?em/.test(element.getAttribute("style"));
}

/** A displayed formula stands on lines of its own already: leave out the breaks around it. */
function withoutDoubledBreaks(list) {
  return list.map((piece, place) => {
    if (piece.tex !== undefined) return piece;
    const before = list[place - 1]?.display ? piece.text.replace(/^[ \t]*\n{1,2}/, "") : piece.text;
    return { text: list[place + 1]?.display ? before.replace(/\n{1,2}[ \t]*$/, "") : before };
  });
}

/** Show a text with its mathematics typeset; what is over a bound stays as it was written. */
function showText(target, text, raw) {
  target.replaceChildren();
  if (raw) {
    target.append(text);
    return;
  }
  const end = performance.now() + LIMITS.milliseconds;
  let formulae = 0;
  let characters = 0;
  let elements = 0;
  for (const piece of withoutDoubledBreaks(pieces(text))) {
    if (piece.tex === undefined) {
      target.append(piece.text);
      continue;
    }
    formulae += 1;
    characters += piece.tex.length;
    const within = formulae <= LIMITS.formulae && characters <= LIMITS.characters
      && elements <= LIMITS.allElements && performance.now() < end;
    const formula = within ? typeset(piece.tex, piece) : null;
    elements += formula === null ? 0 : elementsOf(formula);
    target.append(formula ?? make("span", { className: "source", textContent: piece.source }));
  }
}

/** Show a gold or an answer, which is a formula without delimiters if it can be read as one. */
function showAnswer(target, text, raw) {
  const bare = /[\\^_]/.test(text) && !/\$|\\\(|\\\[/.test(text);
  if (raw || !bare) showText(target, text, raw);
  else target.replaceChildren(typeset(text, { throwOnError: true }) ?? text);
}

/** Show an answer in a list; one that is long is only hinted at. */
function showBriefly(target, text) {
  if (text.length > LIMITS.listed) target.replaceChildren(`${text.slice(0, LIMITS.listed - 1)}…`);
  else showAnswer(target, text, false);
}
