import type { Score } from "@peregrine/sdk";
import { Parts } from "@/charts/spark";
import { percent, unit } from "@/lib/format";
import { Dialog } from "@/ui/dialog";
import { Table } from "@/ui/table";

/** The score with its parts and its formula, so that nobody has to believe it. */
export function ScoreDialog({ score, onClose }: { score: Score; onClose: () => void }) {
  const weights = score.parts.reduce((sum, part) => sum + part.weight, 0) || 1;
  const color = (value: number) => (value >= 80 ? "--good" : value >= 60 ? "--warn" : "--bad");
  return (
    <Dialog wide title={score.value === null ? "Without a request there is no score" : `The score is ${score.value.toFixed(1)}${score.grade ? `, grade ${score.grade}` : ""}`} onClose={onClose}>
      <p className="mb-3 text-muted">{score.formula}</p>
      <div className="-mx-4">
        <Table caption="Parts of the score" rows={score.parts} id={(part) => part.name} columns={[
          { key: "name", label: "Part", show: (part) => <><span className="font-medium">{part.name}</span><span className="block max-w-80 text-2xs text-muted">{part.why}</span></> },
          { key: "weight", label: "Weight", numeric: true, show: (part) => percent(part.weight / weights, 0) },
          { key: "measured", label: "Measured", numeric: true, show: (part) => <span className="font-semibold">{unit(part.measured, part.unit)}</span> },
          { key: "good", label: "Good", numeric: true, show: (part) => unit(part.good, part.unit) },
          { key: "bad", label: "Bad", numeric: true, show: (part) => unit(part.bad, part.unit) },
          { key: "score", label: "Points", show: (part) => part.score === null ? "not measured" : <span className="flex items-center gap-2"><span className="w-16"><Parts className="h-1.5" parts={[{ key: "s", share: part.score / 100, color: color(part.score) }]} /></span>{Math.round(part.score)}</span> },
        ]} />
      </div>
    </Dialog>
  );
}
