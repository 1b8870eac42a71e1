import type { ApplicationMetrics } from "@peregrine/sdk";
import { Parts } from "@/charts/spark";
import { count } from "@/lib/format";
import { useParam } from "@/lib/url";
import { statusTone } from "@/ui/badge";
import { Card } from "@/ui/card";
import { Choice } from "@/ui/field";
import { Empty } from "@/ui/states";
import { Table } from "@/ui/table";
import { Prose } from "@/ui/prose";
import { Memory } from "./kept";
import { served, spared } from "./served";

/** How many tenants can be chosen without looking for them in the table. */
const TENANTS_OFFERED = 50;
/** The choice whose causes are shown. */
const WHOSE = "whose-causes";

/** Errors and reasons of `key`: of everything where it is empty. */
function causesOf(data: ApplicationMetrics, key: string) {
  if (key === "") return { name: "of everything", errors: data.errors, reasons: data.reasons };
  const [kind, ...rest] = key.split(" ");
  const name = rest.join(" ");
  const found = kind === "route" ? data.routes.find((one) => one.route === name)
    : kind === "strategy" ? data.strategies.find((one) => one.strategy === name)
    : kind === "upstream" ? data.upstreams.find((one) => one.upstream === name)
    : kind === "tenant" ? data.tenants.find((one) => one.tenant === name) : undefined;
  if (!found?.causes) return { name: `nothing is counted of ${key}`, errors: {}, reasons: [] };
  const sentences = new Map(data.reasons.map((one) => [one.reason, one.sentence]));
  const reasons = Object.entries(found.causes.reasons).sort(([, left], [, right]) => right - left)
    .map(([reason, count]) => ({ reason, count, sentence: sentences.get(reason) ?? "" }));
  return { name: `of ${key}`, errors: found.causes.errors, reasons };
}

/** Whose causes can be looked at: routes, strategies, upstreams, the tenants with the most requests, and the one that is chosen. */
function subjects(data: ApplicationMetrics, chosen: string): [string, string][] {
  const tenants = data.tenants.filter((one) => one.causes).sort((left, right) => (right.requests ?? 0) - (left.requests ?? 0)).slice(0, TENANTS_OFFERED);
  const keys = [...data.routes.map((one) => `route ${one.route}`), ...data.strategies.map((one) => `strategy ${one.strategy}`), ...data.upstreams.map((one) => `upstream ${one.upstream}`), ...tenants.map((one) => `tenant ${one.tenant}`)];
  return [["", "Everything"], ...[...new Set(chosen ? [...keys, chosen] : keys)].map((key): [string, string] => [key, key])];
}

const TONE_COLORS = { good: "--good", info: "--info", warn: "--warn", bad: "--bad", quiet: "--quiet" } as const;
/** What was answered since the start, how and why: of everything, or of one route, strategy, upstream or tenant. */
export function Answers({ data }: { data: ApplicationMetrics }) {
  const [of, setOf] = useParam("of");
  const causes = causesOf(data, of);
  // They are above the table: whoever asks for them there is taken to them.
  const look = (key: string) => { setOf(key); document.getElementById(WHOSE)?.focus(); };
  const statuses = Object.entries(data.statuses).sort(([, left], [, right]) => right - left);
  const total = statuses.reduce((sum, [, value]) => sum + value, 0) || 1;
  const bars = (rows: [string, number][], color: (name: string) => string, empty: string) => rows.length === 0 ? <Empty icon="check" title={empty} /> : (
    <ul className="flex flex-col gap-2 pt-1">
      {rows.map(([name, value]) => {
        const all = rows.reduce((sum, [, one]) => sum + one, 0) || 1;
        return (
          <li key={name} className="grid grid-cols-[minmax(0,8rem)_1fr_4.5rem] items-center gap-3">
            <span className="mono truncate" title={name}>{name}</span><Parts className="h-1.5" parts={[{ key: name, share: value / all, color: color(name) }]} /><span className="text-right">{count(value)}</span>
          </li>
        );
      })}
    </ul>
  );
  return (
    <div className="grid gap-2.5 lg:grid-cols-2">
      <Card title="Statuses" note={`${count(total)} answers since the start`}>{bars(statuses, (name) => TONE_COLORS[statusTone(Number.parseInt(name, 10))], "No answers yet")}</Card>
      <Card title="Errors by kind" note={causes.name}>{bars(Object.entries(causes.errors).filter(([, value]) => value > 0).sort(([, left], [, right]) => right - left), () => "--bad", "No errors since the start")}</Card>
      <Card title="Why not from the cache" note={causes.name} className="lg:col-span-2" actions={<Choice label="Whose errors and reasons" value={of} onChange={setOf} id={WHOSE} className="w-52" options={subjects(data, of)} />}>
        {causes.reasons.length === 0 ? <Empty icon="cache" title="Nothing missed yet" /> : (
          <ul className="flex flex-col divide-y divide-line">
            {causes.reasons.slice(0, 12).map((one) => <li key={one.reason} className="grid grid-cols-[9rem_4.5rem_1fr] gap-3 py-1.5"><span className="mono">{one.reason}</span><span className="text-right font-semibold">{count(one.count)}</span><span className="text-muted"><Prose text={one.sentence} /></span></li>)}
          </ul>
        )}
      </Card>
      <Card flush title="Tiers" note="what the cache answered" className="lg:col-span-2">
        <Table compact caption="Tiers" rows={data.tiers} id={(one) => one.tier} columns={[
          { key: "tier", label: "Tier", show: (one) => one.tier },
          { key: "requests", label: "Answers", numeric: true, show: (one) => count(one.requests) },
          ...served.filter((column) => column.key !== "errors").map((column) => column.key === "hits" ? { ...column, label: "Share" } : column),
          { key: "evictions", label: "Evictions", numeric: true, show: (one) => count(one.evictions) },
          ...spared.filter((column) => column.key === "saved"),
        ]} />
      </Card>
      <Card flush title="Strategies" className="lg:col-span-2">
        <Table compact caption="Strategies" rows={data.strategies} id={(one) => one.strategy} empty={<Empty icon="cache" title="No strategies" />} columns={[
          { key: "strategy", label: "Strategy", show: (one) => one.strategy },
          { key: "rate", label: "Requests/s", numeric: true, show: (one) => count(one.requests_per_s) },
          ...served, ...spared,
        ]} />
      </Card>
      <Card flush title="Upstreams" note="what was asked of them, and answered in their place" className="lg:col-span-2">
        <Table compact caption="Upstreams" rows={data.upstreams} id={(one) => one.upstream} empty={<Empty icon="cache" title="No upstreams" />} columns={[
          { key: "upstream", label: "Upstream", show: (one) => one.upstream },
          { key: "rate", label: "Requests/s", numeric: true, show: (one) => count(one.requests_per_s) },
          ...served, ...spared,
        ]} />
      </Card>
      {data.tenants.length > 0 && (
        <Card flush title="Tenants" note="since the start" className="lg:col-span-2">
          <Table compact caption="Tenants" rows={data.tenants} id={(one) => one.tenant} sorted={["requests", "down"]} columns={[
            { key: "tenant", label: "Tenant", sort: (one) => one.tenant, show: (one) => one.causes ? <button type="button" className="mono text-left hover:underline" title="Its errors and reasons" onClick={() => look(`tenant ${one.tenant}`)}>{one.tenant}</button> : <span className="mono">{one.tenant}</span> },
            { key: "requests", label: "Requests", numeric: true, sort: (one) => one.requests, show: (one) => count(one.requests) },
            ...served, ...spared,
          ]} />
        </Card>
      )}
      <Memory data={data} />
      <Card flush title="Keys asked for most" note="counted by a sketch" className="lg:col-span-2">
        <Table compact caption="Keys asked for most" rows={data.top_keys} id={(one) => one.key} empty={<Empty icon="key" title="No keys yet" />} columns={[
          { key: "key", label: "Key", show: (one) => <span className="mono block max-w-96 truncate" title={one.key}>{one.key}</span> },
          { key: "count", label: "Requests", numeric: true, show: (one) => count(one.count) },
          { key: "error", label: "± at most", numeric: true, show: (one) => count(one.error) },
        ]} />
      </Card>
    </div>
  );
}
