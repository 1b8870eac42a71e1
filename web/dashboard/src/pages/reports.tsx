import type { Report } from "@peregrine/sdk";
import { client, useAsk } from "@/lib/api";
import { bytes, clock, count, date, duration, milliseconds, money, percent } from "@/lib/format";
import { figure, info } from "@/lib/series";
import { useParam } from "@/lib/url";
import { Badge } from "@/ui/badge";
import { Card, PageHead } from "@/ui/card";
import { Icon } from "@/ui/icons";
import { Answer, Empty } from "@/ui/states";
import { Table } from "@/ui/table";
import { Prose } from "@/ui/prose";
import { changeColor } from "./parts/changes";

/** What changed in five minutes, told in sentences. */
export default function Reports() {
  const [id, setId] = useParam("id");
  const list = useAsk(["reports"], (signal) => client.reports(60, signal), 30_000);
  const chosen = id || list.data?.[0]?.id || "";
  const report = useAsk(["report", chosen], (signal) => client.report(chosen || undefined, signal), 0, list.isSuccess && chosen !== "");
  return (
    <>
      <PageHead title="Reports" about="Every five minutes: what changed, where it leads, what was saved, and what would help. Each is kept as JSON, Markdown and a page that prints well." actions={
        chosen && (["html", "markdown", "json"] as const).map((format) => (
          <a key={format} href={client.reportUrl(chosen, format)} target="_blank" rel="noreferrer"
            className="inline-flex h-8 items-center gap-1.5 rounded-[7px] border border-line-strong/60 bg-surface px-2.5 text-sm hover:bg-raised"><Icon name="download" />{format === "html" ? "To print" : format === "json" ? "JSON" : "Markdown"}</a>
        ))
      } />
      <div className="grid items-start gap-2.5 lg:grid-cols-[14rem_minmax(0,1fr)]">
        <Card title="When" className="max-h-64 lg:sticky lg:top-15 lg:max-h-[calc(100dvh-9rem)]">
          <Answer of={list}>
            {(reports) => reports.length === 0 ? <Empty icon="reports" title="None yet">The first comes five minutes after the start.</Empty> : (
              <ul className="-mx-2 flex flex-col gap-px overflow-y-auto" tabIndex={0} aria-label="Reports">
                {reports.map((one) => (
                  <li key={one.id}>
                    <button type="button" aria-current={one.id === chosen ? "true" : undefined} onClick={() => setId(one.id)}
                      className="flex w-full items-baseline gap-2 rounded-md px-2 py-1.5 text-left text-muted hover:bg-raised aria-[current=true]:bg-sunken aria-[current=true]:font-semibold aria-[current=true]:text-text">
                      {clock(one.at, false)}<span className="truncate text-2xs text-faint">{date(one.at).slice(0, 10)}</span>
                    </button>
                  </li>
                ))}
              </ul>
            )}
          </Answer>
        </Card>
        {chosen !== "" && <Answer of={report} lines={12}>{(data) => <ReportView of={data} />}</Answer>}
      </div>
    </>
  );
}

function ReportView({ of: report }: { of: Report }) {
  return (
    <div className="grid gap-2.5 xl:grid-cols-2">
      <Card className="xl:col-span-2" title={report.title} note={`${date(report.from)} to ${clock(report.to)}`}>
        <ul className="flex flex-col gap-1.5 pt-1 text-base leading-6">{report.headline.map((line) => <li key={line} className="flex gap-2.5"><span className="mt-2.5 size-1.5 shrink-0 rounded-full bg-brand-solid" aria-hidden="true" /><span><Prose text={line} /></span></li>)}</ul>
      </Card>
      <Card flush title="What changed" note="against the time before">
        <Table compact caption="What changed" rows={report.changes} id={(one, at) => one.what + at} empty={<Empty icon="check" title="Nothing to speak of" />} columns={[
          { key: "what", label: "What", show: (one) => info(one.what).label },
          { key: "from", label: "Before", numeric: true, show: (one) => figure(one.what, one.from, one.unit) },
          { key: "to", label: "Now", numeric: true, show: (one) => <span className={`font-semibold ${one.better === true ? "text-good" : one.better === false ? "text-bad" : ""}`}>{figure(one.what, one.to, one.unit)}</span> },
          { key: "sure", label: "Confidence", show: (one) => <Badge>{one.confidence}</Badge> },
        ]} />
      </Card>
      <Card title="Where it leads">
        {report.trends.length === 0 ? <Empty icon="metrics" title="No trend stands out" /> : (
          <ul className="flex flex-col gap-2 pt-1">{report.trends.map((one) => <li key={one.series + one.text}><p><Prose text={one.text} /></p><p className="text-2xs text-faint">{info(one.series).label} · confidence {percent(one.confidence, 0)}</p></li>)}</ul>
        )}
      </Card>
      <Card flush className="xl:col-span-2" title="Routes by origin time">
        <Table compact caption="Routes by origin time" rows={report.top_routes} id={(one) => one.route} empty={<Empty icon="traffic" title="No requests in this time" />} columns={[
          { key: "route", label: "Route", show: (one) => <span className="mono">{one.route}</span> },
          { key: "requests", label: "Requests", numeric: true, show: (one) => count(one.requests) },
          { key: "share", label: "Origin time", numeric: true, show: (one) => `${duration(one.origin_seconds)} (${percent(one.share_of_origin_time, 0)})` },
          { key: "hits", label: "Hits", numeric: true, show: (one) => percent(one.hit_ratio.total) },
          { key: "p95", label: "p95", numeric: true, show: (one) => milliseconds(one.latency_ms.p95) },
        ]} />
      </Card>
      <Card title="Saved" note={`since ${date(report.saved.since)}`}>
        <p className="pt-1 text-2xl font-semibold tracking-tight text-good">{duration(report.saved.origin_seconds)} <span className="text-sm font-normal text-muted">of origin time</span></p>
        <p className="text-muted">{count(report.saved.origin_requests)} requests, {bytes(report.saved.bytes)}{report.saved.money !== null ? `, ${money(report.saved.money, report.saved.currency)}` : ""}</p>
        <ul className="mt-2 list-disc pl-4 text-xs text-muted">{report.saved.how.map((line) => <li key={line}><Prose text={line} /></li>)}</ul>
      </Card>
      <Card title="What happened">
        {report.notes.length === 0 ? <Empty icon="clock" title="Nothing was changed" /> : (
          <ol className="flex flex-col gap-1.5 pt-1">{report.notes.map((note, at) => <li key={note.at + at} className="flex items-baseline gap-2"><span className="w-14 shrink-0 text-2xs text-faint">{clock(note.at)}</span><span className="size-2 shrink-0 self-center rounded-full" style={{ background: `var(${changeColor(note.kind)})` }} aria-hidden="true" />{note.text}</li>)}</ol>
        )}
      </Card>
      {report.recommendations.length > 0 && (
        <Card className="xl:col-span-2" title="What would help">
          <ul className="flex flex-col divide-y divide-line">{report.recommendations.map((one) => <li key={one.id} className="py-2"><p className="font-semibold">{one.title}</p><p className="text-muted">{one.expected}</p></li>)}</ul>
        </Card>
      )}
    </div>
  );
}
