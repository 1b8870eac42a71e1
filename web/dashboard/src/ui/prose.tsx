/** A sentence of the API; what stands in backticks there is shown as code. */
export function Prose({ text }: { text: string }) {
  return text.split("`").map((part, at) => (at % 2 === 1 ? <code key={at} className="mono">{part}</code> : part));
}
