/* Shows texts with formulas in them. A model's TeX may be hostile, so its cost is limited before
 * KaTeX reads it, and again before the browser lays it out. A formula over a limit is shown as text. */

const LIMITS = {
  formula: 2000, // characters in one formula
  formulas: 600, // formulas in one text
  characters: 60000, // characters in all formulas of one text
  depth: 14, // nested braces
  elements: 4000, // HTML elements made from one formula
  allElements: 40000, // HTML elements made from all formulas of one text
  milliseconds: 700, // time for one text
  listed: 60, // characters of an answer in the list
  word: 100, // characters of a word, after which it may be broken
};
const LONG_WORD = new RegExp(`\\S{${LIMITS.word}}`, "gu");
const KATEX = { trust: false, strict: "ignore", maxExpand: 200, maxSize: 20, errorColor: "var(--worse)" };
/* A definition can double its argument again and again, \char can insert a character that reverses
 * the writing direction, and names with @ are internal to KaTeX. No answer needs any of them. */
const DEFINES = /\\[a-zA-Z]*@|\\(?:[gex]?def|(?:new|renew|provide)command|let|futurelet|global|long|char)(?![a-zA-Z])/;
const ENVIRONMENTS = /^\\begin\{(align|aligned|equation|gather|gathered|cases|array|[pbvBV]?matrix)(\*?)\}/;
const DELIMITERS = [
  ["$$", "$$", true],
  ["\\[", "\\]", true],
  ["\\(", "\\)", false],
  ["$", "$", false],
];

/** Split a text into parts `{text}` and `{tex, display, source}`, in time linear in its length. */
function partsOf(text) {
  const found = [];
  let from = 0;
  let at = 0;
  const finder = /[\\$]/g;
  const absent = new Set(); // closing delimiters that do not occur in the rest of the text
  while (at < text.length) {
    finder.lastIndex = at;
    const next = finder.exec(text);
    if (next === null) break;
    at = next.index;
    const formula = formulaAt(text, at, absent);
    if (formula === null) {
      at += text[at] === "\\" ? 2 : 1; // a character after a backslash cannot begin a formula
      continue;
    }
    if (at > from) found.push({ text: text.slice(from, at) });
    found.push({ ...formula, source: text.slice(at, formula.end) });
    at = from = formula.end;
  }
  if (from < text.length) found.push({ text: text.slice(from) });
  return found;
}

function formulaAt(text, at, absent) {
  for (const [open, close, display] of DELIMITERS) {
    if (text.startsWith(open, at)) return delimitedAt(text, at, open, close, display, absent);
  }
  if (text.startsWith("\\boxed{", at)) return bracedAt(text, at, at + 6);
  if (text.startsWith("\\begin{", at)) return environmentAt(text, at);
  return null;
}

function delimitedAt(text, at, open, close, display, absent) {
  const start = at + open.length;
  if (absent.has(close)) return null;
  const window = text.slice(start, start + LIMITS.formula + close.length);
  let length = window.indexOf(close);
  while (length > 0 && close[0] === "$" && window[length - 1] === "\\") length = window.indexOf(close, length + 1);
  if (length < 0) {
    if (start + window.length >= text.length) absent.add(close);
    return null;
  }
  const tex = window.slice(0, length);
  if (tex.trim() === "" || /\n\s*\n/.test(tex)) return null;
  // "$5 and $6" are prices. In a formula no space follows the first $ or precedes the last one, and
  // no digit follows the last one.
  const after = text[start + length + 1] ?? "";
  if (open === "$" && (/^\s|\s$/.test(tex) || /[0-9]/.test(after))) return null;
  return { tex, display, end: start + length + close.length };
}

/** Return a command with its braced argument that stands outside of any delimiters, or null. */
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

/** Return an element with a formula, not yet in the page; null if it is invalid or over a limit. */
function typeset(tex, { display = false, throwOnError = false } = {}) {
  if (tex.length > LIMITS.formula || DEFINES.test(tex) || tooDeep(tex)) return null;
  const holder = make("span", { className: display ? "maths display" : "maths" });
  try {
    katex.render(tex, holder, { ...KATEX, displayMode: display, throwOnError });
  } catch (error) {
    return null; // the TeX is invalid or too deep for the stack, or KaTeX has a bug
  }
  if (elementsOf(holder) > LIMITS.elements) return null;
  return [...holder.querySelectorAll("[style]")].some(isVast) ? null : holder;
}

function elementsOf(holder) {
  return holder.getElementsByTagName("*").length;
}

/** Return whether an element has a size of 100 em or more. KaTeX does not limit negative sizes. */
function isVast(element) {
  return /(?<![0-9.])[0-9]{3,}(?:\.[0-9]*)?em/.test(element.getAttribute("style"));
}

/** Leave out the line breaks around displayed formulas, which already have lines of their own. */
function withoutDoubledBreaks(parts) {
  return parts.map((part, place) => {
    if (part.tex !== undefined) return part;
    const before = parts[place - 1]?.display ? part.text.replace(/^[ \t]*\n{1,2}/, "") : part.text;
    return { text: parts[place + 1]?.display ? before.replace(/\n{1,2}[ \t]*$/, "") : before };
  });
}

/** Return a text as nodes in which no word is long without a place to break it. Some scripts and
 * marks take the browser a time that is quadratic in the length of such a word: half a minute for
 * 50,000 letters. A `<wbr>` is not copied with the text. */
function breakable(text) {
  const nodes = [];
  let from = 0;
  for (const found of text.matchAll(LONG_WORD)) {
    const end = found.index + found[0].length;
    nodes.push(text.slice(from, end), make("wbr"));
    from = end;
  }
  nodes.push(text.slice(from));
  return nodes;
}

/** Show a text with its formulas typeset; a formula over a limit is shown as it was written. */
function showText(target, text, raw) {
  target.replaceChildren();
  if (raw) {
    target.append(...breakable(text));
    return;
  }
  const end = performance.now() + LIMITS.milliseconds;
  let formulas = 0;
  let characters = 0;
  let elements = 0;
  for (const part of withoutDoubledBreaks(partsOf(text))) {
    if (part.tex === undefined) {
      target.append(...breakable(part.text));
      continue;
    }
    formulas += 1;
    characters += part.tex.length;
    const within = formulas <= LIMITS.formulas && characters <= LIMITS.characters
      && elements <= LIMITS.allElements && performance.now() < end;
    const formula = within ? typeset(part.tex, part) : null;
    elements += formula === null ? 0 : elementsOf(formula);
    target.append(formula ?? make("span", { className: "source" }, ...breakable(part.source)));
  }
}

/** Show a gold or an answer. It is often a formula without delimiters, and then typeset as one. */
function showAnswer(target, text, raw) {
  const bare = /[\\^_]/.test(text) && !/\$|\\\(|\\\[/.test(text);
  const formula = raw || !bare ? null : typeset(text, { throwOnError: true });
  if (formula === null) showText(target, text, raw || bare);
  else target.replaceChildren(formula);
}

/** Show an answer in a list; a long one is cut off and not typeset. */
function showBriefly(target, text) {
  if (text.length > LIMITS.listed) target.replaceChildren(`${text.slice(0, LIMITS.listed - 1)}…`);
  else showAnswer(target, text, false);
}
