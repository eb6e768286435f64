/** The little that the panels need of the document: elements, and lists that keep theirs. */

type Child = Node | string;

/** An element with a class and children; text is text, never markup. */
export function el(tag: string, class_name = "", ...children: Child[]): HTMLElement {
  const made = document.createElement(tag);
  if (class_name) made.className = class_name;
  made.append(...children);
  return made;
}

/** A number that changes without its element: writes only what differs. */
export function say(node: Element, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * Makes `parent` show one element for each of `list`, by key, in its order. An element stays as long as
 * its key does, so that what changes in it can move there.
 */
export function keep<T>(
  parent: Element,
  list: readonly T[],
  key: (one: T) => string,
  create: (one: T) => HTMLElement,
  update: (node: HTMLElement, one: T) => void,
): void {
  const known = new Map<string, HTMLElement>();
  for (const node of parent.children)
    known.set((node as HTMLElement).dataset.key ?? "", node as HTMLElement);
  list.forEach((one, place) => {
    const name = key(one);
    let node = known.get(name);
    known.delete(name);
    if (node === undefined) {
      node = create(one);
      node.dataset.key = name;
    }
    update(node, one);
    if (parent.children[place] !== node) parent.insertBefore(node, parent.children[place] ?? null);
  });
  for (const node of known.values()) node.remove();
}

/** The element inside `node` with this class; it was made by us, so it is there. */
export function part(node: Element, class_name: string): HTMLElement {
  return node.querySelector(`.${class_name}`) as HTMLElement;
}
