import type { RequestEvent } from "@peregrine/sdk";
import { useMemo, useState, type ReactNode } from "react";
import { ExportMenu } from "@/charts/chartcard";
import { client, live, useAsk, useLive } from "@/lib/api";
import { bytes, clock, count, date, milliseconds } from "@/lib/format";
import { download } from "@/lib/export";
import { useParam } from "@/lib/url";
import { Badge, statusTone, type Tone } from "@/ui/badge";
import { Button } from "@/ui/button";
import { Card, PageHead } from "@/ui/card";
import { Dialog } from "@/ui/dialog";
import { Choice, Facts, Search } from "@/ui/field";
import { Empty } from "@/ui/states";
import { Table } from "@/ui/table";
import { Explain } from "./parts/explain";

const SHOWN_MAX = 150;
const cacheTone = (cache: string): Tone => (/stale/.test(cache) ? "warn" : /hit|fresh|memory|redis|collapsed|coalesced/.test(cache) ? "good" : /miss|fwd|load/.test(cache) ? "info" : "quiet");

interface Filter { contains: string; status: string; cache: string; route: string; slow: string }
export function fits(request: RequestEvent, filter: Filter): boolean {
  const text = filter.contains.toLowerCase();
  return (text === "" || `${request.method} ${request.host}${request.target} ${request.request_id} ${request.client}`.toLowerCase().includes(text))
    && (filter.status === "" || String(request.status).startsWith(filter.status))
    && (filter.cache === "" || request.cache === filter.cache)
    && (filter.route === "" || request.route === filter.route)
    && (filter.slow === "" || request.duration_ms >= Number(filter.slow));
}

/** Requests as they are answered. */
export default function Traffic() {
  const [contains, setContains] = useParam("contains");
  const [status, setStatus] = useParam("status");
  const [cache, setCache] = useParam("cache");
  const [route, setRoute] = useParam("route");
  const [slow, setSlow] = useParam("slow");
  const [open, setOpen] = useState<RequestEvent | null>(null);
  const [requests, skipped, paused] = [useLive("requests"), useLive("skipped"), useLive("paused")];
  const filter = useMemo(() => ({ contains, status, cache, route, slow }), [contains, status, cache, route, slow]);
  const filtered = Object.values(filter).some(Boolean);
  // The stream leaves requests out when there are many; a filter finds its own among all that the server remembers.
  const before = useAsk(["traffic", filter], (signal) => client.traffic({
    limit: 300, contains, cache, route, ...(status ? { status: `${status}xx` } : {}), ...(slow ? { min_ms: Number(slow) } : {}),
  }, signal), filtered ? 1_000 : 0);
  const all = useMemo(() => {
    const seen = new Set(requests.map((one) => one.request_id));
    return [...requests, ...(before.data ?? []).filter((one) => !seen.has(one.request_id))].sort((left, right) => right.at.localeCompare(left.at));
  }, [requests, before.data]);
  const shown = useMemo(() => all.filter((one) => fits(one, filter)).slice(0, SHOWN_MAX), [all, filter]);
  const values = (of: (one: RequestEvent) => string | null) => [...new Set(all.map(of).filter((one): one is string => Boolean(one)))].sort().map((one) => [one, one] as const);
  return (
    <>
      <PageHead title="Traffic" about="Requests as they are answered, newest first. Secrets in addresses are blacked out. Choose one to see why it was answered as it was." />
      <Card flush title={paused ? "Held still" : "Live"} note={`${count(shown.length)} shown of the last ${count(all.length)}${skipped > 0 ? `, ${count(skipped)} left out at this rate` : ""}`} actions={<>
        <Button kind="ghost" icon={paused ? "play" : "pause"} onClick={() => live.pause(!paused)}>{paused ? "Go on" : "Hold"}</Button>
        <ExportMenu label="Requests" write={(format) => download("peregrine-requests", format, ["at", "request_id", "method", "host", "target", "status", "cache", "reason", "duration_ms", "upstream_ms", "route", "sent_bytes"],
          shown.map((one) => [one.at, one.request_id, one.method, one.host, one.target, one.status, one.cache, one.reason, one.duration_ms, one.upstream_ms, one.route, one.sent_bytes]))} />
      </>}>
        <div className="flex flex-wrap gap-2 px-3.5 pb-2.5">
          <Search label="Part of the address, client or request id" placeholder="Address, client or request id" value={contains} onChange={setContains} className="w-full sm:w-72" />
          <Choice label="Status" value={status} onChange={setStatus} options={[["", "Any status"], ["2", "2xx"], ["3", "3xx"], ["4", "4xx"], ["5", "5xx"]]} />
          <Choice label="Cache" value={cache} onChange={setCache} options={[["", "Any outcome"], ...values((one) => one.cache)]} />
          <Choice label="Route" value={route} onChange={setRoute} options={[["", "Any route"], ...values((one) => one.route)]} />
          <Choice label="Duration" value={slow} onChange={setSlow} options={[["", "Any duration"], ["10", "≥ 10 ms"], ["100", "≥ 100 ms"], ["1000", "≥ 1 s"], ["5000", "≥ 5 s"]]} />
        </div>
        <Table compact caption="Requests, newest first" rows={shown} id={(one) => one.request_id} onRow={setOpen}
          empty={<Empty icon="traffic" title={all.length === 0 ? "No requests yet" : "No request fits"}>{all.length === 0 ? "They appear here within a second of being answered." : "Try fewer filters."}</Empty>} columns={[
            { key: "at", label: "Time", show: (one) => <span className="text-muted">{clock(one.at)}</span> },
            { key: "status", label: "Status", show: (one) => <Badge tone={statusTone(one.status)}>{one.status}</Badge> },
            { key: "request", label: "Request", className: "w-full", show: (one) => <button type="button" className="mono block max-w-[44rem] min-w-40 truncate text-left hover:underline" title={`${one.method} ${one.host}${one.target}`} onClick={() => setOpen(one)}><span className="text-faint">{one.method}</span> {one.target}</button> },
            { key: "cache", label: "Cache", show: (one) => <span className="inline-flex items-center gap-1.5"><Badge tone={cacheTone(one.cache)}>{one.cache.replaceAll("_", " ")}</Badge>{one.reason && <span className="text-2xs whitespace-nowrap text-muted">{one.reason.replaceAll("_", " ")}</span>}</span> },
            { key: "duration", label: "Took", numeric: true, show: (one) => milliseconds(one.duration_ms) },
            { key: "upstream", label: "Origin", numeric: true, show: (one) => milliseconds(one.upstream_ms) },
            { key: "size", label: "Size", numeric: true, show: (one) => bytes(one.sent_bytes) },
          ]} />
      </Card>
      {open && (
        <Dialog side title={`${open.method} ${open.status}`} onClose={() => setOpen(null)}>
          <Explain url={`${open.scheme}://${open.host}${open.target}`} method={open.method} extra={<Facts rows={[
            ["When", date(open.at)], ["Took", `${milliseconds(open.duration_ms)}${open.upstream_ms === null ? "" : `, of which the origin ${milliseconds(open.upstream_ms)}`}`],
            ["Cache", `${open.cache}${open.reason ? `: ${open.reason}` : ""}`], ["Sent", bytes(open.sent_bytes)], ["Client", open.client], ["Upstream", open.upstream ?? "not asked"],
            ["Request id", <code key="id" className="mono break-all">{open.request_id}</code>], ...(open.trace_id ? [["Trace", <code key="trace" className="mono break-all">{open.trace_id}</code>] as [string, ReactNode]] : []),
            ...(open.error ? [["Error", <span key="error" className="text-bad">{open.error}</span>] as [string, ReactNode]] : []),
          ]} />} />
        </Dialog>
      )}
    </>
  );
}
