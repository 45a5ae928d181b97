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

// calm says whether the reader has asked for no motion.
export const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
