// The address says what is open: #partition=orders.17 or #worker=worker-3. So a reader can keep it, or send it to somebody.

const kinds = ["partition", "worker"];

// write puts what is open into the address, and takes out what is not. It leaves no trace in the history of the browser.
export function write(kind, id) {
  const hash = kinds.includes(kind) ? `#${new URLSearchParams({ [kind]: id })}` : "";
  if (location.hash !== hash) history.replaceState(null, "", hash || location.pathname + location.search);
}

// read returns what the address asks for, or null.
export function read() {
  const [kind, id] = [...new URLSearchParams(location.hash.slice(1))][0] ?? [];
  return kinds.includes(kind) && id ? { kind, id } : null;
}
