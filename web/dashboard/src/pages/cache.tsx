import type { Entry, NamespaceMetrics } from "@peregrine/sdk";
import { useDeferredValue, useState } from "react";
import { ExportMenu } from "@/charts/chartcard";
import { Parts } from "@/charts/spark";
import { client, useAsk, useMay } from "@/lib/api";
import { bytes, count, duration, percent } from "@/lib/format";
import { download } from "@/lib/export";
import { useParam } from "@/lib/url";
import { Badge, stateTone } from "@/ui/badge";
import { Button } from "@/ui/button";
import { Card, PageHead } from "@/ui/card";
import { Dialog } from "@/ui/dialog";
import { Choice, Search, Tabs } from "@/ui/field";
import { Answer, Empty } from "@/ui/states";
import { Table } from "@/ui/table";
import { Prose } from "@/ui/prose";
import { Explain } from "./parts/explain";
import { InvalidateDialog, type Kind } from "./parts/invalidate";
import { causes, turnover } from "./parts/kept";
import { Strategies } from "./parts/strategies";

const LIMIT = 200;
const TABS = [["entries", "Find an entry"], ["explain", "Explain"], ["namespaces", "Namespaces"], ["strategies", "Strategies"], ["tags", "Tags"], ["reasons", "Why not more"]] as const;

/** What is stored, why, and how to get rid of it. */
export default function Cache() {
  const [view, setView] = useParam("view", "entries");
  const [wanted, setWanted] = useState<{ kind: Kind; names: string } | null>(null);
  const may = useMay("operator");
  return (
    <>
      <PageHead title="Cache" about="What is stored and why it is there. An invalidation is counted first, and its receipt says which tiers and nodes have confirmed it." actions={
        <Button kind="danger" icon="bolt" disabled={!may} title={may ? "" : "Takes the role operator"} onClick={() => setWanted({ kind: "tags", names: "" })}>Invalidate…</Button>
      } />
      <Tabs label="Cache" value={view} onChange={setView} tabs={TABS} />
      {view === "entries" && <Entries onInvalidate={may ? setWanted : null} />}
      {view === "explain" && <ExplainUrl />}
      {view === "namespaces" && <Namespaces onInvalidate={may ? (names) => setWanted({ kind: "namespaces", names }) : null} />}
      {view === "strategies" && <Strategies />}
      {view === "tags" && <Tags onInvalidate={may ? (names) => setWanted({ kind: "tags", names }) : null} />}
      {view === "reasons" && <Reasons />}
      {wanted && <InvalidateDialog {...wanted} onClose={() => setWanted(null)} />}
    </>
  );
}

function Entries({ onInvalidate }: { onInvalidate: ((what: { kind: Kind; names: string }) => void) | null }) {
  const [contains, setContains] = useParam("contains");
  const [namespace, setNamespace] = useParam("namespace");
  const [tag, setTag] = useParam("tag");
  const [state, setState] = useParam("state");
  const [open, setOpen] = useState<Entry | null>(null);
  const query = useDeferredValue({ contains, namespace, tag, state: state as "fresh" | "stale" | "", limit: LIMIT });
  const names = useAsk(["metrics"], (signal) => client.metrics(signal));
  const page = useAsk(["cache", "entries", query], (signal) => client.entries({ ...query, state: query.state || undefined }, signal), 10_000);
  const rows = page.data?.entries ?? [];
  return (
    <Card flush title="Entries" note={page.data ? `${count(rows.length)} found, ${count(page.data.looked_at)} looked at${page.data.complete ? "" : rows.length >= LIMIT ? "; there are more: narrow the search" : "; the time for looking was up: narrow the search"}` : ""} actions={
      <ExportMenu label="Entries" write={(format) => download("peregrine-entries", format, ["key", "namespace", "tenant", "state", "age_s", "ttl_s", "size", "hits", "tags", "tier"],
        rows.map((one) => [one.key, one.namespace, one.tenant, one.state, one.age_s, one.ttl_s, one.size, one.hits, one.tags.join(" "), one.tier]))} />
    }>
      <div className="flex flex-wrap gap-2 px-3.5 pb-2.5">
        <Search label="Part of the key" value={contains} onChange={setContains} className="w-full sm:w-72" />
        <Choice label="Namespace" value={namespace} onChange={setNamespace} options={[["", "All namespaces"], ...(names.data?.cache.namespaces ?? []).map((one) => [one.namespace, one.namespace] as const)]} />
        <Search label="Tag" value={tag} onChange={setTag} className="w-36" />
        <Choice label="State" value={state} onChange={setState} options={[["", "Fresh and stale"], ["fresh", "Fresh"], ["stale", "Stale"]]} />
      </div>
      <Answer of={page}>
        {() => (
          <Table caption="Entries" rows={rows} id={(one, at) => one.key + one.tenant + at} onRow={setOpen}
            empty={<Empty icon="cache" title="No entry fits">{contains || namespace || tag || state ? "Try fewer filters." : "Nothing is stored yet. Entries appear with the first cacheable answers."}</Empty>} columns={[
              { key: "key", label: "Key", sort: (one) => one.key, show: (one) => <button type="button" className="mono block max-w-[28rem] truncate text-left hover:underline" title={one.key} onClick={() => setOpen(one)}>{one.key}</button> },
              { key: "state", label: "State", sort: (one) => one.state, show: (one) => <Badge tone={stateTone(one.state)} dot>{one.state}</Badge> },
              { key: "namespace", label: "Namespace", sort: (one) => one.namespace, show: (one) => one.namespace + (one.tenant ? ` · ${one.tenant}` : "") },
              { key: "tier", label: "Tier", sort: (one) => one.tier, show: (one) => one.tier },
              { key: "age", label: "Age", numeric: true, sort: (one) => one.age_s, show: (one) => duration(one.age_s) },
              { key: "ttl", label: "Fresh for", numeric: true, sort: (one) => one.ttl_s, show: (one) => duration(one.ttl_s) },
              { key: "size", label: "Size", numeric: true, sort: (one) => one.size, show: (one) => bytes(one.size) },
              { key: "hits", label: "Served", numeric: true, sort: (one) => one.hits, show: (one) => count(one.hits) },
            ]} />
        )}
      </Answer>
      {open && (
        <Dialog side title="Why it is there" onClose={() => setOpen(null)} footer={onInvalidate && <Button kind="danger" onClick={() => { onInvalidate({ kind: "keys", names: open.url ?? open.key }); setOpen(null); }}>Invalidate it…</Button>}>
          {open.url ? <Explain url={open.url} /> : <p className="text-muted">This is a value that was set by its name, not the answer to a URL; there is no way of a request to explain.</p>}
        </Dialog>
      )}
    </Card>
  );
}

function Namespaces({ onInvalidate }: { onInvalidate: ((names: string) => void) | null }) {
  const answer = useAsk(["metrics"], (signal) => client.metrics(signal), 5_000);
  const of = (one: NamespaceMetrics) => one.hits / Math.max(1, one.hits + one.misses);
  return (
    <Answer of={answer}>
      {({ cache }) => (
        <Card flush title="Namespaces" note={`${bytes(cache.bytes)} of ${bytes(cache.memory_max)} in use, ${count(cache.entries)} entries`}>
          <Table caption="Namespaces" rows={cache.namespaces} id={(one) => one.namespace} sorted={["bytes", "down"]} empty={<Empty icon="cache" title="No namespaces">They appear with the first entries.</Empty>} columns={[
            { key: "namespace", label: "Namespace", sort: (one) => one.namespace, show: (one) => <span className="mono font-medium">{one.namespace}</span> },
            { key: "bytes", label: "Memory", sort: (one) => one.bytes, show: (one) => <span className="flex items-center gap-2 whitespace-nowrap"><span className="w-20"><Parts className="h-1.5" parts={[{ key: "b", share: one.bytes / Math.max(1, one.memory_max ?? cache.memory_max), color: "--memory" }]} /></span>{bytes(one.bytes)}</span> },
            { key: "entries", label: "Entries", numeric: true, sort: (one) => one.entries, show: (one) => count(one.entries) },
            { key: "hits", label: "Hits", numeric: true, sort: (one) => one.hits, show: (one) => count(one.hits) },
            { key: "misses", label: "Misses", numeric: true, sort: (one) => one.misses, show: (one) => <span title={causes(one.misses_by_reason)}>{count(one.misses)}</span> },
            { key: "ratio", label: "Hit ratio", numeric: true, sort: of, show: (one) => one.hits + one.misses === 0 ? "–" : percent(of(one)) },
            { key: "stale", label: "Stale", numeric: true, sort: (one) => one.stale_served, show: (one) => count(one.stale_served) },
            { key: "coalesced", label: "Coalesced", numeric: true, sort: (one) => one.coalesced, show: (one) => count(one.coalesced) },
            { key: "failures", label: "Failed loads", numeric: true, sort: (one) => one.load_failures, show: (one) => count(one.load_failures) },
            ...turnover,
            ...(onInvalidate ? [{ key: "do", label: "", numeric: true, show: (one: NamespaceMetrics) => <Button kind="ghost" onClick={() => onInvalidate(one.namespace)}>Invalidate…</Button> }] : []),
          ]} />
        </Card>
      )}
    </Answer>
  );
}

/** Why a URL is served as it is, stored or not. */
function ExplainUrl() {
  const [url, setUrl] = useParam("url");
  const [text, setText] = useState(url);
  return (
    <Card title="Explain a URL" className="max-w-4xl">
      <form className="mb-4 flex gap-2" onSubmit={(event) => { event.preventDefault(); setUrl(text.trim()); }}>
        <Search label="A URL, or a path on the address that Peregrine listens on" placeholder="https://shop.example/products?page=2" value={text} onChange={setText} className="mono w-full" />
        <Button type="submit" kind="primary" disabled={!text.trim()}>Explain</Button>
      </form>
      {url === "" ? <Empty title="Which one?">What it maps to, what lies there, each step with its reason, and what to change so that it would be cached.</Empty> : <Explain key={url} url={url} />}
    </Card>
  );
}

function Tags({ onInvalidate }: { onInvalidate: ((names: string) => void) | null }) {
  const [text, setText] = useParam("find");
  const answer = useAsk(["cache", "tags"], (signal) => client.tags(500, signal), 10_000);
  return (
    <Card flush title="Tags" actions={<Search label="Find a tag" value={text} onChange={setText} className="w-52" />}>
      <Answer of={answer}>
        {(data) => {
          const shown = data.filter((one) => one.tag.includes(text));
          const most = Math.max(...shown.map((one) => one.entries), 1);
          return (
            <Table caption="Tags" rows={shown} id={(one, at) => one.tag + at} sorted={["entries", "down"]}
              empty={<Empty icon="cache" title="No tags">Origins name them in a response field, or a strategy sets them.</Empty>} columns={[
                { key: "tag", label: "Tag", sort: (one) => one.tag, show: (one) => <span className="mono">{one.tag}</span> },
                { key: "bar", label: "Share of the largest", show: (one) => <span className="block w-40"><Parts className="h-1.5" parts={[{ key: "s", share: one.entries / most, color: "--memory" }]} /></span> },
                { key: "entries", label: "Entries", numeric: true, sort: (one) => one.entries, show: (one) => count(one.entries) },
                ...(onInvalidate ? [{ key: "do", label: "", numeric: true, show: (one: { tag: string }) => <Button kind="ghost" onClick={() => onInvalidate(one.tag)}>Invalidate…</Button> }] : []),
              ]} />
          );
        }}
      </Answer>
    </Card>
  );
}

function Reasons() {
  const stats = useAsk(["cache", "stats"], (signal) => client.cacheStats(signal), 5_000);
  return (
    <Card title="Why requests were not answered from the cache" note="since the start">
      <Answer of={stats}>
        {(data) => data.reasons.length === 0 ? <Empty icon="check" title="There was no such request yet" /> : (
          <ul className="flex flex-col divide-y divide-line">
            {data.reasons.map((one) => (
              <li key={one.reason} className="grid gap-x-4 gap-y-1 py-2.5 sm:grid-cols-[10rem_8rem_1fr]">
                <span className="mono font-medium">{one.reason}</span>
                <span className="flex items-center gap-2"><span className="w-16"><Parts className="h-1.5" parts={[{ key: "s", share: one.share, color: "--origin" }]} /></span>{percent(one.share)}</span>
                <span><span className="text-muted"><Prose text={one.sentence} /></span>{one.advice && <span className="mt-0.5 block text-info"><Prose text={one.advice} /></span>}</span>
              </li>
            ))}
          </ul>
        )}
      </Answer>
    </Card>
  );
}
