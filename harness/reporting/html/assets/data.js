/* What Python put into the page: gzip in base64, one element a piece. And how elements are made:
 * every text goes in as text, never as markup. */

/** Make an element. Properties are set as properties, `data-` and `aria-` names as attributes. */
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "role" || name === "scope") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...present(children));
  return element;
}

/** Replace what is in an element; null is nothing. */
function fill(element, ...children) {
  element.replaceChildren(...present(children));
}

function present(children) {
  return children.filter((child) => child !== null && child !== undefined);
}

function byId(id) {
  return document.getElementById(id);
}

/** Return the JSON value that lies in an element of this name. */
async function decoded(id) {
  const binary = atob(byId(`data-${id}`).textContent);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i += 1) bytes[i] = binary.charCodeAt(i);
  const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(unpacked).text());
}

/** A list of records in pieces. A piece is unpacked when one of its records is asked for. */
class Records {
  static KEPT = 6;

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

  /** Keep the pieces that were asked for last: neighbours are mostly in the same one. */
  piece(number) {
    const found = this.pieces.get(number) ?? decoded(`${this.name}-${number}`);
    this.pieces.delete(number);
    this.pieces.set(number, found);
    if (this.pieces.size > Records.KEPT) this.pieces.delete(this.pieces.keys().next().value);
    return found;
  }
}
