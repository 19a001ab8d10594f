/* Reads the data that Python put into the page, and makes elements. Each element of data holds
 * JSON, compressed with gzip and encoded in base64. Every text is inserted as text and never as
 * markup, because models wrote some of it. */

/** Make an element. Names with a hyphen, `role` and `scope` become attributes, others properties. */
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "role" || name === "scope") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...present(children));
  return element;
}

/** Replace the children of an element; null and undefined are left out. */
function fill(element, ...children) {
  element.replaceChildren(...present(children));
}

function present(children) {
  return children.filter((child) => child !== null && child !== undefined);
}

function byId(id) {
  return document.getElementById(id);
}

/** Return the JSON value of the element `data-…` with this name. */
async function decoded(id) {
  const binary = atob(byId(`data-${id}`).textContent);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i += 1) bytes[i] = binary.charCodeAt(i);
  const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(unpacked).text());
}

/** A list of records in pieces. A piece is unpacked when one of its records is needed. */
class Records {
  static KEPT = 6; // pieces that stay unpacked

  constructor({ name, starts }) {
    this.name = name;
    this.starts = starts;
    this.pieces = new Map();
  }

  async get(place) {
    const number = this.pieceOf(place);
    return (await this.piece(number))[place - this.starts[number]];
  }

  pieceOf(place) {
    let low = 0;
    let high = this.starts.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.starts[middle] <= place) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** Return a piece. The last few stay unpacked, because the next record is mostly in the same one. */
  piece(number) {
    const found = this.pieces.get(number) ?? decoded(`${this.name}-${number}`);
    this.pieces.delete(number);
    this.pieces.set(number, found);
    if (this.pieces.size > Records.KEPT) this.pieces.delete(this.pieces.keys().next().value);
    return found;
  }
}
