/** A change of a text, with what goes and what comes told by more than colour. */
export function Diff({ text }: { text: string }) {
  if (text.trim() === "") return <p className="text-muted">Nothing would change in the file.</p>;
  return (
    <pre className="mono overflow-x-auto rounded-lg bg-sunken py-2" tabIndex={0} aria-label="Changes of the file">
      {text.trimEnd().split("\n").map((line, at) => (
        <div key={at} className={`px-3 ${line.startsWith("+") && !line.startsWith("+++") ? "bg-good-soft text-good" : line.startsWith("-") && !line.startsWith("---") ? "bg-bad-soft text-bad" : "text-muted"}`}>{line || " "}</div>
      ))}
    </pre>
  );
}
