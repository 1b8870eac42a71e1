import type { Alert, AlertRule, AlertsReport, Problem } from "@peregrine/sdk";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { client, useAsk, useMay } from "@/lib/api";
import { ago, count, date, duration } from "@/lib/format";
import { show } from "@/lib/series";
import { useParam } from "@/lib/url";
import { Badge, Dot, severityTone, type Tone } from "@/ui/badge";
import { Button } from "@/ui/button";
import { Card, PageHead } from "@/ui/card";
import { Dialog } from "@/ui/dialog";
import { Choice, Field, Tabs } from "@/ui/field";
import { Answer, Empty, Notice } from "@/ui/states";
import { Table } from "@/ui/table";
import { toast } from "@/ui/toast";
import { Prose } from "@/ui/prose";
import { RuleDialog, condition } from "./parts/rule";

const TONE: Record<Alert["state"], Tone> = { firing: "bad", pending: "warn", resolved: "good" };
const ORDER: Record<Alert["state"], number> = { firing: 0, pending: 1, resolved: 2 };
const WEIGHT: Record<Alert["severity"], number> = { critical: 0, high: 1, medium: 2, low: 3 };
export const labelsOf = (labels: Record<string, string>): string => Object.entries(labels).map(([name, value]) => `${name} ${value}`).join(", ");

/** What fires, by which rules, and what is kept quiet. */
export default function Alerts() {
  const [view, setView] = useParam("view", "alerts");
  const answer = useAsk(["alerts"], (signal) => client.alerts(signal), 5_000);
  const queries = useQueryClient();
  const again = () => void queries.invalidateQueries({ queryKey: ["alerts"] });
  return (
    <>
      <PageHead title="Alerts" about="What fires now and what did, by which rules, and who is told. A silenced alert stays here and tells nobody." />
      <Tabs label="Alerts" value={view} onChange={setView} tabs={[["alerts", "Alerts"], ["rules", "Rules"], ["silences", "Silences"]]} />
      <Answer of={answer}>
        {(data) => view === "rules" ? <Rules data={data} again={again} /> : view === "silences" ? <Silences data={data} again={again} /> : <List data={data} again={again} />}
      </Answer>
    </>
  );
}

function List({ data, again }: { data: AlertsReport; again: () => void }) {
  const [silence, setSilence] = useState<Alert | null>(null);
  const [acknowledge, setAcknowledge] = useState<Alert | null>(null);
  const may = useMay("operator");
  const forget = useMutation<unknown, Problem>({ mutationFn: () => client.forgetAlerts(), onSuccess: again, onError: (problem) => toast(problem.message, "bad") });
  const sorted = [...data.alerts].sort((left, right) => ORDER[left.state] - ORDER[right.state] || WEIGHT[left.severity] - WEIGHT[right.severity] || right.since.localeCompare(left.since));
  if (sorted.length === 0) return <Card><Empty icon="check" title="Nothing fires">{data.rules.filter((rule) => rule.enabled).length} rules watch. What they find is told here.</Empty></Card>;
  return (
    <>
      <ul className="flex flex-col gap-2.5">
        {sorted.map((alert) => (
          <li key={alert.id} data-alert={alert.rule} data-state={alert.state} className={`rounded-xl border bg-surface px-4 py-3 ${alert.state === "firing" && !alert.silenced_by ? "border-bad/45" : "border-line"} ${alert.state === "resolved" ? "text-muted" : ""}`}>
            <div className="flex flex-wrap items-center gap-x-3 gap-y-1.5">
              <Badge tone={TONE[alert.state]} dot>{alert.state}</Badge>
              <Badge tone={severityTone(alert.severity)}>{alert.severity}</Badge>
              <h2 className="text-sm font-semibold"><Prose text={alert.text} /></h2>
              <div className="ml-auto flex gap-1.5">
                {may && alert.state !== "resolved" && !alert.acknowledged && <Button onClick={() => setAcknowledge(alert)}>Acknowledge…</Button>}
                {may && alert.state !== "resolved" && !alert.silenced_by && <Button onClick={() => setSilence(alert)}>Silence…</Button>}
              </div>
            </div>
            <p className="mt-1.5 text-muted"><Prose text={alert.next_step} /></p>
            <p className="mt-1.5 flex flex-wrap gap-x-4 gap-y-1 text-xs text-muted">
              <span className="mono">{alert.rule}{Object.keys(alert.labels).length > 0 ? ` · ${labelsOf(alert.labels)}` : ""}</span>
              <span>{show(alert.metric, alert.value)} now, limit {show(alert.metric, alert.threshold)}</span>
              <span title={date(alert.since)}>{alert.state === "resolved" ? `over since ${ago(alert.resolved)}` : alert.fired ? `fires since ${ago(alert.fired)}` : `pending since ${ago(alert.since)}`}</span>
              {alert.acknowledged && <span>acknowledged by {alert.acknowledged.by}{alert.acknowledged.note ? `: ${alert.acknowledged.note}` : ""}</span>}
              {alert.silenced_by && <span className="text-warn">silenced</span>}
            </p>
          </li>
        ))}
      </ul>
      {may && sorted.some((alert) => alert.state === "resolved") && <div className="mt-3"><Button onClick={() => forget.mutate()} busy={forget.isPending}>Forget what is over</Button></div>}
      {silence && <SilenceDialog alert={silence} onClose={() => setSilence(null)} again={again} />}
      {acknowledge && <AcknowledgeDialog alert={acknowledge} onClose={() => setAcknowledge(null)} again={again} />}
    </>
  );
}

function AcknowledgeDialog({ alert, onClose, again }: { alert: Alert; onClose: () => void; again: () => void }) {
  const [note, setNote] = useState("");
  const act = useMutation<unknown, Problem>({ mutationFn: () => client.acknowledge(alert.id, note.trim() || undefined), onSuccess: () => { again(); toast("Acknowledged."); onClose(); } });
  return (
    <Dialog title="Acknowledge" onClose={onClose} footer={<Button kind="primary" busy={act.isPending} onClick={() => act.mutate()}>Acknowledge</Button>}>
      <div className="flex flex-col gap-4">
        <p>{alert.text}</p>
        <Field label="Note" hint="What you know, for whoever looks next. May stay empty.">{(id) => <input id={id} className="field" value={note} onChange={(event) => setNote(event.target.value)} />}</Field>
        <Notice problem={act.error} />
      </div>
    </Dialog>
  );
}

function SilenceDialog({ alert, onClose, again }: { alert: Alert; onClose: () => void; again: () => void }) {
  const [hours, setHours] = useState("1");
  const [reason, setReason] = useState("");
  const act = useMutation<unknown, Problem>({
    mutationFn: () => client.silence({ rule: alert.rule, labels: alert.labels, for_s: Math.round(Number(hours) * 3600), reason: reason.trim() }),
    onSuccess: () => { again(); toast("Silenced."); onClose(); },
  });
  return (
    <Dialog title="Silence" onClose={onClose} footer={<Button kind="primary" busy={act.isPending} disabled={!reason.trim()} onClick={() => act.mutate()}>Silence</Button>}>
      <div className="flex flex-col gap-4">
        <p>Nobody is told about <code className="mono">{alert.rule}</code>{Object.keys(alert.labels).length > 0 ? ` for ${labelsOf(alert.labels)}` : ""} until then.</p>
        <Field label="For how long">{(id) => <select id={id} className="field" value={hours} onChange={(event) => setHours(event.target.value)}>{[["0.25", "15 minutes"], ["1", "1 hour"], ["4", "4 hours"], ["24", "a day"], ["168", "a week"]].map(([key, text]) => <option key={key} value={key}>{text}</option>)}</select>}</Field>
        <Field label="Why">{(id) => <input id={id} className="field" value={reason} onChange={(event) => setReason(event.target.value)} />}</Field>
        <Notice problem={act.error} />
      </div>
    </Dialog>
  );
}

function Rules({ data, again }: { data: AlertsReport; again: () => void }) {
  const [edited, setEdited] = useState<AlertRule | "new" | null>(null);
  const [severity, setSeverity] = useParam("severity");
  const may = useMay("admin");
  const rows = data.rules.filter((rule) => severity === "" || rule.severity === severity);
  return (
    <Card flush title="Rules" actions={<>
      <Choice label="Severity" value={severity} onChange={setSeverity} options={[["", "Any severity"], ...(["critical", "high", "medium", "low"] as const).map((one) => [one, one] as const)]} />
      <Button disabled={!may} title={may ? "" : "Takes the role admin"} onClick={() => setEdited("new")}>New rule…</Button>
    </>}>
      <Table caption="Rules" rows={rows} id={(rule) => rule.name} empty={<Empty icon="alerts" title="No rules" />} columns={[
        { key: "name", label: "Rule", sort: (rule) => rule.name, show: (rule) => <span className="inline-flex items-center gap-2"><Dot tone={rule.enabled ? "good" : "quiet"} /><span className="font-medium">{rule.name}</span>{rule.default && <span className="text-2xs text-faint">default</span>}{!rule.enabled && <span className="text-2xs text-faint">off</span>}</span> },
        { key: "when", label: "Fires when", show: (rule) => <span>{condition(rule)}{Object.keys(rule.labels).length > 0 && <span className="text-muted"> · {labelsOf(rule.labels)}</span>}</span> },
        { key: "for", label: "For", numeric: true, sort: (rule) => rule.for_s, show: (rule) => duration(rule.for_s) },
        { key: "events", label: "At least", numeric: true, show: (rule) => rule.min_events > 0 ? `${count(rule.min_events)} events` : "–" },
        { key: "severity", label: "Severity", sort: (rule) => WEIGHT[rule.severity], show: (rule) => <Badge tone={severityTone(rule.severity)}>{rule.severity}</Badge> },
        { key: "notify", label: "Tells", show: (rule) => rule.notify.length > 0 ? rule.notify.join(", ") : "this page" },
        { key: "do", label: "", numeric: true, show: (rule) => may && <Button kind="ghost" onClick={() => setEdited(rule)} aria-label={`Edit ${rule.name}`}>Edit…</Button> },
      ]} />
      {edited && <RuleDialog rules={data.rules} rule={edited === "new" ? null : edited} onClose={() => setEdited(null)} again={again} />}
    </Card>
  );
}

function Silences({ data, again }: { data: AlertsReport; again: () => void }) {
  const may = useMay("operator");
  const end = useMutation<unknown, Problem, string>({ mutationFn: (id) => client.unsilence(id), onSuccess: again, onError: (problem) => toast(problem.message, "bad") });
  return (
    <Card flush title="Silences">
      <Table caption="Silences" rows={data.silences} id={(one) => one.id} empty={<Empty icon="alerts" title="Nothing is silenced">Silence an alert where it is shown; it comes back by itself.</Empty>} columns={[
        { key: "rule", label: "Rule", show: (one) => <span className="mono">{one.rule ?? "any"}</span> },
        { key: "labels", label: "Where", show: (one) => labelsOf(one.labels) || "everywhere" },
        { key: "reason", label: "Why", show: (one) => one.reason },
        { key: "by", label: "By", show: (one) => one.by },
        { key: "until", label: "Until", show: (one) => <span title={date(one.until)}>{ago(one.until)}</span> },
        { key: "do", label: "", numeric: true, show: (one) => may && <Button kind="ghost" busy={end.isPending && end.variables === one.id} onClick={() => end.mutate(one.id)}>End it</Button> },
      ]} />
    </Card>
  );
}
