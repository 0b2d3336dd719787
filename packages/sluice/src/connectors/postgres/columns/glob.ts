/** True when the glob (`*`: any characters, `?`: one) matches the whole text. Takes at most glob × text steps. */
export function globMatches(glob: string, text: string): boolean {
  let g = 0;
  let t = 0;
  let star = -1;
  let tried = 0;
  while (t < text.length) {
    if (glob[g] === '*') {
      star = g++;
      tried = t;
    } else if (g < glob.length && (glob[g] === '?' || glob[g] === text[t])) {
      g++;
      t++;
    } else if (star >= 0) {
      // The last star takes one character more.
      g = star + 1;
      t = ++tried;
    } else return false;
  }
  while (glob[g] === '*') g++;
  return g === glob.length;
}
