// What is refused at once, with a sentence that says what would be right.

/** Whether so few letters make one word of the other. */
function isNear(a: string, b: string, letters: number): boolean {
  if (a === b) return true;
  if (!letters--) return false;
  let at = 0;
  while (a[at] === b[at]) at++;
  const [rest, other] = [a.slice(at), b.slice(at)];
  return isNear(rest.slice(1), other.slice(1), letters) || isNear(rest.slice(1), other, letters) || isNear(rest, other.slice(1), letters);
}

/** Throws where one of these words is none of those that there are. */
export function checkWords(what: string, words: readonly string[], known: readonly string[]): void {
  for (const word of words) {
    if (known.includes(word)) continue;
    const near = known.find((name) => isNear(name.toLowerCase(), word.toLowerCase(), word.length < 4 ? 1 : 2));
    throw new TypeError(`there is no ${what} "${word}"; ` + (near ? `did you mean "${near}"?` : `there are: ${known.join(", ")}`));
  }
}

/** Throws where it cannot be called. */
export function checkListener(listener: unknown): void {
  if (typeof listener !== "function") throw new TypeError("the listener is no function: " + listener);
}
