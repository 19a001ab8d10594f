/* Keeps the filters and the open problem in the address after #, so that one can link to a sample. */

const FILTERS = ["benchmark", "change", "outcome", "version", "query"];
const EMPTY_STATE = Object.fromEntries([...FILTERS, "problem", "sample", "raw"].map((key) => [key, ""]));
const state = { ...EMPTY_STATE };

function stateFromHash() {
  const fields = new URLSearchParams(location.hash.slice(1));
  return Object.fromEntries(Object.keys(EMPTY_STATE).map((key) => [key, fields.get(key) ?? ""]));
}

function hashFromState() {
  const fields = Object.entries(state).filter(([, value]) => value !== "");
  return `#${new URLSearchParams(fields)}`;
}

/* Wait a little before changing the address: a key that is held down would change it many times a
 * second, which browsers refuse. */
let pending = 0;
let known = location.hash;
function rememberState() {
  clearTimeout(pending);
  pending = setTimeout(() => {
    // The reader has just gone to another address; its event comes, and must find it.
    if (location.hash !== known) return;
    if (hashFromState() !== location.hash && (location.hash.includes("=") || hashFromState() !== "#")) {
      history.replaceState(null, "", hashFromState());
      known = location.hash;
    }
  }, 150);
}

/** Take the address that the reader has gone to, and hand on its state if it has one. */
function followAddress(apply) {
  known = location.hash;
  if (location.hash.includes("=")) apply(stateFromHash());
  else rememberState();
}
