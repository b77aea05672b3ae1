/** Two small helpers in place of a framework. Text is always set as text, never as HTML. */

type Child = Node | string | null | false;
type Value = string | number | boolean | null | ((event: Event) => void);

/** Make an element: `on*` values become listeners, `true` an empty attribute. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, Value>> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false)
      element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== false));
  return element;
}

/**
 * Replace what a container holds and keep the reader's place: a list that refreshes
 * every five seconds must not steal focus or jump.
 */
export function fill(container: HTMLElement, ...children: Child[]): void {
  const active = document.activeElement;
  const key = container.contains(active) ? active?.getAttribute("data-key") : null;
  const top = container.scrollTop;
  container.replaceChildren(...children.filter((child) => child !== null && child !== false));
  container.scrollTop = top;
  if (key) container.querySelector<HTMLElement>(`[data-key="${CSS.escape(key)}"]`)?.focus();
}

/** A list of named values. */
export function facts(rows: readonly (readonly [name: string, value: string])[]): HTMLElement {
  const pairs = rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)));
  return h("dl", { class: "facts" }, ...pairs);
}

export function element(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (!found) throw new Error(`index.html has no element #${id}`);
  return found;
}
