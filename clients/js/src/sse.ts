// An event stream, from pieces of text to events. How the text was cut never changes what is told.

export interface Event {
  id?: string;
  event?: string;
  data?: string;
  retry?: number;
}

/** Gives a function that takes pieces of text; each event, also one that is only an id, is told once it is whole. */
export function sseReader(tell: (event: Event) => void): (text: string) => void {
  let rest = "";
  let event: Event = {};
  const line = (text: string) => {
    if (!text) {
      const whole = event;
      event = {};
      for (const _ in whole) return tell(whole);
      return;
    }
    const [, name, value] = /^([^:]*)(?:: ?(.*))?$/s.exec(text)! as unknown as [string, string, string | undefined];
    if (name === "data") event.data = event.data === undefined ? (value ?? "") : event.data + "\n" + (value ?? "");
    else if (name === "id" || name === "event") event[name] = value ?? "";
    else if (name === "retry") event.retry = Number(value);
  };
  return (text) => {
    // A CR that ends a piece may be half of a line end, so it waits for what comes next.
    const lines = (rest + text).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop()!;
    lines.forEach(line);
  };
}
