import type { Invalidation, Problem, Receipt } from "@peregrine/sdk";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { client } from "@/lib/api";
import { count } from "@/lib/format";
import { Badge, stateTone } from "@/ui/badge";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { Field, Segments, Toggle } from "@/ui/field";
import { Notice } from "@/ui/states";
import { toast } from "@/ui/toast";

export type Kind = "tags" | "keys" | "prefixes" | "patterns" | "namespaces" | "all";
const KINDS: readonly (readonly [Kind, string])[] = [["tags", "Tags"], ["keys", "Keys"], ["prefixes", "Prefixes"], ["patterns", "Patterns"], ["namespaces", "Namespaces"], ["all", "Everything"]];
const HINTS: Record<Kind, string> = {
  tags: "Entries that carry one of these tags.",
  keys: "These entries with all their variants: a path (on any host), a URL, or the name of a value.",
  prefixes: "Entries that begin so: /products/, https://shop.example/images/.",
  patterns: "Entries that match; * stands for anything, / included: /products/*.json.",
  namespaces: "All that is in these namespaces.",
  all: "Every entry of every namespace. The origin will feel it.",
};

/** First counts what would be gone, then does it, then shows who confirmed it. */
export function InvalidateDialog({ kind: first = "tags", names = "", onClose }: { kind?: Kind; names?: string; onClose: () => void }) {
  const queries = useQueryClient();
  const [kind, setKind] = useState<Kind>(first);
  const [text, setText] = useState(names);
  const [soft, setSoft] = useState(true);
  const list = text.split(/[\n,]/).map((name) => name.trim()).filter(Boolean);
  const what = (dry_run: boolean): Invalidation => ({ ...(kind === "all" ? { all: true } : { [kind]: list }), soft, dry_run });
  const dry = useMutation<Receipt, Problem>({ mutationFn: () => client.invalidate(what(true)) });
  const real = useMutation<Receipt, Problem>({
    mutationFn: () => client.invalidate(what(false)),
    onSuccess: () => {
      toast("The invalidation holds.");
      for (const key of ["cache", "summary", "entries"]) void queries.invalidateQueries({ queryKey: [key] });
    },
  });
  const changed = () => {
    dry.reset();
    real.reset();
  };
  const ready = kind === "all" || list.length > 0;
  return (
    <Dialog title="Invalidate" onClose={onClose} footer={real.data ? <Button kind="primary" onClick={onClose}>Done</Button> : <>
      <Button onClick={() => dry.mutate()} busy={dry.isPending} disabled={!ready}>Count first</Button>
      <Button kind="danger" onClick={() => real.mutate()} busy={real.isPending} disabled={!ready}>{soft ? "Make them stale" : "Remove them"}</Button>
    </>}>
      <div className="flex flex-col gap-4">
        {real.data ? <ReceiptView receipt={real.data} /> : <>
          <Segments label="What is meant" value={kind} options={KINDS} onChange={(value) => { setKind(value as Kind); changed(); }} />
          {kind === "all" ? <p className="text-muted">{HINTS.all}</p> : (
            <Field label={KINDS.find(([key]) => key === kind)?.[1] ?? ""} hint={`${HINTS[kind]} One a line or with commas.`}>
              {(id) => <textarea id={id} className="field mono" rows={3} value={text} spellCheck={false} onChange={(event) => { setText(event.target.value); changed(); }} />}
            </Field>
          )}
          <Toggle label="Only make stale: while they are loaded again, the old ones may still be served" checked={soft} onChange={(value) => { setSoft(value); changed(); }} />
          {dry.data && (
            <p role="status" className="rounded-lg bg-info-soft px-3 py-2 text-info">
              This would reach <strong>{dry.data.matched.memory === null ? "an unknown number of" : count(dry.data.matched.memory)}</strong> entries in memory
              {dry.data.matched.redis !== null && <> and <strong>{count(dry.data.matched.redis)}</strong> in Redis</>}. Nothing was changed.
            </p>
          )}
          <Notice problem={dry.error ?? real.error} />
        </>}
      </div>
    </Dialog>
  );
}

export function ReceiptView({ receipt }: { receipt: Receipt }) {
  const whole = receipt.layers.every((layer) => layer.confirmed >= layer.of);
  return (
    <div className="flex flex-col gap-3" data-receipt={receipt.id}>
      <p className="flex items-center gap-2 font-semibold"><Badge tone={whole ? "good" : "warn"} dot>{whole ? "confirmed everywhere" : "not confirmed by all"}</Badge></p>
      <p className="text-muted">
        {receipt.matched.memory === null ? "It was not counted how many entries" : `${count(receipt.matched.memory)} entries`} in memory
        {receipt.matched.redis !== null && <> and {count(receipt.matched.redis)} in Redis</>}. A request that arrives from now on gets nothing that was loaded before.
      </p>
      {receipt.journaled && <p className="rounded-lg bg-warn-soft px-3 py-2 text-warn">Redis is away. It holds at this node now and stands in its journal; the others are told when Redis is back.</p>}
      <table className="w-full text-left">
        <caption className="sr-only">Who confirmed the invalidation</caption>
        <thead><tr className="text-2xs text-muted"><th scope="col" className="py-1 font-medium">Layer</th><th scope="col" className="py-1 text-right font-medium">Confirmed</th><th scope="col" className="py-1 text-right font-medium">Took</th></tr></thead>
        <tbody>
          {receipt.layers.map((layer) => (
            <tr key={layer.layer} className="border-t border-line">
              <td className="py-1.5">{layer.layer}{layer.nodes && <span className="mt-1 flex flex-wrap gap-1">{layer.nodes.map((node) => <Badge key={node.node} tone={stateTone(node.state)}>{node.node} {node.state}</Badge>)}</span>}</td>
              <td className="py-1.5 text-right align-top font-semibold">{layer.confirmed} of {layer.of}</td>
              <td className="py-1.5 text-right align-top">{layer.took_ms} ms</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p className="text-2xs text-faint">Receipt <code className="mono">{receipt.id}</code></p>
    </div>
  );
}
