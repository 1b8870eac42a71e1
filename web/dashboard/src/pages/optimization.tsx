import type { Patched, Problem, Recommendation } from "@peregrine/sdk";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";
import { client, useAsk, useMay } from "@/lib/api";
import { copy } from "@/lib/export";
import { figure } from "@/lib/series";
import { Badge, type Tone } from "@/ui/badge";
import { Button, IconButton } from "@/ui/button";
import { Card, PageHead } from "@/ui/card";
import { Dialog } from "@/ui/dialog";
import { Answer, Empty, Notice } from "@/ui/states";
import { toast } from "@/ui/toast";
import { Prose } from "@/ui/prose";
import { Diff } from "./parts/diff";

const SURE: Record<Recommendation["confidence"], Tone> = { high: "good", medium: "info", low: "quiet" };

/** What would make it better, with the evidence, the exact change and a way to apply it. */
export default function Optimization() {
  const queries = useQueryClient();
  const answer = useAsk(["recommendations"], (signal) => client.recommendations(signal), 30_000);
  const [wanted, setWanted] = useState<Recommendation | null>(null);
  const may = useMay("operator");
  const run = useMutation<unknown, Problem>({
    mutationFn: () => client.optimize(),
    onSuccess: () => { toast("Computed from what is known now."); void queries.invalidateQueries({ queryKey: ["recommendations"] }); },
    onError: (problem) => toast(problem.message, "bad"),
  });
  return (
    <>
      <PageHead title="Optimization" about="What would make it better: the evidence, the exact change of the configuration, what to expect of it, and what could go wrong."
        actions={<Button icon="bolt" busy={run.isPending} disabled={!may} onClick={() => run.mutate()}>Compute now</Button>} />
      <Answer of={answer} lines={8}>
        {(list) => list.length === 0 ? <Card><Empty icon="check" title="Nothing to recommend">Recommendations come when there is enough evidence; that takes some minutes of traffic.</Empty></Card> : (
          <ul className="flex flex-col gap-2.5">{list.map((one) => <li key={one.id}><One of={one} onApply={() => setWanted(one)} /></li>)}</ul>
        )}
      </Answer>
      <p className="mt-4 text-muted">What was applied before is in the <Link className="underline hover:text-text" href="/audit?what=config_patch">audit log</Link>, with the values before and after.</p>
      {wanted && <Apply of={wanted} onClose={() => setWanted(null)} />}
    </>
  );
}

function One({ of: one, onApply }: { of: Recommendation; onApply: () => void }) {
  const may = useMay("admin");
  return (
    <Card title={one.title} note={<Badge tone={SURE[one.confidence]}>confidence {one.confidence}</Badge>} actions={
      <Button kind={one.applicable ? "primary" : "plain"} disabled={!may || !one.applicable} title={!one.applicable ? "Cannot be applied while it runs" : may ? "" : "Takes the role admin"} onClick={onApply}>Apply…</Button>
    }>
      <div className="grid gap-x-8 gap-y-3 pt-1 lg:grid-cols-[1.2fr_1fr]">
        <div>
          <p><Prose text={one.why} /></p>
          <dl className="mt-2.5 grid grid-cols-[1fr_auto] gap-x-6 gap-y-1">
            {one.evidence.map((each) => <div key={each.what} className="contents"><dt className="text-muted">{each.what}</dt><dd className="text-right font-semibold">{figure(each.what, each.value, each.unit)}</dd></div>)}
          </dl>
          <p className="mt-2.5"><span className="text-muted">Expected: </span><Prose text={one.expected} /></p>
          <p className="mt-1"><span className="text-muted">Risk: </span><Prose text={one.risk} /></p>
        </div>
        <div className="relative min-w-0">
          <pre className="mono overflow-x-auto rounded-lg bg-sunken p-3 pr-10" tabIndex={0} aria-label="The change">{one.toml.trim()}</pre>
          <IconButton icon="copy" label="Copy the change" className="absolute top-1 right-1" onClick={() => void copy(one.toml).then((done) => toast(done ? "Copied." : "It could not be copied.", done ? "good" : "bad"))} />
        </div>
      </div>
    </Card>
  );
}

/** The change as PATCH config takes it. The values are written as TOML, whose texts, numbers, flags and lists JSON reads too. */
export function changesOf({ change }: Pick<Recommendation, "change">): Record<string, unknown> {
  return Object.fromEntries(change.map(({ parameter, to }) => {
    try {
      return [parameter, JSON.parse(to) as unknown];
    } catch {
      return [parameter, to];
    }
  }));
}

function Apply({ of: one, onClose }: { of: Recommendation; onClose: () => void }) {
  const queries = useQueryClient();
  const changes = changesOf(one);
  // The tag is of the configuration that the difference was shown for: what somebody else changed since is not written over.
  const dry = useAsk<Patched & { seen: string }>(["apply", one.id], async (signal) => {
    const { etag } = await client.config(signal);
    return { ...(await client.patchConfig(etag, changes, true)), seen: etag };
  });
  const real = useMutation<Patched, Problem>({
    mutationFn: () => client.patchConfig(dry.data?.seen ?? "", changes, false),
    onError: (problem) => { if (problem.status === 412) void dry.refetch(); },
    onSuccess: () => { toast("Applied."); void queries.invalidateQueries(); onClose(); },
  });
  return (
    <Dialog wide title={one.title} onClose={onClose} footer={<Button kind="primary" busy={real.isPending} disabled={!dry.data} onClick={() => real.mutate()}>Write it to the configuration</Button>}>
      <Answer of={dry}>
        {(patched) => (
          <div className="flex flex-col gap-3">
            <Diff text={patched.diff} />
            {patched.needs_restart.length > 0 && <p className="rounded-lg bg-warn-soft px-3 py-2 text-warn">Holds after a restart only: {patched.needs_restart.join(", ")}</p>}
          </div>
        )}
      </Answer>
      <div className="mt-3"><Notice problem={real.error} /></div>
    </Dialog>
  );
}
