/* What is filtered and what is open, kept in the address after #, so that a sample can be linked to. */

const FILTERS = ["benchmark", "change", "outcome", "version", "query"];
const NOTHING = Object.fromEntries([...FILTERS, "problem", "sample", "raw"].map((key) => [key, ""]));
const state = { ...NOTHING };

function stateFromHash() {
  const asked = new URLSearchParams(location.hash.slice(1));
  return Object.fromEntries(Object.keys(NOTHING).map((key) => [key, asked.get(key) ?? ""]));
}

function hashFromState() {
  const said = Object.entries(state).filter(([, value]) => value !== "");
  return `#${new URLSearchParams(said)}`;
}

/* Browsers refuse to change the address many times a second, as a held key would. */
let pending = 0;
function rememberState() {
  clearTimeout(pending);
  pending = setTimeout(() => {
    if (hashFromState() !== location.hash && (location.hash.includes("=") || hashFromState() !== "#")) {
      history.replaceState(null, "", hashFromState());
    }
  }, 150);
}
