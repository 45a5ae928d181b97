// What every view needs of the document. Nothing here takes HTML: text stays text, whatever a worker calls itself.

export const byID = (id) => document.getElementById(id);

// el makes an element. Properties that begin with "on" are listeners; the others are attributes, left out where they are false.
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

// svg is el for drawings.
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child != null && child !== false));
  return node;
}

// say writes a text only where it is another one: a screen reader would repeat what is written again.
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// redraw makes the children of a node say what other ones say, and keeps each that is there already: what has the focus keeps it,
// and a press on a button that began before is still a press on it afterwards. A child with a data-key is the same if its key is,
// and another one if its class is. Listeners stay as they were, so they may depend on the key alone.
export function redraw(node, ...fresh) {
  let old = node.firstChild;
  for (const next of fresh) {
    let kept = old;
    while (kept && !same(kept, next)) kept = kept.nextSibling;
    if (!kept) {
      node.insertBefore(next, old);
      continue;
    }
    while (old !== kept) old = drop(old);
    old = kept.nextSibling;
    if (kept.nodeType === Node.TEXT_NODE) say(kept, next.textContent);
    else {
      copy(kept, next);
      redraw(kept, ...next.childNodes);
    }
  }
  while (old) old = drop(old);
}

const same = (a, b) => a.nodeName === b.nodeName && a.dataset?.key === b.dataset?.key && (a.dataset?.key || a.className === b.className);

function copy(to, from) {
  for (const { name } of [...to.attributes]) if (!from.hasAttribute(name)) to.removeAttribute(name);
  for (const { name, value } of from.attributes) if (to.getAttribute(name) !== value) to.setAttribute(name, value);
}

function drop(node) {
  const next = node.nextSibling;
  node.remove();
  return next;
}

// calm says whether the reader has asked for no motion.
export const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
