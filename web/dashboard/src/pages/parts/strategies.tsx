import type { Strategy } from "@peregrine/sdk";
import { useState } from "react";
import { Link } from "wouter";
import { client, useAsk } from "@/lib/api";
import { count, duration, milliseconds, percent } from "@/lib/format";
import { Badge } from "@/ui/badge";
import { Card } from "@/ui/card";
import { Dialog } from "@/ui/dialog";
import { Prose } from "@/ui/prose";
import { Answer, Empty } from "@/ui/states";
import { Table } from "@/ui/table";

/** The caching policies: what each of them means, who uses it, what came of it. */
export function Strategies() {
  const answer = useAsk(["cache", "strategies"], (signal) => client.strategies(signal), 5_000);
  const [open, setOpen] = useState<Strategy | null>(null);
  return (
    <Answer of={answer}>
      {(strategies) => (
        <Card flush title="Strategies" note="since the start; choose one for its settings">
          <Table caption="Strategies" rows={strategies} id={(one) => one.strategy} onRow={setOpen} empty={<Empty icon="cache" title="No strategies">They appear when the configuration names some.</Empty>} columns={[
            { key: "strategy", label: "Strategy", sort: (one) => one.strategy, show: (one) => <button type="button" className="mono font-medium hover:underline" onClick={() => setOpen(one)}>{one.strategy}</button> },
            { key: "means", label: "What it means", show: (one) => <span className="block max-w-[28rem] truncate text-muted" title={one.explained.join(" ")}><Prose text={one.explained[0] ?? "–"} /></span> },
            { key: "routes", label: "Routes", numeric: true, sort: (one) => one.routes.length, show: (one) => <span title={one.routes.join(", ")}>{count(one.routes.length)}</span> },
            { key: "requests", label: "Requests", numeric: true, sort: (one) => one.figures?.requests ?? null, show: (one) => count(one.figures?.requests ?? null) },
            { key: "hits", label: "Hits", numeric: true, sort: (one) => one.figures?.hit_ratio.total ?? null, show: (one) => percent(one.figures?.hit_ratio.total ?? null) },
            { key: "stale", label: "Stale", numeric: true, sort: (one) => one.figures?.stale_ratio ?? null, show: (one) => percent(one.figures?.stale_ratio ?? null) },
            { key: "bypass", label: "Past the cache", numeric: true, sort: (one) => one.figures?.bypass_ratio ?? null, show: (one) => percent(one.figures?.bypass_ratio ?? null) },
            { key: "p95", label: "p95", numeric: true, sort: (one) => one.figures?.latency_ms.p95 ?? null, show: (one) => milliseconds(one.figures?.latency_ms.p95 ?? null) },
            { key: "origin", label: "Origin time", numeric: true, sort: (one) => one.figures?.origin_seconds ?? null, show: (one) => duration(one.figures?.origin_seconds ?? null) },
            { key: "errors", label: "Errors", numeric: true, sort: (one) => one.figures?.error_ratio ?? null, show: (one) => percent(one.figures?.error_ratio ?? null) },
          ]} />
          {open && <Details of={open} onClose={() => setOpen(null)} />}
        </Card>
      )}
    </Answer>
  );
}

function Details({ of, onClose }: { of: Strategy; onClose: () => void }) {
  return (
    <Dialog side title={`Strategy ${of.strategy}`} onClose={onClose} footer={<Link className="text-info hover:underline" href={`/settings?find=strategy.${encodeURIComponent(of.strategy)}`}>Change it in Settings</Link>}>
      {of.explained.length > 0 && <ul className="mb-4 flex list-disc flex-col gap-1 pl-5">{of.explained.map((one) => <li key={one}><Prose text={one} /></li>)}</ul>}
      <p className="mb-4 text-muted">{of.routes.length === 0 ? "No route uses it." : <>Used by {of.routes.map((one) => <span key={one} className="mono mr-2">{one}</span>)} in {of.namespaces.join(", ")}.</>}</p>
      <dl className="flex flex-col divide-y divide-line">
        {of.settings.map((one) => (
          <div key={one.name} className="py-2">
            <dt className="flex items-baseline gap-2"><span className="mono">{one.name.slice(one.name.lastIndexOf(".") + 1)}</span>{one.source !== "default" && <Badge tone="info">{one.source}</Badge>}</dt>
            <dd><span className="mono">{one.text || "not set"}</span><span className="block text-muted"><Prose text={one.about} /></span></dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
